"""The kernel: features of query rows from event rows. Every engine calls this and nothing else.

    events, queries ──► codes of keys ──► both sorted by (key, time)
                                             │
                        for each window: slices of events, one per query
                                             │
                for each feature: its column in that order ──sweep──► results, in sorted order
                                             │
                             back to the queries' order, defaults filled in

Stateless and re-entrant; the compiled loops run without the interpreter's lock. Nothing depends on
the order in which rows arrive. What a window covers is semantics 1; nulls are rules 8 and 10.

Read next: ``slices.py`` (sorting, bounds, columns), ``buckets.py`` (results by bucket).
Held to account by: ``tests/unit/aggregate/test_kernel.py`` and the oracle's property tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, buckets, codes, registry
from catenary.aggregate.slices import (
    Bounds,
    SortedColumn,
    SortedRows,
    bounds_of,
    ends_of,
    sort_rows,
)
from catenary.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.aggregate.feature import Feature

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Aggregated:
    """What `aggregate` gives.

    Attributes:
        columns: one row per query row, in the queries' order; a column per feature.
        overflows: for each feature, how many results were null because an integer sum does not fit.
        null_key_events: how many event rows have a null in their key and so belong to none.
    """

    columns: pa.Table
    overflows: dict[str, int] = field(default_factory=dict)
    null_key_events: int = 0


def aggregate(
    events: pa.Table,
    queries: pa.Table,
    *,
    keys: Sequence[str],
    features: Sequence[Feature],
    time: str = "ts",
) -> Aggregated:
    """Compute features for every query row.

    Args:
        events: the rows that are folded: keys, `time` and the features' inputs and buckets. Rows with
            a null time are ignored.
        queries: keys and `time`, the read instants; rows with a null in either get nulls.
        keys: the key columns, of the same names on both sides.
        features: what to compute.
        time: the column of instants, int64 milliseconds since the epoch.

    Raises:
        DataError: for a column that is missing or of a type that does not fit.
        UnsupportedError: for a type that a key or an operation does not take.
    """
    wanted = [name for each in features for name in (each.input, each.bucket) if name is not None]
    _require(events, [*keys, time, *wanted], "events")
    _require(queries, [*keys, time], "queries")
    coded = _encode(events, queries, keys, time)
    readers = sort_rows(coded.queries, _times(queries, time), coded.keys)
    places = np.full(len(queries), -1, np.int32)
    places[readers.rows] = np.arange(len(readers.rows), dtype=np.int32)
    results: dict[int, pa.Array] = {}
    overflows: dict[str, int] = {}
    null_key_events = coded.null_events
    work = _Slices(events, coded, time, readers, buckets=any(each.bucket for each in features))
    del coded
    for at, feature in _by_column(features):
        column, bounds = work.column(feature.input), work.bounds(feature)
        operation = registry.operation(feature.operation)
        if feature.bucket is None:
            swept = operation.sweep(column, bounds, feature)
            counts = column.counts(bounds)
        else:
            swept, counts = buckets.sweep(
                operation, feature, work.bucketed(feature.bucket), readers
            )
        if feature.operation == "sum" and feature.bucket is None:
            lost = _overflows(swept, column, counts)
            if lost:
                overflows[feature.name] = lost
        if feature.default is not None:
            swept = _with_default(swept, counts, feature.default)
        results[at] = arrow.take(swept, places)
    names = [each.name for each in features]
    arrays = [results[at] for at in range(len(features))]
    table = pa.Table.from_arrays(arrays, names=names) if arrays else _no_columns(len(queries))
    return Aggregated(table, overflows, null_key_events)


def latest(
    events: pa.Table,
    queries: pa.Table,
    *,
    keys: Sequence[str],
    columns: Sequence[str],
    time: str = "ts",
) -> pa.Table:
    """The greatest event row by (time, columns in order) strictly before each query.

    Nulls and NaN are least. Columns that have no order of their own (lists, maps, structs) are carried
    along and take no part in it.

    Returns:
        One row per query row, in the queries' order, with `columns`; nulls where there is no row.

    Raises:
        DataError: for a column that is missing.
        UnsupportedError: for a key of a type that none can have.
    """
    _require(events, [*keys, time, *columns], "events")
    _require(queries, [*keys, time], "queries")
    coded = _encode(events, queries, keys, time)
    readers = sort_rows(coded.queries, _times(queries, time), coded.keys)
    rows = sort_rows(coded.events, _times(events, time), coded.keys)
    ordered = _break_ties(rows, [arrow.one_chunk(events.column(name)) for name in columns])
    bounds = bounds_of(rows, readers, ends_of(rows, readers), None, None)
    found = bounds.ends > bounds.begins
    chosen = np.full(len(queries), -1, np.int32)
    chosen[readers.rows[found]] = ordered[bounds.ends[found] - 1]
    return pa.table(
        {name: arrow.take(arrow.one_chunk(events.column(name)), chosen) for name in columns}
    )


class _Slices:
    """Sorted events, bounds and columns, each made once and dropped after its last use."""

    def __init__(
        self,
        events: pa.Table,
        coded: codes.Codes,
        time: str,
        readers: SortedRows,
        *,
        buckets: bool,
    ) -> None:
        times = _times(events, time)
        self._events = events
        self._for_buckets = (coded, times) if buckets else None  # else their memory is free again
        self._readers = readers
        self._rows = sort_rows(coded.events, times, coded.keys)
        self._ends = ends_of(self._rows, readers)
        self._bounds: dict[tuple[int | None, int | None], Bounds] = {}
        self._column: tuple[str, SortedColumn] | None = None
        self._bucketed: tuple[str, buckets.Bucketed] | None = None

    def bounds(self, feature: Feature) -> Bounds:
        """The slices of the feature's window."""
        window = feature.window_ms, feature.hop_ms
        if window not in self._bounds:
            self._bounds[window] = bounds_of(self._rows, self._readers, self._ends, *window)
        return self._bounds[window]

    def column(self, name: str) -> SortedColumn:
        """The column in sorted order; only the newest is kept."""
        if self._column is None or self._column[0] != name:
            self._column = None
            self._column = name, SortedColumn(self._events.column(name), self._rows)
        return self._column[1]

    def bucketed(self, name: str) -> buckets.Bucketed:
        """The events sorted by (key, bucket, time); only the newest is kept."""
        if self._bucketed is None or self._bucketed[0] != name:
            assert self._for_buckets is not None, "kept where any feature has a bucket"
            self._bucketed = None
            self._bucketed = name, buckets.sort_events(self._events, *self._for_buckets, name)
        return self._bucketed[1]


