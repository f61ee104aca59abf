from __future__ import annotations

import subprocess
import sys

import pytest

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
from catenary.errors import (
    CycleError,
    DefinitionError,
    ExpressionError,
    MissingTableError,
    UnsupportedError,
)
from catenary.plan import build
from catenary.schema import BIGINT, DOUBLE, STRING, Schema


def refusal(error: type[Exception], make) -> str:
    with pytest.raises(error) as caught:
        make()
    return str(caught.value)


def test_nodes_come_after_what_they_read(world):
    top = Join("top", left=world.clicks(), parts=[world.chained(), world.people()])
    plan = world.plan_of(top)
    assert [node.name for node in plan.nodes] == ["amounts", "joined", "chained", "people", "top"]
    assert plan.targets == ("top",)


def test_a_definition_used_twice_is_one_node(world):
    plan = world.plan_of(world.joined("a"), world.joined("b"))
    assert [node.name for node in plan.nodes] == ["amounts", "a", "b"]


def test_targets_choose_what_is_built(world):
    both = [world.amounts("a"), world.amounts("b")]
    assert [node.name for node in world.plan_of(*both, targets=["b"]).nodes] == ["b"]
    assert "did you mean" in refusal(
        DefinitionError, lambda: world.plan_of(world.amounts("totals"), targets=["total"])
    )


def test_a_definition_without_a_name_is_refused_with_the_place(world):
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(None)))
    assert "has no name" in text
    assert "conftest.py:" in text


def test_a_mapping_names_definitions(world):
    assert build({"given": world.amounts(None)}, world.schemas).nodes[0].name == "given"
    text = refusal(DefinitionError, lambda: build({"x": world.amounts("y")}, world.schemas))
    assert "'y' is given as 'x'" in text


def test_two_different_definitions_of_one_name_are_refused(world):
    def make():
        return world.plan_of(world.amounts("same"), world.amounts("same", windows="1d"))

    assert "two different definitions are named 'same'" in refusal(DefinitionError, make)


def test_a_name_among_its_own_parents_is_a_cycle_that_is_printed(world):
    inner = world.chained("loop")
    outer = Join("middle", left=world.clicks(), parts=[inner])
    source = JoinSource(join=outer, query=Query({"item": "item", "amount": "amount"}))
    loop = world.amounts("loop", sources=source, keys="item")
    assert "loop -> middle -> loop" in refusal(CycleError, lambda: world.plan_of(loop))


def test_a_cycle_made_by_hand_ends_in_an_error_and_not_in_a_loop(world):
    join = world.joined()
    child = world.chained(parent=join)
    object.__setattr__(join, "parts", (JoinPart(child),))
    assert "chained -> joined -> chained" in refusal(CycleError, lambda: world.plan_of(child))


def test_a_missing_table_says_who_reads_it(world):
    text = refusal(MissingTableError, lambda: world.plan_of(
        world.amounts(sources=world.clicks(table="click"))))  # fmt: skip
    assert "did you mean 'clicks'?" in text
    assert "conftest.py:" in text


@pytest.mark.parametrize(
    "query",
    [
        {"selects": {"user": "user", "amount": "amont"}},
        {"wheres": "amont > 1"},
        {"time_column": "att"},
    ],
)
def test_an_unknown_column_is_found_wherever_it_is_written(world, query):
    text = refusal(ExpressionError, lambda: world.plan_of(
        world.amounts(sources=world.clicks(**query))))  # fmt: skip
    assert "did you mean" in text
    assert "conftest.py:" in text


def test_a_where_is_boolean_and_a_time_is_bigint_or_timestamp(world):
    bad_where = world.amounts(sources=world.clicks(wheres="score"))
    assert "is int, not boolean" in refusal(DefinitionError, lambda: world.plan_of(bad_where))
    for time, hint in (("score", "CAST(score AS bigint)"), ("user", "CAST(user AS timestamp)")):
        bad_time = world.amounts(sources=world.clicks(time_column=time))
        assert hint in refusal(DefinitionError, lambda bad=bad_time: world.plan_of(bad))
    world.plan_of(world.amounts(sources=world.clicks(time_column="moment")))


def test_a_bare_null_has_no_type(world):
    source = world.clicks({"user": "user", "amount": "NULL"})
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(sources=source)))
    assert "CAST(NULL AS" in text


def test_a_key_that_is_not_selected_is_refused(world):
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(keys="usr")))
    assert "did you mean 'user'?" in text


def test_selecting_nothing_in_particular_selects_every_column(world):
    plan = world.plan_of(world.amounts(sources=world.clicks(None)))
    assert "tags" in plan.nodes[0].sources[0].schema
    assert "ds" not in plan.nodes[0].sources[0].schema


