"""Values from one type to another by Spark's non-ANSI rules, one value at a time.

A text that is no number, date or time gives None; whole numbers wrap round at their width and
floats saturate, as Java's do. Instants outside the years 1 to 9999 are None: they have no Python
value, on either evaluator.
"""

from __future__ import annotations

import re
from ctypes import c_float
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from struct import pack, unpack
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY: Final = date(1970, 1, 1)
MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH_ORDINAL: Final = EPOCH_DAY.toordinal()
FIRST_MICROS: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST_MICROS: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

_BLANKS: Final = "".join(map(chr, range(33))) + "\x7f"
_INTEGER: Final = re.compile(r"([+-]?)(\d*)(?:\.\d*)?", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?", re.ASCII)
_SPECIAL: Final = {
    "inf": float("inf"), "+inf": float("inf"), "infinity": float("inf"),
    "+infinity": float("inf"), "-inf": float("-inf"), "-infinity": float("-inf"),
    "nan": float("nan"),
}  # fmt: skip
_TRUE: Final = frozenset(("t", "true", "y", "yes", "1"))
_FALSE: Final = frozenset(("f", "false", "n", "no", "0"))
_DATE: Final = re.compile(
    r"([+-]?\d{4,7})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T].*)?)?)?", re.DOTALL | re.ASCII
)
_TIMESTAMP: Final = re.compile(
    r"([+-]?\d{4,6})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T]"
    r"(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))? *([A-Za-z+-].*)?)?)?)?)?)?)?",
    re.ASCII,
)
_OFFSET: Final = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?", re.ASCII)


def fitting(value: int, bits: int) -> int | None:
    """The value, if a signed integer of that width holds it."""
    return value if fits(value, bits) else None


def fits(value: int, bits: int) -> bool:
    """Whether a signed integer of that width holds the value."""
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)


def wrap(value: int, bits: int) -> int:
    """The value as a signed integer of that width, wrapped round.

    >>> wrap(128, 8), wrap(-129, 8)
    (-128, 127)
    """
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


def single(value: float) -> float:
    """The 32-bit float nearest to a double, as a double."""
    return c_float(value).value


def nearest_float(value: int | str) -> float:
    """The 32-bit float nearest to an exact number, without rounding to a double on the way."""
    exact = Fraction(value)
    first = c_float(float(value)).value
    if first in (float("inf"), float("-inf")) or first == exact:
        return first
    (bits,) = unpack("<i", pack("<f", first))
    near = [unpack("<f", pack("<i", each))[0] for each in (bits, bits - 1, bits + 1)]
    even = {each: at for at, each in enumerate(near)}
    return min(near, key=lambda each: (abs(Fraction(each) - exact), (bits + even[each]) % 2))


def to_int(text: str, bits: int) -> int | None:
    """The whole number that a text means; a fraction is cut off.

    >>> to_int(" 12.9 ", 32), to_int("1e3", 32), to_int("300", 8)
    (12, None, None)
    """
    found = _INTEGER.fullmatch(text.strip(_BLANKS))
    if found is None or not (found[2] or "." in found[0]):
        return None
    value = int(found[1] + (found[2] or "0"))
    return value if fits(value, bits) else None


def to_double(text: str) -> float | None:
    """The double that a text means."""
    stripped = text.strip(_BLANKS)
    if _FLOAT.fullmatch(stripped):
        return float(stripped.rstrip("dDfF"))
    return _SPECIAL.get(stripped.lower())


def to_float(text: str) -> float | None:
    """The 32-bit float that a text means."""
    value = to_double(text)
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return value
    digits = text.strip(_BLANKS).rstrip("dDfF")
    return nearest_float(digits) if value else value


def to_boolean(text: str) -> bool | None:
    """The truth that a text means: t, true, y, yes, 1 or their opposites."""
    word = text.strip(_BLANKS).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def to_date(text: str) -> date | None:
    """The day that a text means: `2020`, `2020-1`, `2020-1-31`, with anything after a blank or T."""
    found = _DATE.fullmatch(text.strip(_BLANKS))
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None


def to_timestamp(text: str) -> datetime | None:
    """The instant that a text means; UTC unless it names a zone."""
    found = _TIMESTAMP.fullmatch(text.strip(_BLANKS))
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        local = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            int(second or 0), micros, tzinfo=_zone(zone),
        )  # fmt: skip
        return local.astimezone(UTC)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        return None


def _zone(text: str | None) -> timezone | ZoneInfo:
    if text is None or text in ("Z", "UTC", "GMT", "UT"):
        return UTC
    found = _OFFSET.fullmatch(text)
    if found is None:
        return ZoneInfo(text)
    shift = timedelta(hours=int(found[2]), minutes=int(found[3] or 0), seconds=int(found[4] or 0))
    if shift > timedelta(hours=18):
        problem = "zone offset beyond 18 hours"
        raise ValueError(problem)
    return timezone(-shift if found[1] == "-" else shift)


def float_to_int(value: float, bits: int) -> int:
    """Java's cast: NaN is 0, too large is the largest; narrow types wrap from 32 bits."""
    if value != value:
        return 0
    wide = max(bits, 32)
    low, high = -(1 << (wide - 1)), (1 << (wide - 1)) - 1
    whole = low if value <= low else high if value >= high else int(value)
    return wrap(whole, bits)


def from_double(value: float) -> str:
    """Java's text of a double, its shortest digits: `1.0`, `1.0E10`, `Infinity`, `NaN`.

    >>> from_double(1e7), from_double(0.001), from_double(1e-4)
    ('1.0E7', '0.001', '1.0E-4')
    """
    return _java_text(value, repr(value))


def from_float(value: float) -> str:
    """Java's text of a 32-bit float, its shortest digits."""
    for digits in range(1, 10):
        short = f"{value:.{digits}g}"
        if single(float(short)) == value:
            return _java_text(value, short)
    return _java_text(value, repr(value))


def _java_text(value: float, short: str) -> str:
    if value != value:
        return "NaN"
    sign = "-" if short.startswith("-") else ""
    if value in (float("inf"), float("-inf")):
        return sign + "Infinity"
    if value == 0:
        return sign + "0.0"
    mantissa, _, exponent = short.lstrip("-").lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).rstrip("0")
    leading = len(digits) - len(digits.lstrip("0"))
    digits, point = digits[leading:], point - leading
    if 1e-3 <= abs(value) < 1e7:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        digits = digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def from_date(value: date) -> str:
    """The day as `yyyy-mm-dd`."""
    return value.isoformat()[:10]


def from_timestamp(value: datetime) -> str:
    """The instant as `yyyy-mm-dd hh:mm:ss[.ffffff]`, without trailing zeros, in UTC."""
    text = value.isoformat(sep=" ", timespec="seconds")[:19]
    return text if not value.microsecond else f"{text}.{value.microsecond:06d}".rstrip("0")


def micros_of(value: datetime) -> int:
    """Microseconds since the epoch."""
    return (value - EPOCH) // MICROSECOND


def instant(micros: int) -> datetime | None:
    """The instant so many microseconds after the epoch; None outside the years 1 to 9999."""
    if FIRST_MICROS <= micros <= LAST_MICROS:
        return EPOCH + timedelta(microseconds=micros)
    return None


def day_number(value: date) -> int:
    """Days since the epoch."""
    return value.toordinal() - _EPOCH_ORDINAL


def day(number: int) -> date | None:
    """The day so many days after the epoch; None outside the years 1 to 9999."""
    ordinal = number + _EPOCH_ORDINAL
    return date.fromordinal(ordinal) if 1 <= ordinal <= 3_652_059 else None
