"""The kernel, called in Spark's workers on Arrow batches, gives the rows that it gives here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from catenary.aggregate import kernel
from catenary.aggregate.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("default")]

MINUTE = 60_000
FEATURES = (
    Feature("total", "sum", "price", window_ms=60 * MINUTE, hop_ms=5 * MINUTE),
    Feature("many", "count", "price", default=0),
    Feature("last", "last_k", "price", k=2),
)
KEYS = 12


def rows() -> list[dict[str, object]]:
    """Events and reads of some keys; equal times, values that only exact sums get right, nulls."""
    found: list[dict[str, object]] = []
    for at in range(600):
        price = (1e16, 1.0, -1e16, 0.1, None)[at % 5]
        event = {"user": f"u{at % KEYS}", "ts": at // 7 * MINUTE, "price": price}
        found.append({**event, "id": at, "is_read": False})
    for at in range(200):
        read = {"user": f"u{at % (KEYS + 1)}", "ts": at // 2 * MINUTE + at % 2, "price": None}
        found.append({**read, "id": 1_000 + at, "is_read": True})
    return found


SCHEMA = pa.schema(
    [
        ("user", pa.string()), ("ts", pa.int64()), ("price", pa.float64()), ("id", pa.int64()),
        ("is_read", pa.bool_()),
    ]
)  # fmt: skip


def answered(table: pa.Table) -> pa.Table:
    """Reads with their features, from a table that holds events and reads of whole keys."""
    reads = table.filter(table["is_read"])
    events = table.filter(pc.invert(table["is_read"]))
    found = kernel.aggregate(events, reads, keys=["user"], features=FEATURES).columns
    columns = {"id": reads["id"], **{name: found[name] for name in found.column_names}}
    return pa.table(columns)


def in_a_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    held = list(batches)
    if held:
        yield from answered(pa.Table.from_batches(held)).to_batches()


def test_the_kernel_gives_in_map_in_arrow_what_it_gives_here(spark: SparkSession) -> None:
    from pyspark import cloudpickle

    # Workers cannot import this file: what it defines goes along.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    local = pa.Table.from_pylist(rows(), schema=SCHEMA)
    columns = "user string, ts bigint, price double, id bigint, is_read boolean"
    given = [tuple(row.values()) for row in local.select(columns_of(columns)).to_pylist()]
    frame = spark.createDataFrame(given, schema=columns).repartition(3, "user")
    result = "id bigint, total double, many bigint, last array<double>"
    found = frame.mapInArrow(in_a_worker, result).collect()
    expected = sorted(answered(local).to_pylist(), key=lambda row: row["id"])
    assert [row.asDict() for row in sorted(found, key=lambda row: row["id"])] == expected
    assert len(expected) == 200
    assert {row["many"] for row in expected} >= {0, 1, 2}, "reads before and after many events"


def columns_of(text: str) -> list[str]:
    return [each.split()[0] for each in text.split(", ")]
