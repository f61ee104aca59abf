"""The rules of `docs/semantics.md`, end to end, each as an example of use."""

from __future__ import annotations

import math

import pytest
from tests.rules.worked import CLICKS, TOTAL, VIEWS, clicks, column, seen, spent, views

from catenary.definitions import (
    Accuracy,
    Aggregation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    Operation,
    Query,
)
from catenary.errors import CatenaryError, DefinitionError, UnsupportedError
from catenary.plan import build
from catenary.testing import check, entities, events, features

SUM, COUNT, LAST = Operation.SUM, Operation.COUNT, Operation.LAST


def test_rule_01_a_window_is_half_open_and_an_event_at_the_read_is_not_seen():
    of = clicks(
        ("2024-01-01 11:00", "ann", 1.0),
        ("2024-01-01 11:59:59.999", "ann", 2.0),
        ("2024-01-01 12:00", "ann", 4.0),
    )
    hour = Aggregation("price", SUM, windows="1h", name="total")
    assert seen(of, views(("2024-01-01 12:00", "ann")), hour) == [{"total": 3.0}]
    assert seen(of, views(("2024-01-01 12:00:00.001", "ann")), hour) == [{"total": 7.0}]


def test_rule_01_the_start_of_the_window_is_floored_to_the_hop_and_not_the_read():
    of = clicks(("2024-01-01 11:04:59.999", "ann", 1.0), ("2024-01-01 11:05", "ann", 2.0))
    at = views(("2024-01-01 12:09:59.999", "ann"))
    assert seen(of, at, Aggregation("price", SUM, windows="1h", name="total")) == [{"total": 2.0}]


@pytest.mark.parametrize(
    ("window", "oldest"),
    [
        ("12d", "2024-01-08 00:00"),
        ("11d", "2024-01-09 10:00"),
        ("12h", "2024-01-19 22:00"),
        ("11h", "2024-01-19 23:35"),
        ("1h", "2024-01-20 09:35"),
        ("59m", "2024-01-20 09:38"),
    ],
)
def test_rule_02_the_hop_follows_from_the_window_s_length(window: str, oldest: str):
    first = events("ts user price", (oldest, "ann", 1.0)).rows[0]["ts"]
    assert isinstance(first, int)
    of = clicks((first - 1, "ann", 1.0), (first, "ann", 2.0))
    at = views(("2024-01-20 10:37:30", "ann"))
    assert seen(of, at, Aggregation("price", SUM, windows=window, name="total")) == [{"total": 2.0}]


def test_rule_02_an_author_s_hop_replaces_the_default():
    of = clicks(("2024-01-19 10:36:59.999", "ann", 1.0), ("2024-01-19 10:37", "ann", 2.0))
    at = views(("2024-01-20 10:37:30", "ann"))
    day = Aggregation("price", SUM, windows="1d", hop="1m", name="total")
    assert seen(of, at, day) == [{"total": 2.0}]


def test_rule_02_each_window_of_an_aggregation_has_its_own_hop():
    of = clicks(("2024-01-20 09:36", "ann", 1.0), ("2024-01-20 10:30", "ann", 2.0))
    at = views(("2024-01-20 10:37:30", "ann"))
    both = Aggregation("price", SUM, windows=["59m", "1d"])
    assert seen(of, at, both) == [{"price_sum_59m": 2.0, "price_sum_1d": 3.0}]


def test_rule_03_snapshot_accuracy_reads_the_last_midnight():
    of = clicks(("2024-01-01 23:59:59.999", "ann", 1.0), ("2024-01-02 00:00", "ann", 2.0))
    at = views(
        ("2024-01-02 00:00", "ann"), ("2024-01-02 09:00", "ann"), ("2024-01-03 00:00", "ann")
    )
    found = seen(of, at, TOTAL, accuracy=Accuracy.SNAPSHOT)
    assert [row["total"] for row in found] == [1.0, 1.0, 3.0]


