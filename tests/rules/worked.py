"""Shorthand for the rules' tests: one table of clicks, one of views, a GroupBy between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.definitions import Aggregation, EventSource, GroupBy, Join, JoinPart, Operation, Query
from catenary.testing import check, events

if TYPE_CHECKING:
    from catenary.definitions import Source
    from catenary.testing import Rows

CLICKS = EventSource(
    table="clicks", topic="log:///clicks", query=Query(["user", "price"], time_column="ts")
)
VIEWS = EventSource(table="views", topic="log:///views", query=Query(["user"], time_column="ts"))
TOTAL = Aggregation("price", Operation.SUM, name="total")


def clicks(*rows: tuple[object, ...]) -> Rows:
    """Clicks of (time, user, price)."""
    return events("ts user:string price:double", *rows)


def views(*rows: tuple[object, ...]) -> Rows:
    """Views of (time, user)."""
    return events("ts user:string", *rows)


def spent(*aggregations: Aggregation, sources: Source = CLICKS, **more: object) -> GroupBy:
    """A GroupBy over clicks, by user."""
    return GroupBy("spent", sources=sources, keys="user", aggregations=aggregations, **more)  # type: ignore[arg-type]


def column(name: str, join: Join, **tables: Rows) -> list[object]:
    """One column of the join's output, after the engine has agreed with the oracle on all."""
    return [row[name] for row in check(join, tables)]


def seen(of: Rows, at: Rows, *aggregations: Aggregation, **more: object) -> list[dict[str, object]]:
    """What each view sees of the clicks, without the part's prefix."""
    join = Join("seen", left=VIEWS, parts=[JoinPart(spent(*aggregations, **more))])
    return [
        {name.removeprefix("spent_"): value for name, value in row.items() if "spent" in name}
        for row in check(join, {"clicks": of, "views": at})
    ]