def test_every_column_of_a_parent_is_selected_when_none_is_named(world):
    child = world.amounts(
        "child",
        sources=JoinSource(join=world.joined()),
        keys="item",
        aggregations=[Aggregation("amounts_amount_sum_7d", Operation.MAX)],
    )
    source = world.plan_of(child).node("child").sources[0]
    assert list(source.schema) == ["user", "item", "amounts_amount_sum_7d"]
    assert (source.kind, source.table, source.topic) == ("join", "joined", "log:///t")


def test_names_that_are_words_of_sql_can_be_selected(world):
    source = EventSource(table="odd", query=Query(time_column="at"))
    node = world.plan_of(GroupBy("odd_rows", sources=source, keys="user")).nodes[0]
    assert list(node.schema) == ["order", "first name", "at"]


def test_a_partition_column_of_another_name_is_left_out_of_select_all(world):
    source = EventSource(table="views", query=Query(time_column="at"), partition_column="day")
    node = world.plan_of(GroupBy("v", sources=source, keys="user")).nodes[0]
    assert node.sources[0].partition_column == "day"
    assert "day" not in node.schema


def test_sources_of_one_group_by_give_the_same_columns(world):
    two = [world.clicks(["user", "amount"]), world.clicks(["user", "amount"], table="views")]
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(sources=two)))
    assert "'amount' is double in 'clicks' and int in 'views'" in text
    fewer = [world.clicks(["user", "amount"]), world.clicks(["user", "amount", "item"])]
    assert "'item' is absent" in refusal(
        DefinitionError, lambda: world.plan_of(world.amounts(sources=fewer))
    )


def test_inputs_and_buckets_are_columns_of_the_sources(world):
    for fold in (
        Aggregation("amont", Operation.SUM),
        Aggregation("amount", Operation.SUM, buckets="itm"),
    ):
        text = refusal(DefinitionError, lambda fold=fold: world.plan_of(
            world.amounts(aggregations=[fold])))  # fmt: skip
        assert "did you mean" in text
        assert "test_builder.py:" in text


def test_an_operation_that_does_not_take_its_input_is_refused_where_it_was_written(world):
    fold = Aggregation("user", Operation.SUM)
    with pytest.raises((DefinitionError, UnsupportedError), match=r"test_builder\.py:"):
        world.plan_of(world.amounts(aggregations=[fold]))


def test_operations_that_are_not_there_yet_are_refused_by_name(world):
    fold = Aggregation("amount", Operation("approx_unique_count"))
    text = refusal(UnsupportedError, lambda: world.plan_of(world.amounts(aggregations=[fold])))
    assert "approx_unique_count" in text


def test_temporal_accuracy_over_snapshots_is_refused_by_name(world):
    text = refusal(UnsupportedError, lambda: world.plan_of(
        world.people(accuracy=Accuracy.TEMPORAL)))  # fmt: skip
    assert "mutations" in text


def test_windows_over_rows_without_a_time_are_refused(world):
    folds = [Aggregation("age", Operation.MAX, windows="1d")]
    assert "without a time" in refusal(
        DefinitionError, lambda: world.plan_of(world.people(aggregations=folds))
    )


def test_latest_by_is_a_column(world):
    assert "did you mean 'age'?" in refusal(
        DefinitionError, lambda: world.plan_of(world.people(latest_by="aeg"))
    )


def test_events_without_aggregations_pass_through(world):
    node = world.plan_of(world.amounts(aggregations=None)).nodes[0]
    assert node.passthrough == ("item", "amount")
    assert node.reach_ms is None
    assert node.schema == Schema.of(item=BIGINT, amount=DOUBLE)


def test_contextual_columns_are_columns_of_the_left(world):
    text = refusal(DefinitionError, lambda: world.plan_of(world.joined(contextual="itme")))
    assert "did you mean 'item'?" in text


def test_a_join_may_stand_on_the_left_of_a_join(world):
    outer = world.joined(
        "outer", left=JoinSource(join=world.joined("inner")), parts=[world.people()]
    )
    node = world.plan_of(outer).node("outer")
    assert list(node.schema) == ["user", "item", "amounts_amount_sum_7d", "ts", "people_age"]
    assert node.left.late_partitions == 1
    assert node.left.topic == "log:///t"


def test_entities_stay_entities_when_a_join_of_them_is_a_left(world):
    inner = world.joined("inner", left=EntitySource(snapshot_table="users"))
    left = (
        world.plan_of(world.joined("outer", left=JoinSource(join=inner), parts=[]))
        .node("outer")
        .left
    )
    assert left.left_is_entities
    assert left.at_day_end


