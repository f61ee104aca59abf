"""Division in batches, correctly rounded.

Polars divides a column of floats by a constant by multiplying with the constant's reciprocal, which is
off by one unit in the last place for many values: 1.5 / 2.5 gives 0.6000000000000001. A single row
divides, and both must give the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def quotient(dividend: Any, divisor: Any) -> Any:
    """`dividend / divisor` of doubles; what a zero divisor gives is the caller's concern."""
    import polars as pl

    if divisor.meta.root_names():
        return dividend / divisor
    return pl.map_batches([dividend, divisor], _by_constant, return_dtype=pl.Float64)


def _by_constant(pair: Sequence[Any]) -> Any:
    """The constant written out in every row: columns are divided by each other, element by element."""
    dividend, divisor = pair
    if len(divisor) == 1 and len(dividend) > 1:
        divisor = divisor.new_from_index(0, len(dividend))
    return dividend / divisor
