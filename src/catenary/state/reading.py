"""Entities read as of instants: the tiles of every lane, the upload that fits, and what to say of it.

    entities ──► one range each ──┐
                                  ├──► tiles in the window ──► partials merged ──► columns, statuses
    the newest upload that fits ──┘

A read ends at its instant, or, where a longer tile holds it, at that tile's start: `as_of_tile`, never
a glimpse of the future (protocol 6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.ports import statuses
from catenary.state.held import NONE, Held, Span, of_ranges, of_upload
from catenary.state.records import ANCIENT_MS, lanes_of, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Upload, Uploads


@dataclass(frozen=True)
class Read:
    """What entities were.

    Attributes:
        columns: the GroupBy's columns before derivations, one row per read.
        status: int64 per read.
        own: what of it is the read's own, and not inherited from the rows that it merged.
        uploads: which upload each read merged, by id; 0 for none.
        closed, head: how many reads merged closed tiles, and head tiles.
    """

    columns: pa.Table
    status: np.ndarray
    own: np.ndarray
    uploads: np.ndarray
    closed: int = 0
    head: int = 0


class Known(NamedTuple):
    """From when on reads have all that they need.

    Attributes:
        begins_ms: from here on the lanes have all that the upload does not hold.
        cutoff_ms: what lies before it is the upload's; `ANCIENT_MS` where there is none.
        doubt: the status of a read that reaches back further.
    """

    begins_ms: int
    cutoff_ms: int
    doubt: int


NEVER_MS: Final = 1 << 61
ALL: Final = Known(ANCIENT_MS, ANCIENT_MS, statuses.OK)


def read_temporal(
    layout: Layout,
    snapshot: Snapshot,
    entities: Sequence[bytes],
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
    if not len(ts):
        return _answer(layout, NONE, entities, codes, ts)
    uploads, _ = uploads_of(snapshot)
    lanes = lanes_of(snapshot)
    chosen = _choose(uploads, ts)
    held = of_ranges(layout, snapshot, entities, _span(layout, ts, chosen, uploads, lanes))
    parts: list[tuple[np.ndarray, Read]] = []
    for upload_id in np.unique(chosen).tolist():
        rows = np.flatnonzero(chosen == upload_id)
        upload = next((each for each in uploads.held if each.id == upload_id), None)
        parts.append(
            (
                rows,
                _read_by(
                    layout, snapshot, entities, held, codes[rows], ts[rows], upload, uploads, lanes
                ),
            )
        )
    return _together(parts, len(ts))


def read_snapshot(
    layout: Layout,
    snapshot: Snapshot,
    entities: Sequence[bytes],
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
    if not len(ts):
        return _answer(layout, NONE, entities, codes, ts)
    uploads, _ = uploads_of(snapshot)
    wanted = ts // DAY_MS * DAY_MS
    chosen = _choose(uploads, wanted)
    parts: list[tuple[np.ndarray, Read]] = []
    for upload_id in np.unique(chosen).tolist():
        rows = np.flatnonzero(chosen == upload_id)
        upload = next((each for each in uploads.held if each.id == upload_id), None)
        if upload is None:
            status = statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD
            read = _answer(layout, NONE, entities, codes[rows], wanted[rows])
            parts.append((rows, told(read, slice(None), status)))
            continue
        at = np.minimum(wanted[rows], upload.cutoff_ms)
        found = of_upload(snapshot, upload, entities)
        read = _answer(layout, found, entities, codes[rows], at, upload_id=upload.id)
        stale = (wanted[rows] > upload.cutoff_ms) & (not holds)
        parts.append((rows, told(read, stale, statuses.STALE_BATCH)))
    return _together(parts, len(ts))


def _span(
    layout: Layout,
    ts: np.ndarray,
    chosen: np.ndarray,
    uploads: Uploads,
    lanes: dict[bytes, Lane],
) -> Span:
    """Which of the lanes' tiles these reads may merge, or end in."""
    # A read that ends early, at the start of a longer tile, reaches back by so much more.
    longest = layout.sizes_ms[-1]
    since = ANCIENT_MS // 2
    if layout.reach_ms is not None:
        since = int(ts.min()) - layout.reach_ms - longest
    if chosen.min() > 0:
        cutoffs = [each.cutoff_ms for each in uploads.held if each.id in set(chosen.tolist())]
        since = max(since, min(cutoffs))
    return Span(tuple(lanes), since, int(ts.max()))


