"""Instants and the UTC days (`ds` partitions) that hold them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from catenary.errors import DefinitionError

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_EPOCH: Final = date(1970, 1, 1)
_EPOCH_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_MS: Final = (date.min - _EPOCH).days * DAY_MS
LAST_MS: Final = ((date.max - _EPOCH).days + 1) * DAY_MS - 1
"""The calendar's first instant and its last: of the years 1 to 9999."""

_DIGITS: Final = 19

LIKELY_MS: Final = 365 * DAY_MS
UNLIKELY_MS: Final = 84_006 * DAY_MS
"""1971 and 2200: seconds that stand for milliseconds lie before the first, microseconds after the second."""


def floor_ms(instant_ms: int, step_ms: int) -> int:
    """The greatest multiple of `step_ms` at or before the instant, before 1970 too.

    >>> floor_ms(-1, 1000)
    -1000
    """
    return instant_ms // step_ms * step_ms


def ds_of(instant_ms: int) -> str:
    """The UTC day that holds the instant, as `yyyy-mm-dd`.

    Raises:
        DefinitionError: if no year from 1 to 9999 has it.

    >>> ds_of(86_399_999), ds_of(86_400_000)
    ('1970-01-01', '1970-01-02')
    """
    if not FIRST_MS <= instant_ms <= LAST_MS:
        side = "before 0001-01-01" if instant_ms < 0 else "after 9999-12-31"
        problem = f"a day {side} would be needed ({instant_ms} ms), which no calendar has"
        hint = "days and windows that reach so far cannot be computed: choose others"
        raise DefinitionError(problem, hint=hint)
    return _written(instant_ms // DAY_MS)


@lru_cache(maxsize=4096)
def _written(days: int) -> str:
    """A day since 1970; most instants that are asked for fall on few."""
    return (_EPOCH + timedelta(days=days)).isoformat()


def ds_start_ms(ds: str) -> int:
    """The first instant of the day.

    Raises:
        DefinitionError: if `ds` is not a date.
    """
    try:
        return (date.fromisoformat(ds) - _EPOCH).days * DAY_MS
    except ValueError:
        problem = f"ds={ds!r} is not a date"
        raise DefinitionError(
            problem, hint="write days as yyyy-mm-dd, such as 2013-01-31"
        ) from None


def shift_ds(ds: str, days: int) -> str:
    """The day `days` after `ds` (before it, when negative)."""
    return ds_of(ds_start_ms(ds) + days * DAY_MS)


def ds_range(start: str, end: str) -> tuple[str, ...]:
    """All days from `start` to `end`, both included; empty if `end` comes first.

    >>> ds_range("2013-02-27", "2013-03-01")
    ('2013-02-27', '2013-02-28', '2013-03-01')
    """
    first, last = ds_start_ms(start), ds_start_ms(end)
    return tuple(ds_of(at) for at in range(first, last + 1, DAY_MS))


def format_instant(instant_ms: int) -> str:
    """The instant for people: `2013-01-31 23:59:59.999` (UTC); milliseconds beyond the calendar.

    >>> format_instant(-1), format_instant(FIRST_MS), format_instant(1 << 60)
    ('1969-12-31 23:59:59.999', '0001-01-01 00:00:00.000', '1152921504606846976 ms')
    """
    if not FIRST_MS <= instant_ms <= LAST_MS:
        return f"{instant_ms} ms"
    moment = _EPOCH_INSTANT + timedelta(milliseconds=instant_ms)
    return moment.replace(tzinfo=None).isoformat(" ", "milliseconds")


def unlikely(what: str, instant_ms: int) -> str:
    """What to say of times that all lie before 1971 or after 2200.

    >>> unlikely("ts", 1_705_917_600).partition(": ")[2]
    'as milliseconds 1705917600 is 1970-01-20 17:51:57.600; are these seconds?'
    """
    seconds = instant_ms < LIKELY_MS
    meant = format_instant(instant_ms) if instant_ms <= LAST_MS else "in no year up to 9999"
    return (
        f"every {what} that was read lies before 1971 or after 2200: as milliseconds {instant_ms} is"
        f" {meant}; are these {'seconds' if seconds else 'microseconds or nanoseconds'}?"
    )


def parse_instant(text: str) -> int:
    """An instant from ISO text (UTC unless it names an offset) or from plain milliseconds.

    Raises:
        DefinitionError: if the text is neither, or beyond the calendar.

    >>> parse_instant("1970-01-02"), parse_instant("1970-01-01T00:00:01Z"), parse_instant("-5")
    (86400000, 1000, -5)
    >>> parse_instant("1970-01-01 01:00"), parse_instant("1970-01-01 01:00+01:00")
    (3600000, 0)
    """
    digits = text.removeprefix("-")
    if digits.isdecimal():
        # Python refuses to read numbers of thousands of digits.
        if len(digits) > _DIGITS or not FIRST_MS <= int(text) <= LAST_MS:
            problem = f"{text[:_DIGITS]} milliseconds since 1970 is in no year from 1 to 9999"
            raise DefinitionError(problem, hint="are these microseconds? write milliseconds")
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = f"{text!r} is not an instant"
        hint = "write 2013-01-31T12:00:00Z, 2013-01-31, or milliseconds since 1970"
        raise DefinitionError(problem, hint=hint) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH_INSTANT) // timedelta(milliseconds=1)
