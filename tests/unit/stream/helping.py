"""One topic, and the stages that follow it, in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catenary.app.live import open_stage
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.stage import StageSpec, stages
from catenary.schema import BIGINT, DOUBLE, STRING, Schema
from catenary.serve.fetcher import Fetcher
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of
from catenary.stores.memory import MemoryStore
from catenary.stream.lanes import now_ms
from catenary.stream.letters import letters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from catenary.definitions import GroupBy
    from catenary.plan.settings import ChainSettings
    from catenary.stream.letters import Letter

SCHEMA = Schema.of({"user": STRING, "x": DOUBLE, "ts": BIGINT})


class Streamed:
    """A GroupBy over topic `t`, and all that it is chained on.

    Args:
        folder: of the log.
        definition: named; its tables have the columns of `SCHEMA`.
        settings: of the chain.
        partitions: of the topic.
        clock: of the log.
    """

    def __init__(
        self,
        folder: Path,
        definition: GroupBy,
        settings: ChainSettings,
        partitions: int = 1,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        plan = build(
            [definition], {"t": SCHEMA}.__getitem__, query_shift_ms=settings.query_shift_ms
        )
        self.log, self.store = EmbeddedLog(folder, clock=clock), MemoryStore()
        self.log.create("t", partitions=partitions)
        self.nodes = stages(plan)
        self.stages = [
            open_stage(
                StageSpec.of({plan.targets[0]: definition}, lambda _: SCHEMA, node.name, settings),
                self.log,
                self.store,
                self.nodes,
            )
            for node in self.nodes
        ]
        self.fetcher = Fetcher(plan, self.store)

    def publish(self, rows: Iterable[tuple[str, float, int]]) -> None:
        """Append rows of user, x and ts, and let every stage do all that is to be done."""
        self.append(rows)
        self.catch_up()

    def append(self, rows: Iterable[tuple[str, float, int]], partition: int = 0) -> None:
        """Append rows of user, x and ts, and let no stage read them yet."""
        records: list[dict[str, Any]] = [{"user": u, "x": x, "ts": ts} for u, x, ts in rows]
        values = [json.dumps(each).encode() for each in records]
        self.log.append("t", values, partition=partition)

    def catch_up(self) -> None:
        """Let every stage do all that is to be done, parents first."""
        for stage in self.stages:
            stage.run(lambda: False, lambda: True)

    def letters(self) -> list[Letter]:
        """The dead letters of the GroupBy itself."""
        dataset = self.store.dataset(dataset_name(self.nodes[-1]))
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            return list(letters_of(snapshot))

    def floors(self) -> list[int]:
        """The head floor of every stage, parents first."""
        found: list[int] = []
        for node in self.nodes:
            dataset = self.store.dataset(dataset_name(node))
            assert dataset is not None
            with dataset.snapshot() as snapshot:
                found += [lane.floor_ms for lane in lanes_of(snapshot).values()]
        return found
