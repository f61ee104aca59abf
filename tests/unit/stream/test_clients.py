"""A client that lags behind a stream reads to the millisecond while it holds the heads, and not after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.property.clients import Clock
from tests.unit.stream.helping import Streamed

from catenary import Aggregation, EventSource, GroupBy, Join, JoinSource, Operation, Query
from catenary.plan.settings import ChainSettings
from catenary.state.records import PASSED, readers_of
from catenary.windows import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_MS = 1_709_251_200_000
EARLY_MS = START_MS + 3 * MINUTE_MS + 1  # within a base tile of five minutes
TOPIC = EventSource(table="t", topic="log:///t", query=Query(["user", "x"], time_column="ts"))
COUNT = GroupBy("n", sources=TOPIC, keys="user", aggregations=[Aggregation("x", Operation.COUNT)])
COUNTS = GroupBy(
    "counts",
    sources=JoinSource(
        join=Join("beside", left=TOPIC, parts=[COUNT]),
        query=Query({"user": "user", "before": "n_x_count"}),
    ),
    keys="user",
    aggregations=[Aggregation("before", Operation.LAST)],
)
"""How many came before the newest one."""


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    with made.everywhere():
        yield made


def streamed(folder: Path, **settings: object) -> Streamed:
    given = {"head_horizon_ms": 10 * MINUTE_MS, **settings}
    return Streamed(folder, COUNTS, ChainSettings.parse(given))


def minutes(first: int, last: int) -> list[tuple[str, float, int]]:
    return [("u", 1.0, START_MS + minute * MINUTE_MS) for minute in range(first, last)]


def read(made: Streamed, at: int) -> tuple[object, str]:
    found = made.fetcher.fetch("counts", {"user": "u"}, at=at)
    return found.before_last, found.status


def test_while_a_client_is_registered_every_stage_answers_it_to_the_millisecond(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path)
    made.publish(minutes(0, 5))
    with made.fetcher.reader("slow", "counts", from_ms=EARLY_MS) as reader:
        assert reader.from_ms_held == EARLY_MS
        made.publish(minutes(5, 120))
        assert max(made.floors()) <= EARLY_MS
        assert read(made, EARLY_MS) == (3, "ok")
        reader.passed(EARLY_MS + HOUR_MS)
        made.catch_up()
        assert EARLY_MS < max(made.floors()) <= EARLY_MS + HOUR_MS
        assert read(made, EARLY_MS + HOUR_MS) == (63, "ok")


def test_when_it_has_closed_the_heads_come_back_to_their_horizon(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path)
    made.publish(minutes(0, 5))
    with made.fetcher.reader("slow", "counts", from_ms=EARLY_MS):
        made.publish(minutes(5, 121))
    made.catch_up()
    assert made.floors() == [START_MS + 110 * MINUTE_MS] * 2
    assert read(made, EARLY_MS) == (None, "as_of_tile")


def test_one_that_is_not_heard_of_for_its_time_to_live_holds_nothing_any_more(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path)
    made.publish(minutes(0, 5))
    reader = made.fetcher.reader("silent", "counts", from_ms=EARLY_MS, ttl_s=30)
    with reader:
        clock.now_ms += 20_000
        reader.passed(EARLY_MS)
        clock.now_ms += 20_000
        made.publish(minutes(5, 60))
        assert max(made.floors()) <= EARLY_MS
        clock.now_ms += 11_000
        made.publish(minutes(60, 121))
        made.catch_up()  # the parent sees that its child has passed, too
        assert made.floors() == [START_MS + 110 * MINUTE_MS] * 2


def test_one_that_is_further_behind_than_the_limit_is_answered_as_of_a_tile(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path, head_limit_ms=HOUR_MS)
    made.publish(minutes(0, 5))
    with made.fetcher.reader("slow", "counts", from_ms=EARLY_MS):
        made.publish(minutes(5, 60))
        assert read(made, EARLY_MS) == (3, "ok")
        made.publish(minutes(60, 121))
        assert made.floors() == [START_MS + 60 * MINUTE_MS] * 2
        assert read(made, EARLY_MS) == (None, "as_of_tile")


def registered(made: Streamed) -> list[set[str]]:
    """Who is written down as a reader of each stage, children aside."""
    found: list[set[str]] = []
    for stage in made.stages:
        with stage.dataset.snapshot() as snapshot:
            held, _ = readers_of(snapshot)
            told = {key[1:].decode() for key, _ in snapshot.scan(PASSED)}
        found.append({each.name for each in held.held.values() if not each.child})
        assert told == found[-1]
    return found


def test_one_whose_time_is_over_is_left_out_when_the_readers_are_next_written(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path)
    made.publish(minutes(0, 5))
    gone = made.fetcher.reader("gone", "counts", from_ms=EARLY_MS, ttl_s=30)
    alive = made.fetcher.reader("alive", "counts", from_ms=EARLY_MS, ttl_s=30)
    with gone, alive:
        clock.now_ms += 20_000
        alive.passed(EARLY_MS + 1)
        clock.now_ms += 20_000
        assert registered(made) == [{"gone", "alive"}] * 2
        with made.fetcher.reader("new", "counts", from_ms=EARLY_MS):
            assert registered(made) == [{"alive", "new"}] * 2
        clock.now_ms += 60_000
        made.catch_up()  # begins the stages anew, which write down who reads
        assert registered(made) == [set(), set()]


def test_one_that_was_left_out_and_is_heard_of_again_holds_again(
    tmp_path: Path, clock: Clock
) -> None:
    made = streamed(tmp_path)
    made.publish(minutes(0, 5))
    with made.fetcher.reader("slow", "counts", from_ms=EARLY_MS, ttl_s=30) as reader:
        clock.now_ms += 60_000
        made.catch_up()
        assert registered(made) == [set(), set()]
        reader.passed(EARLY_MS)
        assert registered(made) == [{"slow"}] * 2
        made.publish(minutes(5, 120))
        assert read(made, EARLY_MS) == (3, "ok")