def _choose(uploads: Uploads, ts: np.ndarray) -> np.ndarray:
    """For each instant the id of the newest upload whose cut-off is at or before it; 0 for none."""
    active = uploads.active
    if not active:
        return np.zeros(len(ts), np.int64)
    cutoffs = np.asarray([each.cutoff_ms for each in active], np.int64)
    ids = np.asarray([0, *(each.id for each in active)], np.int64)
    return ids[np.searchsorted(cutoffs, ts, side="right")]


def fitting(held: Held, upload: Upload | None) -> Held:
    """Of the lanes' tiles and the late ones, those that are read beside an upload, or without any."""
    if upload is None:
        return held.where(held.of_upload == 0)
    of_lane = (held.of_upload == 0) & (held.start >= upload.cutoff_ms)
    return held.where(of_lane | (held.of_upload == upload.id))


def _read_by(
    layout: Layout,
    snapshot: Snapshot,
    entities: Sequence[bytes],
    held: Held,
    codes: np.ndarray,
    ts: np.ndarray,
    upload: Upload | None,
    uploads: Uploads,
    lanes: dict[bytes, Lane],
) -> Read:
    """Reads by one upload, or by none."""
    found = fitting(held, upload)
    if upload is not None:
        found = of_upload(snapshot, upload, entities).and_(found)
    known = known_by(upload, uploads, lanes.values())
    return _refused(
        _answer(
            layout, found, entities, codes, ts, upload_id=upload.id if upload else 0, known=known
        )
    )


def known_by(upload: Upload | None, uploads: Uploads, lanes: Collection[Lane]) -> Known:
    """What is known to reads beside an upload, or by lanes alone."""
    if upload is not None:
        begins = max((known_from(each, upload) for each in lanes), default=ANCIENT_MS)
        return Known(begins, upload.cutoff_ms, statuses.BEFORE_RETENTION)
    begins = max((max(each.since_ms, each.kept_ms) for each in lanes), default=NEVER_MS)
    too_new = bool(uploads.active)
    doubt = statuses.BEFORE_RETENTION if too_new else statuses.MISSING_UPLOAD
    return Known(begins, ANCIENT_MS, doubt)


def known_from(lane: Lane, upload: Upload) -> int:
    """The instant from which a lane has all that its log brought and an upload does not hold.

    A lane that began late, its log having lost its beginning, lacks nothing beside an upload that
    landed since and holds what was lost.
    """
    included = upload.includes(lane.place)
    whole = included is not None and lane.began <= included and lane.covered_ms == ANCIENT_MS
    return lane.kept_ms if whole else max(lane.kept_ms, lane.since_ms)


