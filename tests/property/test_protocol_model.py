"""The protocol of chained streams, as a model: it holds as it is, and fails without any of its rules."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import settings

from catenary.testing.protocol import KINDS, PROTOCOL, VARIANTS, Report, Schedule, run, without

pytestmark = pytest.mark.property

# A schedule takes some twelve milliseconds; with two hundred examples, all kinds take ten seconds.
SCHEDULES = max(20, settings.default.max_examples * 3 // 5)
# The rarest mistakes show in one of a hundred schedules of the kind that stresses them.
PATIENCE = 1500


@cache
def reports(kind: str) -> list[Report]:
    """Schedules under the protocol."""
    return [run(seed, kind=kind) for seed in range(SCHEDULES)]


def tallied(kind: str) -> Counter[str]:
    return sum((each.tally for each in reports(kind)), Counter[str]())


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_and_read_is_the_backfills_or_says_that_it_may_not_be(kind: str) -> None:
    assert {each.seed: each.found[0] for each in reports(kind) if each.found} == {}
    tally = tallied(kind)
    assert tally["rows"] > 30 * SCHEDULES
    assert tally["rows without a promise"] < tally["rows"] / 3
    assert tally["reads promised"] > tally["reads"] / 2


def test_where_publishers_keep_their_side_nine_reads_of_ten_are_ok_or_missing() -> None:
    tally = tallied("gentle")
    assert tally["reads held and sure"] >= 0.9 * tally["reads held"] > 0


def test_no_status_is_an_excuse_values_do_differ_under_each() -> None:
    differed = sum((each.differed for kind in KINDS for each in reports(kind)), Counter[str]())
    told = {"as_of_tile", "stale_batch", "late_parent", "set_aside"}
    assert told | {"missing_upload", "before_retention"} <= set(differed)


@pytest.mark.parametrize("mistake", VARIANTS)
def test_a_rule_turned_the_other_way_is_noticed(mistake: str) -> None:
    variant = VARIANTS[mistake]
    rules = without(variant.rule)
    assert any(run(seed, rules, kind=variant.kind).found for seed in range(PATIENCE))


def test_every_rule_is_turned_the_other_way_once() -> None:
    assert sorted(each.rule for each in VARIANTS.values()) == sorted(vars(PROTOCOL))


def test_a_schedule_is_its_seed() -> None:
    assert run(7) == run(7)


def test_a_trace_tells_the_same_story_twice_and_changes_nothing() -> None:
    one, other = Schedule(7, traced=True), Schedule(7, traced=True)
    assert one.run() == other.run() == run(7)
    assert one.world.trace.steps == other.world.trace.steps
    assert {"publish", "take", "read", "cut", "ready", "enrich", "commit", "tend"} <= {
        step.name for step in one.world.trace.steps
    }


def test_in_a_trace_positions_and_floors_never_fall() -> None:
    schedule = Schedule(7, traced=True)
    schedule.run()
    reached: dict[tuple[int, object], tuple[int, ...]] = {}
    for step in schedule.world.trace.steps:
        if step.after is not None:
            lanes = step.after["lanes"]
            assert isinstance(lanes, dict)
            for lane, now in lanes.items():
                before = reached.get((step.shape, lane), now)
                assert all(one <= other for one, other in zip(before, now, strict=True))
                reached[step.shape, lane] = now
    assert reached


@pytest.mark.parametrize("kind", ["gentle", "settling"])
def test_a_promised_row_has_one_value_in_every_later_backfill(kind: str) -> None:
    promised = 0
    for seed in range(SCHEDULES // 4):
        schedule = Schedule(seed, kind=kind)
        schedule.run()
        oracle, published = schedule.world.oracle, schedule.world.log.sequence
        for shape in schedule.world.shapes:
            rows = [row for rows in oracle.rows[shape.number].values() for row in rows]
            backfill = oracle.backfill(shape, published, published)
            for row, (_, _, value) in zip(rows, backfill, strict=True):
                promised += row.promised
                assert not row.promised or row.value == value
    assert promised > 20 * (SCHEDULES // 4)