def test_rule_03_a_topic_makes_a_group_by_temporal():
    quiet = EventSource(table="clicks", query=Query(["user", "price"], time_column="ts"))
    of = clicks(("2024-01-02 08:00", "ann", 1.0))
    at = views(("2024-01-02 09:00", "ann"))
    assert seen(of, at, TOTAL) == [{"total": 1.0}]
    assert seen(of, at, TOTAL, sources=quiet) == [{"total": None}]


def test_rule_03_snapshot_accuracy_with_windows_shorter_than_a_day_is_refused():
    hour = spent(Aggregation("price", SUM, windows="1h"), accuracy=Accuracy.SNAPSHOT)
    with pytest.raises(CatenaryError, match="1h"):
        build([hour], lambda _: clicks().schema)


def test_rule_04_a_late_row_counts_and_a_misplaced_one_does_not():
    columns = "ts user price ds"
    rows = [("2024-01-01 10:00", "ann", price, ds) for price, ds in (
        (1.0, "2024-01-01"), (2.0, "2024-01-02"), (4.0, "2024-01-03"), (8.0, "2023-12-31"),
    )]  # fmt: skip
    at = views(("2024-01-04 09:00", "ann"))
    assert seen(events(columns, *rows), at, TOTAL) == [{"total": 3.0}]
    patient = EventSource(
        table="clicks",
        topic="log:///clicks",
        query=Query(["user", "price"], time_column="ts"),
        late_partitions=2,
    )
    assert seen(events(columns, *rows), at, TOTAL, sources=patient) == [{"total": 7.0}]


def test_rule_04_a_late_row_counts_even_for_reads_of_the_days_before_its_partition():
    of = events("ts user price ds", ("2024-01-01 10:00", "ann", 1.0, "2024-01-02"))
    assert seen(of, views(("2024-01-01 12:00", "ann")), TOTAL) == [{"total": 1.0}]


def test_rule_04_left_entities_read_at_the_end_of_their_day():
    users = EntitySource(snapshot_table="users", query=Query(["user"]))
    join = Join("daily", left=users, parts=[spent(TOTAL)])
    of = clicks(("2024-01-01 23:59:59.999", "ann", 1.0), ("2024-01-02 00:00", "ann", 2.0))
    held = entities("ds user", ("2024-01-01", "ann"), ("2024-01-02", "ann"))
    assert column("spent_total", join, clicks=of, users=held) == [1.0, 3.0]


@pytest.mark.parametrize(("holds", "plans"), [(False, ["free", None]), (True, ["free", "free"])])
def test_rule_04_a_snapshot_is_for_its_own_day_unless_it_holds(
    holds: bool, plans: list[str | None]
):
    source = EntitySource(snapshot_table="users", query=Query(["user", "plan"]), holds=holds)
    join = Join("paid", left=VIEWS, parts=[GroupBy("plan", sources=source, keys="user")])
    held = entities("ds user plan", ("2024-01-01", "ann", "free"), ("2024-01-03", "ann", "pro"))
    at = views(("2024-01-02 09:00", "ann"), ("2024-01-03 09:00", "ann"))
    assert column("plan_plan", join, users=held, views=at) == plans


def test_rule_07_wheres_see_input_columns_and_never_aliases():
    query = Query({"user": "user", "price": "-price"}, wheres="price > 0", time_column="ts")
    source = EventSource(table="clicks", topic="log:///clicks", query=query)
    of = clicks(("2024-01-01 10:00", "ann", 1.0), ("2024-01-01 10:00", "ann", -2.0))
    at = views(("2024-01-01 11:00", "ann"))
    assert seen(of, at, TOTAL, sources=source) == [{"total": -1.0}]


def test_rule_07_rows_without_a_time_do_not_count_on_the_right_and_stay_on_the_left():
    of = events("ts user price ds", ("2024-01-01 10:00", "ann", 1.0, "2024-01-01"),
                (None, "ann", 2.0, "2024-01-01"))  # fmt: skip
    at = events(
        "ts user ds", ("2024-01-01 11:00", "ann", "2024-01-01"), (None, "ann", "2024-01-01")
    )
    assert seen(of, at, TOTAL) == [{"total": 1.0}, {"total": None}]


