"""The definitions that the live workers stream: one stage, chains on it, one of short windows, five folds, a wide one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bench.workers.shape import FOLDS, HOUR
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


def _chained(parent: GroupBy, name: str, feature: str, *, key: str, fold: Operation) -> GroupBy:
    """A stage on the events beside a parent's feature."""
    return GroupBy(
        name,
        sources=JoinSource(
            join=Join(f"for_{name}", left=_SOURCE, parts=[parent]),
            query=Query({key: key, "value": feature}),
        ),
        keys=key,
        aggregations=[Aggregation("value", fold, windows=["1h", "1d"])],
    )


SECOND = _chained(FIRST, "second", "first_x_sum_1d", key="item", fold=Operation.AVERAGE)
THIRD = _chained(SECOND, "third", "second_value_average_1h", key="user", fold=Operation.MAX)
FOURTH = _chained(THIRD, "fourth", "third_value_max_1h", key="item", fold=Operation.SUM)
SHORT = GroupBy(
    "short",
    sources=_SOURCE,
    keys="user",
    aggregations=[
        Aggregation("x", Operation.SUM, windows=["1h", "12h", "1d"]),
        Aggregation("n", Operation.COUNT, windows=["1h", "1d"]),
    ],
)
FIVE = GroupBy(
    "five",
    sources=_SOURCE,
    keys="user",
    aggregations=[
        Aggregation(column, getattr(Operation, operation.upper()), windows=[f"{hours}h"])
        for column, operation, hours in FOLDS
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
WIDE_MS = 10 * HOUR
"""Its longest window."""
KNOWN = {each.name: each for each in (FIRST, SECOND, THIRD, FOURTH, SHORT, FIVE, WIDE)}


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
