"""The first and last values of slices by (time, value), one or k of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary.aggregate import threads
from catenary.aggregate.sweeps import lists
from catenary.compiled import bounds as compiled

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.slices import Bounds, SortedColumn

Array = np.ndarray[Any, Any]


def first(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The value of the least (time, value)."""
    own = column.bounds(bounds)
    return _single(column, own, own.begins)


def last(column: SortedColumn, bounds: Bounds) -> pa.Array:
    """The value of the greatest (time, value)."""
    own = column.bounds(bounds)
    return _single(column, own, own.ends - 1)


def first_k(column: SortedColumn, bounds: Bounds, k: int) -> pa.Array:
    """The k earliest values, oldest first."""
    own = column.bounds(bounds)
    return _several(column, own, own.begins, 1, k)


def last_k(column: SortedColumn, bounds: Bounds, k: int) -> pa.Array:
    """The k latest values, newest first."""
    own = column.bounds(bounds)
    return _several(column, own, own.ends - 1, -1, k)


def _single(column: SortedColumn, own: Bounds, positions: Array) -> pa.Array:
    valid = own.ends > own.begins
    images = column.ordered
    if not len(images):
        return column.values(np.zeros(len(own), np.int64), valid)
    return column.values(images[np.where(valid, positions, 0)], valid)


def _several(column: SortedColumn, own: Bounds, firsts: Array, step: int, k: int) -> pa.Array:
    cuts = lists.offsets(np.minimum(own.ends - own.begins, k))
    images = np.empty(int(cuts[-1]), np.int64)
    threads.each(
        threads.ranges(len(own)),
        lambda begin, end: compiled.spread(
            np.ascontiguousarray(firsts), step, cuts, column.ordered, begin, end, images
        ),
    )
    return lists.assemble(column.values(images, None), cuts)