def test_rule_08_a_null_key_belongs_to_nobody():
    of = clicks(("2024-01-01 10:00", None, 1.0), ("2024-01-01 10:00", "ann", 2.0))
    at = views(("2024-01-01 11:00", None), ("2024-01-01 11:00", "ann"))
    count = Aggregation("price", COUNT, name="count", default=0)
    assert [row["count"] for row in seen(of, at, count)] == [None, 1]


def test_rule_09_composite_keys_do_not_run_together():
    source = EventSource(
        table="clicks", topic="log:///c", query=Query(["a", "b", "price"], time_column="ts")
    )
    left = EventSource(table="views", query=Query(["a", "b"], time_column="ts"))
    pair = GroupBy("pair", sources=source, keys=["a", "b"], aggregations=[TOTAL])
    keys = [("ab", "c"), ("a", "bc"), ("ab", "bc"), ("a", "c")]
    of = events("ts a b price", *(("2024-01-01", *key, 2.0**at) for at, key in enumerate(keys)))
    at = events("ts a b", *(("2024-01-02", *key) for key in keys))
    join = Join("joined", left=left, parts=[pair])
    assert column("pair_total", join, clicks=of, views=at) == [1.0, 2.0, 4.0, 8.0]


def test_rule_09_keys_of_different_integer_widths_meet():
    source = EventSource(
        table="clicks", topic="log:///c", query=Query(["item", "price"], time_column="ts")
    )
    left = EventSource(table="views", query=Query(["item"], time_column="ts"))
    by_item = GroupBy("item", sources=source, keys="item", aggregations=[TOTAL])
    of = events("ts item:bigint price", ("2024-01-01", 12, 1.0))
    at = events("ts item:int", ("2024-01-02", 12), ("2024-01-02", -1))
    join = Join("joined", left=left, parts=[by_item])
    assert column("item_total", join, clicks=of, views=at) == [1.0, None]


def test_rule_09_floats_as_keys_and_keys_of_other_families_are_refused():
    by_price = GroupBy("p", sources=CLICKS, keys="price", aggregations=[TOTAL])
    with pytest.raises(CatenaryError, match="price"):
        build([by_price], lambda _: clicks().schema)
    crossed = Join("j", left=VIEWS, parts=[spent(TOTAL)])
    schemas = {"clicks": clicks().schema, "views": events("ts user:bigint").schema}
    with pytest.raises(DefinitionError, match="user"):
        build([crossed], schemas.__getitem__)


def test_rule_10_nulls_and_nan_are_ignored_and_nothing_at_all_is_null():
    of = clicks(("2024-01-01 09:00", "ann", 1.0), ("2024-01-01 10:00", "ann", math.nan),
                ("2024-01-01 10:00", "bob", None))  # fmt: skip
    at = views(
        ("2024-01-01 11:00", "ann"), ("2024-01-01 11:00", "bob"), ("2024-01-01 11:00", "cid")
    )
    found = seen(of, at, Aggregation("price", COUNT), Aggregation("price", LAST))
    assert [tuple(row.values()) for row in found] == [(1, 1.0), (None, None), (None, None)]


def test_rule_10_a_default_is_for_keys_without_values_and_not_for_results_that_failed():
    of = clicks(("2024-01-01 10:00", "ann", math.inf))
    at = views(
        ("2024-01-01 11:00", "ann"), ("2024-01-01 11:00", "unseen"), ("2024-01-01 11:00", None)
    )
    found = seen(of, at, Aggregation("price", SUM, name="total", default=0.0))
    assert [row["total"] for row in found] == [None, 0.0, None]


def test_rule_11_duplicate_left_rows_each_get_their_answer():
    at = views(("2024-01-01 11:00", "ann"), ("2024-01-01 11:00", "ann"))
    assert seen(clicks(("2024-01-01 10:00", "ann", 1.0)), at, TOTAL) == [{"total": 1.0}] * 2


