"""The least and greatest values of slices, one or k of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary.aggregate import threads
from catenary.aggregate.sweeps import distinct, lists
from catenary.compiled import extremes as compiled

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.slices import Bounds, SortedColumn

Array = np.ndarray[Any, Any]


def least(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The least value."""
    return _extreme(column, bounds, flip=-1)


def greatest(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The greatest value."""
    return _extreme(column, bounds, flip=0)


def top(column: SortedColumn, bounds: Bounds, k: int) -> pa.Array:
    """The k greatest values, descending."""
    return _kept(column, bounds, k, descending=True)


def bottom(column: SortedColumn, bounds: Bounds, k: int) -> pa.Array:
    """The k least values, ascending."""
    return _kept(column, bounds, k, descending=False)


def distinct_top(column: SortedColumn, bounds: Bounds, k: int) -> pa.Array:
    """The k greatest distinct values, descending."""
    own = column.bounds(bounds)
    offsets = lists.offsets(np.minimum(distinct.unique_numbers(column, own), k))
    images, _ = distinct.listed(column, own, offsets, descending=True)
    return lists.assemble(column.values(images, None), offsets)


def _kept(column: SortedColumn, bounds: Bounds, k: int, *, descending: bool) -> pa.Array:
    own = column.bounds(bounds)
    offsets = lists.offsets(np.minimum(own.ends - own.begins, k))
    images, _ = distinct.listed(column, own, offsets, descending=descending, repeated=True)
    return lists.assemble(column.values(images, None), offsets)


def _extreme(column: SortedColumn, bounds: Bounds, *, flip: int) -> pa.Array:
    own = column.bounds(bounds)
    results = np.zeros(len(own), np.int64)
    threads.each(
        column.key_ranges(own),
        lambda first, end: compiled.greatest(
            column.images,
            flip,
            column.starts,
            own.starts,
            own.begins,
            own.ends,
            first,
            end,
            np.empty(column.longest + 1, np.int32),
            results,
        ),
    )
    return column.values(results, own.ends > own.begins)
