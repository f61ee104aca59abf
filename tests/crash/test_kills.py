"""A stage may be killed at any moment: the next copy goes on, and nothing is lost, doubled or wrong.

`CATENARY_TEST_KILLS` says how many kills; each phase of a micro-batch gets its share of them.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from tests.crash.killing import Deaths, Toll, suffer, world_of
from tests.crash.nursery import PHASES, Nursery

KILLS = int(os.environ.get("CATENARY_TEST_KILLS", "200"))
EACH = 25
"""Kills per world."""
SEED = int(os.environ.get("CATENARY_TEST_SEED", "1"))

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def toll(tmp_path_factory: pytest.TempPathFactory) -> Toll:
    """All worlds, and what became of them; a further world for a phase that was met too rarely."""
    found = Toll()
    rng = Random(SEED)
    deaths = Deaths(rng)
    with Nursery() as nursery:
        while found.kills < KILLS:
            world = world_of(rng, tmp_path_factory.mktemp("world"))
            suffer(world, nursery, deaths, found, min(EACH, KILLS - found.kills))
    print(f"\n{found}")  # noqa: T201
    return found


def test_each_phase_has_its_share_of_the_kills(toll: Toll) -> None:
    assert toll.kills >= KILLS
    share = max(1, KILLS * 15 // 200)
    assert {phase: toll.died[phase] for phase in PHASES if toll.died[phase] < share} == {}


def test_stages_are_killed_at_every_depth_and_while_they_wait_for_parents(toll: Toll) -> None:
    assert toll.stages[0] >= KILLS // 10
    assert toll.stages[1] >= KILLS // 10
    assert toll.waited > 0


def test_workers_end_only_by_being_killed_or_having_finished(toll: Toll) -> None:
    assert toll.errors == []


def test_no_record_is_lost_and_none_is_counted_twice(toll: Toll) -> None:
    assert (toll.lost, toll.doubled) == (0, 0)


def test_no_value_differs_from_the_oracles(toll: Toll) -> None:
    assert toll.differing == []
    assert toll.sure >= 0.6 * toll.cells > 0


def test_the_dead_letters_are_complete(toll: Toll) -> None:
    assert toll.expected_letters > 0
    assert toll.letters == []
