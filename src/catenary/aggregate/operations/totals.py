"""Exact totals: sums of powers as integers, so that adding is associative and removing exact.

A finite value `x`, integer or double, is a whole number of units of 2^-1088; the sum of `x^p` is kept
in units of 2^(-1088 p). Python's integers have no bounds, so nothing is rounded before the end, where
one division of integers gives the nearest double. 1088 is the first multiple of 64 that reaches the
smallest double, 2^-1074, so that integers begin at the border of a limb.

Bytes: uvarint count, uvarint +infinities, uvarint -infinities, uvarint floating (0 or 1), then the
totals of the powers 1 to degree (see `codec`).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from catenary.aggregate.operations.base import NUMBERS, Operation

if TYPE_CHECKING:
    from catenary.aggregate.codec import Reader, Scalar, Writer
    from catenary.aggregate.feature import Feature

UNIT_BITS: Final = 1088
"""A value is counted in units of 2 to the power of minus this."""

_LIMBS_A_POWER: Final = 33  # 17 below the point, 16 above: a double lies below 2^1024
_LIMBS_FOR_COUNT: Final = 2


@dataclass(frozen=True, slots=True)
class Totals:
    """The partial of SUM and of the moments.

    Attributes:
        count: the non-null values, infinities included.
        sums: of the powers 1, 2, … of the finite values, in units of 2^(-1088 p).
        plus, minus: how many infinities of each sign.
        floating: whether the values are doubles; false while there are none.
    """

    count: int
    sums: tuple[int, ...]
    plus: int = 0
    minus: int = 0
    floating: bool = False

    @property
    def bounded(self) -> bool:
        """Whether there are values and all are finite."""
        return self.count > 0 and not self.plus and not self.minus


@dataclass(frozen=True, slots=True)
class OfTotals(Operation[Totals]):
    """An operation whose partial is `Totals` up to the power `degree`."""

    inputs = NUMBERS
    removable = True
    degree: ClassVar[int]

    def empty(self) -> Totals:
        """No values, all totals 0."""
        return Totals(0, (0,) * self.degree)

    def merge(self, a: Totals, b: Totals) -> Totals:
        """Counts and totals add up."""
        return Totals(
            a.count + b.count,
            tuple(left + right for left, right in zip(a.sums, b.sums, strict=True)),
            a.plus + b.plus,
            a.minus + b.minus,
            a.floating or b.floating,
        )

    def finish(self, partial: Totals, feature: Feature) -> Any:
        """The result; None with an infinity among the values, as it is not finite then."""
        return self._value(partial, feature) if partial.bounded else None

    @abstractmethod
    def _value(self, partial: Totals, feature: Feature) -> Any:
        """The result over one or more finite values."""

    def _insert(self, partial: Totals, value: Scalar, ts: int) -> Totals:
        return self.merge(partial, self._single(value))

    def _remove(self, partial: Totals, value: Scalar, ts: int) -> Totals:
        gone = self._single(value)
        left = partial.count - 1
        assert left >= 0, "only what was inserted is removed"
        return Totals(
            left,
            tuple(whole - part for whole, part in zip(partial.sums, gone.sums, strict=True)),
            partial.plus - gone.plus,
            partial.minus - gone.minus,
            partial.floating and left > 0,
        )

    def _single(self, value: Scalar) -> Totals:
        assert isinstance(value, (int, float)), "the input type was checked when the plan was made"
        floating = isinstance(value, float)
        if floating and math.isinf(value):
            return Totals(1, (0,) * self.degree, int(value > 0), int(value < 0), floating)
        units = _units(value)
        return Totals(1, tuple(units**p for p in range(1, self.degree + 1)), floating=floating)

    def _write(self, writer: Writer, partial: Totals) -> None:
        for number in (partial.count, partial.plus, partial.minus, partial.floating):
            writer.uvarint(number)
        for total in partial.sums:
            writer.total(total)

    def _read(self, reader: Reader) -> Totals:
        count, plus, minus, floating = (reader.uvarint() for _ in range(4))
        powers = range(1, self.degree + 1)
        sums = tuple(reader.total(_LIMBS_A_POWER * p + _LIMBS_FOR_COUNT) for p in powers)
        if floating > 1 or plus + minus > count or (floating == 0 and plus + minus > 0):
            raise reader.damaged("its counts contradict each other")
        if plus + minus == count and (any(sums) or floating > count):
            raise reader.damaged("it has totals without values")
        if not floating and any(total % (1 << UNIT_BITS * p) for p, total in enumerate(sums, 1)):
            raise reader.damaged("a total of integers has a fraction")
        if self.degree > 1 and (count - plus - minus) * sums[1] < sums[0] ** 2:
            raise reader.damaged("no values have these sums: their variance would be negative")
        return Totals(count, sums, plus, minus, floating == 1)


def quotient(numerator: int, denominator: int) -> float | None:
    """The double nearest to the exact quotient; None where it is not finite, 0.0 for -0.0."""
    try:
        return numerator / denominator + 0.0
    except OverflowError:
        return None


def _units(value: float) -> int:
    """The finite value in units, exactly."""
    numerator, denominator = value.as_integer_ratio()
    return numerator << UNIT_BITS - denominator.bit_length() + 1
