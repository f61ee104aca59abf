"""What Chronon's settings of time and size do to a stage; no test says how long anything takes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.stream.helping import Streamed

from catenary.definitions import (
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.plan.settings import PREFIX, ChainSettings
from catenary.stream.pacing import Pace, delay_ms, slept
from catenary.stream.timed import SlowParentsError, TimedLookup
from catenary.windows import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from catenary.plan import JoinNode
    from catenary.ports import Looked, Lookup
    from catenary.stream.stage import Stage

LONG = HOUR_MS
rows = EventSource(table="t", topic="log:///t", query=Query(["user", "x"], time_column="ts"))
SPENT = GroupBy("spent", sources=rows, keys="user", aggregations=[Aggregation("x", Operation.SUM)])
WORTH = GroupBy(
    "worth",
    sources=JoinSource(
        join=Join("seen", left=rows, parts=[SPENT]),
        query=Query({"user": "user", "spent": "spent_x_sum"}),
    ),
    keys="user",
    aggregations=[Aggregation("spent", Operation.COUNT), Aggregation("spent", Operation.MAX)],
)


def streamed(
    folder: Path, definition: GroupBy = WORTH, partitions: int = 1, **given: object
) -> Streamed:
    """The chain's stages, told these settings by Chronon's names."""
    ours = ("lag_mode",)
    named = {name if name in ours else f"{PREFIX}{name}": value for name, value in given.items()}
    return Streamed(folder, definition, ChainSettings.parse(named), partitions)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def queued(world: Streamed, *times: int) -> None:
    """Append rows of one user, and let nobody read them yet."""
    world.append([("u", 1.0, ts) for ts in times])


def begun(world: Streamed) -> Stage:
    """The last stage, with its lanes; its parents have caught up."""
    for stage in world.stages[:-1]:
        stage.run(lambda: False, lambda: True)
    world.stages[-1].take()
    return world.stages[-1]


def asked(times: int) -> Callable[[], bool]:
    """A `stopped` that says so after it was asked so often."""
    left = iter(range(times))
    return lambda: next(left, None) is None


# max_offsets_per_trigger


def test_a_batch_holds_no_more_than_max_offsets_per_trigger(tmp_path: Path) -> None:
    world = streamed(tmp_path, SPENT, max_offsets_per_trigger=3)
    queued(world, *range(1, 8))
    (stage,) = world.stages
    stage.take()
    sizes = []
    while (reads := stage.read()) is not None:
        sizes.append(reads.records)
        stage.decode(reads)
        stage.commit(reads, stage.enrich(reads))
    assert sizes == [3, 3, 1]


def test_the_bound_is_on_all_partitions_together_and_starves_none(tmp_path: Path) -> None:
    world = streamed(tmp_path, SPENT, partitions=3, max_offsets_per_trigger=2)
    for partition in range(3):
        world.append([("u", 1.0, 1)] * 2, partition=partition)
    (stage,) = world.stages
    stage.take()
    seen = []
    while (reads := stage.read()) is not None:
        assert reads.records <= 2
        seen += [lane.partition for lane, _ in reads.lanes]
        stage.decode(reads)
        stage.commit(reads, stage.enrich(reads))
        # The first one always has more.
        if len(seen) < 4:
            world.append([("u", 1.0, 1)] * 2, partition=0)
    assert set(seen[:3]) == {0, 1, 2}
    assert stage.lag() == 0


# batch_interval_millis


def test_batches_begin_no_sooner_than_the_interval_after_each_other() -> None:
    pace = Pace(10.0)
    assert pace.left_s(100.0) <= 0, "the first begins at once"
    pace.began(100.0)
    assert [pace.left_s(at) for at in (100.0, 104.0, 110.0, 111.0)] == [10.0, 6.0, 0.0, -1.0]


def test_what_arrives_within_the_interval_is_one_batch(tmp_path: Path) -> None:
    def batches(folder: str, **given: object) -> tuple[int, int]:
        world = streamed(tmp_path / folder, SPENT, **given)
        queued(world, 1)
        (stage,) = world.stages
        arrivals = iter(range(2, 6))

        def stopped() -> bool:
            ts = next(arrivals, None)
            if ts is not None:
                queued(world, ts)
            return ts is None

        stage.run(stopped)
        return stage.status.batches, stage.lag()

    assert batches("none") == (4, 0)
    many, left = batches("interval", batch_interval_millis=LONG)
    assert many == 1, "the second has not begun"
    assert left == 3


def test_an_interval_does_not_hold_up_the_end(tmp_path: Path) -> None:
    world = streamed(tmp_path, SPENT, batch_interval_millis=LONG, max_offsets_per_trigger=1)
    queued(world, 1, 2, 3)
    world.catch_up()
    assert world.stages[0].status.batches == 3


# query_delay_ms, time_percentile


@pytest.mark.parametrize(
    ("ages", "percentile", "delay"),
    [
        ([[30]], 0.95, 70),
        ([[0]], 0.95, 100),
        ([[100]], 0.95, 0),
        ([[500]], 0.95, 0),
        ([[-1]], 0.95, 0),  # from ahead of now
        ([[]], 0.95, 0),
        ([], 0.95, 0),
        ([[90, 60, 20]], 0.0, 10),
        ([[90, 60, 20]], 0.5, 40),
        ([[90, 60, 20]], 0.51, 80),  # the place is rounded up
        ([[20, 90, 60]], 1.0, 80),  # of the times in order, whatever order they came in
        ([[90], [60]], 0.95, 40),  # the lane that needs most
    ],
)
def test_the_delay_is_what_the_percentile_of_a_lane_lacks(
    ages: list[list[int]], percentile: float, delay: int
) -> None:
    settings = ChainSettings(query_delay_ms=100, time_percentile=percentile)
    times = [np.asarray([1_000 - age for age in each], np.int64) for each in ages]
    assert delay_ms(times, 1_000, settings) == delay


def test_rows_younger_than_the_delay_are_not_enriched_yet(tmp_path: Path) -> None:
    world = streamed(tmp_path, query_delay_ms=LONG)
    queued(world, now_ms())
    stage = begun(world)
    assert not stage.step(asked(3)), "it slept, and was stopped while it did"
    assert stage.lag() == 1


def test_rows_as_old_as_the_delay_are_enriched_at_once(tmp_path: Path) -> None:
    world = streamed(tmp_path, query_delay_ms=LONG)
    queued(world, now_ms() - LONG)
    stage = begun(world)
    assert stage.step(lambda: False)
    assert stage.lag() == 0


@pytest.mark.parametrize(("percentile", "passes"), [(0.0, True), (1.0, False)])
def test_which_row_of_a_batch_is_asked_for_its_age_is_the_percentiles(
    tmp_path: Path, percentile: float, passes: bool
) -> None:
    world = streamed(tmp_path, query_delay_ms=LONG, time_percentile=percentile)
    queued(world, now_ms() - 2 * LONG, now_ms())
    assert begun(world).step(asked(3)) is passes


def test_a_simple_group_by_is_delayed_by_nothing(tmp_path: Path) -> None:
    world = streamed(tmp_path, SPENT, query_delay_ms=LONG, lag_millis=LONG, lag_mode="fixed")
    queued(world, now_ms())
    assert begun(world).step(lambda: False)


# lag_millis


def left_behind(world: Streamed) -> tuple[str, int]:
    """The answer after a row that the parents did not come to before it was enriched."""
    queued(world, 1)
    stage = begun(world)
    queued(world, 2)
    assert stage.step(lambda: False)
    row = world.fetcher.fetch("worth", {"user": "u"}, at=3)
    return str(row.status), int(row.spent_count)


def test_a_lag_proceeds_when_the_parents_have_not_advanced_for_so_long(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=1)
    assert left_behind(world) == ("late_parent", 1)


def test_a_lag_is_not_spent_when_the_parents_have_caught_up(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=LONG)
    queued(world, 1, 2)
    assert begun(world).step(lambda: False)
    row = world.fetcher.fetch("worth", {"user": "u"}, at=3)
    assert (row.status, row.spent_max) == ("ok", 1.0)


def test_a_lag_that_is_not_over_waits(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=LONG)
    queued(world, 1)
    stage = world.stages[-1]
    stage.take()
    assert not stage.step(asked(1))
    assert stage.status.waiting_for.startswith("spent has no frontier")


def test_a_fixed_lag_is_slept_whether_or_not_the_parents_have_caught_up(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=LONG, lag_mode="fixed")
    queued(world, 1)
    assert not begun(world).step(asked(3))


def test_after_a_fixed_lag_nobody_is_waited_for(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=1, lag_mode="fixed")
    assert left_behind(world) == ("late_parent", 1)


def test_after_a_fixed_lag_that_sufficed_the_answer_is_exact(tmp_path: Path) -> None:
    world = streamed(tmp_path, lag_millis=1, lag_mode="fixed")
    queued(world, 1, 2)
    assert begun(world).step(lambda: False)
    row = world.fetcher.fetch("worth", {"user": "u"}, at=3)
    assert (row.status, row.spent_max) == ("ok", 1.0)


def test_sleep_is_cut_short_by_a_stop() -> None:
    assert not slept(LONG, asked(2))
    assert slept(0, lambda: True), "what is over was not cut short"


# event_time_query


def test_without_event_time_parents_are_read_as_of_now_and_rows_say_so(tmp_path: Path) -> None:
    def worth(folder: str, **given: object) -> tuple[str, float]:
        world = streamed(tmp_path / folder, **given)
        world.publish([("u", 1.0, 1), ("u", 2.0, 2)])
        row = world.fetcher.fetch("worth", {"user": "u"}, at=3)
        return str(row.status), float(row.spent_max)

    assert worth("event_time") == ("ok", 1.0)
    assert worth("now", event_time_query="false") == ("shifted", 3.0)


# timeout_millis


class Slow:
    """A lookup whose first answers never come."""

    def __init__(self, lookup: Lookup, slow: int) -> None:
        self._lookup, self.left = lookup, slow
        self.released = threading.Event()

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        self.left -= 1
        if self.left >= 0:
            self.released.wait()
        return self._lookup.join(join, rows, at)


def slowly(world: Streamed, slow: int, tries: int) -> tuple[Stage, Slow]:
    """The last stage, whose parents answer late so often."""
    stage = begun(world)
    (input_,) = stage._inputs.values()
    pipeline = input_.pipeline
    late = Slow(pipeline._lookup, slow)
    pipeline._lookup = TimedLookup(late, 50, tries)
    return stage, late


def test_parents_that_do_not_answer_in_time_stop_the_stage_and_nothing_is_committed(
    tmp_path: Path,
) -> None:
    world = streamed(tmp_path)
    queued(world, 1, 2)
    stage, late = slowly(world, slow=2, tries=2)
    with pytest.raises(SlowParentsError, match="the parts of seen did not answer within 50 ms"):
        stage.step()
    late.released.set()
    assert stage.lag() == 2
    assert world.letters() == []


def test_parents_that_answer_at_the_second_try_are_believed(tmp_path: Path) -> None:
    world = streamed(tmp_path)
    queued(world, 1, 2)
    stage, late = slowly(world, slow=1, tries=4)
    assert stage.step()
    late.released.set()
    assert world.fetcher.fetch("worth", {"user": "u"}, at=3).spent_max == 1.0


def test_what_goes_wrong_in_a_lookup_is_raised_where_it_was_asked(tmp_path: Path) -> None:
    class Broken:
        def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
            raise OSError("the store is gone")

    (join,) = next(iter(streamed(tmp_path).stages[-1]._inputs.values())).pipeline.joins
    with pytest.raises(OSError, match="the store is gone"):
        TimedLookup(Broken(), 60_000, 1).join(join, None, None)  # type: ignore[arg-type]


def test_a_stage_is_given_its_timeout_by_the_setting(tmp_path: Path) -> None:
    timed = streamed(tmp_path / "timed", timeout_millis=60_000)
    timed.publish([("u", 1.0, 1), ("u", 2.0, 2)])
    assert timed.fetcher.fetch("worth", {"user": "u"}, at=3).spent_max == 1.0
    for world, kind in ((timed, True), (streamed(tmp_path / "untimed"), False)):
        (input_,) = world.stages[-1]._inputs.values()
        assert isinstance(input_.pipeline._lookup, TimedLookup) is kind
