"""What each operation makes of a window's values (semantics 10, 12, 13 and 14).

A fold gets the non-null values that a window holds, with their times, at least one; it gives a
value, or None where the result is not a number, out of range, or needs more values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from catenary.schema import BIGINT, DOUBLE, Type, array, map_of

if TYPE_CHECKING:
    from catenary.definitions import Operation

Seen = Sequence[tuple[int, object]]
"""(time, value) pairs of a window, values not null, in no particular order."""


def clean(value: object) -> object:
    """A value as it is stored: NaN is null, minus zero is zero, in lists too."""
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0
    if isinstance(value, list):
        return [clean(each) for each in value]
    return value


def finite(value: object) -> object:
    """A value as it leaves: what is not a finite number is null."""
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    if isinstance(value, list):
        return [finite(each) for each in value]
    return value


def order(value: object) -> tuple[bool, object]:
    """The total order: null first, text by its UTF-8 bytes, false before true, lists by element."""
    if value is None:
        return (False, 0)
    if isinstance(value, str):
        return (True, value.encode())
    if isinstance(value, list):
        return (True, [order(each) for each in value])
    return (True, value)


def output_type(operation: Operation, given: Type) -> Type:
    """The type of the result over inputs of type `given`."""
    if operation.name in ("count", "unique_count"):
        return BIGINT
    if operation.name == "sum":
        return DOUBLE if given.is_float else BIGINT
    if operation.name in ("average", "variance", "stddev", "skew", "kurtosis"):
        return DOUBLE
    if operation.name == "histogram":
        return map_of(given, BIGINT)
    return array(given) if operation.name.endswith("_k") else given


def fold(operation: Operation, seen: Seen) -> object:
    """The operation's result over a window that holds `seen`."""
    assert seen, "a window without values has no fold"
    return finite(_FOLDS[operation.name](operation, seen))


def _in_time(seen: Seen) -> list[object]:
    """Values by (time, value), the order of everything that asks for first or last."""
    return [value for _, value in sorted(seen, key=lambda pair: (pair[0], order(pair[1])))]


def _ascending(seen: Seen) -> list[object]:
    return sorted((value for _, value in seen), key=order)


def _distinct(seen: Seen) -> list[object]:
    found: list[object] = []
    for value in _ascending(seen):
        if not found or found[-1] != value:
            found.append(value)
    return found


def _numbers(seen: Seen) -> list[Fraction] | None:
    """The values exactly, booleans as 0 and 1; None if an infinity is among them."""
    numbers: list[Fraction] = []
    for _, value in seen:
        assert isinstance(value, (bool, int, float)), value
        if not math.isfinite(value):
            return None
        numbers.append(Fraction(value))
    return numbers


def _nearest(exact: Fraction) -> float | None:
    """The double nearest to the exact value, ties to even; None where there is none."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return None


def _sum(_: Operation, seen: Seen) -> object:
    numbers = _numbers(seen)
    if numbers is None:
        return None
    total = sum(numbers, Fraction(0))
    if isinstance(seen[0][1], float):
        return _nearest(total)
    return int(total) if -(2**63) <= total < 2**63 else None


def _average(_: Operation, seen: Seen) -> object:
    numbers = _numbers(seen)
    return None if numbers is None else _nearest(sum(numbers, Fraction(0)) / len(numbers))


def _moment(numbers: Sequence[Fraction], power: int) -> Fraction:
    """Sum of the powers of the distances from the mean."""
    mean = sum(numbers, Fraction(0)) / len(numbers)
    return sum(((number - mean) ** power for number in numbers), Fraction(0))


def _variance(operation: Operation, seen: Seen) -> float | None:
    numbers = _numbers(seen)
    if numbers is None or len(numbers) <= operation.sample:
        return None
    return _nearest(_moment(numbers, 2) / (len(numbers) - operation.sample))


def _stddev(operation: Operation, seen: Seen) -> float | None:
    variance = _variance(operation, seen)
    return None if variance is None else math.sqrt(variance)


def _skew(_: Operation, seen: Seen) -> float | None:
    numbers = _numbers(seen)
    if numbers is None or len(numbers) < 3 or _moment(numbers, 2) == 0:
        return None
    # sqrt(n) * m3 / m2^1.5 as the root of an exact square, so that nothing overflows midway.
    third = _moment(numbers, 3)
    square = _nearest(len(numbers) * third**2 / _moment(numbers, 2) ** 3)
    if square is None:
        return None
    return -math.sqrt(square) if third < 0 else math.sqrt(square)


def _kurtosis(_: Operation, seen: Seen) -> float | None:
    numbers = _numbers(seen)
    if numbers is None or len(numbers) < 4 or _moment(numbers, 2) == 0:
        return None
    return _nearest(len(numbers) * _moment(numbers, 4) / _moment(numbers, 2) ** 2 - 3)


def _histogram(operation: Operation, seen: Seen) -> object:
    values = [value for _, value in seen]
    counts = [(value, values.count(value)) for value in _distinct(seen)]
    if operation.k is not None:
        counts = sorted(counts, key=lambda pair: (-pair[1], order(pair[0])))[: operation.k]
    return dict(sorted(counts, key=lambda pair: order(pair[0])))


_FOLDS: Final[dict[str, Callable[[Operation, Seen], object]]] = {
    "count": lambda _, seen: len(seen),
    "sum": _sum,
    "average": _average,
    "variance": _variance,
    "stddev": _stddev,
    "skew": _skew,
    "kurtosis": _kurtosis,
    "min": lambda _, seen: _ascending(seen)[0],
    "max": lambda _, seen: _ascending(seen)[-1],
    "first": lambda _, seen: _in_time(seen)[0],
    "last": lambda _, seen: _in_time(seen)[-1],
    "first_k": lambda operation, seen: _in_time(seen)[: operation.k],
    "last_k": lambda operation, seen: _in_time(seen)[::-1][: operation.k],
    "top_k": lambda operation, seen: _ascending(seen)[::-1][: operation.k],
    "bottom_k": lambda operation, seen: _ascending(seen)[: operation.k],
    "unique_count": lambda _, seen: len(_distinct(seen)),
    "histogram": _histogram,
    "unique_top_k": lambda operation, seen: _distinct(seen)[::-1][: operation.k],
}