def test_rule_11_several_rows_of_an_entity_need_latest_by():
    held = entities(
        "ds user plan age", ("2024-01-01", "ann", "free", 1), ("2024-01-01", "ann", "pro", 2)
    )
    source = EntitySource(snapshot_table="users", query=Query(["user", "plan", "age"]))
    tables = {"users": held, "views": views(("2024-01-02 09:00", "ann"))}
    vague = Join("vague", left=VIEWS, parts=[GroupBy("u", sources=source, keys="user")])
    with pytest.raises(CatenaryError, match="latest_by"):
        features(vague, tables)
    clear = GroupBy("u", sources=source, keys="user", latest_by="age")
    join = Join("clear", left=VIEWS, parts=[clear])
    assert column("u_plan", join, **tables) == ["pro"]


def test_rule_11_events_without_aggregations_give_the_greatest_row():
    at = views(("2024-01-01 11:00", "ann"))
    of = clicks(("2024-01-01 10:00", "ann", 2.0), ("2024-01-01 10:00", "ann", 1.0),
                ("2024-01-01 09:00", "ann", 9.0))  # fmt: skip
    assert seen(of, at) == [{"price": 2.0}]


@pytest.mark.parametrize(
    ("operation", "value"),
    [
        (Operation.COUNT, 4), (Operation.SUM, 11.0), (Operation.AVERAGE, 2.75),
        (Operation.VARIANCE, 3.1875), (Operation.STDDEV, math.sqrt(3.1875)),
        (Operation.SAMPLE_VARIANCE, 4.25), (Operation.MIN, 1.0), (Operation.MAX, 5.0),
        (Operation.FIRST, 1.0), (Operation.LAST, 5.0), (Operation.FIRST_K(2), [1.0, 4.0]),
        (Operation.LAST_K(2), [5.0, 1.0]), (Operation.TOP_K(2), [5.0, 4.0]),
        (Operation.BOTTOM_K(3), [1.0, 1.0, 4.0]), (Operation.UNIQUE_COUNT, 3),
        (Operation.UNIQUE_TOP_K(2), [5.0, 4.0]),
    ],
    ids=str,
)  # fmt: skip
def test_rule_12_operations_over_1_4_1_5(operation: Operation, value: object):
    of = clicks(
        *((f"2024-01-01 1{at}:00", "ann", price) for at, price in enumerate((1.0, 4.0, 1.0, 5.0)))
    )
    at = views(("2024-01-01 20:00", "ann"))
    assert seen(of, at, Aggregation("price", operation, name="x")) == [{"x": value}]


def test_rule_12_a_histogram_keeps_the_greatest_counts_and_the_smaller_key_on_ties():
    words = EventSource(
        table="clicks", topic="log:///c", query=Query(["user", "word"], time_column="ts")
    )
    of = events("ts user word", *(("2024-01-01", "ann", word) for word in "cbabcd"))
    at = views(("2024-01-02", "ann"))
    two = Aggregation("word", Operation.HISTOGRAM_K(2), name="x")
    assert seen(of, at, two, sources=words) == [{"x": {"b": 2, "c": 2}}]
    one = Aggregation("word", Operation.HISTOGRAM_K(1), name="x")
    assert seen(of, at, one, sources=words) == [{"x": {"b": 2}}]


def test_rule_13_ties_in_time_are_broken_by_value_and_not_by_arrival():
    rows = [("2024-01-01 10:00", "ann", price) for price in (2.0, 3.0, 1.0)]
    at = views(("2024-01-01 11:00", "ann"))
    for of in (clicks(*rows), clicks(*reversed(rows))):
        found = seen(of, at, Aggregation("price", LAST), Aggregation("price", Operation.FIRST))
        assert found == [{"price_last": 3.0, "price_first": 1.0}]


def test_rule_13_text_orders_by_its_bytes():
    words = EventSource(
        table="clicks", topic="log:///c", query=Query(["user", "word"], time_column="ts")
    )
    of = events(
        "ts user word", ("2024-01-01", "ann", "\uffff"), ("2024-01-01", "ann", "\U0001f600")
    )
    highest = Aggregation("word", Operation.MAX, name="x")
    assert seen(of, views(("2024-01-02", "ann")), highest, sources=words) == [{"x": "\U0001f600"}]


