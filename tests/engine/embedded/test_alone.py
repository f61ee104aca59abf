"""A GroupBy by itself: which keys have a row on a day, as the oracle says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.definitions import Aggregation, EntitySource, EventSource, GroupBy, Operation, Query
from catenary.testing import differences, entities, events, features
from catenary.testing.oracle import Oracle

if TYPE_CHECKING:
    from catenary.testing.rows import Rows


def clicks(default: int | None, windows: str | None = "1d") -> GroupBy:
    source = EventSource(
        table="clicks", topic="log:///clicks", query=Query(["user", "n"], time_column="ts")
    )
    aggregation = Aggregation("n", Operation.SUM, windows=windows, default=default)
    return GroupBy("clicked", sources=source, keys="user", aggregations=[aggregation])


CLICKS = {
    "clicks": events(
        "ts user n",
        ("2024-01-01 10:00", "ann", 3),
        ("2024-01-02 10:00", "bob", 5),
        ("2024-01-03 10:00", "ann", None),
    )
}


def agreed(group_by: GroupBy, tables: dict[str, Rows]) -> list[dict[str, object]]:
    """The engine's rows, once the oracle has said the same for every day."""
    found = features(group_by, tables)
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert differences(found, Oracle(tables).group_by(group_by, days)) == []
    return found


@pytest.mark.parametrize("default", [None, 0])
def test_a_default_makes_no_row_for_a_key_that_has_no_value(default: int | None) -> None:
    found = agreed(clicks(default), CLICKS)
    assert [(row["ds"], row["user"], row["n_sum_1d"]) for row in found] == [
        ("2024-01-01", "ann", 3),
        ("2024-01-02", "bob", 5),
    ]


def test_a_default_fills_the_other_columns_of_a_row_that_is_there() -> None:
    source = clicks(None).sources[0]
    both = GroupBy(
        "clicked",
        sources=source,
        keys="user",
        aggregations=[
            Aggregation("n", Operation.SUM, windows="1d", default=0),
            Aggregation("n", Operation.COUNT),
        ],
    )
    found = agreed(both, CLICKS)
    assert [(row["ds"], row["user"], row["n_sum_1d"], row["n_count"]) for row in found] == [
        ("2024-01-01", "ann", 3, 1),
        ("2024-01-02", "ann", 0, 1),
        ("2024-01-02", "bob", 5, 1),
        ("2024-01-03", "ann", 0, 1),
        ("2024-01-03", "bob", 0, 1),
    ]


def test_rule_01_rows_of_a_snapshot_that_holds_count_from_their_own_time_on() -> None:
    source = EntitySource(
        snapshot_table="plans", holds=True, query=Query(["user", "fee"], time_column="since")
    )
    fees = GroupBy(
        "fees",
        sources=source,
        keys="user",
        aggregations=[Aggregation("fee", Operation.SUM)],
    )
    # The snapshot of the 1st already knows of a fee that begins on the 2nd.
    day = 1_704_067_200_000
    rows = entities(
        "ds user fee since:bigint",
        ("2024-01-01", "ann", 3, day + 1),
        ("2024-01-01", "ann", 4, day + 86_400_000 + 1),
        ("2024-01-03", "ann", 9, day + 2),
    )
    found = agreed(fees, {"plans": rows})
    assert [(row["ds"], row["fee_sum"]) for row in found] == [
        ("2024-01-01", 3),
        ("2024-01-02", 7),
        ("2024-01-03", 9),
    ]
