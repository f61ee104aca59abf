"""Worlds whose stages run in processes of their own and are killed, again and again, at drawn moments.

    publish ──► log ──► a worker per stage ──phase──► here: is it the drawn one? ──► SIGKILL ──► the next

A worker's death is drawn before it starts: the phase first, then the moment in it: at once on the nth
entry, or some part of the time that the phase usually takes later. What counts is the phase in which it
really died, the last that it announced. A world is built, published to and judged as in
`tests.property.worlds`; beside it a twin over the same log runs to the end undisturbed and in memory,
so that lost and doubled records are counted per lane as well as seen in values.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.crash.nursery import PHASES, Nursery, Order, Worker
from tests.property.places import Places
from tests.property.twins import Count, TwinWorld

from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary.plan.nodes import GroupByNode

EACH = 25
"""Kills per world."""
SEED = int(os.environ.get("CATENARY_TEST_SEED", "1"))
_PATIENCE_S = 20.0
_PAUSE_S = 0.03


@dataclass
class Toll(Count):
    """What all kills together did.

    Attributes:
        died: kills, by the phase in which the worker was.
        stages: kills, by how far from the chain's beginning the stage was.
        waited: kills in `wait` of a stage that has parents.
        errors: of workers that ended by themselves.
    """

    died: Counter[str] = field(default_factory=Counter[str])
    stages: Counter[int] = field(default_factory=Counter[int])
    waited: int = 0
    errors: list[str] = field(default_factory=list[str])

    @property
    def kills(self) -> int:
        """All of them."""
        return self.died.total()


class Deaths:
    """Draws how workers die: each phase as often as any other, as far as that can be chosen."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.drawn: Counter[str] = Counter()
        self._took = {phase: deque([0.001], maxlen=30) for phase in PHASES}

    def draw(self) -> tuple[str, int, float | None]:
        """The phase, which entry into it, and how long after; None: at once."""
        least = min(self.drawn[phase] for phase in PHASES)
        phase = self.rng.choice([each for each in PHASES if self.drawn[each] == least])
        self.drawn[phase] += 1
        nth = self.rng.choice([1, 1, 2, 3])
        if self.rng.random() < (0.9 if phase == "after" else 0.4):  # nothing is shorter
            return phase, nth, None
        return phase, nth, self.rng.random() * min(median(self._took[phase]), 0.02)

    def came(self, drawn: str, really: str) -> None:
        """Learn in which phase a worker died: the drawn one is still owed, if it was another."""
        self.drawn[drawn] -= 1
        self.drawn[really] += 1

    def took(self, phase: str, seconds: float) -> None:
        """Learn how long a phase takes."""
        self._took[phase].append(seconds)


class Doomed:
    """A worker and its end to come."""

    def __init__(self, worker: Worker, deaths: Deaths, end: tuple[str, int, float | None]) -> None:
        self.worker = worker
        self._deaths = deaths
        self.drawn, self._nth, self._delay = end
        self._entered = 0.0
        self.kill_at: float | None = None

    def listen(self) -> None:
        """Hear what it does; decide when to kill it."""
        before = len(self.worker.heard)
        new = self.worker.listen()
        now = time.perf_counter()
        if before and new:
            self._deaths.took(self.worker.heard[before - 1], now - self._entered)
        self._entered = now
        if self._delay is None or self.kill_at is not None or self.drawn not in new:
            return
        if self.worker.heard.count(self.drawn) >= self._nth:
            self.kill_at = now + self._delay

    def due(self) -> bool:
        """Whether its moment has come."""
        return self.kill_at is not None and time.perf_counter() >= self.kill_at


class CrashWorld(TwinWorld):
    """A world whose stages are killed."""

    def __init__(self, rng: Random, root: Path, places: Places) -> None:
        super().__init__(rng, root, places)
        self._places = places
        self._published_s = 0.0

    def hungry(self, now_s: float) -> bool:
        """Whether stages have probably committed what there is: not more often than they can read."""
        if now_s - self._published_s < _PAUSE_S:
            return False
        self._published_s = now_s
        return True

    def order(self, node: GroupByNode, **end: Any) -> Order:
        """What a worker of that stage is told."""
        specs = {name: spec.hex() for name, spec in self.specs.items()}
        where = asdict(self._places)
        return Order(str(self.root), specs[node.name], tuple(specs.values()), **where, **end)


