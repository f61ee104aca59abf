"""Every answer a definition has over small tables: joins, parts, chains, GroupBys alone."""

from __future__ import annotations

import re
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.definitions import (
    Accuracy,
    Aggregation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    Source,
    Window,
)
from catenary.errors import DataError
from catenary.schema import BIGINT, STRING, Schema, Type, map_of
from catenary.testing.oracle.folds import fold, order, output_type
from catenary.testing.oracle.language import Compile, Derived, Values, by_expressions
from catenary.testing.oracle.scan import (
    DAY,
    Row,
    Scanned,
    day_of,
    day_start,
    scan,
    selected,
    selected_columns,
)
from catenary.testing.rows import Rows, in_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_UNIT: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY}


class Seen(NamedTuple):
    """A value that is folded: when it happened, and in which bucket."""

    ts: int
    value: object
    group: object


class Oracle:
    """The answers to definitions over small tables.

    Args:
        tables: by the names under which the sources know them.
        compile: the expression language; the product's own unless given.
        query_shift_ms: Joins that are read by a JoinSource read as of so much later than their rows.
    """

    def __init__(
        self,
        tables: Mapping[str, Rows],
        *,
        compile: Compile = by_expressions,  # noqa: A002 - the word for it
        query_shift_ms: int = 0,
    ) -> None:
        self.tables = tables
        self.query_shift_ms = query_shift_ms
        self.compile: Compile = cache(compile)
        self._scans: dict[Source, Scanned] = {}
        self._joins: dict[tuple[Join, int], Scanned] = {}
        self._derivations: dict[GroupBy, Derived] = {}

    def join(self, join: Join) -> list[Values]:
        """The join's output: one row per left row, in the left's order, with `ts` and `ds`."""
        return [{**row.values, "ts": row.ts, "ds": row.ds} for row in self._join(join).rows]

    def schema(self, join: Join) -> Schema:
        """The columns of the join's output and their types, without `ts` and `ds`."""
        return self._join(join).columns

    def group_by(self, group_by: GroupBy, days: Iterable[str]) -> list[Values]:
        """For each day every key that has a value at its end, with `ds`; sorted by day and key."""
        derived = self._derived(group_by)
        undefaulted = _without_defaults(group_by)
        rows: list[Values] = []
        for ds in sorted(set(days)):
            ts = day_start(ds) + DAY
            for key in self._keys(group_by):
                # A default is no value: it says what stands where there is none.
                seen = self._read(undefaulted, key, ts)
                if any(value is not None for value in seen.values()):
                    values = self._read(group_by, key, ts)
                    context: Values = {**dict(zip(group_by.keys, key, strict=True))}
                    out = derived.of(values, {**context, "ts": ts, "ds": ds})
                    rows.append({**context, **out, "ds": ds})
        return rows

    # Joins (semantics 11, 18 and 23)

    def _join(self, join: Join, shift_ms: int = 0) -> Scanned:
        """The join's output rows, computed once: they may be the source of others."""
        if (join, shift_ms) not in self._joins:
            self._joins[join, shift_ms] = self._computed(join, shift_ms)
        return self._joins[join, shift_ms]

    def _computed(self, join: Join, shift_ms: int) -> Scanned:
        left = self._scan(join.left)
        of_entities = _of_entities(join.left)
        derived = self._joined(join, left.columns)
        rows: list[Row] = []
        for row in left.rows:
            ts = day_start(row.ds) + DAY if isinstance(join.left, EntitySource) else row.ts
            ds = row.ds if of_entities else (None if ts is None else day_of(ts))
            base: Values = {}
            for part in join.parts:
                base |= self._part(part, row, ts, ds, shift_ms)
            out = derived.of(base, {**row.values, "ts": ts, "ds": ds})
            rows.append(Row(ts, row.ds, _filled(row.values, out)))
        columns = Schema.of({**derived.schema, **left.columns})
        return Scanned(columns, tuple(rows), left.days)

    def _joined(self, join: Join, left: Schema) -> Derived:
        """The join's derivations, over the joined columns of all its parts."""
        base: dict[str, Type] = {}
        usable = set(join.contextual)
        for part in join.parts:
            usable |= set(part.left_keys())
            of_part = self._derived(part.group_by).schema
            base |= {_joined_name(part, name): type_ for name, type_ in of_part.items()}
        context = {name: type_ for name, type_ in left.items() if name in usable}
        given = Schema.of({**context, "ts": BIGINT, "ds": STRING})
        return Derived(join.derivations, Schema.of(base), given, self.compile)

    def _part(
        self, part: JoinPart, row: Row, ts: int | None, ds: str | None, shift_ms: int
    ) -> Values:
        """The part's columns for one left row."""
        group_by = part.group_by
        key = tuple(row.values[name] for name in part.left_keys())
        values = self._read(group_by, key, None if ts is None else ts + shift_ms)
        context: Values = {**dict(zip(group_by.keys, key, strict=True)), "ts": ts, "ds": ds}
        out = self._derived(group_by).of(values, context)
        return {_joined_name(part, name): value for name, value in out.items()}

    # GroupBys read for one key at one instant (semantics 1, 3, 8, 10 and 11)

    def _read(self, group_by: GroupBy, key: Sequence[object], ts: int | None) -> Values:
        """The base columns as of `ts`; a null key or a null time has no values, not even defaults."""
        base = self._base(group_by)
        if ts is None or None in key:
            return _nulls(base)
        at = ts // DAY * DAY if self._accuracy(group_by) is Accuracy.SNAPSHOT else ts
        rows = [row for row in self._visible(group_by, at) if self._key(group_by, row) == key]
        if not group_by.aggregations:
            return self._latest(group_by, rows)
        values: Values = {}
        for aggregation in group_by.aggregations:
            for name, window, bucket in _columns(aggregation):
                inside = [row for row in rows if _covers(aggregation, window, row.ts, at)]
                seen = _seen(aggregation, bucket, inside)
                values[name] = (
                    _folded(aggregation, bucket, seen)
                    if seen
                    else in_type(aggregation.default, base[name])
                )
        return values

    def _visible(self, group_by: GroupBy, at: int) -> Iterator[Row]:
        """Rows before `at`; of entities, those of the snapshot that is read at `at`."""
        for source in group_by.sources:
            scanned = self._scan(source)
            if isinstance(source, EntitySource):
                wanted = _snapshot(scanned.days, day_of(at // DAY * DAY - 1), holds=source.holds)
                timed = source.query.time_column is not None
                # A row that passes through is the snapshot's word at the end of its day.
                end = at if group_by.aggregations or wanted is None else day_start(wanted) + DAY
                for row in scanned.rows:
                    if row.ds == wanted and (not timed or (row.ts is not None and row.ts < end)):
                        yield row
            else:
                yield from (row for row in scanned.rows if row.ts is not None and row.ts < at)

    def _latest(self, group_by: GroupBy, rows: Sequence[Row]) -> Values:
        """The one row that passes through (semantics 11)."""
        columns = list(self._base(group_by))
        if not rows:
            return _nulls(columns)
        first: tuple[str, ...] = (group_by.latest_by,) if group_by.latest_by else ()
        by_entity = isinstance(group_by.sources[0], EntitySource)
        if by_entity and not first and len(rows) > 1:
            problem = f"{group_by.name} has {len(rows)} rows for one key and day"
            raise DataError(problem, hint="say latest_by= which column chooses among them")

        def rank(row: Row) -> tuple[object, ...]:
            by = [order(row.values[name]) for name in (*first, *columns)]
            return tuple(by) if by_entity else (row.ts, *by)

        return {name: max(rows, key=rank).values[name] for name in columns}

    def _keys(self, group_by: GroupBy) -> list[tuple[object, ...]]:
        """Every key that any row has, sorted."""
        scans = [self._scan(source) for source in group_by.sources]
        keys = {self._key(group_by, row) for scanned in scans for row in scanned.rows}
        whole = [key for key in keys if None not in key]
        return sorted(whole, key=lambda key: [order(each) for each in key])

    @staticmethod
    def _key(group_by: GroupBy, row: Row) -> tuple[object, ...]:
        return tuple(row.values[name] for name in group_by.keys)

    # Sources, accuracy and schemas

    def _scan(self, source: Source) -> Scanned:
        if source not in self._scans:
            self._scans[source] = self._scanned(source)
        return self._scans[source]

    def _scanned(self, source: Source) -> Scanned:
        if not isinstance(source, JoinSource):
            events = isinstance(source, EventSource)
            table = source.table if events else source.snapshot_table
            return scan(source, self.tables[table], self.compile)
        parent = self._join(source.join, self.query_shift_ms)
        schema = Schema.of({**parent.columns, "ts": BIGINT})
        rows: list[Row] = []
        for row in parent.rows:
            raw: list[Mapping[str, object]] = [{**row.values, "ts": row.ts}]
            for _, values in selected(source.query, schema, raw, "ds", self.compile):
                rows.append(Row(row.ts, row.ds, values))
        columns = selected_columns(source.query, schema, "ds", self.compile)
        return Scanned(columns, tuple(rows), parent.days)

    def _accuracy(self, group_by: GroupBy) -> Accuracy:
        if group_by.accuracy is not None:
            return group_by.accuracy
        streamed = any(_has_topic(source) for source in group_by.sources)
        return Accuracy.TEMPORAL if streamed else Accuracy.SNAPSHOT

    def _base(self, group_by: GroupBy) -> Schema:
        """The columns before derivations."""
        given = self._scan(group_by.sources[0]).columns
        if not group_by.aggregations:
            return Schema.of(
                {name: type_ for name, type_ in given.items() if name not in group_by.keys}
            )
        types: dict[str, Type] = {}
        for aggregation in group_by.aggregations:
            of_input = {**given, "ts": BIGINT}[aggregation.input_column]
            result = output_type(aggregation.operation, of_input)
            for name, _, bucket in _columns(aggregation):
                types[name] = map_of(given[bucket], result) if bucket else result
        return Schema.of(types)

    def _derived(self, group_by: GroupBy) -> Derived:
        if group_by not in self._derivations:
            given = self._scan(group_by.sources[0]).columns
            context = {name: given[name] for name in group_by.keys}
            known = Schema.of({**context, "ts": BIGINT, "ds": STRING})
            base = self._base(group_by)
            made = Derived(group_by.derivations, base, known, self.compile)
            self._derivations[group_by] = made
        return self._derivations[group_by]


def _without_defaults(group_by: GroupBy) -> GroupBy:
    """The same, but null where nothing was seen."""
    made = copy(group_by)
    bare: list[Aggregation] = []
    for each in group_by.aggregations:
        aggregation = copy(each)
        object.__setattr__(aggregation, "default", None)
        bare.append(aggregation)
    object.__setattr__(made, "aggregations", tuple(bare))
    return made


def _nulls(names: Iterable[str]) -> Values:
    nulls: Values = {}
    for name in names:
        nulls[name] = None
    return nulls


def _filled(left: Values, out: Values) -> Values:
    """The left's columns, nulls of theirs filled by derivations of the same name, and the rest."""
    kept = {name: out.get(name) if value is None else value for name, value in left.items()}
    return {**out, **kept}


def _columns(aggregation: Aggregation) -> Iterator[tuple[str, Window | None, str | None]]:
    """The output columns of an aggregation: name, window, bucket (semantics 16)."""
    operation = aggregation.operation
    word = operation.name
    if word.endswith("_k"):
        word = f"{word[:-2]}{operation.k}"
    for bucket in aggregation.buckets or (None,):
        for window in aggregation.windows or (None,):
            parts = [aggregation.input_column, word]
            parts += [] if window is None else [f"{window.length}{window.unit.value}"]
            parts += [] if bucket is None else ["by", bucket]
            yield aggregation.name or "_".join(parts), window, bucket


def _covers(aggregation: Aggregation, window: Window | None, ts: int | None, at: int) -> bool:
    """Whether an event counts in a window that is read at `at` (semantics 1 and 2)."""
    if window is None:
        return True
    if ts is None:
        return False
    length = window.length * _UNIT[window.unit.value]
    hop = aggregation.hop
    step = hop.length * _UNIT[hop.unit.value] if hop is not None else _default_hop(length)
    return (at - length) // step * step <= ts < at


def _default_hop(length: int) -> int:
    if length >= 12 * _UNIT["d"]:
        return _UNIT["d"]
    if length >= 12 * _UNIT["h"]:
        return _UNIT["h"]
    return 5 * _UNIT["m"] if length >= _UNIT["h"] else _UNIT["m"]


def _seen(aggregation: Aggregation, bucket: str | None, rows: Sequence[Row]) -> list[Seen]:
    """What is folded: rows with an input and, where results are by bucket, with a bucket."""
    column = aggregation.input_column
    seen: list[Seen] = []
    for row in rows:
        value = row.ts if column == "ts" else row.values[column]
        group = None if bucket is None else row.values[bucket]
        if value is not None and (bucket is None or group is not None):
            seen.append(Seen(row.ts or 0, value, group))
    return seen


def _folded(aggregation: Aggregation, bucket: str | None, seen: Sequence[Seen]) -> object:
    """One output column over at least one value; by bucket, a map without null entries, or null."""
    if bucket is None:
        return fold(aggregation.operation, [(each.ts, each.value) for each in seen])
    result: dict[object, object] = {}
    for group in sorted({each.group for each in seen}, key=order):
        inside = [(each.ts, each.value) for each in seen if each.group == group]
        folded = fold(aggregation.operation, inside)
        if folded is not None:
            result[group] = folded
    return result or None


def _snapshot(days: Iterable[str], wanted: str, *, holds: bool) -> str | None:
    """The snapshot that answers for the day `wanted` (semantics 4)."""
    if not holds:
        return wanted
    return max((ds for ds in days if ds <= wanted), default=None)


def _of_entities(source: Source) -> bool:
    """Whether the source, or the left of its parents, holds entities."""
    while isinstance(source, JoinSource):
        source = source.join.left
    return isinstance(source, EntitySource)


def _has_topic(source: Source) -> bool:
    if isinstance(source, JoinSource):
        return _has_topic(source.join.left)
    return isinstance(source, EventSource) and source.topic is not None


def _joined_name(part: JoinPart, column: str) -> str:
    words = [part.prefix, part.group_by.name, column]
    return re.sub(r"[^0-9A-Za-z_]", "_", "_".join(word for word in words if word))