def _encode(events: pa.Table, queries: pa.Table, keys: Sequence[str], time: str) -> codes.Codes:
    """Codes of the keys; rows without a time have none either."""
    coded = codes.encode(events, queries, keys)
    for table, codes_ in ((events, coded.events), (queries, coded.queries)):
        valid = arrow.validity(arrow.one_chunk(table.column(time)))
        if valid is not None:
            codes_[~valid] = -1
    return coded


def _times(table: pa.Table, time: str) -> Array:
    return arrow.numbers(arrow.one_chunk(table.column(time)))


def _require(table: pa.Table, names: Iterable[str], what: str) -> None:
    for name in names:
        if name not in table.column_names:
            problem = f"the {what} have no column {name!r}"
            raise DataError(problem, hint=nearest(name, table.column_names))
    time = [each for each in table.schema if each.name == "ts"]
    if time and time[0].type not in (pa.int64(), pa.null()):
        problem = f"ts of the {what} is {time[0].type}, not int64"
        raise DataError(problem, hint="give instants as int64 milliseconds since 1970, UTC")


def _by_column(features: Sequence[Feature]) -> list[tuple[int, Feature]]:
    """The features with their places, those of one column together."""
    return sorted(enumerate(features), key=lambda each: (each[1].bucket or "", each[1].input))


def _overflows(swept: pa.Array, column: SortedColumn, counts: Array) -> int:
    """How many sums of integers are null although there were values."""
    if column.is_double or swept.null_count == 0:
        return 0
    return swept.null_count - int((counts == 0).sum())


def _with_default(swept: pa.Array, counts: Array, default: object) -> pa.Array:
    """`default` where no non-null input was seen (semantics 10)."""
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return swept
    rows = np.arange(len(swept), dtype=np.int64)
    rows[empty] = len(swept)
    filler = pa.array([default], swept.type)
    return pa.concat_arrays([swept, filler]).take(pa.array(rows))


def _break_ties(rows: SortedRows, columns: Sequence[pa.Array]) -> Array:
    """The sorted rows, those of equal key and time ascending by the columns in order."""
    times = rows.times
    continues = np.zeros(len(times) + 1, bool)
    continues[1:-1] = times[1:] == times[:-1]
    continues[rows.starts[rows.starts < len(times)]] = False
    tied = np.flatnonzero(continues[:-1] | continues[1:])
    if not len(tied):
        return rows.rows
    ordered = rows.rows.copy()
    chosen = rows.rows[tied]
    sort_keys = [buckets.ranks(column.take(pa.array(chosen))) for column in columns]
    runs = np.cumsum(~continues[tied])
    ordered[tied] = chosen[
        np.lexsort((*[key for key in reversed(sort_keys) if key is not None], runs))
    ]
    return ordered


def _no_columns(rows: int) -> pa.Table:
    """A table of rows without columns."""
    return pa.table({"_": pa.nulls(rows)}).select([])
