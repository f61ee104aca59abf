"""FIRST, LAST, FIRST_K and LAST_K: values by their time, and by themselves at equal times.

The order (ts, value) is total over distinct events, so nothing depends on arrival (semantics 13).
FIRST_K runs from the oldest to the newest, LAST_K from the newest to the oldest. Partial: the winners
with their times, see `kept`; tags 10 to 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import SCALARS
from catenary.aggregate.operations.kept import Kept, length

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature


@dataclass(frozen=True, slots=True)
class First(Kept):
    """The value of the least (ts, value)."""

    name = "first"
    tag = 10
    inputs = SCALARS
    timed = True
    greatest = False

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import ordered

        return ordered.first(column, bounds)


@dataclass(frozen=True, slots=True)
class Last(Kept):
    """The value of the greatest (ts, value)."""

    name = "last"
    tag = 11
    inputs = SCALARS
    timed = True
    greatest = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import ordered

        return ordered.last(column, bounds)


@dataclass(frozen=True, slots=True)
class FirstK(Kept):
    """The `k` earliest values, oldest first."""

    name = "first_k"
    tag = 12
    inputs = SCALARS
    takes_k = True
    needs_k = True
    timed = True
    greatest = False

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import ordered

        return ordered.first_k(column, bounds, length(feature))


@dataclass(frozen=True, slots=True)
class LastK(Kept):
    """The `k` latest values, newest first."""

    name = "last_k"
    tag = 13
    inputs = SCALARS
    takes_k = True
    needs_k = True
    timed = True
    greatest = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import ordered

        return ordered.last_k(column, bounds, length(feature))
