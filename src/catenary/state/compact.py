"""Tiles that no read can begin or end in any more, merged into longer ones; those out of reach, removed.

    head ──► base tiles ──► longer tiles ──► gone        level by level, bucket by bucket

A tile that is alone in its bucket stays as it is: one that is shorter than it might be is as right, and
costs no write. It is listed a level higher, where it may meet others.
A read is right before and after each of these steps, so they follow the floor at their own pace. Tiles
of one size become one of the next when the floor has passed the end of every window that could begin
inside (protocol 3, 4; runtime, stores).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from catenary.compiled import tile_keys as compiled
from catenary.state import tiles
from catenary.state.fold import Changes, index_rows, merged_values
from catenary.state.records import ANCIENT_MS

if TYPE_CHECKING:
    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Uploads

_INSTANT_BYTES: Final = 8


def due_ms(layout: Layout, level: int, history_ms: int) -> int:
    """How far the floor must have passed a bucket's end before its tiles of `level` are merged.

    The head merges at once. Base tiles stay for as long as a window with a finer hop than the next
    size may begin in them, and for the history that reads before the floor may ask for.
    """
    if level == 0:
        return 0
    size = layout.sizes_ms[level + 1]
    spans = [
        each.window_ms + each.hop_ms
        for each in layout.features
        if each.window_ms is not None and each.hop_ms is not None and each.hop_ms < size
    ]
    return max(spans, default=0) + history_ms


def kept_from(layout: Layout, lane: Lane, uploads: Uploads, history_ms: int) -> int:
    """Lane tiles that end at or before this instant are out of every read's reach."""
    oldest = lane.floor_ms - history_ms
    if lane.floor_ms == ANCIENT_MS:
        return ANCIENT_MS
    upload = uploads.newest(oldest)
    kept = ANCIENT_MS if upload is None else upload.cutoff_ms
    if layout.reach_ms is not None:
        size = layout.sizes_ms[-1]
        kept = max(kept, (oldest - layout.reach_ms) // size * size)
    return max(kept, lane.kept_ms)


def compact(
    layout: Layout, snapshot: Snapshot, lane: Lane, kept_ms: int, history_ms: int, budget: int
) -> Changes:
    """The changes that merge and remove what is due, for about `budget` tiles.

    Args:
        layout: of the GroupBy.
        snapshot: what lies there.
        lane: whose floor decides.
        kept_ms: from `kept_from`.
        history_ms: how far before the floor reads may ask.
        budget: stop after so many tiles; what is left is for the next time.
    """
    changes = Changes()
    top = len(layout.sizes_ms) - 1
    for level in range(top + 1):
        size = layout.sizes_ms[min(level + 1, top)]
        limit = (
            kept_ms
            if level == top
            else max(kept_ms, lane.floor_ms - due_ms(layout, level, history_ms))
        )
        prefix = tiles.INDEX + lane.id.key + bytes((level,))
        buckets: dict[int, list[bytes]] = {}
        for key, row in snapshot.scan(prefix):
            bucket = tiles.instant_of(key[len(prefix) : len(prefix) + 8])
            # A bucket is taken whole, so that tiles which belong together meet.
            if bucket + size > limit or (budget <= 0 and bucket not in buckets):
                break
            listed, grown = tiles.unpack_index(row, lane.id.key)
            changes.head_bytes -= grown
            budget -= len(listed)
            buckets.setdefault(bucket, []).extend(listed)
            changes.deletes.append(key)
        merging = _Merging()
        for bucket, keys in buckets.items():
            if level == top or bucket + size <= kept_ms:
                changes.deletes += keys
            else:
                merging.add(level, bucket, keys)
        if merging.kept:
            _merge(layout, snapshot, lane, level, merging, changes)
        if budget <= 0 or changes.puts:
            # The next level reads what this one wrote: another commit's work.
            break
    return changes


def next_floor(layout: Layout, snapshot: Snapshot, lane: Lane) -> int | None:
    """The least floor under which tiles of the lane's head can be merged; None if it has none."""
    prefix = tiles.INDEX + lane.id.key + bytes((0,))
    for key, _ in snapshot.scan(prefix):
        return tiles.instant_of(key[len(prefix) : len(prefix) + 8]) + layout.sizes_ms[1]
    return None


class _Merging:
    """Tiles of closed buckets: those that are merged, and those that stay.

    Attributes:
        groups: keys that become one, with the key that they get.
        kept: by bucket, the keys of tiles that stay, alone in theirs.
    """

    def __init__(self) -> None:
        self.groups: list[tuple[bytes, list[bytes]]] = []
        self.kept: dict[int, list[bytes]] = {}

    def add(self, level: int, bucket: int, keys: list[bytes]) -> None:
        """The tiles of a bucket."""
        keys.sort()
        begins = np.empty(len(keys) + 1, np.int64)
        many = compiled.runs(keys, begins)
        begins[many] = len(keys)
        sizes = np.diff(begins[: many + 1])
        self.kept[bucket] = [keys[at] for at in begins[:many][sizes == 1].tolist()]
        tail = bytes((level + 1,)) + tiles.instant(bucket)
        together = sizes > 1
        for first, size in zip(
            begins[:many][together].tolist(), sizes[together].tolist(), strict=True
        ):
            target = keys[first][: -len(tail)] + tail
            self.groups.append((target, keys[first : first + size]))


def _merge(
    layout: Layout,
    snapshot: Snapshot,
    lane: Lane,
    level: int,
    merging: _Merging,
    changes: Changes,
) -> None:
    """Merge one level's tiles into the next, and list what is there then."""
    above, over = (layout.sizes_ms[min(level + step, len(layout.sizes_ms) - 1)] for step in (1, 2))
    if merging.groups:
        keys = [key for _, keys in merging.groups for key in keys]
        changes.deletes += keys
        held = iter(snapshot.get_many(keys))
        targets = [target for target, _ in merging.groups]
        groups: list[list[bytes]] = []
        for (target, parts), before in zip(merging.groups, snapshot.get_many(targets), strict=True):
            values = [value for _ in parts if (value := next(held)) is not None]
            assert len(values) == len(parts), "a tile is listed for as long as it is there"
            if before is None:
                bucket = tiles.instant_of(target[-_INSTANT_BYTES:]) // above * above
                merging.kept[bucket].append(target)
            else:
                values.append(before)
            groups.append(values)
        changes.puts.update(zip(targets, merged_values(layout, groups), strict=True))
    listed: dict[int, list[bytes]] = {}
    for bucket, keys in merging.kept.items():
        listed.setdefault(bucket // over * over, []).extend(keys)
    for bucket, keys in listed.items():
        if keys:
            changes.puts.update(index_rows(lane, level + 1, bucket, keys, 0))
