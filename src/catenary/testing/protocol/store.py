"""A GroupBy's dataset: lanes with their tiles, uploads with late tiles, readers, dead letters.

    lane ──► epoch, position, passed, floor …      one commit replaces them together with the tiles
    tile ──► (start, size): partial, statuses      of one lane and one key
    late ──► (upload, lane): base tiles            events that an upload lacks

What runs between two yields of a stage is one transaction, and so is a read: nothing here ever waits.
(protocol 1 to 5)

Read next: ``reading.py`` (what a read merges), ``tending.py`` (floor, roll-up, retention).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catenary.testing.protocol.partials import Partial, merged
from catenary.testing.protocol.shapes import ANCIENT, LaneId

if TYPE_CHECKING:
    from catenary.testing.protocol.shapes import Shape
    from catenary.testing.protocol.topics import Record
    from catenary.testing.protocol.uploads import Upload

Tiles = dict[tuple[int, int], tuple[Partial | None, int]]
"""(start, size) to partial and statuses."""


@dataclass
class Lane:
    """What a stage has done with one source partition.

    Attributes:
        epoch: raised by whoever takes it.
        position: the offset to be read next.
        incarnation: the log's, of the position.
        since: the event time from which the lane holds everything.
        covered: the cut-off and the frontier of the upload that it began with; what lies before both
            is left to that.
        passed: greatest event time committed.
        floor: of the head; never falls.
        kept: tiles that ended at or before it are gone.
        settled: uploads to whose late tiles the lane has brought all it had, and brings what comes.
    """

    epoch: int = 0
    position: int = 0
    incarnation: int = 0
    since: int = ANCIENT
    covered: tuple[int, int] = (ANCIENT, 0)
    passed: int = ANCIENT
    floor: int = ANCIENT
    kept: int = ANCIENT
    settled: set[int] = field(default_factory=set[int])


@dataclass
class Reader:
    """A client that holds the floor.

    Attributes:
        passed: event time before which it asks no more.
        exact_from: reads from here on were promised to be exact when it registered.
        until: the step at which its registration ends.
    """

    passed: int
    exact_from: int
    until: int


class Dataset:
    """All state of one GroupBy."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.lanes: dict[LaneId, Lane] = {}
        self.tiles: dict[str, dict[LaneId, Tiles]] = defaultdict(dict)
        self.uploads: list[Upload] = []
        self.late: dict[int, dict[str, dict[LaneId, Tiles]]] = {}
        self.readers: dict[str, Reader] = {}
        self.letters: dict[tuple[LaneId, int], Record] = {}
        self.raised: dict[tuple[str, LaneId, int, int], int] = {}
        """Of tiles that stayed alone: the level at which they are looked at again."""
        self.registrations = 0

    def fold(self, lane: LaneId, key: str, ts: int, partial: Partial | None, status: int) -> None:
        """Bring a row into its lane: to the head at or after the floor, else into a base tile."""
        size = 1 if ts >= self.lanes[lane].floor else self.shape.base
        put(self.tiles[key].setdefault(lane, {}), ts, size, partial, status)

    def fold_late(
        self, upload: int, lane: LaneId, key: str, ts: int, partial: Partial | None, status: int
    ) -> None:
        """Bring a row that an upload lacks into that upload's late tiles."""
        tiles = self.late[upload].setdefault(key, {}).setdefault(lane, {})
        put(tiles, ts, self.shape.base, partial, status)

    def active(self) -> list[Upload]:
        """Uploads that are read, the oldest cut-off first."""
        return sorted((each for each in self.uploads if each.active), key=lambda each: each.cutoff)

    def newest(self, at: int) -> Upload | None:
        """The upload for a read at `at`: the newest whose cut-off is at or before it."""
        fitting = [each for each in self.active() if each.cutoff <= at]
        return fitting[-1] if fitting else None

    def floor(self) -> int:
        """From here on every lane has a head."""
        return max((lane.floor for lane in self.lanes.values()), default=ANCIENT)

    def overlapping(self) -> list[str]:
        """Tiles that neither lie apart nor one within the other: there must be none."""
        found: list[str] = []
        for key, lanes in self.tiles.items():
            for lane, tiles in lanes.items():
                end = ANCIENT
                for start, size in sorted(tiles, key=lambda each: (each[0], -each[1])):
                    if start < end < start + size:
                        found.append(f"{key} {lane}: a tile from {start} reaches past {end}")
                    end = max(end, start + size)
                    if start % size:
                        found.append(f"{key} {lane}: {start} is no multiple of {size}")
        return found

    def summary(self) -> dict[str, object]:
        """What may be compared with a real dataset, step by step.

        Per lane its epoch, position, greatest event time, floor, and what is gone; all tiles; by
        cut-off, the uploads: whether they are read, who has to settle them, their late tiles; what
        readers have passed; dead letters.
        """
        return {
            "lanes": {
                lane: (state.epoch, state.position, state.passed, state.floor, state.kept)
                for lane, state in sorted(self.lanes.items())
            },
            "tiles": listed(self.tiles),
            "uploads": {each.cutoff: (each.active, self.unsettled(each)) for each in self.uploads},
            "late": {each.cutoff: listed(self.late[each.number]) for each in self.uploads},
            "readers": {name: each.passed for name, each in self.readers.items()},
            "letters": sorted(self.letters),
        }

    def unsettled(self, upload: Upload) -> list[LaneId]:
        """Lanes that have still to bring an upload what it lacks."""
        return sorted(id_ for id_, lane in self.lanes.items() if upload.number not in lane.settled)


def put(tiles: Tiles, ts: int, size: int, partial: Partial | None, status: int) -> None:
    """Merge a partial into the tile of that size that holds the instant."""
    place = (ts // size * size, size)
    held, before = tiles.get(place, (None, 0))
    tiles[place] = merged(held, partial), before | status


def listed(
    tiles: dict[str, dict[LaneId, Tiles]],
) -> list[tuple[str, LaneId, int, int, Partial | None, int]]:
    """(key, lane, start, end, partial, statuses), in order."""
    return [
        (key, lane, start, start + size, *held)
        for key, lanes in sorted(tiles.items())
        for lane, found in sorted(lanes.items())
        for (start, size), held in sorted(found.items())
    ]
