"""Counts, sums, means and moments of slices, exact as semantics 14 says.

    all of the column fits 63 bits ──► prefix sums of 64 bits, made once for all windows
    else ──► a frame per key, a total that slides

Null where a slice has no value, too few for the moment, or holds an infinity; a SUM of integers also
where it lies outside 64 bits (the kernel counts those).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, threads
from catenary.compiled import bounds as compiled_bounds
from catenary.compiled import moments as compiled_moments
from catenary.compiled import totals as compiled_totals

if TYPE_CHECKING:
    from catenary.aggregate.slices import Bounds, SortedColumn

Array = np.ndarray[Any, Any]

_UNIT_LIMIT = 900  # beyond it, scaling by the unit could meet the ends of a double's range


@dataclass(frozen=True, slots=True)
class _Narrow:
    """Prefix sums in units of 2^lowest, of values of at most `bits` bits."""

    sums: Array
    lowest: int
    bits: int

    @property
    def unit(self) -> float:
        return 2.0**self.lowest


def counts(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """How many non-null values; null for none."""
    own = column.bounds(bounds)
    many = np.empty(len(own), np.int64)
    threads.each(
        threads.ranges(len(own)),
        lambda first, end: compiled_bounds.counts(own.begins, own.ends, first, end, many),
    )
    return arrow.from_numbers(many, own.ends > own.begins, pa.int64())


def sums(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The exact sum: int64 of integers and booleans, the nearest double of doubles."""
    own = column.bounds(bounds)
    narrow = _narrow(column)
    if column.is_double:
        return _doubles(column, own, _double_totals(column, own, narrow, is_mean=False))
    results = np.zeros(len(own), np.int64)
    valid = own.ends > own.begins
    if narrow is not None:
        threads.each(
            threads.ranges(len(own)),
            lambda first, end: compiled_totals.narrow_integer_sums(
                narrow.sums, own.begins, own.ends, first, end, results
            ),
        )
    else:
        fits = np.ones(len(own), np.uint8)
        threads.each(
            column.key_ranges(own),
            lambda first, end: compiled_totals.wide_integer_sums(
                column.images,
                column.starts,
                own.starts,
                own.begins,
                own.ends,
                first,
                end,
                results,
                fits,
            ),
        )
        valid &= fits.view(bool)
    return arrow.from_numbers(results, valid, pa.int64())


