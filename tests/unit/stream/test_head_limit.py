"""A head that holds more bytes than it may: its oldest base tiles go, whoever reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary.definitions import Aggregation, EventSource, GroupBy, Join, Operation, Query
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.schema import BIGINT, DOUBLE, STRING, Schema
from catenary.serve.fetcher import Fetcher
from catenary.state.records import lanes_of
from catenary.stores.memory import MemoryStore
from catenary.stream.build import stage_of
from catenary.windows import MINUTE_MS

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_709_294_400_000  # 2024-03-01T12:00:00Z
BASE_MS = 5 * MINUTE_MS
CLICKS = Schema.of(user=STRING, x=DOUBLE, ts=BIGINT, ds=STRING)
SOURCE = EventSource(
    table="clicks", topic="log:///clicks", query=Query(["user", "x"], time_column="ts")
)
SPENDING = GroupBy(
    "spending",
    sources=SOURCE,
    keys="user",
    aggregations=[Aggregation("x", Operation.SUM, windows=["1d"])],
)
BESIDE = Join("beside", left=SOURCE, parts=[SPENDING])
EVENTS = 60


class Shop:
    """A log of one event a minute, a store, and a stage that follows it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.log = EmbeddedLog(folder, durability="process")
        self.log.create("clicks", partitions=2)
        for at in range(EVENTS):
            row = {"user": "u", "x": 1.0, "ts": NOON + at * MINUTE_MS}
            self.log.append("clicks", [json.dumps(row).encode()], partition=at % 2)
        self.store = MemoryStore()
        self.fetcher = Fetcher(build([BESIDE], lambda _: CLICKS), self.store)
        self.seen: list[int] = []
        settings = ChainSettings(head_limit_bytes=limit, max_batch_rows=4)
        known = {"spending": SPENDING, "beside": BESIDE}
        self.stage = stage_of(
            StageSpec.of(known, lambda _: CLICKS, "spending", settings),
            self.log,
            self.store,
            self.fetcher.lookup,
            lambda address: (address.removeprefix("log:///"), {}),
            phase=lambda phase: self.seen.append(self.head_bytes) if phase == "read" else None,
        )

    @property
    def lanes(self):
        with self.stage.dataset.snapshot() as snapshot:
            return list(lanes_of(snapshot).values())

    @property
    def head_bytes(self) -> int:
        return sum(lane.head_bytes for lane in self.lanes)

    def sum_at(self, minute: int) -> tuple[float | None, str]:
        at = NOON + minute * MINUTE_MS
        row = self.fetcher.fetch("spending", [{"user": "u"}], at=at).row(0)
        return row["x_sum_1d"], row.status


@pytest.fixture
def tile_bytes(tmp_path: Path) -> int:
    """Of one of these events."""
    shop = Shop(tmp_path / "measured", 1 << 30)
    with shop.fetcher.reader("model", "spending", from_ms=NOON, ttl_s=600):
        shop.stage.run(lambda: False, lambda: True)
    return shop.head_bytes // EVENTS


def test_a_head_is_below_its_limit_whenever_more_is_read_though_a_reader_is_behind(
    tmp_path: Path, tile_bytes: int
) -> None:
    limit = 20 * tile_bytes
    shop = Shop(tmp_path / "log", limit)
    with shop.fetcher.reader("model", "spending", from_ms=NOON, ttl_s=600):
        shop.stage.run(lambda: False, lambda: True)
    assert max(shop.seen) <= limit
    # Sixty events are three times the limit; what is left is less than a base tile short of it.
    assert limit - 5 * tile_bytes < shop.head_bytes <= limit


def test_what_still_lies_in_the_head_is_exact_and_what_went_is_as_of_its_base_tile(
    tmp_path: Path, tile_bytes: int
) -> None:
    shop = Shop(tmp_path / "log", 20 * tile_bytes)
    with shop.fetcher.reader("model", "spending", from_ms=NOON, ttl_s=600):
        shop.stage.run(lambda: False, lambda: True)
    floor = max(lane.floor_ms for lane in shop.lanes)
    assert floor == NOON + 40 * MINUTE_MS
    assert shop.sum_at(43) == (43.0, "ok")
    assert shop.sum_at(58) == (58.0, "ok")
    assert shop.sum_at(13) == (10.0, "as_of_tile")
