"""A copy that was held up, and finds its lanes taken when it goes on, writes nothing any more.

first copy ──SIGSTOP in a phase──┐                        ┌──SIGCONT──► FencedError
                                 └─ second takes over ────┘  commits everything
"""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest
from tests.crash.killing import CrashWorld, Toll, finish, reckon, world_of
from tests.crash.nursery import PHASES, Nursery, Worker

pytestmark = pytest.mark.crash


def _state(worker: Worker) -> str:
    """The letter that Linux gives a process's state."""
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]


def _stopped_in(phase: str, world: CrashWorld, nursery: Nursery) -> Worker:
    """The first stage's copy, which has stopped itself."""
    node = world.nodes[0]
    order = world.order(node, phase=phase, nth=1, signal=int(signal.SIGSTOP))
    worker = nursery.start(order)
    while phase not in worker.heard:
        worker.listen()
    while _state(worker) != "T":
        pass
    return worker


@pytest.mark.parametrize("phase", PHASES)
def test_a_copy_that_was_stopped_and_overtaken_cannot_commit(phase: str, tmp_path: Path) -> None:
    toll = Toll()
    with Nursery() as nursery:
        world = world_of(Random(f"taken over in {phase}"), tmp_path)
        world.begin()
        for _ in range(5):
            world.publish_some()
        first = _stopped_in(phase, world, nursery)
        finish(world, nursery, world.nodes[0])
        world.publish_some()  # what the first copy would go on with
        first.signal(signal.SIGCONT)
        assert first.end() == 1
        assert first.error.startswith("FencedError")
        reckon(world, nursery, toll)
    assert (toll.lost, toll.doubled, toll.differing, toll.letters) == (0, 0, [], [])
