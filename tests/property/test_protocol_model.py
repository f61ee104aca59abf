"""The protocol of chained streams, as a model: it holds as it is, and fails without any of its rules."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import settings

from catenary.testing.protocol import VARIANTS, Report, run, without

pytestmark = pytest.mark.property

# Two hundred examples of a law are four hundred schedules of each kind: one takes some twelve milliseconds.
SCHEDULES = settings.default.max_examples * 2
# The rarest mistake shows in one of forty schedules; ten times that is no matter of luck.
PATIENCE = 400


@cache
def reports(kind: str) -> list[Report]:
    """Schedules under the protocol: gentle publishers keep what the promise asks of them."""
    return [run(seed, gentle=kind == "gentle") for seed in range(SCHEDULES)]


def tallied(kind: str) -> Counter[str]:
    return sum((each.tally for each in reports(kind)), Counter[str]())


@pytest.mark.parametrize("kind", ["gentle", "wild"])
def test_every_row_and_read_is_the_backfills_or_says_that_it_may_not_be(kind: str) -> None:
    failing = {each.seed: each.found[0] for each in reports(kind) if each.found}
    assert failing == {}


@pytest.mark.parametrize("kind", ["gentle", "wild"])
def test_most_rows_and_reads_are_promised_and_checked(kind: str) -> None:
    tally = tallied(kind)
    assert tally["rows"] > 30 * SCHEDULES
    assert tally["rows without a promise"] < tally["rows"] / 4
    assert tally["reads promised"] > tally["reads"] / 2


def test_where_publishers_keep_their_side_nine_reads_of_ten_are_ok_or_missing() -> None:
    tally = tallied("gentle")
    assert tally["reads held and sure"] >= 0.9 * tally["reads held"] > 0


def test_no_status_is_an_excuse_values_do_differ_under_each() -> None:
    differed = sum((each.differed for each in reports("wild")), Counter[str]())
    told = {"as_of_tile", "stale_batch", "late_parent", "set_aside"}
    assert told | {"missing_upload", "before_retention"} <= set(differed)


@pytest.mark.parametrize("mistake", VARIANTS)
def test_a_rule_turned_the_other_way_is_noticed(mistake: str) -> None:
    rules = without(VARIANTS[mistake])
    caught = next(
        (
            seed
            for seed in range(PATIENCE)
            if run(seed, rules).found or run(seed, rules, gentle=True).found
        ),
        None,
    )
    assert caught is not None


def test_a_schedule_is_its_seed() -> None:
    assert run(7) == run(7)
