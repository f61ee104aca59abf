"""VARIANCE and STDDEV: the double nearest to the exact variance, and the square root of that double.

Partial: `Totals` of degree 2, tags 4 and 5. Population form; `sample` divides by n - 1 and is None for
a single value. With S1 and S2 the sums of values and of squares, the variance is
(n S2 - S1^2) / n^2, all of it in integers until one division (semantics 14).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.totals import UNIT_BITS, OfTotals, Totals, quotient
from catenary.schema import DOUBLE

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type


@dataclass(frozen=True, slots=True)
class Variance(OfTotals):
    """The mean squared distance from the mean."""

    name = "variance"
    tag = 4
    degree = 2
    takes_sample = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.variances(column, bounds, feature.sample)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE

    def _value(self, partial: Totals, feature: Feature) -> float | None:
        return _variance(partial, sample=feature.sample)


@dataclass(frozen=True, slots=True)
class Stddev(OfTotals):
    """The square root of the variance."""

    name = "stddev"
    tag = 5
    degree = 2
    takes_sample = True

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.stddevs(column, bounds, feature.sample)

    def _result(self, input_type: Type) -> Type:
        return DOUBLE

    def _value(self, partial: Totals, feature: Feature) -> float | None:
        variance = _variance(partial, sample=feature.sample)
        return None if variance is None else math.sqrt(variance)


def _variance(partial: Totals, *, sample: bool) -> float | None:
    n, (first, second) = partial.count, partial.sums
    pairs = n * (n - 1) if sample else n * n
    if not pairs:
        return None
    return quotient(n * second - first * first, pairs << 2 * UNIT_BITS)
