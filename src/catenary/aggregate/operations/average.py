"""AVERAGE: the double nearest to the exact quotient of sum and count, of integers too.

Partial: `Totals` of degree 1, tag 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.totals import UNIT_BITS, OfTotals, Totals, quotient
from catenary.schema import DOUBLE

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type


@dataclass(frozen=True, slots=True)
class Average(OfTotals):
    """The mean of the values; booleans count as 0 and 1."""

    name = "average"
    tag = 3
    degree = 1

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.averages(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE

    def _value(self, partial: Totals, feature: Feature) -> float | None:
        return quotient(partial.sums[0], partial.count << UNIT_BITS)
