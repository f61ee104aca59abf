"""Local clock readings as instants: what "830" on an airport's clock means in UTC.

    zone ──► the offsets it used that year ──► first such reading after an instant

A clock change makes one hour that never was and one that was twice. A reading from the first is
null here; of the second, the earlier is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import DataError
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

_FIRST: Final = datetime(2012, 12, 31, tzinfo=UTC)
_LAST: Final = datetime(2014, 1, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Zone:
    """A time zone over the year of the flights.

    Attributes:
        changes: (instant in ms, offset from UTC in ms from there on), oldest first.
    """

    name: str
    changes: tuple[tuple[int, int], ...]

    @staticmethod
    def load(name: str) -> Zone:
        """The zone of that IANA name.

        Raises:
            DataError: if this machine has no time zone database.
        """
        try:
            zone = ZoneInfo(name)
        except ZoneInfoNotFoundError:
            problem = f"this machine knows no time zone {name!r}"
            raise DataError(problem, hint="pip install tzdata") from None
        changes: list[tuple[int, int]] = []
        at = _FIRST
        while at < _LAST:
            offset = at.astimezone(zone).utcoffset()
            assert offset is not None
            offset_ms = offset // timedelta(milliseconds=1)
            if not changes or changes[-1][1] != offset_ms:
                changes.append((int(at.timestamp()) * 1_000, offset_ms))
            at += timedelta(hours=1)
        return Zone(name, tuple(changes))

    def offset_ms(self, instants: pa.Array) -> pa.Array:
        """The offset in use at each instant (int64, ms)."""
        offsets = pc.add(pc.multiply(instants, 0), self.changes[0][1])
        for since, offset in self.changes[1:]:
            offsets = pc.if_else(pc.greater_equal(instants, since), offset, offsets)
        return offsets

    def local(self, instants: pa.Array) -> pa.Array:
        """What the zone's clocks show, as milliseconds since 1970 on that clock."""
        return pc.add(instants, self.offset_ms(instants))

    def instant(self, local: pa.Array) -> pa.Array:
        """The instant at which the zone's clocks show `local`: null if never, the first if twice."""
        found = pa.nulls(len(local), pa.int64())
        # A greater offset means an earlier instant, so the last to be written is the earliest.
        for offset in sorted({offset for _, offset in self.changes}):
            candidate = pc.subtract(local, offset)
            is_in_use = pc.equal(self.offset_ms(candidate), offset)
            found = pc.if_else(is_in_use, candidate, found)
        return found

    def first_after(self, instants: pa.Array, clock: pa.Array) -> pa.Array:
        """The first instant after each of `instants` at which the clocks show `clock`.

        Args:
            instants: int64[n], ms.
            clock: int64[n], written as hours × 100 + minutes; 2400 is midnight.

        Returns:
            int64[n], ms; null where that reading never was.
        """
        now = self.local(instants)
        midnight = pc.multiply(pc.divide(now, DAY_MS), DAY_MS)
        hours = pc.divide(clock, 100)
        minutes = pc.subtract(clock, pc.multiply(hours, 100))
        since_midnight = pc.add(pc.multiply(hours, HOUR_MS), pc.multiply(minutes, MINUTE_MS))
        same_day = pc.add(midnight, since_midnight)
        is_past = pc.less_equal(same_day, now)
        return self.instant(pc.if_else(is_past, pc.add(same_day, DAY_MS), same_day))
