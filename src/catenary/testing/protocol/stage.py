"""One running copy of a stage, step by step; between two steps anything may happen to it.

    take ──► read ──► cut ──► wait ──► enrich ──► commit ──► (tend) ──► read …

Each step is one method and runs at once; `run` strings them together and gives way between them. A copy
that is killed is simply never resumed; one that is resumed after another took its lanes finds that its
next commit fails. Step by step the same as the real stage's, so that both can be driven alike.
(protocol 2, 9 to 14)

Read next: ``tending.py`` (what a copy does between batches).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from catenary.ports import statuses
from catenary.testing.protocol.oracle import looked_up, read_at
from catenary.testing.protocol.partials import one
from catenary.testing.protocol.reading import Answer, read, read_snapshot, torn
from catenary.testing.protocol.shapes import LaneId, Place, enriched
from catenary.testing.protocol.store import Lane
from catenary.testing.protocol.tending import first_asked, floor_for, lift, tend

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from catenary.testing.protocol.shapes import Shape
    from catenary.testing.protocol.topics import Record
    from catenary.testing.protocol.uploads import Upload
    from catenary.testing.protocol.world import World

PATIENCE = 6
"""Looks at its parents' frontiers, without any of them moving, before a stage proceeds."""


class Part(NamedTuple):
    """What a batch has of one lane: offsets from `first` to `after`, and the records in there."""

    lane: LaneId
    first: int
    after: int
    records: list[Record]


@dataclass
class Batch:
    """What was read.

    Attributes:
        parts: by lane; those that brought nothing are left out.
        cut: the ends of all source partitions of all parents.
        uploads: that were there when the batch was read.
        late: whether it went on before its parents had reached the cut.
    """

    parts: list[Part]
    cut: dict[tuple[int, LaneId], int] = field(default_factory=dict[tuple[int, LaneId], int])
    uploads: list[Upload] = field(default_factory=list["Upload"])
    late: bool = False


class Ready(NamedTuple):
    """A row to be folded.

    Attributes:
        lane: that it came from.
        record: that it was.
        value: None where it was set aside.
        status: what it says of itself.
        own: statuses of the reads that it was enriched with, without those that they inherited.
    """

    lane: LaneId
    record: Record
    value: int | None
    status: int
    own: int


