"""Stages over a real broker and a real Redis: all three are killed and held up, and nothing is lost.

`CATENARY_TEST_SERVER_KILLS` says how many kills of stages; `CATENARY_TEST_LOG` and `CATENARY_TEST_STORE`,
which of both servers there are (`kafka`, `redis`; `embedded`, `lmdb`).
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.crash.claims import NothingIsLost
from tests.crash.killing import Toll, killed
from tests.property.places import Places

from catenary.testing.services.kafka import KafkaBroker
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

KILLS = int(os.environ.get("CATENARY_TEST_SERVER_KILLS", "30"))
HARM = 0.15
"""How often a server is harmed after a stage was killed."""

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.redis]


class Servers:
    """A broker and a store's server, and what is done to them."""

    def __init__(self, kafka: KafkaBroker | None, redis: RedisServer | None) -> None:
        self.kafka = kafka
        self.redis = redis
        self.harmed = 0

    @property
    def places(self) -> Places:
        kafka = self.kafka.address if self.kafka else ""
        return Places(kafka=kafka, redis=self.redis.address() if self.redis else "")

    def harm(self, rng: Random) -> None:
        """At times kill one and start it again on its data, or hold it up for a moment."""
        server = rng.choice([each for each in (self.kafka, self.redis) if each is not None])
        if rng.random() >= HARM and self.harmed:
            return
        self.harmed += 1
        if rng.random() < 0.5:
            server.kill()
            server.start()
        else:
            server.pause()
            time.sleep(rng.random())
            server.resume()


@pytest.fixture(scope="module")
def kills() -> int:
    return KILLS


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[Servers]:
    kafka = redis = None
    with ExitStack() as opened:
        if os.environ.get("CATENARY_TEST_LOG", "kafka") == "kafka":
            kafka = opened.enter_context(KafkaBroker(tmp_path_factory.mktemp("kafka"), kafka_jars))
        if os.environ.get("CATENARY_TEST_STORE", "redis") == "redis":
            redis = opened.enter_context(RedisServer(tmp_path_factory.mktemp("redis")))
        yield Servers(kafka, redis)


@pytest.fixture(scope="module")
def toll(tmp_path_factory: pytest.TempPathFactory, servers: Servers, kills: int) -> Toll:
    """All worlds, and what became of them."""
    folders = lambda: tmp_path_factory.mktemp("world")  # noqa: E731
    return killed(kills, folders, servers.places, servers.harm)


class TestStagesOverServers(NothingIsLost):
    """Over a broker and a server that are harmed as well."""

    def test_servers_are_harmed_on_the_way(self, toll: Toll, servers: Servers) -> None:
        assert toll.kills > 0
        assert servers.harmed > 0
