"""Servers that rows need: a Kafka broker and a Redis server, on one core of the two; who is measured has the other."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bench.harness import BUILD
from bench.peers import PeerMissingError
from bench.workers.shape import SERVERS
from catenary.errors import UnsupportedError
from catenary.testing.services.kafka import KafkaBroker
from catenary.testing.services.redis import RedisServer, program

if TYPE_CHECKING:
    from collections.abc import Generator

JARS: Final = Path("build/kafka")
PATIENT: Final = {"broker.session.timeout.ms": "30000"}
"""A broker that shares its core is late now and then, which is no reason to take its partitions away."""


@contextmanager
def on(core: int) -> Generator[None]:
    """What is started in the block runs on one core, and all that it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def kafka() -> Generator[KafkaBroker]:
    """A broker; its jars are fetched when it is first needed.

    Raises:
        PeerMissingError: if they cannot be.
    """
    fetched = subprocess.run(["scripts/kafka.sh"], capture_output=True, text=True)
    if fetched.returncode != 0:
        message = f"the broker's jars cannot be fetched: {fetched.stderr.strip()[-1500:]}"
        raise PeerMissingError(message)
    with TemporaryDirectory(dir=BUILD.absolute(), prefix="kafka-") as folder:
        broker = KafkaBroker(Path(folder), JARS.absolute(), settings=PATIENT)
        with on(SERVERS):
            broker.start()
        try:
            yield broker
        finally:
            broker.stop()


@contextmanager
def redis(*, core: int = SERVERS) -> Generator[RedisServer]:
    """A Redis server that syncs every write.

    Raises:
        PeerMissingError: if the machine has none.
    """
    try:
        program()
    except UnsupportedError as error:
        raise PeerMissingError(str(error)) from error
    with TemporaryDirectory(dir=BUILD.absolute(), prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        with on(core):
            server.start()
        try:
            yield server
        finally:
            server.stop()
