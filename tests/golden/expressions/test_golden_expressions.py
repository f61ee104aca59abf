"""Every golden expression, on both evaluators, against the values that real Spark gave."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import random
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from catenary.expressions import compile_expression
from catenary.expressions.batch import evaluate
from catenary.schema.arrow import schema_from_arrow, to_arrow

HERE = Path(__file__).parent


def _made():
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_golden"] = module
    spec.loader.exec_module(module)
    return module


MADE = _made()
TABLE = MADE.table()
SCHEMA = schema_from_arrow(TABLE.schema)
LINES = [json.loads(line) for line in MADE.GOLDEN.read_text(encoding="utf-8").splitlines()]
LAST_BIT = (
    "exp(",
    "ln(",
    "log10(",
    "log2(",
    "pow(",
    "sin(",
    "cos(",
    "atan(",
    "asin(",
    "acos(",
    "tan(",
    "tanh(",
    "log(",
)
"""Functions of the C library, which may differ from Java's in the last bit."""


def _rows():
    rows = TABLE.to_pylist()
    for row in rows:
        row["m"] = None if row["m"] is None else dict(row["m"])
    return rows


def _near(one, other):
    if not (isinstance(one, dict) and "float" in one and isinstance(other, dict)):
        return one == other
    left, right = float(one["float"]), float(other["float"])
    return left == right or abs(left - right) <= math.ulp(left)


def _as_result(value):
    return None if value == {"float": "NaN"} else value


def _encoded(value, type_):
    if value is not None and type_.name == "map":
        pairs = value.items() if isinstance(value, dict) else value
        return [[key, MADE.encoded(each)] for key, each in pairs]
    return MADE.encoded(value)


@pytest.mark.parametrize("line", LINES, ids=[line["expression"] for line in LINES])
def test_rule_26_an_expression_has_sparks_type_and_value_on_both_evaluators(line):
    text = line["expression"]
    expression = compile_expression(text, SCHEMA)
    assert str(expression.type) == line["type"]
    expected = [_as_result(each) for each in line["values"]]
    batch = evaluate({"v": expression}, TABLE)
    assert batch.schema.field("v").type == to_arrow(expression.type)
    by_batch = [_encoded(each, expression.type) for each in batch.column("v").to_pylist()]
    by_row = [_encoded(expression.evaluate_row(row), expression.type) for row in _rows()]
    assert json.dumps(by_batch) == json.dumps(by_row)
    if text.startswith(LAST_BIT):
        assert all(_near(*pair) for pair in zip(by_row, expected, strict=True)), (by_row, expected)
    else:
        assert json.dumps(by_row) == json.dumps(expected)


def test_there_are_at_least_250_golden_expressions():
    assert len(LINES) >= 250
    assert [line["expression"] for line in LINES] == MADE.expressions()


def test_a_canonical_text_means_the_same_when_it_is_read_again():
    for line in LINES:
        first = compile_expression(line["expression"], SCHEMA)
        again = compile_expression(first.canonical, SCHEMA)
        assert (again.canonical, again.type) == (first.canonical, first.type)


def _drawn(seed, rows=20):
    """Rows whose cells are drawn apart from each other, numbers from all of their range too."""
    draw = random.Random(seed)
    wide = {"t": 8, "sm": 16, "i": 32, "b": 64}
    columns = {}
    for name, (type_, values) in MADE.COLUMNS.items():
        cells = [draw.choice(values) for _ in range(rows)]
        for at in range(0, rows, 3):
            if name in wide:
                half = 1 << (wide[name] - 1)
                cells[at] = draw.randrange(-half, half)
            elif name in ("d", "e"):
                cells[at] = draw.uniform(-1, 1) * 10.0 ** draw.randint(-12, 12)
        columns[name] = pa.array(cells, type_)
    return pa.table(columns)


@pytest.mark.property
@pytest.mark.parametrize("seed", range(int(os.environ.get("CATENARY_TEST_EXAMPLES", "20"))))
def test_batch_and_row_agree_on_drawn_rows(seed):
    table = _drawn(seed)
    compiled = [
        (line["expression"], compile_expression(line["expression"], SCHEMA)) for line in LINES
    ]
    together = evaluate(compiled, table)
    rows = table.to_pylist(maps_as_pydicts="strict")
    for at, (text, expression) in enumerate(compiled):
        by_batch = [_encoded(each, expression.type) for each in together.column(at).to_pylist()]
        by_row = [_encoded(expression.evaluate_row(row), expression.type) for row in rows]
        assert json.dumps(by_batch) == json.dumps(by_row), text
