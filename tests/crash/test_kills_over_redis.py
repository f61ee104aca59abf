"""Stages over a Redis server are killed at drawn moments: what one leaves half done is not there.

An eighth of `CATENARY_TEST_KILLS`; phases and what is counted are those of ``test_kills.py``.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from tests.crash.killing import Deaths, Toll, suffer, world_of
from tests.crash.nursery import Nursery

from catenary.testing.services.redis import RedisServer

KILLS = max(1, int(os.environ.get("CATENARY_TEST_KILLS", "200")) // 8)
EACH = 25
SEED = int(os.environ.get("CATENARY_TEST_SEED", "1"))

pytestmark = [pytest.mark.crash, pytest.mark.redis]


def test_killed_stages_lose_nothing_double_nothing_and_are_not_wrong(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    toll, rng = Toll(), Random(SEED)
    deaths = Deaths(rng)
    with RedisServer(tmp_path_factory.mktemp("redis")) as server, Nursery() as nursery:
        while toll.kills < KILLS:
            address = server.address(prefix=str(toll.kills))
            world = world_of(rng, tmp_path_factory.mktemp("world"), address)
            suffer(world, nursery, deaths, toll, min(EACH, KILLS - toll.kills))
    assert toll.errors == []
    assert toll.mistakes == (0, 0, [], [])
    assert toll.sure > 0
