"""The distinct values of slices: how many, which, and how often each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, threads
from catenary.aggregate.sweeps import lists
from catenary.compiled import distinct as compiled

if TYPE_CHECKING:
    from catenary.aggregate.slices import Bounds, SortedColumn

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Each value's rank among its key's distinct values (see `compiled/distinct.py`)."""

    ranks: Array
    domain: Array
    sizes: Array
    widest: int


def unique_counts(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """How many distinct values; null for none."""
    numbers = unique_numbers(column, column.bounds(bounds))
    return arrow.from_numbers(numbers, numbers > 0, pa.int64())


def histograms(column: SortedColumn, bounds: Bounds, k: int | None) -> pa.Array:
    """A map from value to count in the values' order; of the k greatest counts, if k is given."""
    own = column.bounds(bounds)
    numbers = unique_numbers(column, own)
    cuts = lists.offsets(numbers if k is None else np.minimum(numbers, k))
    images, tallies = listed(column, own, cuts, by_count=k is not None, tallied=True)
    return lists.assemble_maps(
        column.values(images, None), arrow.from_numbers(tallies, None, pa.int64()), cuts
    )


def unique_numbers(column: SortedColumn, own: Bounds) -> Array:
    """int64[queries]: the number of distinct values of slices of the column's own positions."""
    ranked = _ranks(column)
    results = np.zeros(len(own), np.int64)
    threads.each(
        column.key_ranges(own),
        lambda first, end: compiled.unique_counts(
            ranked.ranks,
            ranked.sizes,
            column.starts,
            own.starts,
            own.begins,
            own.ends,
            first,
            end,
            np.empty(ranked.widest + 1, np.int32),
            results,
        ),
    )
    return results


def listed(
    column: SortedColumn,
    own: Bounds,
    cuts: Array,
    *,
    descending: bool = False,
    repeated: bool = False,
    by_count: bool = False,
    tallied: bool = False,
) -> tuple[Array, Array]:
    """Images (and counts, if `tallied`) of the slices' values; slice q fills [cuts[q], cuts[q + 1])."""
    ranked = _ranks(column)
    images = np.empty(int(cuts[-1]), np.int64)
    tallies = np.empty(len(images) if tallied else len(images) + 1, np.int64)
    threads.each(
        column.key_ranges(own),
        lambda first, end: compiled.slide(
            ranked.ranks,
            ranked.domain,
            ranked.sizes,
            column.starts,
            own.starts,
            own.begins,
            own.ends,
            cuts,
            first,
            end,
            descending,
            repeated,
            by_count,
            np.empty(ranked.widest + 1, np.int32),
            np.empty(ranked.widest // 32 + 16, np.uint64),
            images,
            tallies,
        ),
    )
    return images, tallies


def _ranks(column: SortedColumn) -> _Ranks:
    if "ranks" not in column.cache:
        images = column.images
        keys = len(column.starts) - 1
        domain, ranks = np.empty(len(images), np.int64), np.empty(len(images), np.int32)
        sizes = np.empty(keys, np.int32)
        threads.each(
            threads.key_ranges(column.starts, np.zeros(keys + 1, np.int32)),
            lambda first, end: compiled.rank(
                images,
                column.starts,
                first,
                end,
                np.empty(column.longest + 1, np.int64),
                np.empty(4 * column.longest + 65, np.int32),
                domain,
                sizes,
                ranks,
            ),
        )
        column.cache["ranks"] = _Ranks(ranks, domain, sizes, int(sizes.max()) if keys else 0)
    return column.cache["ranks"]
