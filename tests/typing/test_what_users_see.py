"""What an editor and a type checker see of the public words; checked by basedpyright, run as a test."""

from __future__ import annotations

from typing import assert_type

from catenary.definitions import (
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
    Window,
)
from catenary.plan import Plan, build, explain
from catenary.schema import BIGINT, STRING, Schema


def test_definitions_have_the_types_that_their_names_promise() -> None:
    events = EventSource(table="t", query=Query(["user", "at"], time_column="at"))
    folded = GroupBy(
        "folded",
        sources=events,
        keys="user",
        aggregations=[Aggregation("at", Operation.LAST_K(5), windows=["7d", "1d"])],
    )
    joined = Join("joined", left=events, parts=[folded])
    assert_type(folded.keys, tuple[str, ...])
    assert_type(folded.aggregations[0].windows, tuple[Window, ...])
    assert_type(joined.name, str | None)
    assert_type(JoinSource(join=joined).join, Join)
    plan = build([joined], lambda _: Schema.of(user=STRING, at=BIGINT))
    assert_type(plan, Plan)
    assert_type(explain(plan), str)
    assert plan.targets == ("joined",)
