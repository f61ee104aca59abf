"""The head's bytes: counted exactly whatever is killed, and brought below the limit, readers or not."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tests.property.chains import Kind
from tests.property.judging import Verdict, judge
from tests.property.worlds import World

from catenary.plan.settings import ChainSettings
from catenary.state import tiles
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.ports import Snapshot
    from catenary.state.records import Lane

pytestmark = pytest.mark.property

LIMITS = (0, 300, 2_000, 1 << 30)
"""Bytes; a tile of the head has some fifty."""


def stored(snapshot: Snapshot, lane: Lane) -> int:
    """The bytes of the lane's head tiles, one by one: those whose base tile is still open."""
    head = tiles.INDEX + lane.id.key + bytes((0,))
    listed = [
        key for _, row in snapshot.scan(head) for key in tiles.unpack_index(row, lane.id.key)[0]
    ]
    values = snapshot.get_many(listed)
    assert all(tiles.level_of(key) == 0 for key in listed)
    return sum(len(key) + len(value or b"") for key, value in zip(listed, values, strict=True))


class Counting(World):
    """A world in which every lane's record is held to what lies there, after every step."""

    def work(self) -> None:
        super().work()
        for lane, held in self.heads():
            assert lane.head_bytes == held, lane

    def heads(self, name: str | None = None) -> Iterator[tuple[Lane, int]]:
        """Every lane, or those of one stage, with the bytes of its head tiles."""
        for node in self.nodes:
            dataset = self.store.dataset(dataset_name(node))
            if dataset is not None and name in (None, node.name):
                with dataset.snapshot() as snapshot:
                    for lane in lanes_of(snapshot).values():
                        yield lane, stored(snapshot, lane)


@given(seed=st.integers(0, 2**32), late=st.booleans(), limit=st.sampled_from(LIMITS))
def test_no_head_stays_over_its_limit_and_what_that_costs_is_told(
    seed: int, late: bool, limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note(f"seed={seed}")
    settings = ChainSettings(head_limit_bytes=limit)
    world = Counting(Random(seed), tmp_path_factory.mktemp("log"), Kind(late=late), settings)
    found = Verdict()
    with world.clock.everywhere():
        world.run(lambda: found.add(judge(world)) if world.caught_up() else None)
        for copy in world.copies:
            while copy.stage.tend():
                pass
            held = list(world.heads(copy.stage.node.name))
            assert all(lane.head_bytes == found for lane, found in held)
            assert sum(found for _, found in held) <= limit
        found.add(judge(world))
    world.log.close()
    assert not found.wrong, found.wrong[:3]
