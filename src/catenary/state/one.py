"""One entity as of one instant, as Python values: what `reading.py` says, without tables.

    one range, one upload value ──► tiles before the instant ──► partials merged ──► values, statuses

For a model that asks for one row and waits. The same rules, written for one read.

Read next: ``reading.py`` (many reads).
Held to account by: ``tests/unit/serve/test_single.py``, which compares the two.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.ports import statuses
from catenary.state import tiles
from catenary.state.held import Span, sought
from catenary.state.reading import ALL, known_by
from catenary.state.records import ANCIENT_MS, LANES, UPLOADS_KEY, Lane, Uploads, unpack
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.reading import Known
    from catenary.state.records import Upload

_UPLOAD_LEVEL: Final = -1
_MANY: Final = 96
"""Rows of an entity from which on those that matter are sought."""


class One(NamedTuple):
    """What an entity was.

    Attributes:
        values: the GroupBy's columns before derivations, in the layout's order.
        status: of the read.
        own: what of it is the read's own, and not inherited from the rows that it merged.
        closed, head: whether closed tiles were merged, and head tiles.
    """

    values: tuple[object, ...]
    status: int
    own: int
    closed: bool = False
    head: bool = False

    def told(self, status: int) -> One:
        """With a status more of its own."""
        return self._replace(status=self.status | status, own=self.own | status)


class _Tile(NamedTuple):
    """A tile that begins before the instant; in the order in which tiles are merged."""

    start: int
    end: int
    level: int
    status: int
    collapsed: bool
    packed: bytes


@lru_cache(maxsize=64)
def uploads_in(data: bytes | None) -> Uploads:
    """The uploads that a record tells of."""
    return Uploads() if data is None else unpack(data, Uploads)


@lru_cache(maxsize=1024)
def lane_in(data: bytes) -> Lane:
    """The lane that a record tells of."""
    return unpack(data, Lane)


def read_temporal(layout: Layout, snapshot: Snapshot, entity: bytes, ts: int) -> One:
    """An entity to the millisecond; see `reading.read_temporal`.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entity: its bytes.
        ts: milliseconds; events strictly before it count.
    """
    uploads = uploads_in(snapshot.get(UPLOADS_KEY))
    held = {key[1:]: lane_in(value) for key, value in snapshot.scan(LANES)}
    lanes = list(held.values())
    upload = uploads.newest(ts)
    since = ANCIENT_MS // 2 if upload is None else upload.cutoff_ms
    if layout.reach_ms is not None:
        # A read that ends early, at the start of a longer tile, reaches back by so much more.
        since = max(since, ts - layout.reach_ms - layout.sizes_ms[-1])
    rows = _rows(layout, snapshot, tiles.TILE + entity, Span(tuple(held), since, ts))
    found = _lane_tiles(layout, rows, len(entity) + 1, ts, upload)
    if upload is not None:
        found += _upload_tiles(snapshot, upload, entity, ts)
    return _answer(layout, found, ts, known_by(upload, uploads, lanes))


def read_snapshot(
    layout: Layout, snapshot: Snapshot, entity: bytes, ts: int, *, holds: bool
) -> One:
    """An entity as of the last midnight; see `reading.read_snapshot`.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entity: its bytes.
        ts: milliseconds.
        holds: one snapshot stands until the next.
    """
    uploads = uploads_in(snapshot.get(UPLOADS_KEY))
    wanted = ts // DAY_MS * DAY_MS
    upload = uploads.newest(wanted)
    if upload is None:
        doubt = statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD
        return _answer(layout, [], wanted).told(doubt)
    at = min(wanted, upload.cutoff_ms)
    one = _answer(layout, _upload_tiles(snapshot, upload, entity, at), at)
    return one.told(statuses.STALE_BATCH if wanted > upload.cutoff_ms and not holds else 0)


def _rows(
    layout: Layout, snapshot: Snapshot, prefix: bytes, span: Span
) -> list[tuple[bytes, bytes]]:
    """The rows of an entity that may matter; where it has many, they are sought."""
    rows = list(islice(snapshot.scan(prefix), _MANY))
    return rows if len(rows) < _MANY else sought(layout, snapshot, [prefix], span)[0]


def _lane_tiles(
    layout: Layout,
    rows: list[tuple[bytes, bytes]],
    skip: int,
    ts: int,
    upload: Upload | None,
) -> list[_Tile]:
    """Tiles of lanes and late tiles that begin before the instant, and the upload does not hold."""
    sizes = layout.sizes_ms
    cutoff = ANCIENT_MS if upload is None else upload.cutoff_ms
    late = None if upload is None else tiles.OF_UPLOAD + upload.id.to_bytes(4, "big")
    found: list[_Tile] = []
    for key, data in rows:
        start = tiles.instant_of(key[-8:])
        if start >= ts:
            continue
        if key[skip : skip + 1] == tiles.OF_LANE:
            if start < cutoff:
                continue
        elif late is None or not key.startswith(late, skip):
            continue
        level = key[-9]
        packed = data[tiles.STATUS_BYTES :]
        found.append(
            _Tile(start, start + sizes[level], level, tiles.status_of(data), False, packed)
        )
    return found


def _upload_tiles(snapshot: Snapshot, upload: Upload, entity: bytes, ts: int) -> list[_Tile]:
    data = snapshot.get(tiles.upload_key(upload.id, entity))
    if data is None:
        return []
    return [
        _Tile(each.start_ms, each.end_ms, _UPLOAD_LEVEL, 0, each.collapsed, each.packed)
        for each in tiles.unpack_upload(data)
        if each.start_ms < ts
    ]


def _lacks(layout: Layout, known: Known, at: int) -> bool:
    """Whether a read reaches back further than all is known."""
    if known.cutoff_ms >= known.begins_ms:
        return False
    spans = layout.spans_ms
    return spans is None or any(
        (at - window_ms) // hop_ms * hop_ms < known.begins_ms for window_ms, hop_ms in spans
    )


def _answer(layout: Layout, found: list[_Tile], ts: int, known: Known = ALL) -> One:
    """What the tiles say."""
    at = ts
    # A tile that begins before an instant and ends after it cannot be taken apart.
    while straddling := [each.start for each in found if each.start < at < each.end]:
        at = min(straddling)
    merged = sorted(each for each in found if each.end <= at)
    held = kernel.Tiles(
        start=np.array([each.start for each in merged], np.int64),
        end=np.array([each.end for each in merged], np.int64),
        status=np.array([each.status for each in merged], np.int64),
        collapsed=np.array([each.collapsed for each in merged], bool),
        packed=pa.array([each.packed for each in merged], pa.large_binary()),
    )
    answer = kernel.answer_one(layout, held, at)
    own = statuses.AS_OF_TILE if at < ts else 0
    own |= statuses.STALE_BATCH if answer.stale else 0
    own |= statuses.BEFORE_RETENTION if answer.cut else 0
    own |= statuses.OVERFLOW if answer.overflow else 0
    own |= 0 if answer.seen else statuses.MISSING
    own |= known.doubt if _lacks(layout, known, at) else 0
    head = any(each.level == 0 for each in merged)
    closed = any(each.level != 0 for each in merged)
    return One(answer.values, answer.status | own, own, closed, head)
