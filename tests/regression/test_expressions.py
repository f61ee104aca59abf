"""Expressions that once gave one value in a batch and another on a single row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from catenary.expressions import batch, compile_expression
from catenary.schema import BIGINT, DOUBLE, TIMESTAMP, Schema

SCHEMA = Schema.of({"d": DOUBLE, "i": BIGINT, "t": TIMESTAMP})
ROWS = [
    {"d": at * 0.37 - 9, "i": at - 50, "t": datetime(1999, 1, 1, tzinfo=UTC) + timedelta(0, at, at)}
    for at in range(100)
] + [{"d": 1.5, "i": None, "t": None}, {"d": None, "i": 3, "t": None}]
TABLE = pa.Table.from_pylist(
    ROWS,
    schema=pa.schema(
        {"d": pa.float64(), "i": pa.int64(), "t": pa.timestamp("us", tz="UTC")}.items()
    ),
)


@pytest.mark.parametrize(
    "text",
    [
        "d / 2.5D",
        "d / 49",
        "i / 3",
        "(d + 1) / (1 + 6)",
        "d / CAST(7 AS BIGINT)",
        "7 / d",
        "1.5D / 2.5D",
        "CAST(t AS DOUBLE)",
        "d / 0",
        "d / NULL",
    ],
)
def test_dividing_by_a_constant_is_correctly_rounded_in_a_batch_too(text: str) -> None:
    expression = compile_expression(text, SCHEMA)
    one_by_one = [expression.evaluate_row(row) for row in ROWS]
    assert batch.evaluate([("x", expression)], TABLE).column("x").to_pylist() == one_by_one


def test_a_batch_of_one_row_divides_as_a_single_row_does() -> None:
    expression = compile_expression("d / 2.5D", SCHEMA)
    found = batch.evaluate([("x", expression)], TABLE.slice(100, 1)).column("x").to_pylist()
    assert found == [0.6]
