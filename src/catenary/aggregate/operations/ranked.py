"""TOP_K, BOTTOM_K and UNIQUE_TOP_K: the `k` greatest or least values, best first.

TOP_K and BOTTOM_K keep repeated values, UNIQUE_TOP_K keeps each once. Partial: the winners, see `kept`;
tags 14, 15 and 16. An infinity takes its place in the list, as a null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import ORDERED
from catenary.aggregate.operations.kept import Kept, length

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature


@dataclass(frozen=True, slots=True)
class TopK(Kept):
    """The `k` greatest values, descending."""

    name = "top_k"
    tag = 14
    inputs = ORDERED
    takes_k = True
    needs_k = True
    timed = False
    greatest = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import extremes

        return extremes.top(column, bounds, length(feature))


@dataclass(frozen=True, slots=True)
class BottomK(Kept):
    """The `k` least values, ascending."""

    name = "bottom_k"
    tag = 15
    inputs = ORDERED
    takes_k = True
    needs_k = True
    timed = False
    greatest = False

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import extremes

        return extremes.bottom(column, bounds, length(feature))


@dataclass(frozen=True, slots=True)
class UniqueTopK(Kept):
    """The `k` greatest distinct values, descending."""

    name = "unique_top_k"
    tag = 16
    inputs = ORDERED
    takes_k = True
    needs_k = True
    timed = False
    greatest = True
    distinct = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import extremes

        return extremes.distinct_top(column, bounds, length(feature))
