"""Compaction: what is merged, what stays alone, and that every tile is listed once."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from catenary.definitions import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.plan import build
from catenary.schema import BIGINT, DOUBLE, STRING, Schema
from catenary.state import tiles
from catenary.state.compact import compact, kept_from
from catenary.state.fold import Batch, Mark, fold
from catenary.state.keys import encode_key, entities
from catenary.state.layouts import layout_of
from catenary.state.records import Lane, Uploads
from catenary.stores.memory import MemoryStore
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from catenary.ports import Dataset

DAY = 19_000 * DAY_MS
LAYOUT = layout_of(
    build(
        [
            GroupBy(
                "spending",
                sources=EventSource(
                    table="clicks",
                    topic="log:///clicks",
                    query=Query(["user", "amount"], time_column="at"),
                ),
                keys="user",
                aggregations=[Aggregation("amount", Operation.SUM, windows=["1h", "2d"])],
            )
        ],
        {"clicks": Schema.of(user=STRING, amount=DOUBLE, at=BIGINT, ds=STRING)}.__getitem__,
    ).node("spending")
)


class Kept:
    """One lane in a dataset."""

    def __init__(self) -> None:
        found = MemoryStore().dataset("spending", create=True)
        assert found is not None
        self.dataset: Dataset = found
        self.lane = Lane("clicks", 0, 0)

    def fold(self, *rows: tuple[str, float, int], marks: tuple[Mark, ...] = ()) -> None:
        users, amounts, ts = zip(*rows, strict=True) if rows else ((), (), ())
        codes, known = entities(pa.table({"user": pa.array(users, pa.string())}))
        table = pa.table(
            {"amount": pa.array(amounts, pa.float64()), "ts": pa.array(ts, pa.int64())}
        )
        zeros = np.zeros(len(rows), np.int64)
        with self.dataset.snapshot() as snapshot:
            batch = Batch(table, codes, known, zeros, zeros, marks)
            changes = fold(LAYOUT, snapshot, self.lane, batch, ())
        self._commit(changes)

    def compact(self, floor_ms: int, *, history_ms: int = 0, budget: int = 1000) -> None:
        self.lane = replace(self.lane, floor_ms=max(floor_ms, self.lane.floor_ms))
        kept = kept_from(LAYOUT, self.lane, Uploads(), history_ms)
        with self.dataset.snapshot() as snapshot:
            changes = compact(LAYOUT, snapshot, self.lane, kept, history_ms, budget)
        self._commit(changes)

    def _commit(self, changes) -> None:
        assert self.dataset.commit({}, sorted(changes.puts.items()), changes.deletes)
        moved = replace(self.lane, position=self.lane.position + 1, folds=self.lane.folds + 1)
        self.lane = moved.with_tiles(changes.newest_ms, changes.head_bytes)

    def tiles(self) -> list[tuple[int, int]]:
        """Level and start of all tiles, after midnight."""
        return sorted((key[-9], tiles.instant_of(key[-8:]) - DAY) for key in self.keys())

    def keys(self) -> list[bytes]:
        with self.dataset.snapshot() as snapshot:
            return [key for key, _ in snapshot.scan(tiles.TILE)]

    def listed(self) -> list[bytes]:
        with self.dataset.snapshot() as snapshot:
            rows = [row for _, row in snapshot.scan(tiles.INDEX)]
        return sorted(key for row in rows for key in tiles.unpack_index(row, self.lane.id.key)[0])


def test_tiles_of_a_closed_bucket_become_one():
    kept = Kept()
    kept.fold(("ann", 1.0, DAY + 1), ("ann", 2.0, DAY + 2), ("ann", 4.0, DAY + 5 * MINUTE_MS))
    kept.compact(DAY + 5 * MINUTE_MS)
    assert kept.tiles() == [(0, 5 * MINUTE_MS), (1, 0)]


def test_a_tile_that_is_alone_in_its_bucket_stays_until_it_meets_another():
    kept = Kept()
    kept.fold(("ann", 1.0, DAY + 7), ("ann", 2.0, DAY + 9 * MINUTE_MS))
    kept.compact(DAY + 10 * MINUTE_MS)
    assert kept.tiles() == [(0, 7), (0, 9 * MINUTE_MS)]
    for _ in range(3):
        kept.compact(DAY + 3 * HOUR_MS)
    assert kept.tiles() == [(2, 0)], "both lie in one hour"


def test_what_comes_late_to_a_merged_bucket_joins_it():
    kept = Kept()
    kept.fold(("ann", 1.0, DAY + 1), ("ann", 2.0, DAY + 9 * MINUTE_MS))
    for _ in range(3):
        kept.compact(DAY + 3 * HOUR_MS)
    kept.fold(("ann", 4.0, DAY + 3), ("ann", 8.0, DAY + 11 * MINUTE_MS))
    for _ in range(3):
        kept.compact(DAY + 4 * HOUR_MS)
    assert kept.tiles() == [(2, 0)]


def test_tiles_out_of_reach_are_removed_wherever_they_stayed():
    kept = Kept()
    kept.fold(("ann", 1.0, DAY + 1), ("bob", 1.0, DAY + 1), ("bob", 1.0, DAY + 2))
    for _ in range(6):
        kept.compact(DAY + 9 * DAY_MS)
    assert kept.tiles() == []
    assert kept.listed() == []


@pytest.mark.parametrize("seed", range(30))
def test_every_tile_is_listed_once(seed):
    rng = Random(seed)
    kept, now = Kept(), DAY
    for _ in range(40):
        now += rng.choice([1, MINUTE_MS, HOUR_MS])
        if rng.random() < 0.6:
            rows = [
                (rng.choice(["ann", "bob", "cid"]), 1.0, now - rng.choice([0, 1, 9, HOUR_MS]))
                for _ in range(rng.randint(0, 5))
            ]
            entity = encode_key([rng.choice(["ann", "dan"])])
            assert entity is not None
            mark = Mark(entity, now - rng.choice([0, 9, 2 * HOUR_MS]), 1, 0)
            kept.fold(*rows, marks=(mark,) if rng.random() < 0.3 else ())
        else:
            floor = (now - rng.choice([0, HOUR_MS])) // LAYOUT.base_ms * LAYOUT.base_ms
            kept.compact(floor, history_ms=rng.choice([0, HOUR_MS]), budget=rng.choice([1, 1000]))
        assert kept.listed() == kept.keys()