def test_rule_14_float_sums_are_exact_whatever_left_the_window():
    of = clicks(*((f"2024-01-01 10:0{at}", "ann", price)
                  for at, price in enumerate((1e308, 1.0, 2.0**-53, 2.0**-1000))))  # fmt: skip
    at = views(("2024-01-01 10:08:30", "ann"))
    minutes = Aggregation("price", SUM, windows="7m", name="x")
    assert seen(of, at, minutes) == [{"x": 1.0 + 2.0**-52}]


def test_rule_14_a_sum_of_integers_out_of_range_is_null():
    ints = EventSource(
        table="clicks", topic="log:///c", query=Query(["user", "n"], time_column="ts")
    )
    top = 2**63 - 1
    of = events(
        "ts user n", *((f"2024-01-01 1{at}:00", "ann", n) for at, n in enumerate((top, top, -top)))
    )
    at = views(("2024-01-01 11:30", "ann"), ("2024-01-01 13:00", "ann"))
    found = seen(of, at, Aggregation("n", SUM, name="x", default=0), sources=ints)
    assert [row["x"] for row in found] == [None, top]


def test_rule_14_an_infinity_counts_only_in_the_windows_that_hold_it():
    of = clicks(("2024-01-01 10:00", "ann", math.inf), ("2024-01-01 12:00", "ann", 1.0))
    at = views(("2024-01-01 10:30", "ann"), ("2024-01-01 12:30", "ann"))
    found = seen(of, at, Aggregation("price", SUM, windows="1h", name="x"))
    assert [row["x"] for row in found] == [None, 1.0]


def test_rule_14_minus_zero_is_zero():
    of = clicks(("2024-01-01 10:00", "ann", -0.0))
    (row,) = seen(of, views(("2024-01-01 11:00", "ann")), Aggregation("price", LAST, name="x"))
    assert isinstance(row["x"], float)
    assert math.copysign(1.0, row["x"]) == 1.0


def test_rule_16_columns_are_named_after_input_operation_window_and_bucket():
    source = EventSource(
        table="clicks", topic="log:///c", query=Query(["user", "price", "shop"], time_column="ts")
    )
    of = events("ts user price shop", ("2024-01-01", "ann", 1.0, "x"))
    (row,) = seen(
        of,
        views(("2024-01-02", "ann")),
        Aggregation("price", LAST, windows=["1d", "7d"]),
        Aggregation("price", Operation.LAST_K(5)),
        Aggregation("price", SUM, windows="7d", buckets="shop"),
        sources=source,
    )
    assert list(row) == ["price_last_1d", "price_last_7d", "price_last5", "price_sum_7d_by_shop"]


def test_rule_16_two_columns_of_one_name_are_refused():
    with pytest.raises(DefinitionError, match="price_sum"):
        spent(Aggregation("price", SUM), Aggregation("price", SUM))


def test_rule_18_joined_columns_carry_prefix_and_group_by():
    dotted = GroupBy("shop.spent", sources=CLICKS, keys="user", aggregations=[TOTAL])
    join = Join("j", left=VIEWS, parts=[dotted, JoinPart(dotted, prefix="his")])
    tables = {"clicks": clicks(("2024-01-01", "ann", 1.0)), "views": views(("2024-01-02", "ann"))}
    (row,) = check(join, tables)
    assert row["shop_spent_total"] == row["his_shop_spent_total"] == 1.0


def test_rule_19_a_name_is_the_nearest_earlier_derivation_else_the_base_column():
    join = Join(
        "j",
        left=VIEWS,
        parts=[spent(TOTAL)],
        derivations={"spent_total": "spent_total * 2", "more": "spent_total + 1", "day": "ds"},
    )
    tables = {"clicks": clicks(("2024-01-01", "ann", 1.0)), "views": views(("2024-01-02", "ann"))}
    (row,) = check(join, tables)
    assert (row["spent_total"], row["more"], row["day"]) == (2.0, 3.0, "2024-01-02")


def test_rule_19_a_star_keeps_what_is_not_renamed():
    count = Aggregation("price", COUNT, name="count")
    join = Join(
        "j", left=VIEWS, parts=[spent(TOTAL, count)], derivations={"*": "*", "money": "spent_total"}
    )
    tables = {"clicks": clicks(("2024-01-01", "ann", 1.0)), "views": views(("2024-01-02", "ann"))}
    (row,) = check(join, tables)
    assert {"money", "spent_count"} < row.keys()
    assert "spent_total" not in row