def test_planning_is_light():
    heavy = "numpy", "pyarrow", "polars", "sqlglot"
    code = f"import sys, catenary.plan; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rule_02_the_default_hop_follows_the_window_and_another_is_kept(world):
    folds = [
        Aggregation("amount", Operation.SUM, windows=["12d", "12h", "1h", "59m"]),
        Aggregation("amount", Operation.MAX, windows="1d", hop="1m"),
    ]
    node = world.plan_of(world.amounts(aggregations=folds)).nodes[0]
    hour = 3_600_000
    hops = [each.hop_ms for each in node.features]
    assert hops == [24 * hour, hour, hour // 12, hour // 60, hour // 60]
    assert node.reach_ms == 13 * 24 * hour


def test_rule_02_a_hop_longer_than_its_window_is_refused(world):
    fold = Aggregation("amount", Operation.SUM, windows="1h", hop="2h")
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(aggregations=[fold])))
    assert "hop=2h is longer than window 1h" in text


def test_rule_03_a_topic_makes_a_group_by_temporal_and_its_absence_snapshot(world):
    assert world.plan_of(world.amounts()).nodes[0].accuracy is Accuracy.TEMPORAL
    quiet = world.plan_of(world.amounts(sources=world.clicks())).nodes[0]
    assert (quiet.accuracy, quiet.accuracy_inferred) == (Accuracy.SNAPSHOT, True)
    one_of_two = world.amounts(sources=[world.clicks(), world.clicks(topic="log:///t")])
    assert world.plan_of(one_of_two).nodes[0].accuracy is Accuracy.TEMPORAL


def test_rule_03_a_join_source_has_the_accuracy_of_its_left_through_any_chain(world):
    quiet = world.joined(left=world.clicks(["user", "item"]))
    assert world.plan_of(world.chained(parent=quiet)).node("chained").accuracy is Accuracy.SNAPSHOT
    outer = world.joined("outer", left=JoinSource(join=world.joined()), parts=[world.people()])
    child = world.amounts(
        "deep",
        sources=JoinSource(join=outer),
        aggregations=[Aggregation("people_age", Operation.MAX, windows="1h")],
    )
    assert world.plan_of(child).node("deep").accuracy is Accuracy.TEMPORAL


def test_rule_03_snapshot_accuracy_takes_whole_days_only(world):
    for window in ("12h", "25h", "90m"):
        text = refusal(DefinitionError, lambda window=window: world.plan_of(
            world.amounts(sources=world.clicks(), windows=window)))  # fmt: skip
        assert f"window {window} is not whole days" in text
    world.plan_of(world.amounts(sources=world.clicks(), windows=["24h", "7d"]))


def test_rule_09_floats_are_no_keys(world):
    text = refusal(DefinitionError, lambda: world.plan_of(world.amounts(keys="amount")))
    assert "double, which is no key type" in text


def test_rule_09_integers_of_every_width_are_one_family_and_text_is_another(world):
    by_item = world.amounts("by_item", keys="item")
    narrow = world.clicks({"item": "CAST(score AS int)", "user": "user"})
    world.plan_of(world.joined(left=narrow, parts=[by_item]))
    part = JoinPart(by_item, key_mapping={"user": "item"})
    text = refusal(DefinitionError, lambda: world.plan_of(world.joined(parts=[part])))
    assert "left column 'user' is string, key 'item' of 'by_item' is bigint" in text


def test_rule_09_a_left_without_the_key_says_how_to_map_one(world):
    text = refusal(DefinitionError, lambda: world.plan_of(
        world.joined(left=world.clicks(["item"]))))  # fmt: skip
    assert "key_mapping=" in text


def test_rule_16_columns_are_named_by_input_operation_window_and_bucket(world):
    folds = [
        Aggregation("amount", Operation.LAST_K(3), windows="7d"),
        Aggregation("amount", Operation.SUM, windows="1d", buckets="item"),
        Aggregation("amount", Operation.COUNT, name="purchases"),
    ]
    node = world.plan_of(world.amounts(aggregations=folds)).nodes[0]
    assert list(node.schema) == ["amount_last3_7d", "amount_sum_1d_by_item", "purchases"]
    assert str(node.schema["amount_sum_1d_by_item"]) == "map<bigint,double>"


def test_rule_16_two_joined_columns_of_one_name_are_refused(world):
    text = refusal(DefinitionError, lambda: world.plan_of(
        world.joined(parts=[world.amounts(), world.amounts()])))  # fmt: skip
    assert "two columns 'amounts_amount_sum_7d'" in text
    assert "prefix=" in text
    clash = world.clicks({"user": "user", "amounts_amount_sum_7d": "score"})
    assert "two columns" in refusal(
        DefinitionError, lambda: world.plan_of(world.joined(left=clash))
    )


def test_rule_18_joined_columns_carry_prefix_group_by_and_column_as_identifiers(world):
    part = JoinPart(world.amounts("feats.user-amounts"), prefix="seller")
    node = world.plan_of(world.joined(parts=[part, world.people()])).node("joined")
    names = ["seller_feats_user_amounts_amount_sum_7d", "people_age"]
    assert list(node.base_schema) == names
    assert node.schema["user"] == STRING
