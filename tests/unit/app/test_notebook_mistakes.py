"""What a notebook is told when it gives `catenary.backfill` the wrong thing."""

import pyarrow as pa
import pytest

import catenary
from catenary import (
    Aggregation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.errors import CatenaryError, DataError, DefinitionError, SettingsError

VISITS = EventSource(
    table="visits", query=Query(selects=["user", "dwell"], time_column="at"), topic="log:///v"
)
DWELL = GroupBy(
    name="dwell",
    sources=VISITS,
    keys="user",
    aggregations=[Aggregation("dwell", Operation.SUM, windows="1d")],
)
RELATIVE = Join(
    name="relative",
    left=VISITS,
    parts=[DWELL],
    contextual="dwell",
    derivations={"relative": "dwell / dwell_dwell_sum_1d"},
)
TABLES = {"visits": pa.table({"user": [1], "dwell": [2.0], "at": [86_400_000]})}
LEFT = pa.table({"user": [1], "ts": [86_400_001]})


def test_a_frame_without_a_column_that_a_derivation_uses_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="no column 'dwell', which derivation 'relative' uses"):
        catenary.backfill(RELATIVE, left=LEFT, tables=TABLES, root=tmp_path)


def test_a_frame_with_that_column_is_answered(tmp_path):
    left = LEFT.append_column("dwell", pa.array([3.0]))
    found = catenary.backfill(RELATIVE, left=left, tables=TABLES, root=tmp_path)
    assert found.column("relative").to_pylist() == [1.5]


def test_the_name_of_a_definition_is_no_definition(tmp_path):
    with pytest.raises(DefinitionError, match="'relative' is no definition"):
        catenary.backfill("relative", left=LEFT, tables=TABLES, root=tmp_path)


def test_a_project_made_of_a_folder_is_told_how_to_open_it(tmp_path):
    with pytest.raises(SettingsError, match=r"write Project\.open\("):
        catenary.Project(str(tmp_path))
    assert catenary.Project.open(tmp_path).settings.root == tmp_path


DAY = 86_400_000
CLICKS = EventSource(
    table="clicks", query=Query(["user", "price"], time_column="at"), topic="log:///clicks"
)
SPENT = GroupBy(
    "spent", sources=CLICKS, keys="user", aggregations=[Aggregation("price", Operation.SUM)]
)
CLICKED = {"clicks": pa.table({"user": [1], "price": [3.5], "at": [DAY - 1]})}


def test_rule_09_a_frame_s_key_of_another_family_is_refused() -> None:
    frame = pa.table({"user": ["1", "01"], "ts": [DAY, DAY]})
    with pytest.raises(
        DataError, match=r"key column 'user' of the frame is string, the key is bigint"
    ):
        catenary.backfill(SPENT, left=frame, tables=CLICKED)


def test_whole_floats_stand_for_integer_keys_as_pandas_makes_them() -> None:
    frame = pa.table({"user": pa.array([1.0, None]), "ts": [DAY, DAY]})
    found = catenary.backfill(SPENT, left=frame, tables=CLICKED)
    assert found.column("price_sum").to_pylist() == [3.5, None]


def test_a_column_of_the_frame_does_not_hide_a_feature() -> None:
    frame = pa.table({"user": [1], "ts": [DAY], "price_sum": [9.0]})
    with pytest.raises(DataError, match=r"has a column 'price_sum', and so has 'spent'"):
        catenary.backfill(SPENT, left=frame, tables=CLICKED)


def test_a_table_that_nothing_reads_is_named_with_its_nearest() -> None:
    frame = pa.table({"user": [1], "ts": [DAY]})
    with pytest.raises(DataError, match=r"did you mean 'clicks'"):
        catenary.backfill(SPENT, left=frame, tables={"click": CLICKED["clicks"]})


def test_days_do_not_go_with_a_frame() -> None:
    frame = pa.table({"user": [1], "ts": [DAY]})
    with pytest.raises(DefinitionError, match="left= brings its own times"):
        catenary.backfill(SPENT, left=frame, tables=CLICKED, start="2024-01-01")


def test_an_accuracy_is_no_text() -> None:
    with pytest.raises(DefinitionError, match=r"Accuracy\.SNAPSHOT"):
        GroupBy("g", sources=CLICKS, keys="user", accuracy="snapshot")  # pyright: ignore[reportArgumentType]


def test_a_plan_shows_itself() -> None:
    made = catenary.plan_of(SPENT, tables=CLICKED)
    assert "GroupBy spent" in repr(made)


def test_several_rows_of_a_snapshot_are_named_in_a_frame_s_run_too() -> None:
    """The parent is computed for the frame's sake; its error is told, not what came of it."""
    plans = EntitySource(snapshot_table="plans", query=Query(["user", "plan"]))
    clicks = Join("clicked", left=CLICKS, parts=[GroupBy("plans", sources=plans, keys="user")])
    by_plan = GroupBy(
        "by_plan",
        sources=JoinSource(join=clicks, query=Query({"user": "user", "plan": "plans_plan"})),
        keys="user",
        aggregations=[Aggregation("plan", Operation.LAST)],
    )
    twice = pa.table({"user": [1, 1], "plan": ["a", "b"], "ds": ["1970-01-01"] * 2})
    clicks_of_day_2 = pa.table({"user": [1], "price": [1.0], "at": [DAY + 1]})
    frame = pa.table({"user": [1], "ts": [2 * DAY]})
    with pytest.raises(CatenaryError, match="2 rows for user=1"):
        catenary.backfill(by_plan, left=frame, tables={"clicks": clicks_of_day_2, "plans": twice})
