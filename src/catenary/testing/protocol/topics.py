"""The log: records per source partition, in order, with offsets that are taken by markers, too.

    publish ──► (topic, partition), offset ──► read from a position on, next position told

`sequence` counts what was acknowledged over all topics: "published before" is one comparison.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from catenary.testing.protocol.shapes import Place


class Record(NamedTuple):
    """One event.

    Attributes:
        sequence: its place among all records of all topics, in the order of acknowledgement.
        place: its source partition.
        offset: in there.
        ts: event time.
        key: that it is grouped by.
        other: a second key, by which a parent may be asked.
        value: what is folded.
        poison: its enrichment fails, online.
    """

    sequence: int
    place: Place
    offset: int
    ts: int
    key: str
    other: str
    value: int
    poison: bool = False


class Log:
    """Topics in memory."""

    def __init__(self, partitions: dict[str, int]) -> None:
        self.places: dict[str, tuple[Place, ...]] = {
            topic: tuple((topic, each) for each in range(number))
            for topic, number in partitions.items()
        }
        self.entries: dict[Place, list[Record | None]] = {
            place: [] for places in self.places.values() for place in places
        }
        self.incarnations: dict[Place, int] = defaultdict(int)
        self.sequence = 0

    def publish(
        self, place: Place, ts: int, key: str, other: str, value: int, *, poison: bool = False
    ) -> Record:
        """Append an event; it is durable and visible at once."""
        offset = len(self.entries[place])
        record = Record(self.sequence, place, offset, ts, key, other, value, poison)
        self.entries[place].append(record)
        self.sequence += 1
        return record

    def mark(self, place: Place) -> None:
        """Append a control record: an offset that readers never get."""
        self.entries[place].append(None)

    def end(self, place: Place) -> int:
        """The visible end."""
        return len(self.entries[place])

    def read(self, place: Place, offset: int, most: int) -> tuple[list[Record], int]:
        """Records from `offset` on, of `most` entries, and the position behind them."""
        found = self.entries[place][offset : offset + most]
        return [each for each in found if each is not None], offset + len(found)

    def extent(self, place: Place, sequence: int) -> int:
        """How many entries a table holds that was filled before the record of that sequence."""
        entries = self.entries[place]
        for offset, each in enumerate(entries):
            if each is not None and each.sequence >= sequence:
                return offset
        return len(entries)

    def cut_tail(self, place: Place, entries: int) -> None:
        """Lose the last entries, as a recovery does; positions before it mean nothing now."""
        del self.entries[place][len(self.entries[place]) - entries :]
        self.incarnations[place] += 1
