"""The head floor: how far it may rise, given what the lane has seen and what its readers have passed.

It trails the least of these by the head horizon and by how much earlier children read, is a multiple of
the base tile, and never falls. A reader at its topic's end holds nothing. The head is no older than its
limit, and holds no more bytes than its other limit, readers or not: one that is left further behind, or
that reads from further back, reads `as_of_tile`. (protocol 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.state.ahead import RECORDS
from catenary.state.compact import next_floor
from catenary.state.records import (
    ANCIENT_MS,
    lanes_of,
    passed_by,
    readers_of,
    uploads_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from catenary.aggregate.layout import Layout
    from catenary.plan.settings import ChainSettings
    from catenary.ports import Log, Snapshot, Store
    from catenary.state.records import Lane, Reader


def risen(
    lane: Lane, passed_ms: int, base_ms: int, settings: ChainSettings, held_ms: int | None
) -> int:
    """The lane's floor, given what it has passed and what its readers hold.

    Args:
        lane: with the floor that it has.
        passed_ms: what it has passed by now.
        base_ms: the base tile.
        settings: the head's horizon and its limit.
        held_ms: the least that a reader has passed; None if none holds.
    """
    if passed_ms == ANCIENT_MS:
        return lane.floor_ms
    least = passed_ms
    if held_ms is not None:
        least = min(least, held_ms)
    # Children whose rows read earlier are as far behind what they have passed.
    trailing = settings.head_horizon_ms - settings.query_shift_ms
    wanted = max(least - trailing, passed_ms - settings.head_limit_ms)
    return max(lane.floor_ms, wanted // base_ms * base_ms)


def crowded(lanes: Iterable[Lane], settings: ChainSettings) -> bool:
    """Whether the head of a stage, all its lanes together, holds more bytes than its limit."""
    return sum(lane.head_bytes for lane in lanes) > settings.head_limit_bytes


def pressed(
    layout: Layout, snapshot: Snapshot, lanes: Mapping[bytes, Lane], own: Collection[bytes]
) -> dict[bytes, int]:
    """The floors under which a crowded head's oldest base tile goes, whoever reads.

    Args:
        layout: of the GroupBy.
        snapshot: its dataset.
        lanes: all of them, by their bytes.
        own: those whose floors may be raised.

    Returns:
        A floor for each lane that has tiles of the head in that base tile. None while compaction has
        still to follow the floors: how much that frees is to be known first.
    """
    next_ = {
        key: found for key in own if (found := next_floor(layout, snapshot, lanes[key])) is not None
    }
    if any(floor <= lanes[key].floor_ms for key, floor in next_.items()):
        return {}
    least = min(next_.values(), default=None)
    return {key: floor for key, floor in next_.items() if floor == least}


def held_by_readers(snapshot: Snapshot, store: Store, log: Log, now_ms: int) -> int | None:
    """The least event time that a registered reader has passed; None if none holds the floor."""
    readers, _ = readers_of(snapshot)
    passed = [
        found
        for each in readers.held.values()
        if (found := _child(each, store, log) if each.child else _client(each, snapshot, now_ms))
        is not None
    ]
    return min(passed, default=None)


def _client(reader: Reader, snapshot: Snapshot, now_ms: int) -> int | None:
    """What a client has passed; None once its time to live is over."""
    told = passed_by(reader, snapshot)
    return None if told.until_ms < now_ms else told.passed_ms


def _child(reader: Reader, store: Store, log: Log) -> int | None:
    """What a child stage has passed, by its own dataset; None if all its lanes are at their ends.

    A lane may ask for what the upload that it began with lacks. That is expected from where the upload's
    tables had come to: before its cut-off, if the day was not over.
    """
    view = store.views({reader.name: RECORDS}).get(reader.name)
    if view is None:
        return ANCIENT_MS
    lanes = lanes_of(view)
    uploads, _ = uploads_of(view)
    if not lanes:
        beginning = uploads.beginning
        return ANCIENT_MS if beginning is None else beginning.reached_ms
    ends = log.ends([lane.place for lane in lanes.values()])
    passed = [
        max(lane.passed_ms, lane.reached_ms)
        for lane in lanes.values()
        if lane.position < ends[lane.place]
    ]
    return min(passed, default=None)
