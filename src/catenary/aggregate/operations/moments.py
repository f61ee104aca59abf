"""SKEW and KURTOSIS: population forms, from exact sums of powers.

Partial: `Totals` of degree 4 for KURTOSIS (tag 7), 3 for SKEW (tag 6). With M the sums of powers of the
distances from the mean: SKEW is sqrt(n) M3 / M2^1.5 over three values or more, KURTOSIS the excess
n M4 / M2^2 - 3 over four or more; equal values give None. Held exactly until one division and, for
SKEW, a square root; the columnar form agrees to 1e-9 (semantics 14).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from catenary.aggregate.operations.totals import OfTotals, Totals, quotient
from catenary.schema import DOUBLE

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

_SKEW_VALUES: Final = 3
_KURTOSIS_VALUES: Final = 4


@dataclass(frozen=True, slots=True)
class Skew(OfTotals):
    """How far the values lean to one side of their mean; positive to the right."""

    name = "skew"
    tag = 6
    degree = 3

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.skews(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE

    def _value(self, partial: Totals, feature: Feature) -> float | None:
        n, (s1, s2, s3) = partial.count, partial.sums
        spread = n * s2 - s1 * s1  # n M2
        if n < _SKEW_VALUES or not spread:
            return None
        lean = n * n * s3 - 3 * n * s1 * s2 + 2 * s1**3  # n^2 M3
        if not lean:
            return 0.0
        skew = math.sqrt(lean * lean / spread**3)  # the quotient is at most n
        return skew if lean > 0 else -skew


@dataclass(frozen=True, slots=True)
class Kurtosis(OfTotals):
    """How heavy the tails are, against a normal distribution's 0."""

    name = "kurtosis"
    tag = 7
    degree = 4

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.kurtoses(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE

    def _value(self, partial: Totals, feature: Feature) -> float | None:
        n, (s1, s2, s3, s4) = partial.count, partial.sums
        spread = n * s2 - s1 * s1  # n M2
        if n < _KURTOSIS_VALUES or not spread:
            return None
        tails = n**3 * s4 - 4 * n * n * s1 * s3 + 6 * n * s1 * s1 * s2 - 3 * s1**4  # n^3 M4
        return quotient(tails - 3 * spread * spread, spread * spread)
