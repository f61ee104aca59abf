"""A batch of rows into the tiles of a lane: what a commit puts.

    rows ──► (entity, level, start) ──► partials of the batch ──► merged with what lies there ──► puts

An event at or after the head floor gets a tile of its millisecond, one before it goes into its base
tile (protocol 4). Events that uploads lack go into those uploads' late tiles besides (protocol 7).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.state import tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Upload

HEAD: int = 0
BASE: int = 1


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
    entities: Sequence[bytes]
    status: np.ndarray
    offsets: np.ndarray
    aside: tuple[Mark, ...] = ()


@dataclass
class Changes:
    """What is to be written.

    Attributes:
        puts: keys and their values.
        deletes: keys that go.
        head_bytes: how many more bytes the lane's head tiles hold then, keys and values.
    """

    puts: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    deletes: list[bytes] = field(default_factory=list[bytes])
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
            key = tiles.late_tile(mark.entity, upload.id, lane.id.key, BASE, start)
            _mark(snapshot, key, mark.status, changes)
    if not late.any():
        return
    starts = ts // layout.base_ms * layout.base_ms
    groups = _Groups(batch.codes, np.full(len(ts), BASE), starts, late & (batch.codes >= 0))
    starting = tiles.instants(groups.starts)
    keys = [
        tiles.late_tile(batch.entities[code], upload.id, lane.id.key, BASE, start)
        for code, start in zip(groups.codes.tolist(), starting, strict=True)
    ]
    _merge(layout, snapshot, batch, groups, keys, changes)


def _into_lane(
    layout: Layout, snapshot: Snapshot, lane: Lane, batch: Batch, ts: np.ndarray, changes: Changes
) -> None:
    in_head = ts >= lane.floor_ms
    levels = np.where(in_head, HEAD, BASE)
    starts = np.where(in_head, ts, ts // layout.base_ms * layout.base_ms)
    groups = _Groups(batch.codes, levels, starts, batch.codes >= 0)
    id_ = lane.id.key
    keys = [
        tiles.lane_tile(batch.entities[code], id_, level, start)
        for code, level, start in zip(
            groups.codes.tolist(),
            groups.levels.tolist(),
            tiles.instants(groups.starts),
            strict=True,
        )
    ]
    for mark in batch.aside:
        level = HEAD if mark.ts_ms >= lane.floor_ms else BASE
        size = layout.sizes_ms[level]
        start = tiles.instant(mark.ts_ms // size * size)
        _mark(snapshot, tiles.lane_tile(mark.entity, id_, level, start), mark.status, changes)
    marked = set(changes.puts)
    new = _merge(layout, snapshot, batch, groups, keys, changes)
    listed: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    sizes = np.asarray([*layout.sizes_ms[1:], layout.sizes_ms[-1]], np.int64)
    buckets = groups.starts // sizes[groups.levels] * sizes[groups.levels]
    fresh = np.flatnonzero(new)
    last: tuple[int, int, int] | None = None
    for at in fresh.tolist():
        code, level, bucket = int(groups.codes[at]), int(groups.levels[at]), int(buckets[at])
        if (code, level, bucket) != last:
            listed[level, bucket].append(batch.entities[code])
            last = (code, level, bucket)
    for key in sorted(marked):
        level, start = tiles.level_of(key), tiles.instant_of(key[-8:])
        listed[level, start // int(sizes[level]) * int(sizes[level])].append(
            key[len(tiles.TILE) : -tiles.LANE_SUFFIX]
        )
    for (level, bucket), entities in listed.items():
        changes.puts[index_key(lane, level, bucket)] = tiles.pack_entities(entities)


def index_key(lane: Lane, level: int, bucket_ms: int) -> bytes:
    """Where this commit of the lane lists entities; each commit has its own row."""
    bucket = tiles.index_bucket(lane.id.key, level, bucket_ms)
    return bucket + lane.position.to_bytes(8, "big") + lane.folds.to_bytes(8, "big")


def _mark(snapshot: Snapshot, key: bytes, status: int, changes: Changes) -> None:
    """Leave a status in a tile, where a row would have been."""
    held = changes.puts.get(key) or snapshot.get(key)
    if held is None:
        changes.puts[key] = tiles.value(status, b"")
        if tiles.level_of(key) == HEAD:
            changes.head_bytes += len(key) + len(changes.puts[key])
        return
    merged = tiles.status_of(held) | status
    changes.puts[key] = tiles.value(merged, held[tiles.STATUS_BYTES :])


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
) -> np.ndarray:
    """Put each group's partials under its key, merged with what lies there; which keys are new."""
    if not len(groups):
        return np.empty(0, bool)
    packed = kernel.fold(layout, batch.rows, groups.of_row, len(groups))
    statuses = groups.united(batch.status).tolist()
    held = [
        changes.puts.get(key, value)
        for key, value in zip(keys, snapshot.get_many(keys), strict=True)
    ]
    new = np.fromiter((each is None for each in held), bool, len(held))
    old = np.flatnonzero(~new)
    texts = packed.to_pylist()
    if len(old):
        pairs: list[bytes] = []
        for at in old.tolist():
            before = held[at]
            assert before is not None
            statuses[at] |= tiles.status_of(before)
            pairs += (before[tiles.STATUS_BYTES :], texts[at])
        both = pa.array(pairs, pa.large_binary())
        merged = kernel.merge(layout, both, np.arange(0, len(pairs) + 1, 2, dtype=np.int64))
        for at, text in zip(old.tolist(), merged.to_pylist(), strict=True):
            texts[at] = text
    for key, status, text in zip(keys, statuses, texts, strict=True):
        changes.puts[key] = tiles.value(status, text)
    for at in np.flatnonzero(groups.levels == HEAD).tolist():
        key, before = keys[at], held[at]
        changes.head_bytes += len(changes.puts[key])
        changes.head_bytes += len(key) if before is None else -len(before)
    return new
