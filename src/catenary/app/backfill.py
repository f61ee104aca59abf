"""`catenary.backfill`: what a notebook calls; and the checked plan of a definition."""

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

    from catenary.plan import Node, Plan
    from catenary.ports import Meter, Tables


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
    made = planned([_named(definition)], found)
    if left is not None:
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


def plan(
    definition: Join | GroupBy, *, tables: Mapping[str, Any] | None = None, root: str | Path = "."
) -> Plan:
    """The checked plan of a definition, which shows itself."""
    project = Project(Settings.load(root))
    return planned([_named(definition)], _tables(project, definition, tables))


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
    from catenary.app.frames import given_table
    from catenary.tables.memory import MemoryTables

    held = {name: given_table(name, each, [definition]) for name, each in tables.items()}
    return MemoryTables(held, project.tables)


def _features(project: Project, made: Plan, tables: Tables, left: Any) -> Any:
    from catenary.app.frames import to_arrow, with_instants
    from catenary.tables.memory import MemoryOutputs

    given, back = to_arrow(left)
    node = made.node(made.targets[0])
    for key in _keys(node):
        if key not in given.column_names:
            problem = f"the frame has no key column {key!r}"
            raise DataError(problem, hint=nearest(key, given.column_names))
    for column, derivation in _derived_from(node).items():
        if column not in given.column_names:
            problem = f"the frame has no column {column!r}, which derivation {derivation!r} uses"
            raise DataError(problem, where=node.where, hint=nearest(column, given.column_names))
    job = project.job(made, tables, MemoryOutputs())
    found, _ = engine().features(job, node, with_instants(given))
    return back(found.set_column(given.column_names.index("ts"), "ts", given.column("ts")))


def _keys(node: Node) -> list[str]:
    """The columns that a frame must have."""
    from catenary.plan import GroupByNode

    if isinstance(node, GroupByNode):
        return [name for name, _ in node.keys]
    return list(dict.fromkeys(key for part in node.parts for key in part.left_keys))


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
