"""Oracle = backfill = upload + stream + fetch over a real broker and a real Redis, too: few worlds of each kind.

`CATENARY_TEST_SERVER_WORLDS` says how many. What is drawn and judged is that of the worlds in memory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.property.chains import Kind
from tests.property.judging import story
from tests.property.places import Places
from tests.property.test_stream_against_backfill import troubled

from catenary.plan.settings import ChainSettings
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.testing.services.kafka import KafkaBroker

WORLDS = int(os.environ.get("CATENARY_TEST_SERVER_WORLDS", "3"))

pytestmark = [pytest.mark.property, pytest.mark.kafka, pytest.mark.redis]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="") as server:
        yield server


def in_order(_: int) -> tuple[Kind, ChainSettings]:
    return Kind(), ChainSettings()


def late(_: int) -> tuple[Kind, ChainSettings]:
    return Kind(late=True), ChainSettings()


@pytest.mark.parametrize("drawn", [in_order, late, troubled])
@pytest.mark.parametrize("seed", range(WORLDS))
def test_worlds_over_servers_give_what_the_oracle_gives(
    drawn, seed: int, tmp_path: Path, kafka: KafkaBroker, redis: RedisServer
) -> None:
    name = f"{drawn.__name__}{seed}"
    places = Places(kafka=kafka.address, redis=redis.address(), world=name)
    found = story(seed, tmp_path, *drawn(seed), places)
    assert not found.wrong, found.wrong[:3]
    assert not found.hedged, found.hedged[:3]
    assert found.tally["cells"] > 0