def _lacking(layout: Layout, known: Known, at: np.ndarray) -> np.ndarray:
    """Which reads reach back further than all is known."""
    if known.cutoff_ms >= known.begins_ms:
        return np.zeros(len(at), bool)
    if layout.spans_ms is None:
        return np.ones(len(at), bool)
    starts = [(at - window_ms) // hop_ms * hop_ms for window_ms, hop_ms in layout.spans_ms]
    return np.min(starts, axis=0) < known.begins_ms


def _answer(
    layout: Layout,
    found: Held,
    entities: Sequence[bytes],
    codes: np.ndarray,
    ts: np.ndarray,
    *,
    upload_id: int = 0,
    known: Known = ALL,
) -> Read:
    """What the tiles say, with the statuses that the kernel finds."""
    if len(found):
        found = found.where(_in_reach(layout, found, ts)).sorted()
    offsets = np.searchsorted(found.owner, np.arange(len(entities) + 1)).astype(np.int64)
    at, early = _ends(found, codes, ts)
    held = found.for_kernel()
    answers = kernel.answer(layout, held, offsets, codes.astype(np.int32), at)
    own = np.zeros(len(ts), np.int64)
    own[early] |= statuses.AS_OF_TILE
    own[answers.stale] |= statuses.STALE_BATCH
    own[answers.cut] |= statuses.BEFORE_RETENTION
    own[answers.overflow] |= statuses.OVERFLOW
    own[~answers.seen] |= statuses.MISSING
    own[_lacking(layout, known, at)] |= known.doubt
    return Read(
        answers.columns,
        answers.status | own,
        own,
        np.full(len(ts), upload_id, np.int64),
        *_merged(found, len(entities), codes, at),
    )


def _in_reach(layout: Layout, found: Held, ts: np.ndarray) -> np.ndarray:
    """The tiles that any of the reads may merge, or end in."""
    wanted = found.start < ts.max()
    if layout.reach_ms is None:
        return wanted
    # A read that ends early, at the start of a longer tile, reaches back by so much more.
    longest = layout.sizes_ms[-1]
    return wanted & (found.end > ts.min() - layout.reach_ms - longest)


def _merged(found: Held, entities: int, codes: np.ndarray, at: np.ndarray) -> tuple[int, int]:
    """How many reads had closed tiles before them, and how many head tiles."""
    known = codes >= 0
    heads = found.level == 0
    counts: list[int] = []
    for wanted in (~heads, heads):
        first = np.full(entities, np.iinfo(np.int64).max)
        np.minimum.at(first, found.owner[wanted], found.end[wanted])
        counts.append(int((at[known] >= first[codes[known]]).sum()))
    return counts[0], counts[1]


def _ends(found: Held, codes: np.ndarray, ts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each read ends, and which of them end before their instant.

    A tile that begins before an instant and ends after it cannot be taken apart. Tiles may overlap,
    so a read that has moved to the start of one may be inside another.
    """
    at = ts.copy()
    wide = found.end - found.start > 1
    if not wide.any():
        return at, np.zeros(len(ts), bool)
    owner, start, end = found.owner[wide], found.start[wide], found.end[wide]
    while len(cut := np.flatnonzero(_cut(owner, start, end, codes, at))):
        for row in cut.tolist():
            mine = slice(*np.searchsorted(owner, (codes[row], codes[row] + 1)))
            straddling = (start[mine] < at[row]) & (end[mine] > at[row])
            at[row] = start[mine][straddling].min()
    return at, at < ts


def _cut(
    owner: np.ndarray, start: np.ndarray, end: np.ndarray, codes: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Which reads fall inside a tile of theirs; tiles by owner and start.

    Owner and instant are one number each, by the instants' ranks, so that all reads are sought at once.
    """
    starts, ends = np.unique(start), np.unique(end)
    place = owner * (len(starts) + 1) + np.searchsorted(starts, start)
    wanted = codes.astype(np.int64) * (len(starts) + 1) + np.searchsorted(starts, at)
    last = np.searchsorted(place, wanted) - 1
    # The furthest end so far of the same owner: an owner's ranks lie above those of the ones before.
    shift = owner * (len(ends) + 1)
    furthest = ends[np.maximum.accumulate(shift + np.searchsorted(ends, end)) - shift]
    return (last >= 0) & (owner[last] == codes) & (furthest[last] > at)


def _refused(read: Read) -> Read:
    """Reads before the retained history have no values (runtime, fetch)."""
    refused = (read.own & statuses.BEFORE_RETENTION) != 0
    if not refused.any():
        return read
    rows = np.arange(len(refused), dtype=np.int64)
    return replace(read, columns=read.columns.take(pa.array(rows, mask=refused)))


def told(read: Read, which: np.ndarray | slice, status: int) -> Read:
    """The read with a status more of its own, for some of its rows."""
    read.own[which] |= status
    read.status[which] |= status
    return read


def _together(parts: list[tuple[np.ndarray, Read]], count: int) -> Read:
    """Reads by different uploads, in the order in which they were asked."""
    if len(parts) == 1:
        return parts[0][1]
    order = np.concatenate([rows for rows, _ in parts])
    back = np.empty(count, np.int64)
    back[order] = np.arange(count)
    columns = pa.concat_tables([read.columns for _, read in parts]).take(pa.array(back))
    status, own, uploads = (
        np.concatenate(each)[back]
        for each in zip(*((read.status, read.own, read.uploads) for _, read in parts), strict=True)
    )
    closed = sum(read.closed for _, read in parts)
    return Read(columns, status, own, uploads, closed, sum(read.head for _, read in parts))
