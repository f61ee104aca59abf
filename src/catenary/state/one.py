"""One entity as of one instant, as Python values: what `reading.py` says, without tables.

    one range, one upload value ──► tiles before the instant ──► partials merged ──► values, statuses

For a model that asks for one row and waits: the rules of many reads, on numbers instead of arrays.

Read next: ``reading.py`` (many reads).
Held to account by: ``tests/unit/serve/test_single.py``, which compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from catenary.aggregate import tiles as kernel
from catenary.state.held import of_lanes, of_upload
from catenary.state.reading import ALL, Known, ends, known_by, lacking, late, nothing, told
from catenary.state.records import lanes_of, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.reading import Ended

_ENTITY: Final = np.zeros(1, np.int32)


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
    ended = ends(
        layout,
        lambda span: of_lanes(layout, snapshot, [entity], span, lanes, upload),
        _ENTITY,
        np.array([ts], np.int64),
    )
    one = _answer(layout, ended, ts, known_by(upload, uploads, lanes.values()))
    return one if lanes or upload is None else one.told(late(ts, upload, holds=False))


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
        ended = nothing(1, np.array([wanted], np.int64))
        return _answer(layout, ended, wanted, known_by(None, uploads, ()))
    at = min(wanted, upload.cutoff_ms)
    ended = ends(
        layout,
        lambda span: of_upload(layout, snapshot, [entity], span, upload),
        _ENTITY,
        np.array([at], np.int64),
    )
    return _answer(layout, ended, at).told(late(wanted, upload, holds=holds))


def _answer(layout: Layout, ended: Ended, ts: int, known: Known = ALL) -> One:
    """What the tiles say, and what is to be said of it."""
    at = int(ended.at[0])
    answer = kernel.answer_one(layout, ended.held.for_kernel(), at)
    own = int(told(answer, at < ts) | lacking(layout, known, at))
    return One(answer.values, answer.status | own, own, ended.closed > 0, ended.head > 0)
