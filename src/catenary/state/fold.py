"""A batch of rows into the tiles of a lane: what a commit puts.

    rows ──► (entity, level, start) ──► partials of the batch ──► merged with what lies there ──► puts

An event at or after the head floor gets a tile of its millisecond, one before it goes into its base
tile (protocol 4). Events that uploads lack go into those uploads' late tiles besides (protocol 7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from catenary.aggregate import tiles as kernel
from catenary.compiled import tile_keys as compiled
from catenary.state import tiles
from catenary.state.records import ANCIENT_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Upload

HEAD: int = 0
BASE: int = 1
_LISTED_BYTES: Final = 1_500
"""Of an index row. One that takes several pages is hard to place in a file that is full of gaps."""


@dataclass(frozen=True)
class Mark:
    """What is left of a row that was set aside, or left out by a doubtful value: a status.

    It lies where the row would have been.

    Attributes:
        entity: whose tile says so.
        ts_ms: the row's time.
        status: what the tile says.
        offset: where the row came from.
    """

    entity: bytes
    ts_ms: int
    status: int
    offset: int


@dataclass(frozen=True)
class Batch:
    """Rows of one lane, ready to fold.

    Attributes:
        rows: the inputs of the accumulators and `ts`.
        codes: int32, the entity of each row; -1 for none.
        entities: their bytes, ascending.
        status: int64, what each row says of itself.
        offsets: int64, where each came from.
        aside: rows that were set aside or doubtfully left out, and whose key is known.
    """

    rows: pa.Table
    codes: np.ndarray
    entities: list[bytes]
    status: np.ndarray
    offsets: np.ndarray
    aside: tuple[Mark, ...] = ()


@dataclass
class Changes:
    """What is to be written.

    Attributes:
        puts, deletes: of the dataset's keys.
        newest_ms: the greatest start of a tile of the lane among the puts.
        head_bytes: how many more the lane's head holds then, keys and values.
    """

    puts: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    deletes: list[bytes] = field(default_factory=list[bytes])
    newest_ms: int = ANCIENT_MS
    head_bytes: int = 0


def fold(
    layout: Layout, snapshot: Snapshot, lane: Lane, batch: Batch, uploads: Sequence[Upload]
) -> Changes:
    """The puts that bring a batch into its lane, and into late tiles.

    Args:
        layout: of the GroupBy.
        snapshot: what lies there; only this lane's owner writes its tiles.
        lane: as of its last commit, under the floor that this one brings, which decides between
            head and base tiles.
        batch: the rows.
        uploads: those that are landed or active; rows before their cut-offs and not within their
            inclusion frontiers are late to them. What an upload lacks that this lane has still to
            settle is left to that.
    """
    changes = Changes()
    ts = batch.rows.column("ts").to_numpy()
    _into_lane(layout, snapshot, lane, batch, ts, changes)
    for upload in uploads:
        if lane.id.key not in upload.unsettled:
            fold_late(layout, snapshot, lane, batch, upload, changes)
    return changes


def fold_late(
    layout: Layout,
    snapshot: Snapshot,
    lane: Lane,
    batch: Batch,
    upload: Upload,
    changes: Changes,
) -> None:
    """Bring the rows that are late to an upload into its late tiles, and marks likewise."""
    included = upload.includes(lane.place)
    if included is None:
        return
    ts = batch.rows.column("ts").to_numpy()
    late = (ts < upload.cutoff_ms) & (batch.offsets >= included)
    for mark in batch.aside:
        if mark.ts_ms < upload.cutoff_ms and mark.offset >= included:
            start = tiles.instant(mark.ts_ms // layout.base_ms * layout.base_ms)
            place = tiles.late_middle(upload.id, lane.id.key)
            key = tiles.tile(mark.entity, place, BASE, start)
            _mark(snapshot, key, mark.status, changes)
    if not late.any():
        return
    starts = ts // layout.base_ms * layout.base_ms
    levels = np.full(len(ts), BASE, np.int64)
    groups = _Groups(batch.codes, levels, starts, late & (batch.codes >= 0))
    place = tiles.late_middle(upload.id, lane.id.key)
    keys = groups.keys(batch.entities, place)
    _merge(layout, snapshot, batch, groups, keys, changes, np.ones(len(keys), bool))


def _into_lane(
    layout: Layout, snapshot: Snapshot, lane: Lane, batch: Batch, ts: np.ndarray, changes: Changes
) -> None:
    in_head = ts >= lane.floor_ms
    levels = np.where(in_head, HEAD, BASE).astype(np.int64)
    starts = np.where(in_head, ts, ts // layout.base_ms * layout.base_ms)
    groups = _Groups(batch.codes, levels, starts, batch.codes >= 0)
    keys = groups.keys(batch.entities, tiles.lane_middle(lane.id.key))
    listing = _Listing(layout)
    for mark in batch.aside:
        level = HEAD if mark.ts_ms >= lane.floor_ms else BASE
        start = mark.ts_ms // layout.sizes_ms[level] * layout.sizes_ms[level]
        key = tiles.tile(mark.entity, tiles.lane_middle(lane.id.key), level, tiles.instant(start))
        changes.newest_ms = max(changes.newest_ms, start)
        if _mark(snapshot, key, mark.status, changes):
            grown = len(key) + len(changes.puts[key])
            listing.add(level, listing.bucket(level, start), [key], grown)
    # Nothing of the lane starts after the newest tile that was ever written to it.
    asked = groups.starts <= lane.newest_ms
    before = _merge(layout, snapshot, batch, groups, keys, changes, asked)
    if len(groups):
        changes.newest_ms = max(changes.newest_ms, int(groups.starts.max()))
    listing.add_groups(groups, keys, before, changes)
    for (level, bucket), (some, grown) in listing.held.items():
        if some or grown:
            changes.puts.update(index_rows(lane, level, bucket, some, grown))
            changes.head_bytes += grown


class _Listing:
    """What a commit writes of the index: by level and bucket the new tiles, and by how much the head grew."""

    def __init__(self, layout: Layout) -> None:
        self._sizes = np.asarray([*layout.sizes_ms[1:], layout.sizes_ms[-1]], np.int64)
        self.held: dict[tuple[int, int], tuple[list[bytes], int]] = {}

    def bucket(self, level: int, start: int) -> int:
        """The tile of the next level that holds an instant."""
        size = int(self._sizes[level])
        return start // size * size

    def add(self, level: int, bucket: int, keys: list[bytes], grown: int) -> None:
        """New tiles of a bucket, and the bytes that all its tiles took more."""
        known, before = self.held.get((level, bucket), ([], 0))
        self.held[level, bucket] = [*known, *keys], before + (grown if level == HEAD else 0)

    def add_groups(
        self, groups: _Groups, keys: list[bytes], before: dict[int, bytes], changes: Changes
    ) -> None:
        """The tiles of groups; `before` holds what lay there, of those that are not new."""
        buckets = groups.starts // self._sizes[groups.levels] * self._sizes[groups.levels]
        order = np.lexsort((buckets, groups.levels))
        edges = np.diff(buckets[order], prepend=-1) | np.diff(groups.levels[order], prepend=-1)
        begins = np.flatnonzero(edges).tolist()
        for first, end in zip(begins, [*begins, len(order)][1:], strict=True):
            rows = order[first:end].tolist()
            level, bucket = int(groups.levels[rows[0]]), int(buckets[rows[0]])
            new = [keys[at] for at in rows if at not in before]
            grown = 0
            if level == HEAD:
                grown = sum(len(changes.puts[keys[at]]) for at in rows) + sum(map(len, new))
                grown -= sum(len(before[at]) for at in rows if at in before)
            self.add(level, bucket, new, grown)


def index_rows(
    lane: Lane, level: int, bucket_ms: int, keys: list[bytes], grown: int
) -> Iterator[tuple[bytes, bytes]]:
    """The rows in which this commit of the lane lists tiles: its own, and none larger than a page holds."""
    bucket = tiles.index_bucket(lane.id.key, level, bucket_ms)
    commit = bucket + lane.position.to_bytes(8, "big") + lane.folds.to_bytes(8, "big")
    many = max(1, _LISTED_BYTES // len(keys[0])) if keys else 1
    for first in range(0, max(len(keys), 1), many):
        row = tiles.pack_index(keys[first : first + many], 0 if first else grown)
        yield commit + first.to_bytes(4, "big"), row


def _mark(snapshot: Snapshot, key: bytes, status: int, changes: Changes) -> bool:
    """Leave a status in a tile, where a row would have been; whether that is a new tile."""
    held = changes.puts.get(key) or snapshot.get(key)
    if held is None:
        changes.puts[key] = tiles.value(status, b"")
        return True
    merged = tiles.status_of(held) | status
    changes.puts[key] = tiles.value(merged, held[tiles.STATUS_BYTES :])
    return False


class _Groups:
    """Rows by (entity, level, start), ascending."""

    def __init__(
        self, codes: np.ndarray, levels: np.ndarray, starts: np.ndarray, chosen: np.ndarray
    ) -> None:
        rows = np.flatnonzero(chosen)
        order = rows[np.lexsort((starts[rows], levels[rows], codes[rows]))]
        first = np.ones(len(order), bool)
        if len(order):
            first[1:] = (
                (codes[order[1:]] != codes[order[:-1]])
                | (levels[order[1:]] != levels[order[:-1]])
                | (starts[order[1:]] != starts[order[:-1]])
            )
        self.of_row = np.full(len(codes), -1, np.int32)
        self.of_row[order] = np.cumsum(first) - 1
        firsts = order[first]
        self.codes, self.levels, self.starts = codes[firsts], levels[firsts], starts[firsts]
        self.order, self.begins = order, np.flatnonzero(first)

    def __len__(self) -> int:
        return len(self.codes)

    def keys(self, entities: list[bytes], middle: bytes) -> list[bytes]:
        """The key of each group's tile, ascending."""
        return compiled.tiles(tiles.TILE, entities, self.codes, middle, self.levels, self.starts)

    def united(self, status: np.ndarray) -> np.ndarray:
        """The union of the rows' statuses per group."""
        if not len(self):
            return np.empty(0, np.int64)
        return np.bitwise_or.reduceat(status[self.order], self.begins)


