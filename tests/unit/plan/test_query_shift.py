"""`query_shift_ms` in a plan: chained rows read earlier, and what that changes has another name."""

from __future__ import annotations

import pytest

from catenary.plan import build, column_fingerprints, read_instants
from catenary.windows import DAY_MS, HOUR_MS


@pytest.fixture
def plan_of(world):
    def made(*definitions, shift_ms=0):
        return build(definitions, world.schemas, query_shift_ms=shift_ms)

    return made


def fingerprints(plan):
    return {each.name: each.fingerprint for each in plan.nodes}


def test_rule_27_a_shift_changes_what_is_chained_and_nothing_else(world, plan_of):
    chained = world.chained()
    held = world.joined("held", parts=[chained])
    plain = fingerprints(plan_of(chained, held, world.joined()))
    one = fingerprints(plan_of(chained, held, world.joined(), shift_ms=-HOUR_MS))
    other = fingerprints(plan_of(chained, held, world.joined(), shift_ms=-DAY_MS))
    for name in ("chained", "held"):
        assert len({plain[name], one[name], other[name]}) == 3
    for name in ("amounts", "joined"):
        assert plain[name] == one[name] == other[name]


def test_the_join_that_a_chain_reads_is_a_table_of_its_own(world, plan_of):
    plan = plan_of(world.chained(), world.joined(), shift_ms=-5)
    (source,) = plan.node("chained").sources
    assert (source.table, source.parent.name) == ("joined@-5ms", "joined@-5ms")
    assert (source.parent.shift_ms, plan.node("joined").shift_ms) == (-5, 0)


def test_columns_that_are_read_earlier_have_other_fingerprints(world, plan_of):
    plan = plan_of(world.chained(), world.joined(), shift_ms=-5)
    own, chains = (column_fingerprints(plan.node(x)) for x in ("joined", "joined@-5ms"))
    assert [name for name in own if own[name] != chains[name]] == ["amounts_amount_sum_7d"]


def test_a_day_s_rows_read_as_much_earlier(world, plan_of):
    plan = plan_of(world.chained(), shift_ms=-HOUR_MS)
    join = plan.node(f"joined@{-HOUR_MS}ms")
    plain = plan_of(world.chained()).node("joined")
    day = "2024-03-02"
    wanted = tuple(at - HOUR_MS for at in read_instants(plain, day, day))
    assert read_instants(join, day, day) == wanted
