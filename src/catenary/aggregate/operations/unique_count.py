"""UNIQUE_COUNT: how many distinct values there are, exactly.

Partial: counts by value, see `counted`; tag 17. It grows with the number of distinct values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import SCALARS
from catenary.aggregate.operations.counted import Counted, Counts
from catenary.schema import BIGINT

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type


@dataclass(frozen=True, slots=True)
class UniqueCount(Counted):
    """The number of distinct values."""

    name = "unique_count"
    tag = 17
    inputs = SCALARS

    def finish(self, partial: Counts, feature: Feature) -> int | None:
        """How many values were seen; None instead of 0."""
        return len(partial) or None

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import distinct

        return distinct.unique_counts(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return BIGINT