def test_rule_22_a_hot_key_loses_no_row():
    of = clicks(
        *(("2024-01-01 10:00", "hot", 1.0) for _ in range(500)), ("2024-01-01", "cold", 1.0)
    )
    at = views(*(("2024-01-02", "hot") for _ in range(50)), ("2024-01-02", "cold"))
    found = seen(of, at, Aggregation("price", COUNT, name="x"))
    assert [row["x"] for row in found] == [500] * 50 + [1]


def test_rule_23_enrichment_is_frozen_at_the_event_s_own_time():
    parent = Join("parent", left=VIEWS, parts=[spent(TOTAL)])
    child = GroupBy(
        "child",
        sources=JoinSource(join=parent, query=Query(["user", "spent_total"])),
        keys="user",
        aggregations=[Aggregation("spent_total", LAST, name="x")],
    )
    join = Join("j", left=VIEWS, parts=[child])
    of = clicks(("2024-01-01 10:00", "ann", 1.0), ("2024-01-01 11:00", "ann", 2.0))
    at = views(
        ("2024-01-01 10:30", "ann"), ("2024-01-01 12:00", "ann"), ("2024-01-01 13:00", "ann")
    )
    # At 12:00 the click of 11:00 has been seen by no view yet: the view of 10:30 is frozen at 1.
    assert column("child_x", join, clicks=of, views=at) == [None, 1.0, 3.0]


def test_rule_23_rows_of_entities_read_at_their_day_s_end_through_a_chain_too():
    users = EntitySource(snapshot_table="users", query=Query(["user"]))
    parent = Join("parent", left=users, parts=[spent(TOTAL)])
    child = GroupBy(
        "child",
        sources=JoinSource(join=parent, query=Query(["user", "spent_total"])),
        keys="user",
        aggregations=[Aggregation("spent_total", LAST, name="x")],
    )
    again = JoinSource(join=parent, query=Query(["user"]))
    of = clicks(("2024-01-01 10:00", "ann", 1.0))
    held = entities("ds user", ("2024-01-01", "ann"), ("2024-01-02", "ann"))
    join = Join("j", left=again, parts=[child])
    assert column("child_x", join, clicks=of, users=held) == [None, 1.0]


def test_rule_26_selects_wheres_and_derivations_are_spark_sql():
    query = Query(
        {"user": "lower(user)", "price": "CASE WHEN price > 2 THEN price ELSE 0.0D END"},
        time_column="timestamp_millis(ts)",
    )
    source = EventSource(table="clicks", topic="log:///c", query=query)
    of = clicks(("2024-01-01 10:00", "ANN", 1.0), ("2024-01-01 10:00", "Ann", 4.0))
    at = views(("2024-01-01 11:00", "ann"))
    assert seen(of, at, TOTAL, sources=source) == [{"total": 4.0}]


def test_rule_26_an_unsupported_function_is_refused_by_name():
    source = EventSource(
        table="clicks", query=Query({"user": "user", "price": "xpath(user, 'a')"}, time_column="ts")
    )
    with pytest.raises(UnsupportedError, match="xpath"):
        build([spent(TOTAL, sources=source)], lambda _: clicks().schema)


def test_rule_27_a_fingerprint_covers_values_and_nothing_else():
    def fingerprint(aggregation: Aggregation, source: EventSource = CLICKS) -> str:
        group_by = spent(aggregation, sources=source)
        return build([group_by], lambda _: clicks().schema).node("spent").fingerprint

    other_topic = EventSource(table=CLICKS.table, topic="log:///moved", query=CLICKS.query)
    hop = Aggregation("price", SUM, name="total", windows="1d", hop="1m")
    assert fingerprint(TOTAL) == fingerprint(TOTAL, other_topic)
    assert len({fingerprint(each) for each in (
        TOTAL, hop, Aggregation("price", SUM, name="total", windows="1d"),
        Aggregation("price", Operation.MAX, name="total"),
    )}) == 4  # fmt: skip
