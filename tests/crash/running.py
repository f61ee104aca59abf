"""A stage that runs over a Redis server, or a cluster, while a test harms it."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.crash.test_faults import PLAN, SCHEMA, START_MS, VISITS

from catenary.app.live import open_stage
from catenary.errors import StorageError, UnreachableError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.serve.fetcher import Fetcher
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of
from catenary.stores.redis import RedisStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.stream.stage import Stage
    from catenary.testing.services.redis import RedisServer
    from catenary.testing.services.redis_cluster import RedisCluster

PATIENCE_S = 60.0


@dataclass
class Running:
    """A stage that follows a log of its own into a server, in a thread."""

    folder: Path
    server: RedisServer | RedisCluster
    published: int = 0
    failed: list[BaseException] = field(default_factory=list[BaseException])

    def __post_init__(self) -> None:
        self.log = EmbeddedLog(self.folder / "log", durability="process")
        self.log.create("t")
        self.store = RedisStore(self.server.address(), patience_s=0.2)

    def stage(self) -> Stage:
        spec = StageSpec.of({"visits": VISITS}, lambda _: SCHEMA, "visits", ChainSettings())
        return open_stage(spec, self.log, self.store, PLAN.nodes)  # pyright: ignore[reportArgumentType]

    def publish(self, count: int) -> None:
        for at in range(self.published, self.published + count):
            self.log.append("t", [b'{"user": "u0", "n": 1, "ts": %d}' % (START_MS + at)])
        self.published += count

    @contextlib.contextmanager
    def following(self) -> Iterator[Stage]:
        """Meanwhile a stage runs; at the end it has caught up, unless it failed."""
        stage, finishing = self.stage(), threading.Event()

        def follow() -> None:
            try:
                stage.run(lambda: False, finishing.is_set)
            except StorageError as error:
                self.failed.append(error)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield stage
        finally:
            finishing.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def until(self, position: int) -> None:
        """Wait until a stage has committed so far; the server may be away meanwhile."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(UnreachableError):
                if self.position() >= position:
                    return
            time.sleep(0.01)
        pytest.fail("the stage does not come on")

    def visits(self) -> Any:
        fetcher = Fetcher(PLAN, RedisStore(self.server.address()))
        return fetcher.fetch("visits", {"user": "u0"}, at=START_MS + 10**9)["n_count"]

    def position(self) -> int:
        (node,) = PLAN.nodes
        dataset = self.store.dataset(dataset_name(node))  # pyright: ignore[reportArgumentType]
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            return sum(lane.position for lane in lanes_of(snapshot).values())
