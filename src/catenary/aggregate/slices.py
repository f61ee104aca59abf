"""Sorted rows, slices of them, and columns in their order: what every sweep reads.

    codes, times ──► SortedRows (code, time)   events and queries, each sorted
                         │
          SortedRows × (window, hop) ──► Bounds: [begin, end) for each sorted query
                         │
       column ──► SortedColumn: its non-null values as images, in the events' order

An image is an int64 that orders as the value does (`compiled/columns.py`); a sweep needs no other
type. A column without nulls shares the events' positions; one with nulls is closed up, and maps
bounds by how many non-null values lie before a position. NaN is null (semantics 10).

Read next: ``sweeps/`` (what is done with the slices), ``kernel.py`` (the whole way).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from catenary.aggregate import arrow, codes, threads
from catenary.compiled import bounds as compiled_bounds
from catenary.compiled import columns as compiled_columns
from catenary.compiled import order as compiled_order
from catenary.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

_PART_ROWS: Final = 32_768
_PART_BITS: Final = 8
_ROWS: Final = 2**31 - 1


@dataclass(frozen=True)
class SortedRows:
    """Rows of a table by (code, time); those with code -1 are left out.

    Attributes:
        rows: int32[n], the table's row at each position.
        times: int64[n].
        starts: int32[keys + 1], where each code's rows start.
    """

    rows: Array
    times: Array
    starts: Array


def sort_rows(codes_: Array, times: Array, keys: int) -> SortedRows:
    """Sort the rows whose code is not -1, stably.

    Args:
        codes_: int32[rows], -1 … keys - 1.
        times: int64[rows]; what stands in a row with code -1 does not matter.
        keys: how many codes there are.

    Raises:
        DataError: if there are more rows than 32 bits can number.
    """
    total = len(codes_)
    if total > _ROWS:
        problem = f"the kernel takes at most {_ROWS:,} rows at once; {total:,} were given"
        raise DataError(problem, hint="partition the rows by their keys first")
    code_bits = max(keys - 1, 0).bit_length()
    wanted_bits = max((total // _PART_ROWS).bit_length() - 1, 0)
    part_bits = min(code_bits, _PART_BITS, wanted_bits)
    shift = code_bits - part_bits
    parts = 1 << part_bits
    ranges = threads.ranges(total)
    counts = np.zeros((len(ranges), parts), np.int64)
    spans = np.zeros((len(ranges), 5), np.int64)
    at = {first: index for index, (first, _) in enumerate(ranges)}
    threads.each(
        ranges,
        lambda first, end: compiled_order.survey(
            codes_, times, shift, first, end, counts[at[first]], spans[at[first]]
        ),
    )
    kept = int(counts.sum())
    if kept == 0:
        return SortedRows(
            np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(keys + 1, np.int32)
        )
    used = spans[counts.sum(axis=1) > 0]
    least, greatest = int(used[:, 0].min()), int(used[:, 1].max())
    ordered = bool(used[:, 2].all()) and bool((used[1:, 3] >= used[:-1, 4]).all())
    time_bits = (greatest - least).bit_length()
    if shift + time_bits > 63:
        return _sort_slowly(codes_, times, keys)
    starts = np.zeros(parts + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=starts[1:])
    cursors = starts[:-1] + np.cumsum(counts, axis=0) - counts
    packed, rows = np.empty(kept, np.uint64), np.empty(kept, np.int32)
    threads.each(
        ranges,
        lambda first, end: compiled_order.scatter(
            codes_, times, shift, time_bits, least, first, end, cursors[at[first]], packed, rows
        ),
    )
    key_starts = np.zeros(keys + 1, np.int32)
    key_starts[keys] = kept
    longest = int(np.diff(starts).max())

    def settle(first: int, end: int) -> None:
        compiled_order.settle(
            packed,
            rows,
            np.empty(longest, np.uint64),
            np.empty(longest, np.int32),
            starts,
            first,
            end,
            time_bits if ordered else 0,
            time_bits + shift,
            shift,
            time_bits,
            least,
            packed.view(np.int64),
            key_starts,
        )

    threads.each(threads.key_ranges(starts, np.zeros(parts + 1, np.int64)), settle)
    return SortedRows(rows, packed.view(np.int64), key_starts)


def _sort_slowly(codes_: Array, times: Array, keys: int) -> SortedRows:
    """For times that span more than fits beside a code in 64 bits."""
    chosen = np.flatnonzero(codes_ >= 0)
    order = chosen[np.lexsort((times[chosen], codes_[chosen]))]
    starts = np.searchsorted(codes_[order], np.arange(keys + 1)).astype(np.int32)
    return SortedRows(order.astype(np.int32), times[order], starts)


@dataclass(frozen=True, eq=False)
class Bounds:
    """One slice of events for each sorted query.

    Attributes:
        begins, ends: int32[queries], positions among the sorted events.
        starts: int32[keys + 1], where each key's queries start.
    """

    begins: Array
    ends: Array
    starts: Array

    def __len__(self) -> int:
        return len(self.ends)


def ends_of(events: SortedRows, queries: SortedRows) -> Array:
    """`end` of every slice: the events of the key strictly before the query."""
    ends = np.empty(len(queries.rows), np.int32)
    threads.each(
        threads.key_ranges(events.starts, queries.starts),
        lambda first, end: compiled_bounds.upper_bounds(
            events.times, events.starts, queries.times, queries.starts, first, end, ends
        ),
    )
    return ends


def bounds_of(
    events: SortedRows,
    queries: SortedRows,
    ends: Array,
    window_ms: int | None,
    hop_ms: int | None,
) -> Bounds:
    """The slices of one window (semantics 1); all of the past without one."""
    begins = np.empty(len(queries.rows), np.int32)

    def fill(first: int, end: int) -> None:
        if window_ms is None:
            compiled_bounds.unbounded_begins(events.starts, queries.starts, first, end, begins)
        else:
            compiled_bounds.lower_bounds(
                events.times,
                events.starts,
                queries.times,
                queries.starts,
                ends,
                window_ms,
                hop_ms or 1,
                first,
                end,
                begins,
            )

    threads.each(threads.key_ranges(events.starts, queries.starts), fill)
    return Bounds(begins, ends, queries.starts)


class SortedColumn:
    """One input column's non-null values in the order of the sorted events.

    Args:
        column: the whole column of the events' table.
        events: the order.
    """

    def __init__(self, column: pa.ChunkedArray | pa.Array, events: SortedRows) -> None:
        self.array: pa.Array = arrow.one_chunk(column)
        self.type: pa.DataType = self.array.type
        self.events = events
        self.is_double = arrow.is_floating(self.type)
        self.infinities = 0
        self.cache: dict[str, Any] = {}
        self._before: Array | None = None
        self._images: Array | None = None
        self._rows = events.rows
        self._mapped: dict[int, tuple[Bounds, Bounds]] = {}
        if self.array.null_count:
            bits, offset = arrow.bitmap_of(self.array)
            rows = np.empty(len(events.rows), np.int32)
            self._before = np.empty(len(events.rows) + 1, np.int32)
            kept = compiled_columns.keep_valid(events.rows, bits, offset, rows, self._before)
            self._rows = rows[:kept]
        if self.is_double:
            self._gather_doubles()

    @cached_property
    def starts(self) -> Array:
        """int32[keys + 1]: where each key's values start."""
        before = self._before
        return self.events.starts if before is None else before[self.events.starts]

    def bounds(self, bounds: Bounds) -> Bounds:
        """Slices of this column's values for slices of all events."""
        if self._before is None:
            return bounds
        known = self._mapped.get(id(bounds))
        if known is None:
            before = self._before
            n = len(bounds)
            begins, ends = np.empty(n, np.int32), np.empty(n, np.int32)

            def fill(first: int, end: int) -> None:
                compiled_bounds.map_bounds(bounds.begins, before, first, end, begins)
                compiled_bounds.map_bounds(bounds.ends, before, first, end, ends)

            threads.each(threads.ranges(n), fill)
            known = bounds, Bounds(begins, ends, bounds.starts)
            self._mapped[id(bounds)] = known  # holds `bounds`, so that its id stays its own
        return known[1]

    def counts(self, bounds: Bounds) -> Array:
        """int32[queries]: how many non-null values each slice has."""
        own = self.bounds(bounds)
        return own.ends - own.begins

    @property
    def images(self) -> Array:
        """int64[values]: the values as images."""
        if self._images is None:
            self._images = self._gather()
        return self._images

    @cached_property
    def ordered(self) -> Array:
        """`images` with the values of equal key and time in ascending order (semantics 13)."""
        times = self._times()
        tied = np.flatnonzero(times[1:] == times[:-1]) + 1
        if len(tied):
            is_first = np.zeros(len(times), bool)
            inner = self.starts[1:-1]
            is_first[inner[inner < len(times)]] = True
            tied = tied[~is_first[tied]]
        if not len(tied):
            return self.images
        continues = np.zeros(len(times) + 1, bool)
        continues[tied] = True
        positions = np.flatnonzero(continues[:-1] | continues[1:])
        runs = np.cumsum(~continues[positions])
        images = self.images.copy()
        values = images[positions]
        images[positions] = values[np.lexsort((values, runs))]
        return images

    @cached_property
    def dictionary(self) -> pa.Array:
        """The distinct values of a text or binary column, ascending by their bytes."""
        return codes.sorted_distinct(self.array)

    def key_ranges(self, bounds: Bounds) -> list[tuple[int, int]]:
        """Ranges of keys for the threads of a sweep."""
        return threads.key_ranges(self.starts, bounds.starts)

    @cached_property
    def longest(self) -> int:
        """How many values the key with the most of them has."""
        return int(np.diff(self.starts).max()) if len(self.starts) > 1 else 0

    def values(self, images: Array, valid: Array | None) -> pa.Array:
        """The values that images stand for; null where not valid, or not finite (semantics 14)."""
        if arrow.is_bytes(self.type):
            positions = images if valid is None else np.where(valid, images, -1)
            return arrow.take(self.dictionary, positions)
        if self.is_double:
            bits = np.empty(len(images), np.int64)
            compiled_columns.doubles_of(images, bits)
            numbers = bits.view(np.float64)
            if self.infinities:
                finite = np.isfinite(numbers)
                valid = finite if valid is None else valid & finite
            return arrow.from_numbers(numbers, valid, self.type)
        return arrow.from_numbers(images, valid, self.type)

    def holds_infinity(self, own: Bounds) -> Array | None:
        """bool[queries]: whether a slice (of `bounds`) holds an infinity; None if none does."""
        if not self.infinities:
            return None
        positions = self.cache.get("infinities")
        if positions is None:
            positions = np.empty(self.infinities, np.int64)
            compiled_columns.infinite_positions(self.images, positions)
            self.cache["infinities"] = positions
        return np.searchsorted(positions, own.ends) > np.searchsorted(positions, own.begins)

    def _times(self) -> Array:
        before = self._before
        if before is None:
            return self.events.times
        return self.events.times[np.flatnonzero(before[1:] != before[:-1])]

    def _gather(self) -> Array:
        """Images of integers and of text."""
        n = len(self._rows)
        images = np.empty(n, np.int64)
        if n == 0:
            return images
        if arrow.is_bytes(self.type):
            values, _ = codes.encode_in(self.array, self.dictionary)
            identity = np.arange(max(len(self.dictionary), 1), dtype=np.int32)
            threads.each(
                threads.ranges(n),
                lambda first, end: compiled_columns.gather_codes(
                    values, self._rows, identity, first, end, images
                ),
            )
            return images
        numbers = arrow.numbers(self.array)
        threads.each(
            threads.ranges(n),
            lambda first, end: compiled_columns.gather_integers(
                numbers, self._rows, first, end, images
            ),
        )
        return images

    def _gather_doubles(self) -> None:
        """Images of doubles, at once: which of them count depends on which are NaN."""
        bits = arrow.numbers(self.array).view(np.int64)
        images = np.empty(len(self._rows), np.int64)

        def gather(first: int, end: int) -> Array:
            odd = np.zeros(2, np.int64)
            compiled_columns.gather_doubles(bits, self._rows, first, end, images, odd)
            return odd

        odd = np.sum(threads.each(threads.ranges(len(images)), gather), axis=0)
        nans, self.infinities = int(odd[0]), int(odd[1])
        if nans:
            before = np.empty(len(images) + 1, np.int32)
            kept = compiled_columns.drop_marked(images, before)
            images = images[:kept]
            self._before = before if self._before is None else before[self._before]
        self._images = images
