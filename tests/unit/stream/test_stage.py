"""A stage step by step, over a small chain: its lanes, what it waits for, its upkeep."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from catenary.definitions import (
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.errors import NotYetError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.ports import SourcePartition
from catenary.schema import BIGINT, STRING, Schema
from catenary.serve.lookup import StoreLookup
from catenary.state import tiles, uploads
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, uploads_of
from catenary.stores.memory import MemoryStore
from catenary.stream.build import children_of, stage_of
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from catenary.plan import JoinNode
    from catenary.ports import Looked
    from catenary.state.records import Lane
    from catenary.stream.stage import Stage

START_MS = 19_000 * DAY_MS
COLUMNS = Schema.of(user=STRING, amount=BIGINT, at=BIGINT, ds=STRING)
SETTINGS = ChainSettings(on_enrich_error="dead_letter", history_ms=0)


def clicks(topic: str) -> EventSource:
    query = Query(["user", "amount"], time_column="at")
    return EventSource(table=topic, topic=f"log:///{topic}", query=query)


SPENT = GroupBy(
    "spent",
    sources=clicks("clicks"),
    keys="user",
    aggregations=[Aggregation("amount", Operation.SUM, windows=["3h", "1d"])],
)
WORTH = GroupBy(
    "worth",
    sources=JoinSource(
        join=Join("seen", left=clicks("views"), parts=[SPENT]),
        query=Query({"user": "user", "spent": "spent_amount_sum_1d"}),
    ),
    keys="user",
    aggregations=[Aggregation("spent", Operation.MAX, windows=["1d"])],
)


class Refusing:
    """A lookup without answers."""

    def __init__(self, lookup: StoreLookup) -> None:
        self._lookup = lookup

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        found = self._lookup.join(join, rows, at)
        return replace(found, failed=dict.fromkeys(range(len(at)), "no answer"))


class Holding:
    """A lookup that waits for a snapshot, so many times as is said."""

    def __init__(self, lookup: StoreLookup, times: int) -> None:
        self._lookup = lookup
        self.left = times

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        if self.left:
            self.left -= 1
            raise NotYetError("no snapshot yet")
        return self._lookup.join(join, rows, at)


class Chain:
    """`worth` on `spent`, each on a topic of its own."""

    def __init__(self, folder: Path, *, partitions: int = 1) -> None:
        self.log = EmbeddedLog(folder, durability="process")
        for topic in ("clicks", "views"):
            self.log.create(topic, partitions=partitions)
        self.store = MemoryStore()
        self.lookup = StoreLookup(self.store)
        self.plan = build([WORTH], lambda _: COLUMNS)

    def publish(self, topic: str, *events: tuple[str, int], partition: int = 0) -> None:
        """Events of (user, milliseconds after the start)."""
        rows = [{"user": user, "amount": 1, "at": START_MS + at} for user, at in events]
        self.log.append(topic, [json.dumps(row).encode() for row in rows], partition=partition)

    def stage(
        self,
        name: str,
        *,
        partition: int | None = None,
        refusing: bool = False,
        holding: Holding | None = None,
        alone: bool = False,
    ) -> Stage:
        """A copy of a stage, of all partitions or of one; with a child that reads it, or alone."""
        spec = StageSpec.of({"spent": SPENT, "worth": WORTH}, lambda _: COLUMNS, name, SETTINGS)
        nodes = [self.plan.node("spent"), self.plan.node("worth")]
        topic = {"spent": "clicks", "worth": "views"}[name]
        return stage_of(
            spec,
            self.log,
            self.store,
            Refusing(self.lookup) if refusing else holding or self.lookup,
            lambda address: (address.removeprefix("log:///"), {}),
            children=() if alone else children_of(self.plan.node(name), nodes),
            owned=None if partition is None else {SourcePartition(topic, partition)},
        )

    def upload(self, name: str, frontier: dict[str, int], *, reached: int, cutoff: int) -> None:
        """An upload without entities; instants are milliseconds after the start."""
        node = self.plan.node(name)
        dataset = self.store.dataset(dataset_name(node), create=True)
        begun = uploads.begin(dataset, node.fingerprint, START_MS + cutoff, frontier)
        uploads.land(dataset, begun, entities=0, reached_ms=START_MS + reached, now_ms=0)

    def lanes(self, name: str) -> list[Lane]:
        """The lanes of a stage, by partition."""
        with self.store.dataset(dataset_name(self.plan.node(name)), create=True).snapshot() as held:
            return list(lanes_of(held).values())

    def levels(self, name: str) -> dict[bytes, list[int]]:
        """The levels of each entity's tiles, shortest tile first."""
        found: dict[bytes, list[int]] = {}
        with self.store.dataset(dataset_name(self.plan.node(name)), create=True).snapshot() as held:
            for key, _ in held.scan(tiles.TILE):
                found.setdefault(key[1 : -tiles.LANE_SUFFIX], []).append(key[-9])
        return found


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    found = Chain(tmp_path)
    yield found
    found.log.close()


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Chain]:
    found = Chain(tmp_path, partitions=2)
    yield found
    found.log.close()


def catch_up(stage: Stage) -> None:
    """All that is queued, and all upkeep."""
    while stage.step():
        pass
    while stage.tend():
        pass


