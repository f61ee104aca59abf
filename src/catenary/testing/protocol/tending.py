"""What a stage's copy does between batches: floor, roll-up, retention, settling of uploads.

    floor ──► head folds into base tiles ──► base tiles into longer ones ──► gone      lazily
    upload landed ──► each lane replays what it lacks ──► read, once all lanes have

None of it changes what a read at or after the floor says. (protocol 1, 3, 4, 7)
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from catenary.ports import statuses
from catenary.testing.protocol.shapes import ANCIENT, LaneId
from catenary.testing.protocol.store import Lane, Tiles, put

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from catenary.testing.protocol.shapes import Shape
    from catenary.testing.protocol.stage import Copy
    from catenary.testing.protocol.store import Dataset
    from catenary.testing.protocol.uploads import Upload
    from catenary.testing.protocol.world import World


def tend(copy: Copy) -> Generator[str, None, bool]:
    """One round; False once the copy finds itself fenced."""
    world, dataset = copy.world, copy.dataset
    while (pending := unsettled(copy)) is not None:
        if not (yield from settle(copy, *pending)):
            return False
    seen = dataset.registrations
    # A lane's own time is taken before the log is asked for ends.
    floors = {each: floor_for(world, copy.shape, dataset.lanes[each].passed) for each in copy.lanes}
    if not world.whole:
        yield "floor"
    if not copy.holds():
        copy.told("tend", False)
        return False
    if dataset.registrations == seen or not world.rules.floor_heeds_registrations:
        for lane_id, floor in floors.items():
            lift(world, dataset.lanes[lane_id], floor)
    if world.whole:
        compact(copy, copy.lanes, lazily=False)
    elif world.rng.random() < 0.5:
        compact(copy, (world.rng.choice(copy.lanes),), lazily=True)
    copy.told("tend", True, wrote=True)
    return True


def unsettled(copy: Copy) -> tuple[LaneId, Upload] | None:
    """The next lane of a copy that has to settle an upload, and which."""
    for upload in copy.dataset.uploads:
        for lane_id in copy.lanes:
            if upload.number not in copy.dataset.lanes[lane_id].settled:
                return lane_id, upload
    return None


def compact(copy: Copy, lanes: Sequence[LaneId], *, lazily: bool) -> None:
    """Merge tiles into longer ones and remove what is out of reach; lazily, not all that is due."""
    world, dataset = copy.world, copy.dataset
    for lane_id in lanes:
        for level in range(len(copy.shape.sizes) - 1):
            if not lazily or world.rng.random() < 0.8:
                roll_up(world, dataset, lane_id, level)
        remove(world, dataset, lane_id)
    remove_uploads(world, dataset)


def lift(world: World, lane: Lane, floor: int) -> None:
    """Let a lane's floor rise."""
    lane.floor = max(lane.floor, floor) if world.rules.floor_never_falls else floor


def floor_for(world: World, shape: Shape, own: int) -> int:
    """Where a lane's head may begin that has itself passed `own`."""
    least = own
    if world.rules.floor_waits:
        least = min([own, *held_by(world, shape)])
    floor = least - shape.units.horizon
    if world.head_limit is not None:
        floor = max(floor, own - world.head_limit)
    if floor <= ANCIENT:
        return ANCIENT
    return floor // shape.base * shape.base if world.rules.floor_is_aligned else floor


def held_by(world: World, shape: Shape) -> list[int]:
    """What each reader of a GroupBy has passed, of those that hold its floor."""
    dataset = world.datasets[shape.number]
    found = [each.passed for each in dataset.readers.values()]
    for child in world.shapes:
        if shape.number not in child.parents:
            continue
        state = world.datasets[child.number]
        for lane_id, lane in state.lanes.items():
            if lane.position < world.log.end(lane_id.place):
                found.append(lane.since if lane.passed == ANCIENT else lane.passed)
        if not state.lanes and world.rules.holds_for_new_children:
            known = [each.cutoff for each in state.uploads if each.frontier is not None]
            found.append(max(known, default=ANCIENT))
    return found


def due(shape: Shape, level: int, history: int, *, late: bool) -> int:
    """How far the floor must have passed a longer tile's end before tiles of `level` go into it.

    >>> from catenary.testing.protocol.shapes import Shape, Window
    >>> due(Shape(0, (), (Window(40, 10), Window(180, 60))), 1, 0, late=True)
    50
    """
    if level == 0 or not late:
        return 0
    size = shape.sizes[level + 1]
    spans = [
        each.length + each.hop
        for each in shape.windows
        if each.length is not None and each.hop < size
    ]
    return max(spans, default=0) + history


