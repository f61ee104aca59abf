"""The definitions that the live workers stream: one stage, chains on it, one of short windows, a wide one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from catenary import Aggregation, EventSource, GroupBy, Join, JoinSource, Operation, Query
from catenary.schema import BIGINT, DOUBLE, Schema

START_MS = 1_700_000_000_000
SCHEMA = Schema.of({"user": BIGINT, "item": BIGINT, "x": DOUBLE, "n": BIGINT, "ts": BIGINT})
_SOURCE = EventSource(
    table="t",
    topic="log:///t?codec=avro",
    query=Query(["user", "item", "x", "n"], time_column="ts"),
)
FIRST = GroupBy(
    "first",
    sources=_SOURCE,
    keys="user",
    aggregations=[
        Aggregation("x", Operation.SUM, windows=["1h", "1d"]),
        Aggregation("x", Operation.AVERAGE, windows=["12h"]),
        Aggregation("n", Operation.COUNT, windows=["1h"]),
        Aggregation("x", Operation.MAX, windows=["7d"]),
    ],
)
SECOND = GroupBy(
    "second",
    sources=JoinSource(
        join=Join("enriched", left=_SOURCE, parts=[FIRST]),
        query=Query({"item": "item", "spent": "first_x_sum_1d"}),
    ),
    keys="item",
    aggregations=[Aggregation("spent", Operation.AVERAGE, windows=["1h", "1d"])],
)
THIRD = GroupBy(
    "third",
    sources=JoinSource(
        join=Join("enriched_twice", left=_SOURCE, parts=[SECOND]),
        query=Query({"user": "user", "usual": "second_spent_average_1h"}),
    ),
    keys="user",
    aggregations=[Aggregation("usual", Operation.MAX, windows=["1h", "1d"])],
)
FOURTH = GroupBy(
    "fourth",
    sources=JoinSource(
        join=Join("enriched_thrice", left=_SOURCE, parts=[THIRD]),
        query=Query({"item": "item", "most": "third_usual_max_1h"}),
    ),
    keys="item",
    aggregations=[Aggregation("most", Operation.SUM, windows=["1h", "1d"])],
)
SHORT = GroupBy(
    "short",
    sources=_SOURCE,
    keys="user",
    aggregations=[
        Aggregation("x", Operation.SUM, windows=["1h", "12h", "1d"]),
        Aggregation("n", Operation.COUNT, windows=["1h", "1d"]),
    ],
)
WIDE = GroupBy(
    "wide",
    sources=_SOURCE,
    keys="user",
    aggregations=[
        Aggregation(column, operation, windows=[f"{hours}h" for hours in range(1, 11)])
        for column in ("x", "n")
        for operation in (
            Operation.SUM,
            Operation.AVERAGE,
            Operation.COUNT,
            Operation.MAX,
            Operation.MIN,
        )
    ],
)
KNOWN = {each.name: each for each in (FIRST, SECOND, THIRD, FOURTH, SHORT, WIDE)}


def happened(events: int, entities: int, ts: np.ndarray, *, seed: int = 0) -> pa.Table:
    """Rows of the topic over so many entities, at these instants."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "user": rng.integers(0, entities, events),
            "item": rng.integers(0, 1000, events),
            "x": np.round(rng.normal(size=events), 2),
            "n": rng.integers(0, 100, events),
            "ts": ts,
        }
    )
