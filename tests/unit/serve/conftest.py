"""Datasets made by hand: rows folded into lanes, and into uploads, over a store in memory."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from catenary.aggregate import kernel, tiles
from catenary.definitions import (
    Accuracy,
    Aggregation,
    Derivation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.plan import build
from catenary.schema import BIGINT, DOUBLE, INT, STRING, Schema
from catenary.schema.arrow import to_arrow
from catenary.serve.fetcher import Fetcher
from catenary.state import uploads
from catenary.state.fold import Batch, fold
from catenary.state.keys import entities
from catenary.state.layouts import dataset_name, inputs_of, layout_of
from catenary.state.records import (
    ANCIENT_MS,
    FORMAT,
    FORMAT_KEY,
    Format,
    Lane,
    LaneId,
    pack,
    unpack,
    uploads_of,
)
from catenary.state.tiles import UploadTile
from catenary.stores.memory import MemoryStore
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

DAY = 19_000 * DAY_MS
TABLES = {
    "clicks": Schema.of(user=STRING, amount=DOUBLE, at=BIGINT, ds=STRING),
    "visits": Schema.of(user=STRING, shop=INT, note=STRING, at=BIGINT, ds=STRING),
    "people": Schema.of(user=STRING, age=INT, ds=STRING),
}


def spending(name="spending", **more) -> GroupBy:
    source = EventSource(
        table="clicks",
        topic="log:///shop/clicks",
        query=Query(["user", "amount"], time_column="at"),
    )
    folds = [
        Aggregation("amount", Operation.SUM, windows=["1h", "2d"]),
        Aggregation("amount", Operation.COUNT, default=0),
    ]
    return GroupBy(name, sources=source, keys="user", aggregations=folds, **more)


def people(*, holds=False, **more) -> GroupBy:
    source = EntitySource(snapshot_table="people", query=Query(["user", "age"]), holds=holds)
    return GroupBy("people", sources=source, keys="user", **more)


def daily() -> GroupBy:
    source = EventSource(table="clicks", query=Query(["user", "amount"], time_column="at"))
    folds = [Aggregation("amount", Operation.SUM, windows=["2d"])]
    return GroupBy(
        "daily", sources=source, keys="user", aggregations=folds, accuracy=Accuracy.SNAPSHOT
    )


def visits() -> EventSource:
    return EventSource(
        table="visits",
        topic="log:///shop/visits",
        query=Query(["user", "shop", "note"], time_column="at"),
    )


def offer(parts, **more) -> Join:
    return Join("offer", left=visits(), parts=parts, **more)


def shops(parent: Join) -> GroupBy:
    source = JoinSource(
        join=parent, query=Query({"shop": "shop", "worth": "spending_amount_sum_2d"})
    )
    folds = [Aggregation("worth", Operation.MAX, windows=["1d"])]
    return GroupBy("shops", sources=source, keys="shop", aggregations=folds)


def ranking(group_by: GroupBy) -> Join:
    return Join("ranking", left=visits(), parts=[group_by])


def clicks(*rows) -> pa.Table:
    """(user, amount, ts) each."""
    users, amounts, ts = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "user": pa.array(users, pa.string()),
            "amount": pa.array(amounts, pa.float64()),
            "ts": pa.array(ts, pa.int64()),
        }
    )


class World:
    """A plan, a store, and what was written into it."""

    def __init__(self, *definitions, query_shift_ms=0, **more) -> None:
        self.plan = build(definitions, TABLES.__getitem__, query_shift_ms=query_shift_ms)
        self.store = MemoryStore()
        self.now = DAY + 12 * HOUR_MS
        self.fetcher = Fetcher(self.plan, self.store, clock=lambda: self.now, **more)

    def node(self, name):
        return self.plan.node(name)

    def dataset(self, name, *, create=True):
        found = self.store.dataset(dataset_name(self.node(name)), create=create)
        assert found is not None
        return found

    def stream(self, name, rows, *, floor=ANCIENT_MS, status=0, topic="shop/clicks", partition=0):
        """Fold rows into a lane, the next offsets of its topic."""
        node, dataset = self.node(name), self.dataset(name)
        codes, known = entities(rows.select([key for key, _ in node.keys]))
        columns = rows.select(list(dict.fromkeys([*inputs_of(node), "ts"])))
        id_ = LaneId(0, partition)
        with dataset.snapshot() as snapshot:
            held = snapshot.get(id_.record)
            lane = Lane(topic, 0, partition) if held is None else unpack(held, Lane)
            offsets = lane.position + np.arange(rows.num_rows)
            bits = np.full(rows.num_rows, status, np.int64)
            batch = Batch(columns, codes, known, bits, offsets)
            lane = replace(lane, floor_ms=max(floor, lane.floor_ms))
            current = [each for each in uploads_of(snapshot)[0].held if each.state != "loading"]
            changes = fold(layout_of(node), snapshot, lane, batch, current)
        after = replace(lane, position=lane.position + rows.num_rows)
        after = after.with_tiles(changes.newest_ms, changes.head_bytes)
        puts = [
            (FORMAT_KEY, pack(Format(FORMAT, node.fingerprint))),
            (id_.record, pack(after)),
            *changes.puts.items(),
        ]
        assert dataset.commit({id_.record: held}, puts)

    def change_lane(self, name, **values):
        """The lane of partition 0 with other values."""
        dataset, id_ = self.dataset(name), LaneId(0, 0)
        with dataset.snapshot() as snapshot:
            data = snapshot.get(id_.record)
        assert data is not None
        lane = unpack(data, Lane)
        changed = Lane(**{**vars(lane), **values})
        assert dataset.commit({}, [(id_.record, pack(changed))])

    def upload(self, name, rows, cutoff, *, frontier=None, size=None, collapsed=False):
        """Load and land an upload whose tiles are of one size; None: one tile of all the past."""
        node, dataset = self.node(name), self.dataset(name)
        layout = layout_of(node)
        codes, known = entities(rows.select([key for key, _ in node.keys]))
        ts = rows.column("ts").to_numpy()
        assert (ts < cutoff).all()
        size = size or layout.base_ms
        groups = sorted({(code, at // size * size) for code, at in zip(codes, ts, strict=True)})
        place = {each: at for at, each in enumerate(groups)}
        of_row = [place[code, at // size * size] for code, at in zip(codes, ts, strict=True)]
        columns = rows.select(list(dict.fromkeys([*inputs_of(node), "ts"])))
        packed = tiles.fold(layout, columns, np.array(of_row, np.int32), len(groups)).to_pylist()
        held = [
            (
                entity,
                [
                    UploadTile(start, start + size, collapsed, packed[place[code, start]])
                    for code, start in groups
                    if code == number
                ],
            )
            for number, entity in enumerate(known)
        ]
        begun = uploads.begin(dataset, node.fingerprint, cutoff, frontier)
        uploads.load(dataset, begun, held)
        return uploads.land(dataset, begun, entities=len(known), now_ms=0)

    def entities_uploaded(self, rows, cutoff):
        """A snapshot of people: (user, age) each."""
        users, ages = zip(*rows, strict=True)
        table = pa.table(
            {
                "user": pa.array(users, pa.string()),
                "age": pa.array(ages, pa.int32()),
                "ts": pa.array([cutoff - 1] * len(users), pa.int64()),
            }
        )
        return self.upload("people", table, cutoff, size=DAY_MS)

    def expected(self, name, events, keys, at):
        """The kernel's answer over all events."""
        node = self.node(name)
        queries = {
            key: pa.array([each[place] for each in keys], to_arrow(type_))
            for place, (key, type_) in enumerate(node.keys)
        }
        queries["ts"] = pa.array(at, pa.int64())
        return kernel.aggregate(
            events, pa.table(queries), keys=list(dict(node.keys)), features=node.features
        ).columns.to_pylist()


__all__ = ["HOUR_MS", "MINUTE_MS", "Derivation"]


@pytest.fixture
def made():
    """This module: importlib mode gives test files no other way to their neighbours."""
    return sys.modules[__name__]
