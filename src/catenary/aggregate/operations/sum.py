"""SUM: of integers and booleans as 64-bit integers, of floats as the correctly rounded exact sum.

Partial: `Totals` of degree 1, tag 2. An integer sum that does not fit 64 bits is None, and `overflowed`
says so, whatever the order of adding (semantics 14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from catenary.aggregate.operations.totals import UNIT_BITS, OfTotals, Totals, quotient
from catenary.schema import BIGINT, DOUBLE

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

_LEAST: Final = -(1 << 63)
_GREATEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Sum(OfTotals):
    """The sum of the values; booleans count as 0 and 1."""

    name = "sum"
    tag = 2
    degree = 1

    def overflowed(self, partial: Totals) -> bool:
        """Whether an integer sum does not fit 64 bits."""
        return partial.count > 0 and not partial.floating and not _fits(partial)

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.sums(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE if input_type.is_float else BIGINT

    def _value(self, partial: Totals, feature: Feature) -> int | float | None:
        if partial.floating:
            return quotient(partial.sums[0], 1 << UNIT_BITS)
        return partial.sums[0] >> UNIT_BITS if _fits(partial) else None


def _fits(partial: Totals) -> bool:
    return _LEAST <= partial.sums[0] >> UNIT_BITS <= _GREATEST