def roll_up(world: World, dataset: Dataset, lane_id: LaneId, level: int) -> None:
    """Merge one level's tiles into the next one's, where no read can begin or end inside.

    A tile that is alone in the longer one stays as it is, and is looked at again a level higher, beside
    what has come there meanwhile.
    """
    rules, shape = world.rules, dataset.shape
    size, longer = shape.sizes[level], shape.sizes[level + 1]
    wait = due(shape, level, world.history, late=rules.rolls_up_late)
    floor = dataset.lanes[lane_id].floor
    for key, lanes in dataset.tiles.items():
        tiles = lanes.get(lane_id, {})
        together: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for start, length in tiles:
            own = shape.sizes.index(length)
            if dataset.raised.get((key, lane_id, start, length), own) != level:
                continue
            if level == 0:
                ripe = start < floor
            elif rules.rolls_up_whole_buckets:
                ripe = start // longer * longer + longer + wait <= floor
            else:
                ripe = start + size + wait <= floor
            if ripe:
                together[start // longer].append((start, length))
        for found in together.values():
            for start, length in found:
                if len(found) == 1:
                    dataset.raised[key, lane_id, start, length] = level + 1
                else:
                    _merge(tiles, start, length, longer, gone=rules.replaces)
                    dataset.raised.pop((key, lane_id, start, length), None)


def _merge(tiles: Tiles, start: int, size: int, longer: int, *, gone: bool) -> None:
    partial, status = tiles[start, size]
    put(tiles, start, longer, partial, status)
    if gone:
        del tiles[start, size]


def kept_from(world: World, dataset: Dataset, lane: Lane) -> int:
    """Lane tiles that end at or before this instant are out of reach of every read that is answered."""
    if lane.floor == ANCIENT:
        return ANCIENT
    oldest, day = lane.floor - world.history, dataset.shape.units.day
    if not world.rules.removes_late:
        return oldest // day * day
    upload = dataset.newest(oldest)
    kept = ANCIENT if upload is None else upload.cutoff
    if dataset.shape.reach is not None:
        kept = max(kept, (oldest - dataset.shape.reach) // day * day)
    return max(kept, lane.kept)


def remove(world: World, dataset: Dataset, lane_id: LaneId) -> None:
    """Drop what no read can reach."""
    lane = dataset.lanes[lane_id]
    lane.kept = kept_from(world, dataset, lane)
    for key, lanes in dataset.tiles.items():
        tiles = lanes.get(lane_id, {})
        for start, size in list(tiles):
            if start + size <= lane.kept:
                del tiles[start, size]
                dataset.raised.pop((key, lane_id, start, size), None)


def remove_uploads(world: World, dataset: Dataset) -> None:
    """Drop uploads that are older than the one for the oldest read that is answered."""
    floor = min((each.floor for each in dataset.lanes.values()), default=ANCIENT)
    answering = dataset.newest(floor - world.history)
    if answering is not None:
        for upload in dataset.active():
            if upload.cutoff < answering.cutoff:
                dataset.uploads.remove(upload)
                del dataset.late[upload.number]


def land(world: World, dataset: Dataset, upload: Upload) -> None:
    """An upload is complete: lanes that have not passed its frontier have nothing to settle."""
    dataset.uploads.append(upload)
    dataset.late[upload.number] = {}
    for lane_id, lane in dataset.lanes.items():
        if not world.rules.settles or not upload.passed_by(lane_id.place, lane.position):
            lane.settled.add(upload.number)
    activate(dataset)
    world.trace.outside("land", upload, dataset)


def activate(dataset: Dataset) -> None:
    """Swap the pointer to each upload that all lanes have settled."""
    for upload in dataset.uploads:
        if all(upload.number in lane.settled for lane in dataset.lanes.values()):
            upload.active = True


def settle(copy: Copy, lane_id: LaneId, upload: Upload) -> Generator[str, None, bool]:
    """Replay the log from the upload's frontier to the lane's position into late tiles."""
    from catenary.testing.protocol.stage import Batch, Part

    lane = copy.dataset.lanes[lane_id]
    assert upload.frontier is not None
    first, after = upload.frontier[lane_id.place], lane.position
    found, _ = copy.world.log.read(lane_id.place, first, after - first)
    late = [each for each in found if upload.lacks(each.place, each.offset, each.ts)]
    batch = Batch([Part(lane_id, first, after, late)])
    if not copy.world.whole:
        yield "settle read"
    if copy.world.rules.settling_waits:
        batch.cut = copy.cut()
        yield from copy.wait(batch, "settle wait")
    rows = yield from copy.enrich(batch)
    if not copy.world.whole:
        yield "settle"
    if not copy.holds() or lane.position != after:
        copy.told("tend", False)
        return False
    if upload.number in lane.settled or upload.number not in copy.dataset.late:
        return True
    for row in rows:
        if (
            copy.world.rules.settling_leaves_letters
            and (lane_id, row.record.offset) in copy.dataset.letters
        ):
            row = row._replace(value=None, status=statuses.SET_ASIDE)
        copy.fold_late(row, upload)
        copy.world.settled(copy.shape, row)
    lane.settled.add(upload.number)
    activate(copy.dataset)
    copy.told("settle", batch, wrote=True)
    return True
