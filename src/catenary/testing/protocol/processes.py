"""The processes of a schedule: copies of stages that are killed, doubled and paused at any step.

start ──► awake ──► one step at a time ──► fenced, or stopped
│ kill: never resumed, another begins
│ zombie: resumed, though another has begun
└ pause: not resumed for a while
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from catenary.testing.protocol.stage import Copy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from catenary.testing.protocol.shapes import LaneId, Shape
    from catenary.testing.protocol.world import World

FAULTS: Final = 25
"""So many at most, so that every schedule may come to its end."""
PAUSES: Final = (5, 20, 80, 300)
"""In steps of the whole world."""


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


def life(world: World, shape: Shape, lanes: tuple[LaneId, ...]) -> Generator[str, None, None]:
    """A new copy's steps."""
    return Copy(world, shape, lanes).run()


class Processes:
    """All that are alive.

    Args:
        world: that they work in.
        split: whether each source partition of a stage is owned by a copy of its own.
    """

    def __init__(self, world: World, *, split: bool) -> None:
        self.world = world
        self.split = split
        self.alive: list[Process] = []
        self.faults = FAULTS

    def start(self, shape: Shape) -> None:
        """Start a stage; its copies do not all begin at once."""
        world = self.world
        world.running.add(shape.number)
        lanes = world.lanes[shape.number]
        places = dict.fromkeys(lane.place for lane in lanes)
        each_its_own = [tuple(x for x in lanes if x.place == place) for place in places]
        for owned in each_its_own if self.split else [lanes]:
            process = self.spawn(shape, partial(life, world, shape, owned))
            process.wakes = world.step + world.rng.choice((0, 0, *PAUSES))

    def replay(self, shape: Shape) -> None:
        """Try a GroupBy's dead letters again, beside whoever runs its stage."""
        self.spawn(shape, Copy(self.world, shape, ()).replay)

    def spawn(self, shape: Shape, again: Callable[[], Generator[str, None, None]]) -> Process:
        """A process more."""
        process = Process(shape, again, again())
        self.alive.append(process)
        return process

    def go(self) -> None:
        """One copy takes one step."""
        awake = [each for each in self.alive if each.wakes <= self.world.step]
        if awake:
            process = self.world.rng.choice(awake)
            process.at = next(process.steps, None)
            if process.at is None:
                self.alive.remove(process)

    def fault(self) -> None:
        """Kill and restart, leave a zombie behind, or pause."""
        rng = self.world.rng
        if not self.alive or not self.faults:
            return
        self.faults -= 1
        process = rng.choice(self.alive)
        kind = rng.choice(("kill", "zombie", "pause"))
        if kind == "kill":
            self.alive.remove(process)
        elif kind == "pause" or rng.random() < 0.5:
            process.wakes = self.world.step + rng.choice(PAUSES)
        if kind != "pause":
            self.spawn(process.shape, process.again)

    def tending(self) -> list[Shape]:
        """GroupBys of which a copy has worked out a floor, and not set it yet."""
        return [each.shape for each in self.alive if each.at == "floor"]
