from __future__ import annotations

import pytest

from catenary.definitions import EntitySource, JoinSource, Query
from catenary.errors import DefinitionError, MissingPartitionError
from catenary.plan import partitions, partitions_for_reads
from catenary.windows import DAY_MS, ds_range, ds_start_ms

ALL = ds_range("2024-01-01", "2024-03-31")


def work_of(world, *definitions, tables=None, standing=None, targets=None, **asked):
    plan = world.plan_of(*definitions, targets=targets)
    tables, standing = tables or {}, standing or {}
    return partitions(
        plan,
        inputs=lambda table, column: tables.get(table, ALL),
        outputs=lambda node: standing.get(node.name, ()),
        **asked,
    )


def span(days):
    assert list(days) == list(ds_range(days[0], days[-1])), "no holes"
    return days[0], days[-1]


def test_only_missing_days_are_computed(world):
    days = ds_range("2024-02-01", "2024-02-05")
    step = work_of(
        world, world.joined(), start=days[0], end=days[-1], standing={"joined": days[1:3]}
    ).step("joined")
    assert step.compute == (days[0], days[3], days[4])
    assert step.standing == days[1:3]


def test_force_computes_the_targets_again_and_not_their_parents(world):
    asked = {"start": "2024-02-01", "end": "2024-02-01", "standing": {"top": ALL, "joined": ALL}}
    top = world.joined("top", parts=[world.chained()])
    work = work_of(world, top, force=True, **asked)
    assert work.step("top").compute == ("2024-02-01",)
    assert work.step("joined").compute == ()


def test_a_parent_is_wanted_as_far_as_the_window_reaches_and_late_days_after(world):
    top = world.joined("top", parts=[world.chained(windows="7d")])
    work = work_of(world, top, start="2024-02-10", end="2024-02-12")
    # A late row of 02-10 is read at 02-09 00:00 at the earliest, seven days before is 02-02.
    assert span(work.step("joined").compute) == ("2024-02-02", "2024-02-13")
    assert work.step("chained") is None, "parts are computed with the rows of their Join"


def test_a_parent_is_wanted_only_where_its_rows_exist(world):
    top = world.joined("top", left=world.clicks(table="views", topic="log:///v"),
                       parts=[world.chained(windows="7d")])  # fmt: skip
    work = work_of(world, top, start="2024-02-01", end="2024-02-12",
                   tables={"clicks": ds_range("2024-01-30", "2024-02-12")})  # fmt: skip
    assert span(work.step("joined").compute) == ("2024-01-30", "2024-02-12")


def test_without_a_window_everything_from_the_first_day_is_read(world):
    top = world.joined("top", parts=[world.chained(windows=())])
    work = work_of(world, top, start="2024-02-10", end="2024-02-10")
    assert span(work.step("joined").compute) == ("2024-01-01", "2024-02-11")


def test_reads_are_exact_to_the_floored_start_of_the_window(world):
    step = work_of(world, world.amounts(windows="1d"), start="2024-02-10", end="2024-02-10").step(
        "amounts"
    )
    # Read at 02-11 00:00: the window begins at 02-10 00:00; rows of 02-10 may lie in 02-11.
    assert span(step.reads[0].days) == ("2024-02-10", "2024-02-11")


def test_snapshot_parts_are_read_at_midnight(world):
    part = world.amounts(sources=world.clicks(), windows="1d")
    step = work_of(world, world.joined(parts=[part]), start="2024-02-10", end="2024-02-10").step(
        "joined"
    )
    # Reads floor to 02-09 00:00 (a late row) and 02-10 00:00.
    assert span(step.reads[1].days) == ("2024-02-08", "2024-02-10")


def test_entities_are_read_from_the_days_before(world):
    step = work_of(
        world, world.joined(parts=[world.people()]), start="2024-02-10", end="2024-02-11"
    ).step("joined")
    assert span(step.reads[1].days) == ("2024-02-08", "2024-02-10")


def test_entities_that_hold_are_read_from_the_newest_before(world):
    step = work_of(world, world.joined(parts=[world.people(holds=True)]), start="2024-02-10",
                   end="2024-02-11", tables={"users": ("2023-12-30", "2023-12-31")}).step("joined")  # fmt: skip
    assert step.reads[1].days == ("2023-12-31",)
    assert step.reads[1].missing == ()