class Copy:
    """One running copy of a stage over the lanes that it owns."""

    def __init__(self, world: World, shape: Shape, lanes: Sequence[LaneId]) -> None:
        self.world = world
        self.shape = shape
        self.lanes = tuple(lanes)
        self.dataset = world.datasets[shape.number]
        self.epochs: dict[LaneId, int] = {}
        world.copies += 1
        self.number = world.copies

    def run(self) -> Generator[str, None, None]:
        """The steps, one after the other, until it is fenced or stopped."""
        self.take()
        yield "take"
        rules = self.world.rules
        while True:
            early = {} if rules.cut_after_read else self.cut()
            if not rules.cut_after_read:
                yield "cut"
            batch = self.read()
            if batch is None:
                return
            yield "read"
            if batch.parts:
                batch.cut = self.cut() if rules.cut_after_read else early
                self.told("cut", batch.cut)
                yield "cut"
                yield from self.wait(batch, "wait")
                self.told("ready", not batch.late)
                rows = yield from self.enrich(batch)
                self.told("enrich", rows)
                yield "enrich"
                if not (yield from self.commit(batch, rows)):
                    return
                yield "commit"
            if (not batch.parts or self.world.rng.random() < 0.5) and not (yield from tend(self)):
                return
            if not batch.parts:
                yield "idle"

    def take(self) -> None:
        """Become the owner: raise the epoch of each lane.

        A GroupBy's lanes begin together, those of other copies, too: what nobody has read yet is
        behind, and not unheard of.
        """
        together = self.world.rules.begins_together
        for lane_id in self.world.lanes[self.shape.number] if together else self.lanes:
            if lane_id not in self.dataset.lanes:
                self.dataset.lanes[lane_id] = self._opened(lane_id)
        for lane_id in self.lanes:
            lane = self.dataset.lanes[lane_id]
            lane.epoch += 1
            self.epochs[lane_id] = lane.epoch
        self.told("take", dict(self.epochs), wrote=True)

    def read(self) -> Batch | None:
        """Some of what is queued; None if a position means nothing in the log as it is."""
        log, rng, rules = self.world.log, self.world.rng, self.world.rules
        batch = Batch([], uploads=list(self.dataset.uploads))
        for lane_id in self.lanes:
            lane = self.dataset.lanes[lane_id]
            if rules.knows_incarnations and not self.world.known(lane_id.place, lane):
                return None
            found, after = log.read(lane_id.place, lane.position, rng.randrange(5))
            if not rules.position_is_the_logs and after > lane.position:
                rest, _ = log.read(lane_id.place, lane.position, 1 << 30)
                after = found[-1].offset + 1 if found else after if rest else lane.position
            if after > lane.position:
                cutoff, included = lane.covered
                ours = [each for each in found if each.ts >= cutoff or each.offset >= included]
                batch.parts.append(Part(lane_id, lane.position, after, ours))
        self.told("read", [part[:3] for part in batch.parts])
        return batch

    def cut(self) -> dict[tuple[int, LaneId], int]:
        """The visible ends of all source partitions of all parents, asked of the log itself."""
        return {
            (number, lane): self.world.log.end(lane.place)
            for number in self.shape.parents
            if not self.world.shapes[number].snapshot
            for lane in self.world.lanes[number]
        }

    def lacking(self, batch: Batch) -> tuple[object, ...]:
        """Where each parent stands that has not reached the cut; empty when all have.

        Or how many of its lanes have yet to settle what has landed, while it has nothing to be read.
        """
        datasets = self.world.datasets
        behind: list[object] = []
        for number in sorted({number for number, _ in batch.cut}):
            parent = datasets[number]
            if not parent.active():
                left = sum(len(parent.unsettled(each)) for each in parent.uploads)
                if left:
                    behind.append((number, None, left))
        for (number, lane_id), end in batch.cut.items():
            lane = datasets[number].lanes.get(lane_id)
            position = -1 if lane is None else lane.position
            if position < end:
                behind.append((number, lane_id, position))
        return tuple(behind)

    def unlanded(self, batch: Batch) -> tuple[object, ...]:
        """Midnights of snapshots that the batch's rows are held for."""
        datasets = self.world.datasets
        missing: list[object] = []
        for part in batch.parts:
            for record in part.records:
                for edge in self.shape.sources[part.lane.source].edges:
                    parent = self.world.shapes[edge.parent]
                    if parent.snapshot and parent.on_snapshot_late == "hold":
                        midnight = read_at(parent, record.ts)
                        if all(each.cutoff < midnight for each in datasets[parent.number].active()):
                            missing.append((parent.number, midnight))
        return tuple(missing)

    def wait(self, batch: Batch, what: str) -> Generator[str, None, None]:
        """Until every parent has reached the cut; or, where the stage proceeds, not for ever.

        Snapshots that are held for are waited for all the same.
        """
        looks = 0
        before: tuple[object, ...] = ()
        while behind := self.lacking(batch):
            looks = looks + 1 if behind == before else 0
            if self.shape.proceed and looks > PATIENCE:
                batch.late = True
                break
            before = behind
            self.told(what, behind)
            yield "wait"
        while missing := self.unlanded(batch):
            self.told(what, missing)
            yield "wait"

    def enrich(self, batch: Batch) -> Generator[str, None, list[Ready]]:
        """Every row beside its parents, each as of the row's own time."""
        rules = self.world.rules
        rows: list[Ready] = []
        for part in batch.parts:
            for record in part.records:
                answers: list[Answer] = []
                edges = self.shape.sources[part.lane.source].edges
                for edge in edges:
                    parent = self.world.datasets[edge.parent]
                    key = looked_up(edge, record)
                    if parent.shape.snapshot:
                        answers.append(read_snapshot(parent, key, record.ts, rules))
                    elif rules.reads_are_snapshots:
                        answers.append(read(parent, key, record.ts, rules))
                    else:
                        answers.append((yield from torn(parent, key, record.ts, rules)))
                status = statuses.LATE_PARENT if batch.late and rules.late_parent_is_told else 0
                own = 0
                for answer in answers:
                    own |= answer.own
                    if rules.inherits:
                        status |= answer.status & statuses.INHERITED
                value: int | None = enriched(record.value, [each.values for each in answers])
                if record.poison and edges and not self.world.cured:
                    value = None
                    status |= statuses.SET_ASIDE
                rows.append(Ready(part.lane, record, value, status, own))
                if not self.world.whole and self.world.rng.random() < 0.1:
                    yield "enriching"
        return rows

    def holds(self, parts: Sequence[Part] = ()) -> bool:
        """Whether a commit would go through: still the owner, and nothing moved."""
        if not self.world.rules.fenced:
            return True
        lanes = self.dataset.lanes
        return all(lanes[each].epoch == epoch for each, epoch in self.epochs.items()) and all(
            lanes[part.lane].position == part.first for part in parts
        )

    def commit(self, batch: Batch, rows: list[Ready]) -> Generator[str, None, bool]:
        """Floors, tiles, late tiles, positions, greatest times, all at once; False if fenced."""
        if not self.holds(batch.parts):
            self.told("commit", False)
            return False
        uploads = self.dataset.uploads if self.world.rules.decides_at_commit else batch.uploads
        passed = {
            part.lane: max([self.dataset.lanes[part.lane].passed, *(x.ts for x in part.records)])
            for part in batch.parts
        }
        # The floor that a batch brings decides already where its rows go.
        for lane_id, ts in passed.items():
            lift(self.world, self.dataset.lanes[lane_id], floor_for(self.world, self.shape, ts))
        for row in rows:
            self._fold(row, uploads)
            if row.value is None:
                self.dataset.letters[row.lane, row.record.offset] = row.record
            self.world.committed(self.shape, row)
        if not self.world.rules.atomic:
            yield "half committed"
        for part in batch.parts:
            lane = self.dataset.lanes[part.lane]
            lane.position = part.after
            lane.passed = passed[part.lane]
        self.told("commit", True, wrote=True)
        return True

    def replay(self) -> Generator[str, None, None]:
        """Try the dead letters again, beside whoever runs the stage; what passes is folded in."""
        before = len(self.dataset.letters)
        for (lane_id, offset), record in list(self.dataset.letters.items()):
            batch = Batch([Part(lane_id, offset, offset + 1, [record])], self.cut())
            if not self.world.whole:
                yield "replay"
                yield from self.wait(batch, "replay wait")
            elif self.lacking(batch) or self.unlanded(batch):
                continue
            (row,) = yield from self.enrich(batch)
            if not self.world.whole:
                yield "enrich"
            if row.value is not None and (lane_id, offset) in self.dataset.letters:
                del self.dataset.letters[lane_id, offset]
                self._fold(row, self.dataset.uploads)
                self.world.checked(self.shape, row)
        self.told("replay", (before, len(self.dataset.letters)), wrote=True)

    def told(self, name: str, detail: object, *, wrote: bool = False) -> None:
        """Leave a step in the trace."""
        self.world.trace.told(self.number, self.dataset, name, detail, wrote=wrote)

    def fold_late(self, row: Ready, upload: Upload) -> None:
        """Bring a row into the upload's late tiles if the upload lacks it."""
        record = row.record
        if not upload.lacks(record.place, record.offset, record.ts):
            return
        if row.value is not None:
            partial = one(record.ts, row.value)
        elif self.world.rules.marks_late_tiles and self.world.rules.aside_is_told:
            partial = None
        else:
            return
        self.dataset.fold_late(upload.number, row.lane, record.key, record.ts, partial, row.status)

    def _fold(self, row: Ready, uploads: Sequence[Upload]) -> None:
        self._fold_into_lane(row)
        rules, lane = self.world.rules, self.dataset.lanes[row.lane]
        for upload in uploads:
            settled = upload.number in lane.settled or not rules.diverts_once_settled
            if rules.diverts_late and settled and upload.number in self.dataset.late:
                self.fold_late(row, upload)

    def _fold_into_lane(self, row: Ready) -> None:
        record = row.record
        if row.value is not None:
            partial = one(record.ts, row.value)
        elif self.world.rules.aside_is_told:
            partial = None
        else:
            return
        self.dataset.fold(row.lane, record.key, record.ts, partial, row.status)

    def _opened(self, lane_id: LaneId) -> Lane:
        """A new lane: from the log's beginning; what the newest upload holds is left to it."""
        place: Place = lane_id.place
        lane = Lane(incarnation=self.world.log.incarnations[place])
        upload = self.dataset.beginning()
        if upload is not None:
            assert upload.frontier is not None
            lane.since = upload.cutoff
            lane.covered = upload.cutoff, upload.frontier[place]
            lane.reached = first_asked(self.world.rules, upload)
            if not self.world.rules.begins_at_the_beginning:
                lane.position = upload.frontier[place]
        lane.settled = {
            each.number for each in self.dataset.uploads if not each.passed_by(place, lane.position)
        }
        return lane
