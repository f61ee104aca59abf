"""One entity as of one instant, as Python values: what `reading.py` says, without tables.

    one range, one upload value ──► tiles before the instant ──► partials merged ──► values, statuses

For a model that asks for one row and waits: the rules of many reads, on numbers instead of arrays, and
all of it in one compiled call where the columns are numbers and texts.

Read next: ``reading.py`` (many reads), ``catenary/compiled/single.py``.
Held to account by: ``tests/unit/serve/test_single.py``, which compares the two.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from catenary.aggregate import tiles as kernel
from catenary.state import tiles
from catenary.state.held import of_lanes, of_upload
from catenary.state.reading import ALL, Known, ends, known_by, lacking, late, nothing, told
from catenary.state.records import ANCIENT_MS, LANES, lanes_in, uploads_in, uploads_of
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.held import Held, Span
    from catenary.state.reading import Ended
    from catenary.state.records import Lane, Upload

_ENTITY: Final = np.zeros(1, np.int32)


class One(NamedTuple):
    """What an entity was.

    Attributes:
        values: the GroupBy's columns before derivations, in the layout's order.
        status: of the read.
        own: what of it is the read's own, and not inherited from the rows that it merged.
        closed, head: whether closed tiles were merged, and head tiles.
    """

    values: Sequence[object]
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
    uploads, data = uploads_of(snapshot)
    upload = uploads.newest(ts)
    lanes, known = _beside(upload and upload.id, data, tuple(snapshot.scan(LANES)))
    one = _compiled(layout, snapshot, entity, ts, upload, known, lanes=list(lanes))
    if one is None:
        ended = _ends(
            layout,
            lambda span: of_lanes(layout, snapshot, [entity], span, lanes, upload),
            ts,
        )
        one = _answer(layout, ended, ts, known)
    return one if lanes or upload is None else one.told(late(ts, upload, holds=False))


@lru_cache(maxsize=256)
def _beside(
    upload_id: int | None, uploads: bytes | None, lanes: tuple[tuple[bytes, bytes], ...]
) -> tuple[Mapping[bytes, Lane], Known]:
    """The lanes of these records, and what is known to reads beside an upload; many reads find the same."""
    found = lanes_in(lanes)
    held = uploads_in(uploads)
    upload = next((each for each in held.active if each.id == upload_id), None)
    return MappingProxyType(found), known_by(upload, held, found.values())


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
    one = _compiled(layout, snapshot, entity, at, upload, ALL)
    if one is None:
        ended = _ends(layout, lambda span: of_upload(layout, snapshot, [entity], span, upload), at)
        one = _answer(layout, ended, at)
    return one.told(late(wanted, upload, holds=holds))


def _compiled(
    layout: Layout,
    snapshot: Snapshot,
    entity: bytes,
    ts: int,
    upload: Upload | None,
    known: Known,
    *,
    lanes: list[bytes] | None = None,
) -> One | None:
    """The whole of a read in one compiled call; None where arrays are needed, or words for what is wrong.

    With `lanes` it is one of these and of what is late to the upload, without one of the upload alone.
    """
    single = layout.program.single
    if single is None:
        return None
    found: tuple[Any, ...] | None = single.read(
        snapshot.walk(),
        tiles.TILE + entity,
        lanes or [],
        -1 if lanes is None or upload is None else upload.id,
        ANCIENT_MS if upload is None else upload.cutoff_ms,
        [] if upload is None else [snapshot.get(tiles.upload_key(upload.id, entity))],
        ts,
    )
    if found is None:
        return None
    answer, (at, closed, head) = kernel.OneAnswer(*found[:6]), found[6:]
    return _said(layout, answer, known, at, ts, closed=closed, head=head)


def _ends(layout: Layout, found: Callable[[Span], Held], ts: int) -> Ended:
    return ends(layout, found, _ENTITY, np.array([ts], np.int64))


def _answer(layout: Layout, ended: Ended, ts: int, known: Known = ALL) -> One:
    """What the tiles say, and what is to be said of it."""
    at = int(ended.at[0])
    answer = kernel.answer_one(layout, ended.held.for_kernel(), at)
    closed, head = ended.closed > 0, ended.head > 0
    return _said(layout, answer, known, at, ts, closed=closed, head=head)


def _said(
    layout: Layout,
    answer: kernel.OneAnswer,
    known: Known,
    at: int,
    ts: int,
    *,
    closed: bool,
    head: bool,
) -> One:
    own = int(told(answer, at < ts) | lacking(layout, known, at))
    return One(answer.values, answer.status | own, own, closed, head)