def test_entities_on_the_left_read_at_the_end_of_their_day(world):
    left = EntitySource(snapshot_table="users")
    step = work_of(world, world.joined(left=left, parts=[world.amounts(windows="1d"), world.people()]),
                   start="2024-02-10", end="2024-02-10").step("joined")  # fmt: skip
    assert span(step.reads[1].days) == ("2024-02-10", "2024-02-11")
    assert span(step.reads[2].days) == ("2024-02-10", "2024-02-10")


def test_a_parent_of_entities_lies_a_day_before_its_rows_times(world):
    parent = world.joined(left=EntitySource(snapshot_table="users"))
    child = world.amounts(
        "child",
        keys="home",
        sources=JoinSource(
            join=parent, query=Query({"home": "home", "amount": "amounts_amount_sum_7d"})
        ),
        windows="1d",
    )
    step = work_of(world, child, start="2024-02-10", end="2024-02-10").step("child")
    assert step.reads[0].days == ("2024-02-09",), "its rows have the time 02-10 00:00"


def test_a_left_that_is_a_join_wants_the_same_days(world):
    outer = world.joined("outer", left=JoinSource(join=world.joined("inner")), parts=[])
    work = work_of(world, outer, start="2024-02-01", end="2024-02-03")
    assert (
        work.step("inner").compute
        == work.step("outer").compute
        == ds_range("2024-02-01", "2024-02-03")
    )


def test_a_day_that_the_rows_lack_is_reported_and_others_are_computed(world):
    there = ("2024-02-01", "2024-02-03")
    step = work_of(world, world.joined(), start="2024-02-01", end="2024-02-04",
                   tables={"clicks": there}).step("joined")  # fmt: skip
    assert step.compute == there
    assert step.unavailable == ("2024-02-02", "2024-02-04")


def test_asking_for_days_of_which_none_can_be_computed_is_an_error(world):
    with pytest.raises(MissingPartitionError, match="it has 2024-01-01 to 2024-03-31"):
        work_of(world, world.joined(), start="2025-01-01", end="2025-01-02")


def test_asking_for_no_days_in_particular_of_an_empty_table_is_nothing_to_do(world):
    assert work_of(world, world.joined(), tables={"clicks": ()}).steps == ()


def test_holes_in_a_source_are_reported(world):
    holed = tuple(day for day in ALL if day != "2024-02-05")
    step = work_of(world, world.joined(), start="2024-02-07", end="2024-02-07",
                   tables={"clicks": holed}).step("joined")  # fmt: skip
    assert step.reads[1].missing == ("2024-02-05",)


def test_days_before_the_first_of_a_source_are_no_holes(world):
    step = work_of(world, world.joined(), start="2024-01-02", end="2024-01-02").step("joined")
    assert step.reads[1].missing == ()


def test_without_a_range_all_days_of_the_rows_are_computed(world):
    assert work_of(world, world.joined()).step("joined").compute == ALL
    assert work_of(world, world.amounts()).step("amounts").compute == ALL


def test_bounds_of_a_source_bound_what_is_read(world):
    left = world.clicks(["user", "item"], start="2024-02-02", end="2024-02-03")
    assert work_of(world, world.joined(left=left)).step("joined").compute == (
        "2024-02-02",
        "2024-02-03",
    )


def test_a_start_after_the_end_is_refused(world):
    with pytest.raises(DefinitionError, match="comes after"):
        work_of(world, world.joined(), start="2024-02-02", end="2024-02-01")


def test_two_children_want_the_union_of_their_days(world):
    one = world.joined("one", parts=[world.chained(windows="1d")])
    two = world.joined("two", parts=[world.chained(windows="1d")])
    work = work_of(world, one, two, start="2024-02-10", end="2024-02-10")
    assert span(work.step("joined").compute) == ("2024-02-08", "2024-02-11")
    assert [step.name for step in work.steps] == ["joined", "one", "two"]


def test_rows_that_a_caller_brings_want_parents_as_far_as_they_read(world):
    plan = world.plan_of(world.joined("top", parts=[world.chained(windows="1d")]))
    first = ds_start_ms("2024-02-10") + 1
    work = partitions_for_reads(
        plan, plan.node("top"), first, first + DAY_MS,
        inputs=lambda table, column: ALL, outputs=lambda node: (),
    )  # fmt: skip
    assert [step.name for step in work.steps] == ["joined"]
    assert span(work.step("joined").compute) == ("2024-02-09", "2024-02-12")
