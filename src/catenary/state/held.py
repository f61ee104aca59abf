"""The tiles of many entities as columns: found, parsed and sorted all at once.

    entities, bounds ──► rows of lanes, late tiles, the upload's ──► start, end, level, …, packed

What a read costs is bounded by how many tiles lie in its entities' ranges, so no object is made per
tile (``compiled/ranges.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.compiled import ranges
from catenary.state import tiles
from catenary.state.records import ANCIENT_MS, damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Upload

OWN: Final = -1
"""In `Held.upload`: a tile of an upload itself. 0: of a lane; else the upload it is late to."""


@dataclass(frozen=True)
class Held:
    """Tiles, in columns; those of an entity lie together, by start and end.

    Attributes:
        offsets: int64[entities + 1], where each entity's tiles begin.
        start, end: int64 milliseconds.
        level: int64, the place of its size in the layout's; of an upload's tiles -1.
        status: int64, of the rows folded in.
        collapsed: int64, 1 for an upload's tile that is longer than a window's hop.
        upload: int64; see `OWN`.
        packed: partials.
    """

    offsets: np.ndarray
    start: np.ndarray
    end: np.ndarray
    level: np.ndarray
    status: np.ndarray
    collapsed: np.ndarray
    upload: np.ndarray
    packed: pa.LargeBinaryArray

    def __len__(self) -> int:
        return len(self.start)

    def for_kernel(self) -> kernel.Tiles:
        """As the kernel takes them."""
        return kernel.Tiles(
            start=self.start,
            end=self.end,
            status=self.status,
            collapsed=self.collapsed.astype(bool),
            packed=self.packed,
        )


@dataclass(frozen=True)
class Span:
    """Which tiles matter.

    Attributes:
        since_ms: those that end at or before it do not.
        until_ms: those that begin at or after it do not.
    """

    since_ms: int
    until_ms: int

    @staticmethod
    def of(layout: Layout, first_ms: int, last_ms: int) -> Span:
        """What reads may merge, the first of which ends at one instant, or lie in before another."""
        if layout.reach_ms is None:
            return Span(ANCIENT_MS, last_ms)
        return Span(max(first_ms - layout.reach_ms, ANCIENT_MS), last_ms)


def none(entities: int) -> Held:
    """No tiles."""
    return _held(np.zeros(entities + 1, np.int64), b"", bytes(8), b"")


def of_lanes(
    layout: Layout,
    snapshot: Snapshot,
    entities: Sequence[bytes],
    span: Span,
    lanes: Iterable[bytes],
    upload: Upload | None,
) -> Held:
    """The tiles of lanes, and what is read beside them of an upload: its own, and those late to it.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entities: their bytes, ascending.
        span: which tiles matter.
        lanes: all that there are.
        upload: whose tiles stand for those of lanes before its cut-off; None for none.

    Raises:
        UnreadableError: for rows that are no tiles.
    """
    bounds = bounds_of(layout, span, lanes, upload)
    return _gathered(layout, snapshot, entities, span, bounds, upload)


def bounds_of(
    layout: Layout, span: Span, lanes: Iterable[bytes], upload: Upload | None
) -> list[tuple[bytes, bytes]]:
    """Which rows of each entity matter, as (start, end) of what follows it in their keys, ascending."""
    late, cutoff = (-1, ANCIENT_MS) if upload is None else (upload.id, upload.cutoff_ms)
    sizes = layout.program.sizes
    return ranges.bounds_of(sorted(lanes), sizes, span.since_ms, span.until_ms, late, cutoff)


def of_upload(
    layout: Layout, snapshot: Snapshot, entities: Sequence[bytes], span: Span, upload: Upload
) -> Held:
    """An upload's own tiles of these entities; arguments as of `of_lanes`."""
    return _gathered(layout, snapshot, entities, span, [], upload)


def _gathered(
    layout: Layout,
    snapshot: Snapshot,
    entities: Sequence[bytes],
    span: Span,
    bounds: list[tuple[bytes, bytes]],
    upload: Upload | None,
) -> Held:
    offsets = np.empty(len(entities) + 1, np.int64)
    uploaded: list[bytes | None] = []
    if upload is not None:
        uploaded = snapshot.get_many([tiles.upload_key(upload.id, each) for each in entities])
    found = ranges.gather(
        snapshot.walk(),
        [tiles.TILE + each for each in entities],
        bounds,
        layout.program.sizes,
        span.since_ms,
        span.until_ms,
        uploaded,
        offsets,
    )
    if found is None:
        raise damaged("a tile of the store is damaged")
    return _held(offsets, *found)


def _held(offsets: np.ndarray, columns: bytes, places: bytes, packed: bytes) -> Held:
    many = len(places) // 8 - 1
    buffers = [None, pa.py_buffer(places), pa.py_buffer(packed)]
    found: Any = pa.Array.from_buffers(pa.large_binary(), many, buffers)
    return Held(offsets, *np.frombuffer(columns, np.int64).reshape(6, many), packed=found)
