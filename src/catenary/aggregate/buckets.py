"""Results by bucket: a map from the bucket column's values to a result each.

    (key, bucket) ──► pairs, the events sorted by (pair, time)
    a key's queries × the key's buckets ──► one slice each ──sweep──► maps, in bucket order

Queries are expanded in chunks, so that many buckets cost time and no memory. A bucket whose slice has
no value is left out of the map, as is one whose result is null; a map without entries is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, codes
from catenary.aggregate.slices import SortedColumn, SortedRows, bounds_of, ends_of, sort_rows
from catenary.aggregate.sweeps import lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.aggregate.feature import Feature

Array = np.ndarray[Any, Any]

_CHUNK: Final = 2_000_000
"""Slices that are swept at once; a single query with more buckets than this goes alone."""


@dataclass(eq=False)
class Bucketed:
    """Events sorted by (key, bucket, time).

    Attributes:
        events: the table, for the features' columns.
        rows: the sorted events; a code is a pair of key and bucket that occurs.
        pairs: int32[keys + 1], where each key's pairs start.
        labels: int32[pairs], each pair's bucket, ascending within a key.
        values: the buckets, ascending.
        column: the sorted column that was used last.
    """

    events: pa.Table
    rows: SortedRows
    pairs: Array
    labels: Array
    values: pa.Array
    column: tuple[str, SortedColumn] | None = None

    def sorted_column(self, name: str) -> SortedColumn:
        """The column in this order; only the newest is kept."""
        if self.column is None or self.column[0] != name:
            self.column = name, SortedColumn(self.events.column(name), self.rows)
        return self.column[1]


def sort_events(events: pa.Table, coded: codes.Codes, times: Array, name: str) -> Bucketed:
    """Sort the events by key, bucket and time; those with a null bucket are left out."""
    array = arrow.one_chunk(events.column(name))
    if pa.types.is_null(array.type):
        values, own = pa.array([], pa.string()), np.full(len(events), -1, np.int32)
    else:
        values = codes.sorted_distinct(array)
        own, _ = codes.encode_in(array, values)
    many = max(len(values), 1)
    known = (coded.events >= 0) & (own >= 0)
    pair_numbers = coded.events.astype(np.int64) * many + own
    distinct, inverse = np.unique(pair_numbers[known], return_inverse=True)
    pair_codes = np.full(len(events), -1, np.int32)
    pair_codes[known] = inverse
    return Bucketed(
        events,
        sort_rows(pair_codes, times, len(distinct)),
        np.searchsorted(distinct, np.arange(coded.keys + 1) * many).astype(np.int64),
        (distinct % many).astype(np.int64),
        values,
    )


def sweep(
    operation: Any, feature: Feature, bucketed: Bucketed, readers: SortedRows
) -> tuple[pa.Array, Array]:
    """A map per sorted query, and how many non-null inputs each saw in all its buckets.

    Args:
        operation: from the registry.
        feature: its window, and what the operation asks for.
        bucketed: the sorted events.
        readers: the sorted queries.
    """
    column = bucketed.sorted_column(feature.input)
    counts = np.zeros(len(readers.rows), np.int64)
    keys: list[Array] = []
    items: list[pa.Array] = []
    lengths: list[Array] = []
    for chunk in _chunks(bucketed, readers):
        bounds = bounds_of(
            bucketed.rows,
            chunk.readers,
            ends_of(bucketed.rows, chunk.readers),
            feature.window_ms,
            feature.hop_ms,
        )
        swept = operation.sweep(column, bounds, feature)
        seen = column.counts(bounds)
        np.add.at(counts, chunk.queries, seen)
        valid = arrow.validity(swept)
        entries = np.flatnonzero(np.ones(len(swept), bool) if valid is None else valid)
        entries = entries[np.lexsort((chunk.pairs[entries], chunk.queries[entries]))]
        keys.append(bucketed.labels[chunk.pairs[entries]])
        items.append(arrow.take(swept, entries))
        lengths.append(
            np.bincount(chunk.queries[entries] - chunk.first, minlength=chunk.end - chunk.first)
        )
    if not items:
        empty = np.zeros(0, np.int32)
        bounds = bounds_of(bucketed.rows, _no_readers(bucketed), empty, None, None)
        items.append(operation.sweep(column, bounds, feature))
        keys.append(np.zeros(0, np.int64))
    cuts = lists.offsets(
        np.concatenate(lengths) if lengths else np.zeros(len(readers.rows), np.int64)
    )
    labels = arrow.take(bucketed.values, np.concatenate(keys))
    return lists.assemble_maps(labels, pa.concat_arrays(items), cuts), counts


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Queries [first, end) times their keys' buckets.

    Attributes:
        first, end: of the sorted queries.
        queries: int64[slices], the sorted query of each slice.
        pairs: int64[slices], the pair of each.
        readers: the slices' read times, by (pair, time).
    """

    first: int
    end: int
    queries: Array
    pairs: Array
    readers: SortedRows


def _chunks(bucketed: Bucketed, readers: SortedRows) -> Iterator[_Chunk]:
    """All queries in order, in chunks."""
    many = np.diff(bucketed.pairs)
    query_keys = np.repeat(np.arange(len(many)), np.diff(readers.starts))
    fan = many[query_keys]
    total = np.concatenate([[0], np.cumsum(fan)])
    first = 0
    while first < len(query_keys):
        end = int(np.searchsorted(total, total[first] + _CHUNK, side="right")) - 1
        end = max(end, first + 1)
        yield _expand(bucketed, readers, query_keys[first:end], fan[first:end], first)
        first = end


def _expand(bucketed: Bucketed, readers: SortedRows, keys: Array, fan: Array, first: int) -> _Chunk:
    """Each query once per bucket of its key, by (pair, query)."""
    offsets = np.cumsum(fan) - fan
    within = np.arange(int(fan.sum())) - np.repeat(offsets, fan)
    pairs = np.repeat(bucketed.pairs[keys], fan) + within
    queries = np.repeat(np.arange(first, first + len(keys)), fan)
    order = np.argsort(pairs, kind="stable")
    pairs, queries = pairs[order], queries[order]
    starts = np.searchsorted(pairs, np.arange(len(bucketed.labels) + 1)).astype(np.int32)
    slices = SortedRows(queries.astype(np.int32), readers.times[queries], starts)
    return _Chunk(first, first + len(keys), queries, pairs, slices)


def _no_readers(bucketed: Bucketed) -> SortedRows:
    return SortedRows(
        np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(len(bucketed.labels) + 1, np.int32)
    )


def ranks(column: pa.Array) -> Array | None:
    """int64[n] that orders as the values do, nulls and NaN least; None for a type without an order."""
    type_ = column.type
    valid = arrow.validity(column)
    if arrow.is_bytes(type_):
        own, _ = codes.encode_in(column, codes.sorted_distinct(column))
        return own.astype(np.int64)
    if not arrow.is_integral(type_) and not arrow.is_floating(type_):
        return None
    numbers = arrow.numbers(column)
    if arrow.is_floating(type_):
        missing = np.isnan(numbers) if valid is None else np.isnan(numbers) | ~valid
        numbers = np.where(missing, 0.0, numbers)
    else:
        missing = np.zeros(len(numbers), bool) if valid is None else ~valid
    _, dense = np.unique(numbers, return_inverse=True)
    return np.where(missing, -1, dense).astype(np.int64)
