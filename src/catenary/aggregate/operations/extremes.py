"""MIN and MAX: the least and the greatest value; text by its UTF-8 bytes, false before true.

Partial: the winner, see `kept`; tags 8 and 9. An infinity wins like any value, and is None as a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import ORDERED
from catenary.aggregate.operations.kept import Kept

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature


@dataclass(frozen=True, slots=True)
class Min(Kept):
    """The least value."""

    name = "min"
    tag = 8
    inputs = ORDERED
    timed = False
    greatest = False

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import extremes

        return extremes.least(column, bounds)


@dataclass(frozen=True, slots=True)
class Max(Kept):
    """The greatest value."""

    name = "max"
    tag = 9
    inputs = ORDERED
    timed = False
    greatest = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import extremes

        return extremes.greatest(column, bounds)
