"""Schedules: a world in which, step by step and at random, everything happens that may.

    publish │ a stage's copy goes one step │ kill, zombie, pause │ upload │ reader │ read

A schedule is its seed: the same seed is the same world and the same steps. It ends when all that was
published is committed, everywhere; one that never does is stuck, which is a finding, too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from catenary.testing.protocol.draws import draw_habits, draw_shapes, draw_topics
from catenary.testing.protocol.shapes import DAY, HORIZON, LaneId, Shape
from catenary.testing.protocol.stage import Copy
from catenary.testing.protocol.store import Reader
from catenary.testing.protocol.tending import land
from catenary.testing.protocol.topics import Log
from catenary.testing.protocol.uploads import Upload, fill
from catenary.testing.protocol.variants import PROTOCOL, Rules
from catenary.testing.protocol.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Generator

STEPS: Final = 8000
"""A schedule that takes more is stuck."""
FAULTS: Final = 25
"""So many at most, so that every schedule may come to its end."""
PAUSES: Final = (5, 20, 80, 300)
"""In steps of the whole world."""


@dataclass
class Report:
    """What a schedule showed.

    Attributes:
        seed: draws it again.
        found: what was wrong; empty if the protocol held.
        tally: how much was checked.
        differed: statuses under which promised values were other ones.
        steps: how many it took.
    """

    seed: int
    found: list[str]
    tally: Counter[str]
    differed: Counter[str]
    steps: int


@dataclass
class Process:
    """A copy that is alive.

    Attributes:
        shape: whose stage it is.
        again: begins its life anew.
        steps: the rest of its life.
        wakes: the step until which it is paused.
        at: the step that it took last.
    """

    shape: Shape
    again: Callable[[], Generator[str, None, None]]
    steps: Generator[str, None, None]
    wakes: int = 0
    at: str | None = ""


def run(seed: int, rules: Rules = PROTOCOL, *, kind: str = "wild") -> Report:
    """One schedule, drawn from its seed."""
    return Schedule(seed, rules, kind=kind).run()


def life(world: World, shape: Shape, lanes: tuple[LaneId, ...]) -> Generator[str, None, None]:
    """A new copy's steps."""
    return Copy(world, shape, lanes).run()