def test_all_lanes_of_a_stage_begin_with_the_first_copy_that_takes_some(wide: Chain) -> None:
    wide.stage("spent", partition=1).take()
    assert [lane.epoch for lane in wide.lanes("spent")] == [0, 1]
    wide.stage("spent", partition=0).take()
    assert [lane.epoch for lane in wide.lanes("spent")] == [1, 1]


def test_a_head_is_held_for_a_childs_partition_that_nobody_has_taken_yet(wide: Chain) -> None:
    wide.publish("views", ("ann", HOUR_MS), partition=1)
    child = wide.stage("worth", partition=0)
    child.take()
    parent = wide.stage("spent")
    parent.take()
    wide.publish("clicks", ("ann", 0), ("ann", DAY_MS))
    catch_up(parent)
    assert max(lane.floor_ms for lane in wide.lanes("spent")) < START_MS + HOUR_MS


def test_a_parent_that_has_not_begun_is_awaited_whatever_was_published(chain: Chain) -> None:
    child = chain.stage("worth")
    child.take()
    chain.publish("views", ("ann", 0))
    assert not child.ready(child.cut())
    chain.stage("spent").take()
    assert child.ready(child.cut())


def test_a_row_that_was_set_aside_has_been_passed(chain: Chain) -> None:
    chain.stage("spent").take()
    child = chain.stage("worth", refusing=True)
    child.take()
    chain.publish("views", ("ann", HOUR_MS))
    catch_up(child)
    (lane,) = chain.lanes("worth")
    assert (lane.set_aside, lane.passed_ms) == (1, START_MS + HOUR_MS)


def test_a_head_is_held_for_a_child_from_where_its_uploads_tables_had_come_to(chain: Chain) -> None:
    chain.publish("views", ("ann", HOUR_MS), ("ann", 2 * HOUR_MS))
    chain.upload("worth", frontier={"views/0": 1}, reached=HOUR_MS, cutoff=DAY_MS)
    parent = chain.stage("spent")
    parent.take()
    chain.publish("clicks", ("ann", 0), ("ann", 2 * DAY_MS))
    catch_up(parent)
    behind = START_MS + HOUR_MS - SETTINGS.head_horizon_ms
    assert [lane.floor_ms for lane in chain.lanes("spent")] == [behind]
    child = chain.stage("worth")
    child.take()
    catch_up(parent)
    assert [lane.floor_ms for lane in chain.lanes("spent")] == [behind]
    catch_up(child)
    assert child.status.edges == {("spent", "ok"): 1}
    catch_up(parent)
    assert [lane.floor_ms for lane in chain.lanes("spent")] > [START_MS + DAY_MS]


def test_tiles_of_one_commit_that_are_merged_in_several_are_all_merged_further(
    chain: Chain,
) -> None:
    stage = chain.stage("spent", alone=True)
    stage.take()
    chain.publish("clicks", ("ann", 0), ("bob", 5 * MINUTE_MS))
    catch_up(stage)
    for minutes in (15, 20):  # the floor passes ann's base tile, then bob's
        chain.publish("clicks", ("eve", minutes * MINUTE_MS))
        catch_up(stage)
    chain.publish("clicks", ("eve", 3 * DAY_MS))
    catch_up(stage)
    assert set(chain.levels("spent")) == {b"s\x03eve"}


def test_what_is_settled_waits_for_a_snapshot_that_is_held_for(chain: Chain) -> None:
    chain.stage("spent").take()
    holding = Holding(chain.lookup, 0)
    child = chain.stage("worth", holding=holding)
    child.take()
    chain.publish("views", ("ann", 0))
    catch_up(child)
    chain.upload("worth", {"views/0": 0}, reached=0, cutoff=DAY_MS)
    holding.left = 2
    assert not child.tend(lambda: True)
    assert child.status.waiting_for == "no snapshot yet"
    assert holding.left == 1
    assert child.tend()
    assert holding.left == 0
    with child.dataset.snapshot() as snapshot:
        found, _ = uploads_of(snapshot)
    assert [(each.state, each.unsettled) for each in found.held] == [("active", ())]


def test_a_dead_letter_whose_snapshot_has_not_landed_stays_for_another_time(chain: Chain) -> None:
    chain.stage("spent").take()
    chain.publish("views", ("ann", 0))
    refusing = chain.stage("worth", refusing=True)
    refusing.take()
    catch_up(refusing)
    holding = Holding(chain.lookup, 1)
    stage = chain.stage("worth", holding=holding)
    assert stage.replay() == (0, 1)
    assert stage.replay() == (1, 0)


def test_a_dead_letter_waits_until_its_parents_first_upload_is_settled(chain: Chain) -> None:
    parent = chain.stage("spent")
    parent.take()
    chain.publish("clicks", ("ann", 0))
    catch_up(parent)
    refusing = chain.stage("worth", refusing=True)
    refusing.take()
    chain.publish("views", ("ann", HOUR_MS))
    catch_up(refusing)
    chain.upload("spent", {"clicks/0": 0}, reached=0, cutoff=MINUTE_MS)
    child = chain.stage("worth")
    assert child.replay() == (0, 1)
    assert parent.tend()
    assert child.replay() == (1, 0)
