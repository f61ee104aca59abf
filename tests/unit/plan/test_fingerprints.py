from __future__ import annotations

import pytest

from catenary.definitions import Accuracy, Aggregation, JoinSource, MetaData, Operation, Query
from catenary.plan import column_fingerprints

SUM, MAX = (Aggregation("amount", each, windows="7d") for each in (Operation.SUM, Operation.MAX))


def same(world):
    """Pairs of definitions with the same values."""
    a = world.amounts
    two = ["amount > 1", "item > 2"]
    return {
        "the name, which names the table": (a("x"), a("y")),
        "who owns it": (a(), a(metadata=MetaData(team="t", description="d"))),
        "which topic": (a(), a(sources=world.clicks(topic="log:///other"))),
        "the accuracy, written or inferred": (a(), a(accuracy=Accuracy.TEMPORAL)),
        "the order of wheres": (
            a(sources=world.clicks(wheres=two)),
            a(sources=world.clicks(wheres=two[::-1])),
        ),
        "the order of selects": (
            a(sources=world.clicks(["user", "amount"])),
            a(sources=world.clicks(["amount", "user"])),
        ),
        "the order of aggregations": (a(aggregations=[SUM, MAX]), a(aggregations=[MAX, SUM])),
        "the default hop, written": (
            a(),
            a(aggregations=[Aggregation("amount", Operation.SUM, windows="7d", hop="1h")]),
        ),
        "how an expression is spaced": (
            a(sources=world.clicks(wheres="amount>1")),
            a(sources=world.clicks(wheres="amount  >  1")),
        ),
        "the order of parts": (
            world.joined(parts=[world.amounts(), world.people()]),
            world.joined(parts=[world.people(), world.amounts()]),
        ),
    }


def different(world):
    """Pairs of definitions with other values."""
    a = world.amounts
    return {
        "a window": (a(windows="7d"), a(windows="8d")),
        "a hop": (
            a(),
            a(aggregations=[Aggregation("amount", Operation.SUM, windows="7d", hop="5m")]),
        ),
        "the accuracy that a topic implies": (a(), a(sources=world.clicks())),
        "an expression": (a(), a(sources=world.clicks(
            {"user": "user", "amount": "amount + 1"}, topic="log:///t"))),
        "a where": (a(), a(sources=world.clicks(topic="log:///t", wheres="ok"))),
        "the time": (a(), a(sources=world.clicks(topic="log:///t", time_column="moment"))),
        "a bound": (a(), a(sources=world.clicks(topic="log:///t", start="2020-01-01"))),
        "late partitions": (a(), a(sources=world.clicks(topic="log:///t", late=2))),
        "a default": (
            a(),
            a(aggregations=[Aggregation("amount", Operation.SUM, windows="7d", default=0.0)]),
        ),
        "the order of columns that decides between rows": (
            a(aggregations=None, sources=world.clicks(["user", "item", "amount"])),
            a(aggregations=None, sources=world.clicks(["user", "amount", "item"])),
        ),
        "holding": (world.people(), world.people(holds=True)),
        "a derivation": (world.joined(), world.joined(derivations={"*": "*", "x": "1"})),
        "a parent": (
            world.chained(),
            world.chained(parent=world.joined(parts=[a(derivations={"amount_sum_7d": "1.0D"})])),
        ),
        "a carried column": (
            world.joined(),
            world.joined(left=world.clicks(["user"], topic="log:///t")),
        ),
    }  # fmt: skip


def pytest_generate_tests(metafunc):
    if "alike" in metafunc.fixturenames:
        metafunc.parametrize("alike", ALIKE)
    if "unlike" in metafunc.fixturenames:
        metafunc.parametrize("unlike", UNLIKE)


ALIKE = (
    "the name, which names the table", "who owns it", "which topic",
    "the accuracy, written or inferred", "the order of wheres", "the order of selects",
    "the order of aggregations", "the default hop, written", "how an expression is spaced",
    "the order of parts",
)  # fmt: skip
UNLIKE = (
    "a window", "a hop", "the accuracy that a topic implies", "an expression", "a where", "the time",
    "a bound", "late partitions", "a default", "the order of columns that decides between rows",
    "holding", "a derivation", "a parent", "a carried column",
)  # fmt: skip


def test_the_lists_of_cases_are_complete(world):
    assert set(same(world)) == set(ALIKE)
    assert set(different(world)) == set(UNLIKE)


def test_rule_27_what_changes_no_value_changes_no_fingerprint(world, alike):
    one, other = same(world)[alike]
    assert world.fingerprint_of(one) == world.fingerprint_of(other)


def test_rule_27_what_changes_a_value_changes_the_fingerprint(world, unlike):
    one, other = different(world)[unlike]
    assert world.fingerprint_of(one) != world.fingerprint_of(other)


def test_rule_27_parts_over_the_same_rows_share_a_fingerprint_whatever_is_carried(world):
    few = world.joined("few", left=world.clicks(["user"], topic="log:///t"))
    many = world.joined("many", left=world.clicks(None, topic="log:///t"))
    filtered = world.joined("filtered", left=world.clicks(None, topic="log:///t", wheres="ok"))
    plan = world.plan_of(few, many, filtered)
    one, two, three = (plan.node(name).parts[0].fingerprint for name in ("few", "many", "filtered"))
    assert one == two != three


def test_rule_27_a_change_goes_down_the_chain(world):
    changed = world.joined(parts=[world.amounts(), world.people()])
    nodes = [world.plan_of(world.chained(parent=each)).node("chained")
             for each in (world.joined(), changed)]  # fmt: skip
    assert nodes[0].fingerprint != nodes[1].fingerprint


def test_rule_27_columns_that_did_not_change_keep_theirs(world):
    before = world.plan_of(world.joined(derivations={"*": "*", "x": "1", "y": "2"})).node("joined")
    after = world.plan_of(world.joined(derivations={"*": "*", "x": "1", "y": "3"})).node("joined")
    old, new = column_fingerprints(before), column_fingerprints(after)
    assert list(old) == list(before.schema)
    assert [name for name in old if old[name] != new[name]] == ["y"]


def test_a_left_that_is_a_join_is_known_by_the_parents_values(world):
    def outer(parent):
        return world.joined("outer", left=JoinSource(join=parent, query=Query(["user"])), parts=[])

    renamed = world.fingerprint_of(outer(world.joined("another_name")))
    assert renamed == world.fingerprint_of(outer(world.joined()))


@pytest.mark.parametrize("make", ["amounts", "people", "joined", "chained"])
def test_a_fingerprint_is_32_hexadecimal_digits_and_stays(world, make):
    text = world.fingerprint_of(getattr(world, make)())
    assert len(text) == 32
    assert int(text, 16) >= 0
    assert text == world.fingerprint_of(getattr(world, make)())
