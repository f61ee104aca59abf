"""`catenary.backfill` and `catenary.plan_of`: what a notebook calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catenary.app.settings import Settings
from catenary.app.wiring import Project, engine, planned
from catenary.definitions import GroupBy, Join
from catenary.errors import DataError, DefinitionError, nearest
from catenary.ports import Job, SilentMeter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from catenary.plan import JoinNode, Node, Plan
    from catenary.ports import Meter, Tables
    from catenary.schema import Type


def backfill(
    definition: Join | GroupBy,
    *,
    left: Any = None,
    tables: Mapping[str, Any] | None = None,
    start: str | None = None,
    end: str | None = None,
    force: bool = False,
    root: str | Path = ".",
    meter: Meter | None = None,
    **settings: object,
) -> Any:
    """Features as of given times, or a table of them.

    With `left`, the features of its rows: nothing is written, parents are computed in memory as far
    as they are needed. Without, the missing partitions of the definition's table are written.

    Args:
        definition: a Join or a GroupBy.
        left: an Arrow, Polars or pandas frame of keys and `ts` (milliseconds, or timestamps).
        tables: source tables by name: frames, or paths to Parquet; the rest is found in `tables/`.
        start: first day; without `left` only.
        end: last day, included; without `left` only.
        force: compute days that stand, too.
        root: the project's folder, whose `catenary.toml` is read.
        meter: told of progress.
        **settings: in place of those of the project, such as `memory_limit="2GB"`.

    Returns:
        With `left`, a frame of its kind: its rows in their order, its columns, then the features.
        Without, the run's report.
    """
    if not isinstance(definition, (Join, GroupBy)):  # pyright: ignore[reportUnnecessaryIsInstance]
        problem = f"{definition!r} is no definition"
        raise DefinitionError(problem, hint="give the Join or GroupBy itself, not its name")
    project = Project(Settings.load(root, flags=settings))
    found = _tables(project, definition, tables)
    made = planned([_named(definition)], found, query_shift_ms=project.settings.query_shift_ms)
    if left is not None:
        if start is not None or end is not None or force:
            problem = "start, end and force are for a run over days; left= brings its own times"
            raise DefinitionError(problem, hint="leave them out, or leave out left")
        return _features(project, made, found, left)
    job = Job(
        made,
        found,
        project.warehouse,
        start=start,
        end=end,
        force=force,
        limits=project.limits,
        meter=meter or SilentMeter(),
    )
    return engine().backfill(job)


def plan_of(
    definition: Join | GroupBy, *, tables: Mapping[str, Any] | None = None, root: str | Path = "."
) -> Plan:
    """The checked plan of a definition, which shows itself."""
    project = Project(Settings.load(root))
    found = _tables(project, definition, tables)
    return planned([_named(definition)], found, query_shift_ms=project.settings.query_shift_ms)


def _named(definition: Join | GroupBy) -> Join | GroupBy:
    """The definition, with a name for a notebook's own if it has none."""
    if definition.name is not None:
        return definition
    from copy import copy

    named = copy(definition)
    object.__setattr__(named, "name", "unnamed")
    return named


def _tables(
    project: Project, definition: Join | GroupBy, tables: Mapping[str, Any] | None
) -> Tables:
    if not tables:
        return project.tables
    from catenary.app.frames import given_table, sources_of, table_of
    from catenary.tables.memory import MemoryTables

    read = sorted({table_of(source) for source in sources_of([definition])})
    for name in tables:
        if name not in read:
            problem = (
                f"tables= has {name!r}, which {definition.name or 'the definition'} does not read"
            )
            raise DataError(problem, where=definition.where, hint=nearest(name, read))
    held = {name: given_table(name, each, [definition]) for name, each in tables.items()}
    return MemoryTables(held, project.tables)


def _features(project: Project, made: Plan, tables: Tables, left: Any) -> Any:
    from catenary.app.frames import to_arrow, with_instants
    from catenary.tables.memory import MemoryOutputs

    given, back = to_arrow(left)
    node = made.node(made.targets[0])
    for key, type_ in _keys(node).items():
        if key not in given.column_names:
            problem = f"the frame has no key column {key!r}"
            raise DataError(problem, hint=nearest(key, given.column_names))
        _check_key(key, type_, given)
    _refuse_features(node, given)
    for column, derivation in _derived_from(node).items():
        if column not in given.column_names:
            problem = f"the frame has no column {column!r}, which derivation {derivation!r} uses"
            raise DataError(problem, where=node.where, hint=nearest(column, given.column_names))
    job = project.job(made, tables, MemoryOutputs())
    found, _ = engine().features(job, node, with_instants(given))
    return back(found.set_column(given.column_names.index("ts"), "ts", given.column("ts")))


def _keys(node: Node) -> dict[str, Type]:
    """The columns that a frame must have, each with the type of the key that it stands for."""
    from catenary.plan import GroupByNode

    if isinstance(node, GroupByNode):
        return dict(node.keys)
    return {
        left: type_
        for part in node.parts
        for left, (_, type_) in zip(part.left_keys, part.group_by.keys, strict=True)
    }


def _check_key(key: str, type_: Type, given: pa.Table) -> None:
    """A frame's key is of its key's family (semantics 9).

    Floats stand for integers where all are whole: pandas makes floats of integers with gaps.
    """
    from catenary.plan.keys import family
    from catenary.schema.arrow import from_arrow

    found = from_arrow(given.column(key).type, column=key)
    if found.name == "void" or family(found) == family(type_):
        return
    if not (found.is_float and type_.is_integer):
        problem = f"key column {key!r} of the frame is {found}, the key is {type_}"
        raise DataError(problem, hint=f"convert the frame's column to {type_}")


def _refuse_features(node: Node, given: pa.Table) -> None:
    """A column of the frame has a feature's name only where a derivation fills its gaps."""
    from catenary.plan import GroupByNode

    steps = () if node.derivations is None else node.derivations.steps
    filled = {step.name for step in steps if step.fills}
    features = node.schema if isinstance(node, GroupByNode) else _feature_names(node)
    for name in given.column_names:
        if name in features and name not in filled | _keys(node).keys() | {"ts", "ds"}:
            problem = f"the frame has a column {name!r}, and so has {node.name!r}"
            raise DataError(problem, where=node.where, hint="rename or drop the frame's column")


def _feature_names(node: JoinNode) -> set[str]:
    """The columns that a Join adds to its left's."""
    return set(node.schema) - set(node.left.schema)


def _derived_from(node: Node) -> dict[str, str]:
    """Left columns that derivations use, each with the first derivation that does."""
    from catenary.plan import GroupByNode

    if isinstance(node, GroupByNode) or node.derivations is None:
        return {}
    known = {"ts", "ds", *node.base_schema}
    found: dict[str, str] = {}
    for step in node.derivations.steps:
        for column in sorted(step.expression.inputs - known):
            found.setdefault(column, step.name)
        known.add(step.name)
    return found
