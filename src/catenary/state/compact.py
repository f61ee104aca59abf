"""Tiles that no read can begin or end in any more, merged into longer ones; those out of reach, removed.

    head ──► base tiles ──► longer tiles ──► gone        level by level, an index row at a time

A read is right before and after each of these steps, so they follow the floor at their own pace. Tiles
of one size become one of the next when the floor has passed the end of every window that could begin
inside (protocol 3, 4; runtime, stores).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.state import tiles
from catenary.state.fold import Changes, index_key
from catenary.state.records import ANCIENT_MS

if TYPE_CHECKING:
    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Lane, Uploads


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
    """The changes that merge and remove what is due, for about `budget` entities.

    Args:
        layout: of the GroupBy.
        snapshot: what lies there.
        lane: whose floor decides.
        kept_ms: from `kept_from`.
        history_ms: how far before the floor reads may ask.
        budget: stop after so many entities; what is left is for the next time.
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
        found: list[tuple[bytes, int, set[bytes]]] = []
        for key, listed in snapshot.scan(prefix):
            bucket = tiles.instant_of(key[len(prefix) : len(prefix) + 8])
            if bucket + size > limit or budget <= 0:
                break
            entities = set(tiles.unpack_entities(listed))
            budget -= len(entities)
            found.append((key, bucket, entities))
        if found:
            _level(layout, snapshot, lane, level, size, kept_ms, found, changes)
        if budget <= 0 or changes.puts:
            # The next level reads what this one wrote: another commit's work.
            break
    return changes


def _level(
    layout: Layout,
    snapshot: Snapshot,
    lane: Lane,
    level: int,
    size: int,
    kept_ms: int,
    found: list[tuple[bytes, int, set[bytes]]],
    changes: Changes,
) -> None:
    """Merge one level's tiles of the found buckets into the next, or remove them."""
    buckets: dict[int, set[bytes]] = {}
    for key, bucket, entities in found:
        changes.deletes.append(key)
        buckets.setdefault(bucket, set()).update(entities)
    targets: list[bytes] = []
    parts: list[bytes] = []
    statuses: list[int] = []
    offsets = [0]
    listed: dict[int, list[bytes]] = {}
    top = len(layout.sizes_ms) - 1
    lane_key = lane.id.key
    of_level = tiles.OF_LANE + lane_key + bytes((level,))
    for bucket, entities in sorted(buckets.items()):
        ordered = sorted(entities)
        starts = tiles.instant(bucket), tiles.instant(bucket + size)
        spans = [
            (prefix + starts[0], prefix + starts[1])
            for prefix in (tiles.TILE + each + of_level for each in ordered)
        ]
        gone = level == top or bucket + size <= kept_ms
        for entity, inside in zip(ordered, snapshot.scan_spans(spans), strict=True):
            changes.deletes += [key for key, _ in inside]
            if gone or not inside:
                continue
            target = tiles.lane_tile(entity, lane_key, level + 1, starts[0])
            held = snapshot.get(target)
            values = [value for _, value in inside]
            if held is None:
                above = layout.sizes_ms[min(level + 2, top)]
                listed.setdefault(bucket // above * above, []).append(entity)
            else:
                values.append(held)
            status = 0
            for value in values:
                status |= tiles.status_of(value)
                parts.append(value[tiles.STATUS_BYTES :])
            targets.append(target)
            statuses.append(status)
            offsets.append(len(parts))
    if targets:
        merged = kernel.merge(
            layout, pa.array(parts, pa.large_binary()), np.asarray(offsets, np.int64)
        )
        for target, status, text in zip(targets, statuses, merged.to_pylist(), strict=True):
            changes.puts[target] = tiles.value(status, text)
    for bucket, entities in listed.items():
        # A row of this commit's own: one that is listed under an earlier commit's stays so.
        changes.puts[index_key(lane, level + 1, bucket)] = tiles.pack_entities(entities)
