"""Window lengths, and the hop to which a window's start is floored (semantics 1 and 2)."""

from __future__ import annotations

import re
from typing import Final

from catenary.errors import DefinitionError
from catenary.windows.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, floor_ms

_UNITS: Final = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "s": SECOND_MS}
_LENGTH: Final = re.compile(r"\s*(\d+)\s*([dhms])\s*")


def parse_length(text: str) -> int:
    """Milliseconds of a length written as number and unit.

    Raises:
        DefinitionError: if the text is not a positive length.

    >>> parse_length("30d"), parse_length("15m")
    (2592000000, 900000)
    """
    found = _LENGTH.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise DefinitionError(
            f"window {text!r} is not a length",
            hint="write a positive number and a unit: 30d, 12h, 15m or 90s",
        )
    return int(found[1]) * _UNITS[found[2]]


def format_length(length_ms: int) -> str:
    """The length in the largest unit that divides it.

    >>> format_length(86_400_000), format_length(5_400_000)
    ('1d', '90m')
    """
    for unit, unit_ms in _UNITS.items():
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms}ms"


def default_hop_ms(length_ms: int) -> int:
    """The hop of a window of this length, unless its author gives another (semantics 2).

    >>> default_hop_ms(12 * DAY_MS) == DAY_MS, default_hop_ms(12 * DAY_MS - 1) == HOUR_MS
    (True, True)
    """
    if length_ms >= 12 * DAY_MS:
        return DAY_MS
    if length_ms >= 12 * HOUR_MS:
        return HOUR_MS
    if length_ms >= HOUR_MS:
        return 5 * MINUTE_MS
    return MINUTE_MS


def window_start_ms(read_ms: int, length_ms: int, hop_ms: int) -> int:
    """The first instant that a window covers when it is read at `read_ms` (semantics 1).

    >>> window_start_ms(10 * DAY_MS + 1, DAY_MS, HOUR_MS) == 9 * DAY_MS
    True
    """
    return floor_ms(read_ms - length_ms, hop_ms)
