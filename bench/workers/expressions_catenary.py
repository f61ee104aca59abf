"""One expression over one row, and over a million rows beside the same in Polars by hand.

The conversions from and to Arrow count on both sides.
"""

import json
import time
from statistics import median

import numpy as np
import polars as pl
import pyarrow as pa

from catenary.expressions import compile_expression
from catenary.expressions.batch import evaluate
from catenary.schema import BIGINT, DOUBLE, Schema

TEXT = "CASE WHEN a > 10 AND b IS NOT NULL THEN a * 2.0D + b ELSE coalesce(b, 0.0D) END"
ROWS = 1_000_000
CALLS = 100_000
REPEATS = 15

expression = compile_expression(TEXT, Schema.of(a=BIGINT, b=DOUBLE))
random = np.random.default_rng(7)
b = pa.array(random.random(ROWS) * 100, mask=random.random(ROWS) < 0.1)
table = pa.table({"a": random.integers(0, 20, ROWS), "b": b})


def by_hand() -> pa.Table:
    a_, b_ = pl.col("a"), pl.col("b")
    condition = (a_ > 10) & b_.is_not_null()
    chosen = pl.when(condition).then(a_ * 2.0 + b_).otherwise(pl.coalesce(b_, 0.0))
    return pl.from_arrow(table).select(x=chosen).to_arrow()


def ours() -> pa.Table:
    return evaluate({"x": expression}, table)


def seconds(work: object) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


assert by_hand()["x"].combine_chunks().equals(ours()["x"].combine_chunks())
pairs = [(seconds(by_hand), seconds(ours)) for _ in range(REPEATS)]
row = {"a": 12, "b": 3.5}
assert expression.evaluate_row(row) == 27.5
evaluate_row = expression.evaluate_row
begun = time.perf_counter()
for _ in range(CALLS):
    evaluate_row(row)
each = (time.perf_counter() - begun) / CALLS
print(
    json.dumps(
        {
            "row_us": each * 1e6,
            "polars": median(pair[0] for pair in pairs),
            "batch": median(pair[1] for pair in pairs),
        }
    )
)