class Schedule:
    """One world's course.

    Args:
        seed: draws it.
        rules: that its stages hold to.
        kind: of world, one of `KINDS`.
        traced: whether its steps are kept, in `world.trace`.
    """

    def __init__(
        self, seed: int, rules: Rules = PROTOCOL, *, kind: str = "wild", traced: bool = False
    ) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        topics = draw_topics(rng)
        shapes = draw_shapes(rng, topics, kind)
        self.habits = draw_habits(rng, shapes, kind)
        self.world = World(
            rng,
            rules,
            Log(topics),
            shapes,
            head_limit=self.habits.head_limit,
            history=self.habits.history,
            traced=traced,
        )
        self.processes: list[Process] = []
        self.landing: list[tuple[int, Shape, Upload]] = []
        self.uploads = self.habits.uploads
        self.faults = FAULTS
        self.snapshots = {shape.number: 0 for shape in shapes if shape.snapshot}
        self.step = 0

    def run(self) -> Report:
        """All of it."""
        world = self.world
        for shape in world.shapes:
            if shape.number != self.habits.newcomer and not shape.snapshot:
                self.start(shape)
        while not world.found and (self.step % 8 or not self.over()):
            self.step += 1
            if self.step > STEPS:
                world.found.append("stuck: not all that was published is committed")
                break
            self.happen()
        if not world.found:
            self.end()
        return Report(self.seed, world.found, world.tally, world.differed, self.step)

    def over(self) -> bool:
        """Whether all is published, landed and committed."""
        world = self.world
        if world.log.sequence < self.habits.records or self.landing:
            return False
        if self.habits.newcomer is not None and self.habits.newcomer not in world.running:
            return False
        return all(
            lane in world.datasets[shape.number].lanes
            and self.at_end(world.datasets[shape.number].lanes[lane].position, lane)
            for shape in world.shapes
            for lane in world.lanes[shape.number]
        ) and all(upload.active for dataset in world.datasets for upload in dataset.uploads)

    def at_end(self, position: int, lane: LaneId) -> bool:
        """Whether nothing but control records is left to read."""
        return all(each is None for each in self.world.log.entries[lane.place][position:])

    def happen(self) -> None:
        """One thing."""
        rng, habits, world = self.rng, self.habits, self.world
        if world.log.sequence < habits.records and rng.random() < habits.rush:
            for _ in range(rng.randint(1, habits.burst)):
                self.publish()
        if rng.random() < 0.04:
            self.read()
        if rng.random() < habits.faults:
            self.fault()
        if self.uploads and rng.random() < 0.02:
            self.uploads -= self.upload()
        if self.landing and self.landing[0][0] <= self.step:
            _, shape, upload = self.landing.pop(0)
            land(world, world.datasets[shape.number], upload)
        if self.snapshots and rng.random() < 0.05:
            self.snapshot()
        if rng.random() < habits.readers:
            self.reader()
        if habits.poison:
            self.letters()
        if self.newcomer_is_due() and rng.random() < (0.002 if self.uploads else 0.02):
            self.newcome()
        self.go()

    def go(self) -> None:
        """One copy takes one step."""
        awake = [each for each in self.processes if each.wakes <= self.step]
        if awake:
            process = self.rng.choice(awake)
            process.at = next(process.steps, None)
            if process.at is None:
                self.processes.remove(process)

    def publish(self) -> None:
        """A record, or a control record."""
        rng, world = self.rng, self.world
        place = rng.choice([each for places in world.log.places.values() for each in places])
        if self.habits.markers and rng.random() < 0.3:
            world.mark(place)
            return
        world.now += rng.choice(self.habits.pace)
        late = rng.randint(0, self.habits.latest) if rng.random() < self.habits.late else 0
        poison = rng.random() < self.habits.poison
        ts = max(0, world.now - late)
        world.publish(
            place, ts, rng.choice("ab"), rng.choice("ab"), rng.randrange(1, 9), poison=poison
        )

    def start(self, shape: Shape) -> None:
        """Start a stage: one copy, or one per lane."""
        self.world.running.add(shape.number)
        lanes = self.world.lanes[shape.number]
        owned = [(lane,) for lane in lanes] if self.habits.split else [lanes]
        for each in owned:
            self.spawn(shape, partial(life, self.world, shape, each))
            self.processes[-1].wakes = self.step + self.rng.choice((0, 0, *PAUSES))

    def spawn(self, shape: Shape, again: Callable[[], Generator[str, None, None]]) -> None:
        """A process more."""
        self.processes.append(Process(shape, again, again()))

    def newcomer_is_due(self) -> bool:
        """Whether a child is planned, and not running yet."""
        newcomer = self.habits.newcomer
        return (
            newcomer is not None
            and newcomer not in self.world.running
            and 2 * self.world.log.sequence > self.habits.records
        )

    def newcome(self) -> None:
        """Activate the plan of a child that was only planned so far."""
        shape = self.world.shapes[-1]
        for parent in shape.parents:
            self.world.datasets[parent].registrations += 1
        self.start(shape)

    def fault(self) -> None:
        """Kill and restart, leave a zombie behind, or pause."""
        rng = self.rng
        if not self.processes or not self.faults:
            return
        self.faults -= 1
        process = rng.choice(self.processes)
        kind = rng.choice(("kill", "zombie", "pause"))
        if kind == "pause":
            process.wakes = self.step + rng.choice(PAUSES)
            return
        if kind == "kill":
            self.processes.remove(process)
        elif rng.random() < 0.5:
            process.wakes = self.step + rng.choice(PAUSES)
        self.spawn(process.shape, process.again)

    def upload(self) -> bool:
        """Begin an upload: read the tables, to land some steps later."""
        rng, world = self.rng, self.world
        shape = rng.choice(world.shapes)
        if self.habits.newcomer is not None and rng.random() < 0.7:
            shape = world.shapes[self.habits.newcomer]
        if shape.snapshot:
            return False
        dataset = world.datasets[shape.number]
        before = max(
            [each.cutoff for each in dataset.uploads]
            + [each.cutoff for _, owner, each in self.landing if owner is shape],
            default=0,
        )
        cutoff = world.now // DAY * DAY
        if cutoff <= before:
            return False
        upload = self.filled(shape, cutoff)
        self.landing.append((self.step + rng.choice((0, 5, 40, 120)), shape, upload))
        self.landing.sort(key=lambda each: each[0])
        return True

    def filled(self, shape: Shape, cutoff: int) -> Upload:
        """A backfill over tables: the child's own were filled first, its parents' after."""
        rng, world = self.rng, self.world
        sequence = world.log.sequence
        own = rng.randrange(sequence // 4, sequence + 1)
        ancestors = rng.randint(own, sequence)
        if not world.rules.children_tabled_first:
            own, ancestors = sequence, rng.randrange(sequence // 2, sequence + 1)
        places = {lane.place for lane in world.lanes[shape.number]}
        frontier = {place: world.log.extent(place, own) for place in places}
        starts = {
            place: world.log.first_offset(place, cutoff, before=end)
            for place, end in frontier.items()
        }
        unknown = self.habits.unknown and rng.random() < 0.5
        number = 1 + max(
            [each.number for each in world.datasets[shape.number].uploads]
            + [each.number for _, owner, each in self.landing if owner is shape],
            default=0,
        )
        if unknown:
            upload = Upload(number, cutoff, None, dict.fromkeys(places, 0), own)
            world.oracle.upload_of_unknown(shape, cutoff, own)
        else:
            upload = Upload(number, cutoff, frontier, starts, own)
        rows = world.oracle.backfill(shape, own, ancestors)
        fill(upload, shape, [(key, ts, value) for key, ts, value, _ in rows])
        return upload

    def snapshot(self) -> None:
        """The next day's upload of a snapshot GroupBy lands, some time after its midnight."""
        world = self.world
        for number, cutoff in self.snapshots.items():
            if cutoff <= world.now:
                shape = world.shapes[number]
                extent = world.log.sequence
                upload = Upload(cutoff // DAY + 1, cutoff, {}, {}, extent, active=True)
                rows = world.oracle.backfill(shape, extent, extent)
                fill(upload, shape, [(key, ts, value) for key, ts, value, _ in rows])
                world.oracle.snapshot_taken(shape, cutoff, extent)
                dataset = world.datasets[number]
                dataset.uploads.append(upload)
                dataset.late[upload.number] = {}
                self.snapshots[number] = cutoff + DAY

    def letters(self) -> None:
        """What made rows fail goes away at some time; dead letters are replayed."""
        rng, world = self.rng, self.world
        if not world.cured:
            world.cured = 3 * world.log.sequence > self.habits.records and rng.random() < 0.02
        elif rng.random() < 0.003:
            shape = rng.choice(world.shapes)
            if world.datasets[shape.number].letters:
                self.spawn(shape, Copy(world, shape, ()).replay)

    def reader(self) -> None:
        """A client registers, goes on, or leaves."""
        rng, world = self.rng, self.world
        dataset = world.datasets[rng.randrange(len(world.shapes))]
        tending = [each for each in self.processes if each.at == "floor"]
        if tending and rng.random() < 0.8:
            dataset = world.datasets[rng.choice(tending).shape.number]
        for name, reader in list(dataset.readers.items()):
            if reader.until <= self.step:
                del dataset.readers[name]
            else:
                for key in "ab":
                    world.look(dataset.shape, key, reader.passed, reader)
                if rng.random() < 0.5:
                    reader.passed = min(world.now, reader.passed + rng.randrange(8))
        if not dataset.readers and dataset.lanes:
            passed = max(0, dataset.floor()) + rng.choice((0, 3, 6, 15))
            exact_from = max(passed, dataset.floor())
            until = self.step + rng.randrange(20, 200)
            dataset.readers["client"] = Reader(passed, exact_from, until)
            dataset.registrations += 1

    def read(self) -> None:
        """A read by anybody at any instant; by a registered reader, one that it may rely on."""
        rng, world = self.rng, self.world
        shape = rng.choice(world.shapes)
        if shape.snapshot:
            return
        dataset = world.datasets[shape.number]
        reader = next((each for each in dataset.readers.values()), None)
        if reader is not None and reader.until > self.step:
            at = rng.randint(max(reader.passed, reader.exact_from), world.now + 1 + HORIZON)
            world.look(shape, rng.choice("ab"), at, reader)
        at = rng.choice(
            (
                world.now + 1,
                rng.randint(0, world.now + 1),
                max(0, dataset.floor()) + rng.randrange(9),
            )
        )
        world.look(shape, rng.choice("ab"), at)

    def end(self) -> None:
        """When all is committed: reads all over, nothing lost, nothing doubled."""
        world = self.world
        for shape in world.shapes:
            for _ in Copy(world, shape, ()).replay() if world.cured else ():
                pass
        for shape in world.shapes:
            if not shape.snapshot:
                for key in "ab":
                    for at in range(world.now + 1, -1, -max(7, world.now // 25)):
                        world.look(shape, key, at)
        world.check_tiles()
        world.check_complete()
        if self.habits.lost_tail and not world.found:
            self.lose_tail()

    def lose_tail(self) -> None:
        """A recovery cuts what was already read; no lane goes on over what is appended instead."""
        world = self.world
        place = max(world.log.entries, key=world.log.end)
        lanes = [
            (dataset, lane)
            for dataset in world.datasets
            for lane in dataset.lanes
            if lane.place == place
        ]
        before = [dataset.lanes[lane].position for dataset, lane in lanes]
        lost = min(3, world.log.end(place))
        world.log.cut_tail(place, lost)
        for _ in range(lost + 2):
            world.publish(place, world.now, "a", "b", 1)
        world.deaf = True
        for _ in range(200):
            self.step += 1
            if self.rng.random() < self.habits.faults:
                self.fault()
            self.go()
        for (dataset, lane), position in zip(lanes, before, strict=True):
            if dataset.lanes[lane].position != position:
                world.found.append(f"{lane} went on from {position} of a log that was cut")
