"""Schedules: a world in which, step by step and at random, everything happens that may.

    publish │ a stage's copy goes one step │ kill, zombie, pause │ upload │ reader │ read

A schedule is its seed: the same seed is the same world and the same steps. It ends when all that was
published is committed, everywhere; one that never does is stuck, which is a finding, too.

Read next: ``processes.py``, ``outside.py``, ``clients.py`` (what each of these does).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catenary.testing.protocol import clients
from catenary.testing.protocol.draws import draw_habits, draw_shapes, draw_topics
from catenary.testing.protocol.outside import Outside
from catenary.testing.protocol.processes import Processes
from catenary.testing.protocol.shapes import TICKS, Units
from catenary.testing.protocol.stage import Copy
from catenary.testing.protocol.topics import Log
from catenary.testing.protocol.variants import PROTOCOL, Rules
from catenary.testing.protocol.world import World

if TYPE_CHECKING:
    from collections import Counter

STEPS: Final = 8000
"""A schedule that takes more is stuck."""


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


def run(seed: int, rules: Rules = PROTOCOL, *, kind: str = "wild") -> Report:
    """One schedule, drawn from its seed."""
    return Schedule(seed, rules, kind=kind).run()


class Schedule:
    """One world's course.

    Args:
        seed: draws it.
        rules: that its stages hold to.
        kind: of world, one of `KINDS`.
        units: of all times.
        traced: whether its steps are kept, in `world.trace`.
        whole: whether what a real stage does at once is one step.
    """

    def __init__(
        self,
        seed: int,
        rules: Rules = PROTOCOL,
        *,
        kind: str = "wild",
        units: Units = TICKS,
        traced: bool = False,
        whole: bool = False,
    ) -> None:
        self.seed = seed
        rng = random.Random(seed)
        topics = draw_topics(rng)
        shapes = draw_shapes(rng, topics, kind, units)
        self.habits = habits = draw_habits(rng, shapes, kind)
        self.world = World(
            rng,
            rules,
            Log(topics),
            shapes,
            head_limit=None if habits.head_limit is None else units.span(habits.head_limit),
            history=units.span(habits.history),
            traced=traced,
            whole=whole,
        )
        self.processes = Processes(self.world, split=habits.split)
        self.outside = Outside(self.world, habits)

    def run(self) -> Report:
        """All of it."""
        world = self.world
        for shape in world.shapes:
            if shape.number != self.habits.newcomer and not shape.snapshot:
                self.processes.start(shape)
        while not world.found and (world.step % 8 or not self.over()):
            world.step += 1
            if world.step > STEPS:
                world.found.append("stuck: not all that was published is committed")
                break
            self.happen()
        if not world.found:
            self.end()
        return Report(self.seed, world.found, world.tally, world.differed, world.step)

    def over(self) -> bool:
        """Whether all is published, landed and committed."""
        world = self.world
        if world.log.sequence < self.habits.records or self.outside.landing:
            return False
        if self.habits.newcomer is not None and self.habits.newcomer not in world.running:
            return False
        return all(
            lane in dataset.lanes and not any(world.log.read(lane.place, position, 1 << 30)[0])
            for dataset in world.datasets
            for lane in world.lanes[dataset.shape.number]
            for position in [dataset.lanes[lane].position if lane in dataset.lanes else 0]
        ) and all(upload.active for dataset in world.datasets for upload in dataset.uploads)

    def happen(self) -> None:
        """One step of the world: perhaps something from outside, and one copy's next step."""
        world, habits, outside = self.world, self.habits, self.outside
        chance = world.rng.random
        if world.log.sequence < habits.records and chance() < habits.rush:
            for _ in range(world.rng.randint(1, habits.burst)):
                outside.publish()
        if chance() < 0.04:
            clients.look(world)
        if chance() < habits.faults:
            self.processes.fault()
        if outside.uploads and chance() < 0.02:
            outside.upload()
        outside.land()
        if outside.snapshots and chance() < 0.05:
            outside.snapshot()
        if chance() < habits.readers:
            clients.follow(world, self.processes)
        if habits.poison:
            outside.letters(self.processes)
        if self.newcomer_is_due() and chance() < (0.002 if outside.uploads else 0.02):
            self.newcome()
        self.processes.go()

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
        self.processes.start(shape)

    def end(self) -> None:
        """When all is committed: reads all over, nothing lost, nothing doubled."""
        world = self.world
        for shape in world.shapes:
            for _ in Copy(world, shape, ()).replay() if world.cured else ():
                pass
        clients.look_everywhere(world)
        world.check_tiles()
        world.check_complete()
        if self.habits.lost_tail and not world.found:
            self.outside.lose_tail(self.processes)
