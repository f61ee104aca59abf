"""Entities read as of instants: the tiles of every lane, the upload that fits, and what to say of it.

    entities ──► one range each ──┐
                                  ├──► tiles in the window ──► partials merged ──► columns, statuses
    the newest upload that fits ──┘

A read ends at its instant, or, where a longer tile holds it, at that tile's start: `as_of_tile`, never
a glimpse of the future (protocol 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.compiled import ranges, routes
from catenary.ports import statuses
from catenary.state.held import Held, Span, none, of_lanes, of_upload
from catenary.state.records import ANCIENT_MS, lanes_of, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Upload, Uploads


@dataclass(frozen=True)
class Read:
    """What entities were.

    Attributes:
        columns: the GroupBy's columns before derivations, one row per read.
        status: int64 per read.
        closed, head: how many reads merged closed tiles, and head tiles.
    """

    columns: pa.Table
    status: np.ndarray
    closed: int = 0
    head: int = 0


def read_temporal(
    layout: Layout,
    snapshot: Snapshot,
    entities: list[bytes],
    codes: np.ndarray,
    ts: np.ndarray,
) -> Read:
    """Entities as of instants, to the millisecond.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entities: their bytes, ascending.
        codes: int32, the entity of each read; -1 for a null key.
        ts: int64 milliseconds, per read; events strictly before it count.
    """
    uploads, _ = uploads_of(snapshot)
    lanes = lanes_of(snapshot)

    def read(upload: Upload | None, own: list[bytes], codes: np.ndarray, ts: np.ndarray) -> Read:
        span = Span.of(layout, int(ts.min()), int(ts.max()))
        held = of_lanes(layout, snapshot, own, span, lanes, upload)
        if upload is None:
            read = _answer(layout, held, codes, ts)
            _judge_without_upload(layout, read, ts, uploads, lanes)
            return read
        read = _answer(layout, held, codes, ts)
        read.status[_lost(layout, ts, upload, lanes)] |= statuses.BEFORE_RETENTION
        return _refused(read)

    return _by_upload(layout, uploads, entities, codes, ts, read)


def read_snapshot(
    layout: Layout,
    snapshot: Snapshot,
    entities: list[bytes],
    codes: np.ndarray,
    ts: np.ndarray,
    *,
    holds: bool,
) -> Read:
    """Entities as of the last midnight at or before each instant (semantics 3).

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entities: their bytes, ascending.
        codes: int32, the entity of each read; -1 for a null key.
        ts: int64 milliseconds, per read.
        holds: one snapshot stands until the next.
    """
    uploads, _ = uploads_of(snapshot)

    def read(
        upload: Upload | None, own: list[bytes], codes: np.ndarray, wanted: np.ndarray
    ) -> Read:
        if upload is None:
            status = statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD
            read = _answer(layout, none(len(own)), codes, wanted)
            read.status[:] |= status
            return read
        at = np.minimum(wanted, upload.cutoff_ms)
        span = Span.of(layout, int(at.min()), int(at.max()))
        held = of_upload(layout, snapshot, own, span, upload)
        read = _answer(layout, held, codes, at)
        read.status[(wanted > upload.cutoff_ms) & (not holds)] |= statuses.STALE_BATCH
        return read

    return _by_upload(layout, uploads, entities, codes, ts // DAY_MS * DAY_MS, read)


def _by_upload(
    layout: Layout,
    uploads: Uploads,
    entities: list[bytes],
    codes: np.ndarray,
    ts: np.ndarray,
    read: Callable[[Upload | None, list[bytes], np.ndarray, np.ndarray], Read],
) -> Read:
    """Reads by the upload that fits each: of one, or without any, those that fall to it together."""
    if not len(ts):
        return _answer(layout, none(len(entities)), codes, ts)
    by_id = {each.id: each for each in uploads.active}
    if not by_id:
        return read(None, entities, codes, ts)
    chosen = _choose(uploads, ts)
    if (chosen == chosen[0]).all():
        return read(by_id.get(int(chosen[0])), entities, codes, ts)
    parts: list[tuple[np.ndarray, Read]] = []
    for upload_id in np.unique(chosen).tolist():
        rows = np.flatnonzero(chosen == upload_id)
        # Only what these reads are of: another upload's entities would be looked for in vain.
        used = np.unique(codes[rows])
        used = used[used >= 0]
        own = np.where(codes[rows] < 0, -1, np.searchsorted(used, codes[rows])).astype(np.int32)
        mine = [entities[code] for code in used.tolist()]
        parts.append((rows, read(by_id.get(upload_id), mine, own, ts[rows])))
    return _together(parts, len(ts))


def _choose(uploads: Uploads, ts: np.ndarray) -> np.ndarray:
    """For each instant the id of the newest upload whose cut-off is at or before it; 0 for none."""
    active = uploads.active
    cutoffs = np.asarray([each.cutoff_ms for each in active], np.int64)
    ids = np.asarray([0, *(each.id for each in active)], np.int64)
    return ids[np.searchsorted(cutoffs, ts, side="right")]


def _lost(layout: Layout, ts: np.ndarray, upload: Upload, lanes: dict[bytes, Lane]) -> np.ndarray:
    """Which reads need events after the upload that a lane never had, or has no more."""
    needed = np.full(len(ts), upload.cutoff_ms, np.int64)
    if layout.reach_ms is not None:
        needed = np.maximum(needed, ts - layout.reach_ms)
    return needed < max((known_from(each, upload) for each in lanes.values()), default=ANCIENT_MS)


def known_from(lane: Lane, upload: Upload) -> int:
    """The instant from which a lane has all that its log brought and an upload does not hold.

    A lane that began late, its log having lost its beginning, lacks nothing beside an upload that
    landed since and holds what was lost.
    """
    included = upload.includes(lane.place)
    whole = included is not None and lane.began <= included and lane.covered_ms == ANCIENT_MS
    return lane.kept_ms if whole else max(lane.kept_ms, lane.since_ms)


def _judge_without_upload(
    layout: Layout, read: Read, ts: np.ndarray, uploads: Uploads, lanes: dict[bytes, Lane]
) -> None:
    """Say where lanes alone do not reach back to the window's start."""
    known = max((max(lane.since_ms, lane.kept_ms) for lane in lanes.values()), default=None)
    if known is None:
        lacking = np.ones(len(ts), bool)
    elif known == ANCIENT_MS:
        return
    elif layout.reach_ms is None:
        lacking = np.ones(len(ts), bool)
    else:
        lacking = ts - layout.reach_ms < known
    too_new = bool(uploads.active)
    read.status[lacking] |= statuses.BEFORE_RETENTION if too_new else statuses.MISSING_UPLOAD