def _merge(
    layout: Layout,
    snapshot: Snapshot,
    batch: Batch,
    groups: _Groups,
    keys: list[bytes],
    changes: Changes,
    asked: np.ndarray,
) -> dict[int, bytes]:
    """Put each group's partials under its key, merged with what lay there: by group, what did.

    Only where `asked` says so may something lie already, but for what the changes themselves put.
    """
    if not len(groups):
        return {}
    packed = kernel.fold(layout, batch.rows, groups.of_row, len(groups))
    statuses = groups.united(batch.status)
    places = np.flatnonzero(asked).tolist()
    found = snapshot.get_many([keys[at] for at in places])
    before = {at: held for at, held in zip(places, found, strict=True) if held is not None}
    if changes.puts:
        mine = ((at, changes.puts.get(key)) for at, key in enumerate(keys))
        before |= {at: held for at, held in mine if held is not None}
    values = tiles.closed(statuses, packed)
    if before:
        old = list(before)
        merged = merged_values(layout, [(before[at], values[at]) for at in old])
        for at, value in zip(old, merged, strict=True):
            values[at] = value
    changes.puts.update(zip(keys, values, strict=True))
    return before


def merged_values(layout: Layout, groups: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The value of a tile that holds all that each group of values holds."""
    values = [value for group in groups for value in group]
    offsets = np.zeros(len(groups) + 1, np.int64)
    np.cumsum([len(group) for group in groups], out=offsets[1:])
    status, packed = tiles.opened(values)
    merged = kernel.merge(layout, packed, offsets)
    return tiles.closed(np.bitwise_or.reduceat(status, offsets[:-1]), merged)
