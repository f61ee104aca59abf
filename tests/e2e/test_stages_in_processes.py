"""Stages in processes of their own give what stages in one process give, and the oracle.

    this process ──publish, upload──► log, LMDB ◄── python -m catenary.app.workers OPENER, one per stage
                 ──fetch with a token──────────┘     each told its StageSpec's bytes, and nothing else

Processes are freshly spawned, so a world takes a second or two; what schedules do is drawn far more often
in `tests/property`, within one process.
"""

from __future__ import annotations

from random import Random
from socket import gethostname
from typing import TYPE_CHECKING

import pytest
from tests.property.judging import Ask, expected, fetched, unlike
from tests.property.places import Places
from tests.property.twins import Count, TwinWorld

from catenary.app.settings import Settings
from catenary.app.workers import OF_PROJECT, Worker
from catenary.plan.stage import StageSpec, streamed_sources
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from catenary.plan.nodes import GroupByNode
    from catenary.ports import SourcePartition

pytestmark = pytest.mark.property

PATIENCE_S = 60.0
ROUNDS = 12
"""How often something is published."""


def world_of(
    seed: str,
    folder: Path,
    wanted: Callable[[TwinWorld], bool],
    places: Places = Places(),  # noqa: B008 - frozen
) -> TwinWorld:
    """The first world of a seed that is as it must be; in its folder, unless another place is given."""
    rng = Random(seed)
    for attempt in range(100):
        (folder / str(attempt)).mkdir()
        world = TwinWorld(rng, folder / str(attempt), places)
        if wanted(world):
            world.patience_s = PATIENCE_S
            return world
        world.log.close()
    raise AssertionError("no such world was drawn")


def places_of(world: TwinWorld, node: GroupByNode) -> list[SourcePartition]:
    topics = {topic.removeprefix("log:///") for _, _, topic in streamed_sources(node)}
    return sorted(place for topic in topics for place in world.log.partitions(topic))


class Apart:
    """The stages of a world, each in a process of its own or shared by two."""

    def __init__(self, world: TwinWorld, shared: str | None, address: str) -> None:
        specs = {name: StageSpec.decode(data) for name, data in world.specs.items()}
        settings = Settings(root=world.root, durability="process", store=address)
        self.workers: list[Worker] = []
        for node in world.nodes:
            places = places_of(world, node)
            halves: Sequence[Sequence[SourcePartition] | None] = [None]
            if node.name == shared:
                halves = [places[::2], places[1::2]]
            for owned in halves:
                worker = Worker(
                    specs[node.name],
                    list(specs.values()),
                    opener=OF_PROJECT,
                    folder=world.root,
                    owned=owned,
                    settings=settings,
                )
                self.workers.append(worker)

    def finish(self) -> None:
        """Let each end once nothing is queued, children first."""
        for worker in reversed(self.workers):
            worker.finish()
            assert worker.join(PATIENCE_S) == 0, worker.complaint

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.running:
                worker.kill()


def run(
    world: TwinWorld,
    shared: str | None = None,
    *,
    address: str = "store",
    disturbed: Callable[[int], None] = lambda _: None,
) -> Count:
    """Publish while the stages run; read on the way, at the end, and compare with the twin.

    Args:
        world: whose stages run.
        shared: the stage that two processes run.
        address: of the store, for the processes.
        disturbed: what happens in a round, beside.
    """
    count = Count()
    world.begin()
    with Apart(world, shared, address) as apart:
        for round_ in range(ROUNDS):
            world.publish_some()
            disturbed(round_)
            if world.history and round_ == ROUNDS // 2:
                world.upload_all(world.now // DAY_MS * DAY_MS)
            if world.rng.random() < 0.3:
                asks = [Ask(world.now + 1, *keys) for keys in world.asked_at_end]
                count.differing += unlike(fetched(world, asks), expected(world, asks))
        fetched(world, [Ask(world.now + 1, *keys) for keys in world.asked_at_end])
        apart.finish()
        owners = {lane.owner for lanes in world.lanes().values() for lane in lanes}
        assert owners == {f"process {each.pid} on {gethostname()}" for each in apart.workers}
    world.counted(count)
    return count


@pytest.mark.parametrize("seed", range(4))
def test_stages_in_processes_of_their_own_give_what_one_process_and_the_oracle_give(
    seed: int, tmp_path: Path
) -> None:
    count = run(world_of(f"apart {seed}", tmp_path, lambda world: len(world.nodes) > 1))
    assert count.mistakes == (0, 0, [], [])
    assert count.sure > 0


@pytest.mark.parametrize("seed", range(2))
def test_two_processes_that_share_the_partitions_of_a_stage_give_the_same(
    seed: int, tmp_path: Path
) -> None:
    def divisible(world: TwinWorld) -> bool:
        return len(world.nodes) > 1 and len(places_of(world, world.nodes[-1])) > 1

    world = world_of(f"shared {seed}", tmp_path, divisible)
    count = run(world, shared=world.nodes[-1].name)
    assert count.mistakes == (0, 0, [], [])
    assert count.sure > 0
