"""One entity as of one instant, as Python values: what `reading.py` says, without tables.

    one range, one upload value ──► tiles before the instant ──► partials merged ──► values, statuses

For a model that asks for one row and waits. The same rules, written for one read.

Read next: ``reading.py`` (many reads).
Held to account by: ``tests/unit/serve/test_single.py``, which compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from catenary.aggregate import tiles as kernel
from catenary.ports import statuses
from catenary.state.held import Held, Span, none, of_lanes, of_upload
from catenary.state.reading import ends_of, known_from
from catenary.state.records import ANCIENT_MS, lanes_of, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Upload, Uploads

_ENTITY: Final = np.zeros(1, np.int32)


class One(NamedTuple):
    """What an entity was.

    Attributes:
        values: the GroupBy's columns before derivations, in the layout's order.
        status: of the read.
        closed, head: whether closed tiles were merged, and head tiles.
    """

    values: tuple[object, ...]
    status: int
    closed: bool = False
    head: bool = False


def read_temporal(layout: Layout, snapshot: Snapshot, entity: bytes, ts: int) -> One:
    """An entity to the millisecond; see `reading.read_temporal`.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset, at one instant.
        entity: its bytes.
        ts: milliseconds; events strictly before it count.
    """
    uploads, _ = uploads_of(snapshot)
    lanes = lanes_of(snapshot)
    upload = uploads.newest(ts)
    held = of_lanes(layout, snapshot, [entity], Span.of(layout, ts, ts), lanes, upload)
    if upload is None:
        doubt = _beyond_lanes(layout, ts, uploads, list(lanes.values()))
    else:
        doubt = _beyond_upload(layout, ts, upload, list(lanes.values()))
    one = _answer(layout, held, ts)
    return one._replace(status=one.status | doubt)


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
    uploads, _ = uploads_of(snapshot)
    wanted = ts // DAY_MS * DAY_MS
    upload = uploads.newest(wanted)
    if upload is None:
        doubt = statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD
        one = _answer(layout, none(1), wanted)
        return one._replace(status=one.status | doubt)
    at = min(wanted, upload.cutoff_ms)
    held = of_upload(layout, snapshot, [entity], Span.of(layout, at, at), upload)
    one = _answer(layout, held, at)
    stale = statuses.STALE_BATCH if wanted > upload.cutoff_ms and not holds else 0
    return one._replace(status=one.status | stale)


def _beyond_lanes(layout: Layout, ts: int, uploads: Uploads, lanes: list[Lane]) -> int:
    """What to say where lanes alone do not reach back to the window's start."""
    known = max((max(each.since_ms, each.kept_ms) for each in lanes), default=None)
    if known == ANCIENT_MS:
        return 0
    if known is not None and layout.reach_ms is not None and ts - layout.reach_ms >= known:
        return 0
    return statuses.BEFORE_RETENTION if uploads.active else statuses.MISSING_UPLOAD


def _beyond_upload(layout: Layout, ts: int, upload: Upload, lanes: list[Lane]) -> int:
    """What to say where a lane never had, or has no more, what came after the upload."""
    needed = upload.cutoff_ms
    if layout.reach_ms is not None:
        needed = max(needed, ts - layout.reach_ms)
    lacking = any(needed < known_from(each, upload) for each in lanes)
    return statuses.BEFORE_RETENTION if lacking else 0


def _answer(layout: Layout, found: Held, ts: int) -> One:
    """What the tiles say."""
    ends, closed, head = ends_of(found, _ENTITY, np.array([ts], np.int64))
    at = int(ends[0])
    answer = kernel.answer_one(layout, found.for_kernel(), at)
    status = answer.status
    status |= statuses.AS_OF_TILE if at < ts else 0
    status |= statuses.STALE_BATCH if answer.stale else 0
    status |= statuses.BEFORE_RETENTION if answer.cut else 0
    status |= statuses.OVERFLOW if answer.overflow else 0
    status |= 0 if answer.seen else statuses.MISSING
    return One(answer.values, status, closed > 0, head > 0)
