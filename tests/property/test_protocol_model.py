"""The protocol of chained streams, as a model: it holds as it is, and fails without any of its rules."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import settings

from catenary.testing.protocol import KINDS, PROTOCOL, VARIANTS, Report, run, without

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
