"""Definitions to a plan: names first, then each node after what it reads.

    definitions ──► gather (names, cycles) ──► scan ──► group_by ──► join ──► Plan

Everything that needs no data is found here: unknown columns, wrong types, keys that do not fit, two
columns of one name, windows that an accuracy cannot have. Tables are known by their schemas alone.

Read next: ``scans.py`` (sources), ``features.py`` (aggregations), ``derive.py`` (derivations).
Held to account by: ``tests/unit/plan``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from catenary.definitions import Accuracy, GroupBy, Join, JoinSource
from catenary.errors import CycleError, DefinitionError, UnsupportedError, nearest
from catenary.plan.derive import derive, derived_schema
from catenary.plan.features import check_windows, feature_type, features_of, reach_ms
from catenary.plan.fingerprints import group_by_fingerprint, join_fingerprint, part_fingerprint
from catenary.plan.keys import group_by_keys, left_keys
from catenary.plan.names import RESERVED, joined_name, refuse_repeated
from catenary.plan.nodes import GroupByNode, JoinNode, PartNode, Plan
from catenary.plan.scans import scan
from catenary.schema import BIGINT, Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.aggregate.feature import Feature
    from catenary.definitions import JoinPart, Source
    from catenary.plan.nodes import Node, ScanNode
    from catenary.schema import Type

    Definition = GroupBy | Join


def build(
    definitions: Iterable[Definition] | Mapping[str, Definition],
    schemas: Callable[[str], Schema],
    *,
    targets: Iterable[str] | None = None,
    query_shift_ms: int = 0,
) -> Plan:
    """The checked DAG of the definitions and of everything that they read.

    Args:
        definitions: each with a name; a mapping may give the names.
        schemas: a table's columns, with or without its partition column.
        targets: the names that are asked for; None for all that are given.
        query_shift_ms: 0, or below it: chained rows read their parents as of so much earlier.

    Raises:
        DefinitionError: for whatever cannot be right, with the place where it was written.
        CycleError: for definitions that read each other.
        MissingTableError: for a table that `schemas` does not know.
        UnsupportedError: for what is not there yet.
    """
    by_name = gather(definitions)
    given = list(by_name) if targets is None else list(dict.fromkeys(targets))
    for name in given:
        if name not in by_name:
            raise DefinitionError(f"no definition is named {name!r}", hint=nearest(name, by_name))
    assert query_shift_ms <= 0, "settings check it"
    names = {id(each): name for name, each in by_name.items()}
    builder = _Builder(schemas, names, query_shift_ms)
    for name in given:
        builder.node(by_name[name])
    return Plan(tuple(builder.nodes.values()), tuple(given))


def gather(definitions: Iterable[Definition] | Mapping[str, Definition]) -> dict[str, Definition]:
    """The given definitions by name; names below them are checked too.

    Raises:
        DefinitionError: for a definition without a name, or two different ones with one name.
        CycleError: for a name that occurs among its own parents.
    """
    if isinstance(definitions, (GroupBy, Join)):
        definitions = (definitions,)
    names: dict[int, str] = {}
    if isinstance(definitions, Mapping):
        mapping = cast("Mapping[str, Definition]", definitions)
        for name, each in mapping.items():
            if each.name is not None and each.name != name:
                problem = f"the definition named {each.name!r} is given as {name!r}"
                raise DefinitionError(problem, where=each.where)
            names[id(each)] = name
        definitions = mapping.values()
    given: dict[str, Definition] = {}
    known: dict[str, Definition] = {}
    for each in definitions:
        if not isinstance(each, (GroupBy, Join)):  # pyright: ignore[reportUnnecessaryIsInstance] - users' input
            raise DefinitionError(f"{each!r} is no GroupBy and no Join")
        _visit(each, names, known, [])
        given[_name(each, names)] = each
    return given


def _visit(
    each: Definition, names: dict[int, str], known: dict[str, Definition], path: list[str]
) -> None:
    """Check the name of a definition and of all that it reads, depth first."""
    name = _name(each, names, path)
    if name in path:
        cycle = " -> ".join([*path[path.index(name) :], name])
        raise CycleError(
            f"definitions read each other: {cycle}",
            where=each.where,
            hint="a chain must begin at a table; take one of these out of the other's sources",
        )
    other = known.get(name)
    if other is not None:
        if other is not each and other != each:
            problem = f"two different definitions are named {name!r}"
            where = f"{other.where} and {each.where}"
            raise DefinitionError(problem, where=where, hint="rename one of them")
        if other is each:
            return
    for below in _parents(each):
        _visit(below, names, known, [*path, name])
    known.setdefault(name, each)


def _name(each: Definition, names: dict[int, str], path: Iterable[str] = ()) -> str:
    name = each.name or names.get(id(each))
    if name is None:
        kind = type(each).__name__
        needed = "".join(f", which {child!r} reads," for child in list(path)[-1:])
        hint = f'write {kind}(name="..."), or put it into a folder that is loaded'
        raise DefinitionError(f"a {kind}{needed} has no name", where=each.where, hint=hint)
    return name


def _parents(each: Definition) -> list[Definition]:
    """The definitions that one reads."""
    if isinstance(each, GroupBy):
        return [source.join for source in each.sources if isinstance(source, JoinSource)]
    left: list[Definition] = [each.left.join] if isinstance(each.left, JoinSource) else []
    return left + [part.group_by for part in each.parts]


class _Builder:
    """Nodes by name, in an order in which each comes after what it reads."""

    def __init__(
        self, schemas: Callable[[str], Schema], names: dict[int, str], shift_ms: int
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self._tables: dict[str, Schema] = {}
        self._load = schemas
        self._names = names
        self._shift_ms = shift_ms

    def node(self, definition: Definition) -> Node:
        name = _name(definition, self._names)
        found = self.nodes.get(name)
        if found is None:
            is_join = isinstance(definition, Join)
            found = self._join(definition, name) if is_join else self._group_by(definition, name)
            self.nodes[name] = found
        return found

    def _schema(self, table: str) -> Schema:
        if table not in self._tables:
            self._tables[table] = self._load(table)
        return self._tables[table]

    def _scan(self, source: Source) -> ScanNode:
        parent = self._chained(source.join) if isinstance(source, JoinSource) else None
        assert parent is None or isinstance(parent, JoinNode)
        return scan(source, self._schema, parent)

    def _chained(self, definition: Join) -> Node:
        """The Join as a chain reads it: with other values, it is a node and a table of its own."""
        if not self._shift_ms:
            return self.node(definition)
        name = f"{_name(definition, self._names)}@{self._shift_ms}ms"
        found = self.nodes.get(name)
        if found is None:
            found = self.nodes[name] = self._join(definition, name, self._shift_ms)
        return found

    def _group_by(self, definition: GroupBy, name: str) -> GroupByNode:
        sources = tuple(self._scan(each) for each in definition.sources)
        schema = _common_schema(sources, name)
        keys = group_by_keys(definition, name, schema)
        accuracy = _accuracy(definition, name, sources)
        features = features_of(definition.aggregations)
        if definition.aggregations:
            base = Schema.of({each.name: feature_type(each, by, schema) for each, by in features})
        else:
            base = Schema.of({k: v for k, v in schema.items() if k not in definition.keys})
            _check_passthrough(definition, name, base)
        for each in definition.aggregations:
            check_windows(each, accuracy, sources)
        _check_times(definition, sources)
        only: tuple[Feature, ...] = tuple(each for each, _ in features)
        derivations = derive(
            definition.derivations, base=base, given=dict(keys), keys=definition.keys
        )
        node = GroupByNode(
            name=name,
            sources=sources,
            keys=keys,
            accuracy=accuracy,
            accuracy_inferred=definition.accuracy is None,
            features=only,
            passthrough=() if definition.aggregations else tuple(base),
            latest_by=definition.latest_by,
            derivations=derivations,
            base_schema=base,
            schema=derived_schema(derivations, base),
            reach_ms=reach_ms(only, sources),
            where=definition.where,
            fingerprint="",
        )
        return replace(node, fingerprint=group_by_fingerprint(node))

    def _join(self, definition: Join, name: str, shift_ms: int = 0) -> JoinNode:
        left = self._scan(definition.left)
        parts = tuple(self._part(each, left, name, shift_ms) for each in definition.parts)
        columns = {
            joined: part.group_by.schema[column]
            for part in parts
            for column, joined in part.columns
        }
        refuse_repeated(
            [*left.schema, *RESERVED, *(joined for part in parts for _, joined in part.columns)],
            where=definition.where,
            what=f"Join {name!r}",
            hint="give one of the parts a prefix=, or select the left's column under another name",
        )
        base = Schema.of(columns)
        derivations = derive(
            definition.derivations,
            base=base,
            given=_usable(definition, name, left, parts),
            left=left.schema,
        )
        features = derived_schema(derivations, base)
        return JoinNode(
            name=name,
            left=left,
            parts=parts,
            derivations=derivations,
            base_schema=base,
            schema=Schema.of(
                {
                    **left.schema,
                    "ts": BIGINT,
                    **{k: v for k, v in features.items() if k not in left.schema},
                }
            ),
            where=definition.where,
            fingerprint=join_fingerprint(left, parts, derivations),
            shift_ms=shift_ms,
        )

    def _part(self, part: JoinPart, left: ScanNode, join: str, shift_ms: int) -> PartNode:
        group_by = self.node(part.group_by)
        assert isinstance(group_by, GroupByNode)
        by = tuple(left_keys(part, group_by, left, join=join))
        columns = tuple(
            (column, joined_name(part.prefix, group_by.name, column)) for column in group_by.schema
        )
        return PartNode(group_by, by, columns, part_fingerprint(left, by, group_by, shift_ms))


def _common_schema(sources: tuple[ScanNode, ...], name: str) -> Schema:
    """The columns that all sources of a GroupBy give."""
    first = sources[0].schema
    for other in sources[1:]:
        for column in {**first, **other.schema}:
            ours, theirs = first.get(column), other.schema.get(column)
            if ours != theirs:
                problem = f"sources of GroupBy {name!r} differ: {column!r} is {ours or 'absent'} in"
                problem += f" {sources[0].table!r} and {theirs or 'absent'} in {other.table!r}"
                hint = "select the same columns with the same types from each"
                raise DefinitionError(problem, where=other.where, hint=hint)
    return first


def _accuracy(definition: GroupBy, name: str, sources: tuple[ScanNode, ...]) -> Accuracy:
    """As written, else temporal if any source is streamed (semantics 3)."""
    streamed = any(source.topic is not None for source in sources)
    inferred = Accuracy.TEMPORAL if streamed else Accuracy.SNAPSHOT
    accuracy = definition.accuracy or inferred
    if accuracy is Accuracy.TEMPORAL and any(source.is_snapshot for source in sources):
        raise UnsupportedError(
            f"GroupBy {name!r}: temporal accuracy over entity snapshots (mutations) is not there yet",
            where=definition.where,
            hint="leave accuracy= out, to read the snapshot of the day before",
        )
    return accuracy


def _check_passthrough(definition: GroupBy, name: str, base: Schema) -> None:
    if not base:
        problem = f"GroupBy {name!r} has no columns besides its keys"
        raise DefinitionError(problem, where=definition.where, hint="select more, or aggregate")
    by = definition.latest_by
    if by is not None and by not in base:
        problem = f"latest_by={by!r} is not among the columns of GroupBy {name!r}"
        raise DefinitionError(problem, where=definition.where, hint=nearest(by, base))


def _check_times(definition: GroupBy, sources: tuple[ScanNode, ...]) -> None:
    """Sources of one GroupBy all have a time, or none has."""
    untimed = [source for source in sources if source.time is None]
    if untimed and len(untimed) < len(sources):
        problem = f"table {untimed[0].table!r} has no time_column, other sources have one"
        raise DefinitionError(problem, where=definition.where, hint="give all or none of them one")


def _usable(
    definition: Join, name: str, left: ScanNode, parts: tuple[PartNode, ...]
) -> dict[str, Type]:
    """Left columns that derivations may use: keys, and those declared contextual."""
    for column in definition.contextual:
        if column not in left.schema:
            problem = f"contextual={column!r} is no column of the left of Join {name!r}"
            raise DefinitionError(
                problem, where=definition.where, hint=nearest(column, left.schema)
            )
    used = [*(key for part in parts for key in part.left_keys), *definition.contextual]
    return {column: left.schema[column] for column in used}