def _answer(layout: Layout, found: Held, codes: np.ndarray, ts: np.ndarray) -> Read:
    """What the tiles say, with the statuses that the kernel finds."""
    codes = codes.astype(np.int32, copy=False)
    at, closed, head = ends_of(found, codes, ts)
    answers = kernel.answer(layout, found.for_kernel(), found.offsets, codes, at)
    status = answers.status.copy()
    for said, bit in (
        (at < ts, statuses.AS_OF_TILE),
        (answers.stale, statuses.STALE_BATCH),
        (answers.cut, statuses.BEFORE_RETENTION),
        (answers.overflow, statuses.OVERFLOW),
        (~answers.seen, statuses.MISSING),
    ):
        status |= said * np.int64(bit)
    return Read(answers.columns, status, closed, head)


def ends_of(found: Held, codes: np.ndarray, ts: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Where each read ends, and how many reads had closed tiles before them, and head tiles.

    A tile that begins before an instant and ends after it cannot be taken apart: the read ends where
    the tile begins.
    """
    at = ts.copy()
    reach = np.empty(len(found), np.int64)
    routes.reaches(found.offsets, found.end, reach)
    firsts = np.empty((len(found.offsets) - 1, 2), np.int64)
    closed, head = ranges.ends(
        found.offsets, found.start, found.end, found.level, reach, codes, firsts, at
    )
    return at, closed, head


def _refused(read: Read) -> Read:
    """Reads before the retained history have no values (runtime, fetch)."""
    refused = (read.status & statuses.BEFORE_RETENTION) != 0
    if not refused.any():
        return read
    rows = np.arange(len(refused), dtype=np.int64)
    places = pa.array(rows, mask=refused)
    return Read(read.columns.take(places), read.status, read.closed, read.head)


def _together(parts: list[tuple[np.ndarray, Read]], count: int) -> Read:
    """Reads by different uploads, in the order in which they were asked."""
    order = np.concatenate([rows for rows, _ in parts])
    back = np.empty(count, np.int64)
    back[order] = np.arange(count)
    columns = pa.concat_tables([read.columns for _, read in parts]).take(pa.array(back))
    status = np.concatenate([read.status for _, read in parts])[back]
    closed = sum(read.closed for _, read in parts)
    return Read(columns, status, closed, sum(read.head for _, read in parts))
