"""Chains whose rows read their parents as of half an hour before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stream.helping import Streamed

from catenary.definitions import (
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.plan.settings import ChainSettings
from catenary.windows import MINUTE_MS, ds_start_ms

if TYPE_CHECKING:
    from pathlib import Path

NOON = ds_start_ms("2024-03-01") + 720 * MINUTE_MS
CLICKS = EventSource(table="t", topic="log:///t", query=Query(["user", "x"], time_column="ts"))
SPENT = GroupBy(
    "spent",
    sources=CLICKS,
    keys="user",
    aggregations=[Aggregation("x", Operation.MAX, windows=["1d"])],
)
WORTH = GroupBy(
    "worth",
    sources=JoinSource(
        join=Join("seen", left=CLICKS, parts=[SPENT]),
        query=Query({"user": "user", "spent": "spent_x_max_1d"}),
    ),
    keys="user",
    aggregations=[Aggregation("spent", Operation.MAX, windows=["1d"])],
)


def test_rows_are_exact_and_floors_trail_by_so_much_more(tmp_path: Path) -> None:
    settings = ChainSettings(query_shift_ms=-30 * MINUTE_MS)
    chain = Streamed(tmp_path, WORTH, settings)
    chain.publish(("u", float(minute), NOON + minute * MINUTE_MS) for minute in range(120))
    chain.catch_up()
    # Those up to minute 30 find no click before half an hour ago; that of minute 119 the one of 88.
    assert chain.stages[1].status.edges == {("spent", "missing"): 31, ("spent", "ok"): 89}
    row = chain.fetcher.fetch("worth", {"user": "u"}, at=NOON + 120 * MINUTE_MS)
    assert (row["spent_max_1d"], row.status) == (88.0, "ok")
    # The head's horizon is ten minutes, and floors are those of base tiles.
    assert chain.floors() == [NOON + 75 * MINUTE_MS] * 2
