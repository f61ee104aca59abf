"""Entities read as of instants: the tiles of every lane, the upload that fits, and what to say of it.

    entities ──► one range each ──┐
                                  ├──► tiles in the window ──► partials merged ──► columns, statuses
    the newest upload that fits ──┘

A read ends at its instant, or, where a longer tile holds it, at that tile's start: `as_of_tile`, never
a glimpse of the future (protocol 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.compiled import routes
from catenary.ports import statuses
from catenary.state.held import Held, Span, none, of_lanes, of_upload
from catenary.state.records import ANCIENT_MS, NOWHERE_MS, lanes_of, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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
        closed, head: how many reads merged closed tiles, and head tiles.
    """

    columns: pa.Table
    status: np.ndarray
    own: np.ndarray
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


ALL: Final = Known(ANCIENT_MS, ANCIENT_MS, statuses.OK)


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
        ended = ends(
            layout, lambda span: of_lanes(layout, snapshot, own, span, lanes, upload), codes, ts
        )
        known = known_by(upload, uploads, lanes.values())
        doubt = 0 if lanes or upload is None else late(ts, upload, holds=False)
        return _answer(layout, ended, codes, ts, known=known, doubt=doubt)

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
            known = known_by(None, uploads, ())
            return _answer(layout, nothing(len(own), wanted), codes, wanted, known=known)
        at = np.minimum(wanted, upload.cutoff_ms)
        ended = ends(layout, lambda span: of_upload(layout, snapshot, own, span, upload), codes, at)
        return _answer(layout, ended, codes, at, doubt=late(wanted, upload, holds=holds))

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
        return _answer(layout, nothing(0, ts), codes, ts)
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


def _known_from(lane: Lane, upload: Upload) -> int:
    """The instant from which a lane has all that its log brought and an upload does not hold.

    A lane that began late, its log having lost its beginning, lacks nothing beside an upload that
    landed since and holds what was lost.
    """
    if lane.since_ms == NOWHERE_MS and not lane.began:
        return lane.kept_ms  # it has brought nothing yet, and nothing of its log is lost
    included = upload.includes(lane.place)
    whole = included is not None and lane.began <= included and lane.covered_ms == ANCIENT_MS
    return lane.kept_ms if whole else max(lane.kept_ms, lane.since_ms)


def known_by(upload: Upload | None, uploads: Uploads, lanes: Collection[Lane]) -> Known:
    """What is known to reads beside an upload, or by lanes alone."""
    if upload is not None:
        begins = max((_known_from(each, upload) for each in lanes), default=ANCIENT_MS)
        return Known(begins, upload.cutoff_ms, statuses.BEFORE_RETENTION)
    begins = max((max(each.since_ms, each.kept_ms) for each in lanes), default=NOWHERE_MS)
    doubt = statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD
    return Known(begins, ANCIENT_MS, doubt)


def lacking(layout: Layout, known: Known, at: Any) -> Any:
    """The doubt of a read that reaches back further than all is known, or of many; 0 if none does."""
    if known.cutoff_ms >= known.begins_ms:
        return 0
    if layout.spans_ms is None or layout.reach_ms is None:
        return known.doubt
    first = at if isinstance(at, int) else int(at.min(initial=NOWHERE_MS))
    if first - layout.reach_ms >= known.begins_ms:
        return 0  # as nearly always
    starts = [(at - window_ms) // hop_ms * hop_ms for window_ms, hop_ms in layout.spans_ms]
    return (np.min(starts, axis=0) < known.begins_ms) * known.doubt


def late(wanted: Any, upload: Upload, *, holds: bool) -> Any:
    """What to say of a read, or of many, as of later than the upload, when nothing brings what came since."""
    return 0 if holds else (wanted > upload.cutoff_ms) * statuses.STALE_BATCH


def told(answer: kernel.Answers | kernel.OneAnswer, early: Any) -> Any:
    """What the kernel finds to say of a read or of many; `early`, whether it ended before its instant."""
    return (
        early * statuses.AS_OF_TILE
        | answer.stale * statuses.STALE_BATCH
        | answer.cut * statuses.BEFORE_RETENTION
        | answer.overflow * statuses.OVERFLOW
        | (answer.seen ^ True) * statuses.MISSING
    )


def _answer(
    layout: Layout,
    ended: Ended,
    codes: np.ndarray,
    ts: np.ndarray,
    *,
    known: Known = ALL,
    doubt: Any = 0,
) -> Read:
    """What the tiles say, and what is to be said of it."""
    held, at = ended.held, ended.at
    answers = kernel.answer(layout, held.for_kernel(), held.offsets, codes, at)
    own = told(answers, at < ts) | lacking(layout, known, at) | doubt
    return Read(answers.columns, answers.status | own, own, ended.closed, ended.head)


class Ended(NamedTuple):
    """Reads before they are answered.

    Attributes:
        held: their tiles.
        at: int64 milliseconds, where each read ends.
        closed, head: how many reads had closed tiles before them, and head tiles.
    """

    held: Held
    at: np.ndarray
    closed: int
    head: int


def nothing(entities: int, ts: np.ndarray) -> Ended:
    """Reads of entities without tiles."""
    return Ended(none(entities), ts, 0, 0)


def ends(layout: Layout, found: Callable[[Span], Held], codes: np.ndarray, ts: np.ndarray) -> Ended:
    """The tiles of reads, and where each read ends.

    A tile that begins before an instant and ends after it cannot be taken apart: the read ends where
    the tile begins, and so reaches further back.

    Args:
        layout: of the GroupBy.
        found: gives the tiles of a span.
        codes: int32, the entity of each read; -1 for a null key.
        ts: int64 milliseconds, per read.
    """
    first, last = _bounds(ts)
    while True:
        ended = _ends(found(Span.of(layout, first, last)), codes, ts)
        earliest, _ = _bounds(ended.at)
        if earliest >= first or layout.reach_ms is None:
            return ended
        first = earliest


def _bounds(instants: np.ndarray) -> tuple[int, int]:
    """The first and the last; of a single one without NumPy's reductions, which cost more than the read."""
    if len(instants) == 1:
        return int(instants[0]), int(instants[0])
    return int(instants.min()), int(instants.max())


def _ends(held: Held, codes: np.ndarray, ts: np.ndarray) -> Ended:
    at = ts.copy()
    reach = np.empty(len(held), np.int64)
    routes.reaches(held.offsets, held.end, reach)
    firsts = np.empty((len(held.offsets) - 1, 2), np.int64)
    closed, head = routes.ends(
        held.offsets, held.start, held.end, held.level, reach, codes, firsts, at
    )
    return Ended(held, at, closed, head)


def _together(parts: list[tuple[np.ndarray, Read]], count: int) -> Read:
    """Reads by different uploads, in the order in which they were asked."""
    order = np.concatenate([rows for rows, _ in parts])
    back = np.empty(count, np.int64)
    back[order] = np.arange(count)
    columns = pa.concat_tables([read.columns for _, read in parts]).take(pa.array(back))
    status = np.concatenate([read.status for _, read in parts])[back]
    own = np.concatenate([read.own for _, read in parts])[back]
    closed = sum(read.closed for _, read in parts)
    return Read(columns, status, own, closed, sum(read.head for _, read in parts))