def averages(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The double nearest to the exact quotient of sum and count."""
    own = column.bounds(bounds)
    return _doubles(column, own, _double_totals(column, own, _narrow(column), is_mean=True))


def variances(column: SortedColumn, bounds: Bounds, sample: bool) -> pa.Array:
    """The double nearest to the exact variance, of the population or of the sample."""
    own = column.bounds(bounds)
    return _doubles(column, own, _moments(column, own, 2, sample=sample))


def stddevs(column: SortedColumn, bounds: Bounds, sample: bool) -> pa.Array:
    """The square root of `variances`."""
    own = column.bounds(bounds)
    return _doubles(column, own, np.sqrt(_moments(column, own, 2, sample=sample)))


def skews(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """m3 / m2^1.5; null for fewer than 3 values and for equal ones."""
    own = column.bounds(bounds)
    return _doubles(column, own, _moments(column, own, 3, sample=False))


def kurtoses(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """m4 / m2^2 - 3; null for fewer than 4 values and for equal ones."""
    own = column.bounds(bounds)
    return _doubles(column, own, _moments(column, own, 4, sample=False))


def _doubles(column: SortedColumn, own: Bounds, results: Array) -> pa.Array:
    """Results as an array: null where empty, not finite, or touched by an infinity."""
    valid = (own.ends > own.begins) & np.isfinite(results)
    infinite = column.holds_infinity(own)
    if infinite is not None:
        valid &= ~infinite
    results += 0.0  # -0.0 becomes 0.0
    return arrow.from_numbers(results, valid, pa.float64())


def _narrow(column: SortedColumn) -> _Narrow | None:
    """Prefix sums of the column, if every slice's total fits 63 bits; made once."""
    if "narrow" not in column.cache:
        column.cache["narrow"] = _make_narrow(column)
    return column.cache["narrow"]


def _make_narrow(column: SortedColumn) -> _Narrow | None:
    images = column.images
    frames = threads.each(
        threads.ranges(len(images)),
        lambda first, end: compiled_totals.frame(images, column.is_double, first, end),
    )
    lowest = min(low for low, _ in frames) if column.is_double else 0
    highest = max(high for _, high in frames)
    if highest <= lowest:
        lowest, highest = 0, 0
    bits = highest - lowest
    if bits + column.longest.bit_length() > 62 or abs(lowest) > _UNIT_LIMIT:
        return None
    prefix = np.empty(len(images) + 1, np.int64)
    compiled_totals.prefix(images, column.is_double, lowest, prefix)
    return _Narrow(prefix, lowest, bits)


def _frames(column: SortedColumn) -> tuple[Array, Array]:
    """Each key's frame: the lowest bit, and how many bits it spans."""
    if "frames" not in column.cache:
        keys = len(column.starts) - 1
        lowest, spans = np.empty(keys, np.int32), np.empty(keys, np.int32)
        threads.each(
            threads.key_ranges(column.starts, np.zeros(keys + 1, np.int32)),
            lambda first, end: compiled_totals.frames(
                column.images, column.is_double, column.starts, first, end, lowest, spans
            ),
        )
        column.cache["frames"] = lowest, spans
    return column.cache["frames"]


def _double_totals(
    column: SortedColumn, own: Bounds, narrow: _Narrow | None, *, is_mean: bool
) -> Array:
    """Sums or means as doubles; 0 where empty."""
    results = np.empty(len(own), np.float64)
    if narrow is not None:

        def fill(first: int, end: int) -> None:
            if is_mean:
                compiled_totals.narrow_means(
                    narrow.sums,
                    own.begins,
                    own.ends,
                    narrow.lowest,
                    narrow.unit,
                    first,
                    end,
                    results,
                )
            else:
                compiled_totals.narrow_sums(
                    narrow.sums, own.begins, own.ends, narrow.unit, first, end, results
                )

        threads.each(threads.ranges(len(own)), fill)
        return results
    lowest, spans = _frames(column)
    threads.each(
        column.key_ranges(own),
        lambda first, end: compiled_totals.wide_totals(
            column.images,
            column.is_double,
            column.starts,
            own.starts,
            own.begins,
            own.ends,
            lowest,
            spans,
            first,
            end,
            is_mean,
            results,
        ),
    )
    return results


def _moments(column: SortedColumn, own: Bounds, kind: int, *, sample: bool) -> Array:
    """Moments as doubles; NaN where there is none."""
    results = np.empty(len(own), np.float64)
    narrow = _narrow(column)
    size = column.longest.bit_length()
    if narrow is not None and _powers_bits(kind, narrow.bits, size) <= 126:
        threads.each(
            column.key_ranges(own),
            lambda first, end: compiled_moments.small_moments(
                narrow.sums,
                column.starts,
                own.starts,
                own.begins,
                own.ends,
                narrow.lowest,
                kind,
                sample,
                first,
                end,
                results,
            ),
        )
        return results
    lowest, spans = _frames(column)
    threads.each(
        column.key_ranges(own),
        lambda first, end: compiled_moments.wide_moments(
            column.images,
            column.is_double,
            column.starts,
            own.starts,
            own.begins,
            own.ends,
            lowest,
            spans,
            kind,
            sample,
            first,
            end,
            results,
        ),
    )
    return results


def _powers_bits(kind: int, bits: int, size: int) -> int:
    """How many bits the sums of powers of moved values need (n S2 for the variance)."""
    return 2 * bits + 2 * size if kind == 2 else kind * (bits + 1) + size
