"""Uploads: a backfill's partials up to a cut-off, and what the store must know of them.

    tables ──► backfill ──► rows before the cut-off ──► tiles: fine where a window may begin, else long

An upload says up to which offset of each source partition its tables held the events: the inclusion
frontier. Events at or after the cut-off are in no upload's tiles, wherever they lie. (protocol 6, 7)
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from catenary.testing.protocol.partials import Partial, merged, one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.testing.protocol.shapes import Place, Shape


class UploadTile(NamedTuple):
    """Rows in `[start, end)`."""

    start: int
    end: int
    partial: Partial | None


@dataclass
class Upload:
    """Batch partials up to a cut-off.

    Attributes:
        number: ascending.
        cutoff: a midnight; events strictly before it are in.
        frontier: per source partition the offset before which events are in; None if unknown.
        reached: the event time that the tables of each of its sources had come to;
            before every event where it has no stream.
        extent: the sequence before which its tables held all events of its own topics; not for
            stages.
        ancestors: the same of the tables that its parents are computed from.
        tiles: by key.
        active: whether it is read.
    """

    number: int
    cutoff: int
    frontier: dict[Place, int] | None
    reached: int
    extent: int
    ancestors: int
    tiles: dict[str, list[UploadTile]] = field(default_factory=dict[str, list[UploadTile]])
    active: bool = False

    def lacks(self, place: Place, offset: int, ts: int) -> bool:
        """Whether an event lies before the cut-off, and its tables did not have it."""
        return self.frontier is not None and ts < self.cutoff and offset >= self.frontier[place]

    def passed_by(self, place: Place, position: int) -> bool:
        """Whether a lane at that position has read events that this upload may lack."""
        return self.frontier is not None and position > self.frontier[place]


def boundaries(shape: Shape, cutoff: int) -> list[int]:
    """Where an upload's tiles begin, ascending; the last one ends at the cut-off.

    >>> from catenary.testing.protocol.shapes import Shape, Window
    >>> boundaries(Shape(0, (), (Window(60, 10),), tail_buffer=20), 120)
    [60, 70, 80, 120]
    """
    found = {cutoff}
    for window in shape.windows:
        first = window.start(cutoff)
        found.add(first)
        if window.length is not None:
            tail = window.length if shape.tail_buffer is None else shape.tail_buffer
            found.update(range(first, min(first + tail, cutoff) + 1, window.hop))
    return sorted(found)


def fill(upload: Upload, shape: Shape, rows: Iterable[tuple[str, int, int]]) -> None:
    """Fold a backfill's rows (key, time, value) into the upload's tiles."""
    cuts = boundaries(shape, upload.cutoff)
    held: dict[str, dict[int, Partial | None]] = {}
    for key, ts, value in rows:
        at = bisect_right(cuts, ts) - 1
        if at >= 0 and ts < upload.cutoff:
            tiles = held.setdefault(key, {})
            tiles[at] = merged(tiles.get(at), one(ts, value))
    upload.tiles = {
        key: [UploadTile(cuts[at], cuts[at + 1], tiles[at]) for at in sorted(tiles)]
        for key, tiles in held.items()
    }