def suffer(
    world: CrashWorld,
    nursery: Nursery,
    deaths: Deaths,
    toll: Toll,
    kills: int,
    harm: Callable[[], None] = lambda: None,
) -> None:
    """Run a world to its end, with so many kills on the way; after each, servers may be harmed, too."""
    world.begin()
    until = toll.kills + kills
    second = kills // 2 if world.history and world.rng.random() < 0.5 else -1
    running: dict[str, Doomed] = {}
    depth = {node.name: level for level, node in enumerate(world.nodes)}
    last = time.monotonic()
    while toll.kills < until:
        for node in world.nodes:
            if node.name not in running:
                running[node.name] = _doom(world, nursery, deaths, node)
        _attend(world, running)
        for name, doomed in list(running.items()):
            if doomed.due() and not doomed.worker.gone:
                doomed.worker.signal(signal.SIGKILL)
                doomed.worker.end()
            if doomed.worker.gone:
                _bury(running.pop(name), depth[name], deaths, toll)
                harm()
                last = time.monotonic()
                if until - toll.kills == second:
                    second = -1
                    midnight = world.now // DAY_MS + world.rng.choice([0, 0, 1])
                    world.upload_all(midnight * DAY_MS)
        assert time.monotonic() - last < _PATIENCE_S, "nobody died"
    for name, doomed in running.items():
        doomed.worker.signal(signal.SIGKILL)
        doomed.worker.end()
        _bury(doomed, depth[name], deaths, toll)
    reckon(world, nursery, toll)


def reckon(world: CrashWorld, nursery: Nursery, toll: Toll) -> None:
    """Let all stages finish, and count what came of the world."""
    for node in world.nodes:  # parents first: a child would wait for one that has failed
        finish(world, nursery, node)
    world.counted(toll)


def finish(world: CrashWorld, nursery: Nursery, node: GroupByNode) -> None:
    """Run a worker of that stage until nothing is queued."""
    worker = nursery.start(world.order(node, finish=True))
    code = worker.end()
    assert code == 0, f"{node.name} exit {code}: {worker.error}"


def _doom(world: CrashWorld, nursery: Nursery, deaths: Deaths, node: GroupByNode) -> Doomed:
    phase, nth, delay = deaths.draw()
    at_once = {"phase": phase, "nth": nth, "signal": int(signal.SIGKILL)} if delay is None else {}
    return Doomed(nursery.start(world.order(node, **at_once)), deaths, (phase, nth, delay))


def _attend(world: CrashWorld, running: dict[str, Doomed]) -> None:
    """Listen until something is said or somebody is due; publish when all are idle."""
    now = time.perf_counter()
    waits = [each.kill_at - now for each in running.values() if each.kill_at is not None]
    by_pipe = {each.worker.pipe: each for each in running.values()}
    timeout_s = max(0.0, min([*waits, 0.004]))
    said, _, _ = select.select(list(by_pipe), [], [], timeout_s)
    for pipe in said:
        by_pipe[pipe].listen()
    if not said and not waits and world.hungry(now):
        world.publish_some()


def _bury(doomed: Doomed, level: int, deaths: Deaths, toll: Toll) -> None:
    """Count a death; one that is not ours is an error."""
    worker = doomed.worker
    code = worker.end()
    if code != -signal.SIGKILL:
        toll.errors.append(f"exit {code} after {worker.heard[-3:]}: {worker.error}")
    # Killed before its first announcement: while it opened the log and the store, or took its lanes.
    phase = worker.heard[-1] if worker.heard else "start"
    deaths.came(doomed.drawn, phase)
    toll.died[phase] += 1
    toll.stages[level] += 1
    toll.waited += phase == "wait" and level > 0


def killed(
    kills: int,
    folders: Callable[[], Path],
    places: Places = Places(),  # noqa: B008 - frozen
    harm: Callable[[Random], None] = lambda _: None,
) -> Toll:
    """Worlds with so many kills in all, and what became of them; `harm` is done to servers between."""
    found = Toll()
    rng = Random(SEED)
    deaths = Deaths(rng)
    with Nursery() as nursery:
        while found.kills < kills:
            world = world_of(rng, folders(), places)
            suffer(world, nursery, deaths, found, min(EACH, kills - found.kills), lambda: harm(rng))
    print(f"\n{found}")  # noqa: T201
    return found


def world_of(rng: Random, folder: Path, places: Places = Places()) -> CrashWorld:  # noqa: B008 - frozen
    """A world with at least two stages, one of which waits for another."""
    for attempt in range(100):
        place = folder / str(attempt)
        place.mkdir()
        named = replace(places, world=f"{folder.name}-{attempt}")
        world = CrashWorld(rng, place, named)
        if len(world.nodes) > 1:
            return world
        world.log.close()
    raise AssertionError("no chain was drawn")
