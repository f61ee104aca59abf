"""What can be said of expressions without golden values: messages, passing through, user functions."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from catenary.errors import DataError, DefinitionError, ExpressionError, UnsupportedError
from catenary.expressions import compile_expression, register_function
from catenary.expressions.batch import evaluate, filter  # noqa: A004
from catenary.expressions.functions.catalogue import listing
from catenary.schema import BIGINT, BOOLEAN, DOUBLE, INT, STRING, TIMESTAMP, Schema, array, map_of

SCHEMA = Schema.of(
    i=INT,
    b=BIGINT,
    d=DOUBLE,
    s=STRING,
    p=BOOLEAN,
    ts=TIMESTAMP,
    a=array(INT),
    m=map_of(STRING, INT),
)
DOCS = Path(__file__).parents[3] / "docs" / "expressions.md"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("amont + 1", ExpressionError, "unknown column 'amont' at position 0"),
        ("i +", ExpressionError, "expected a value at position 3, found the end"),
        ("(i", ExpressionError, "expected ')'"),
        ("i 1", ExpressionError, "the end of the expression"),
        ("'abc", ExpressionError, "a quote is not closed"),
        ("i + 1.5", ExpressionError, "write 1.5D or CAST(1.5 AS DOUBLE)"),
        ("i > 1.5", ExpressionError, "write 1.5D"),
        ("i / 1.5", ExpressionError, "write 1.5D"),
        ("1.5", UnsupportedError, "write 1.5D"),
        ("round(1.5)", UnsupportedError, "write 1.5D"),
        ("ceil(1.5)", UnsupportedError, "write 1.5D"),
        ("greatest(1.5, 2.5)", ExpressionError, "write 1.5D"),
        ("s RLIKE 'a++'", UnsupportedError, "Java may read differently"),
        ("s RLIKE '\\\\bx'", UnsupportedError, "Java may read differently"),
        ("1.5BD", UnsupportedError, "decimal literal"),
        ("s + 1", ExpressionError, "write the cast: CAST(s AS DOUBLE)"),
        ("s = 1", ExpressionError, "write the cast"),
        ("p + 1", ExpressionError, "takes numbers"),
        ("coalesce(i, 'x')", ExpressionError, "do not go together"),
        ("CASE WHEN i THEN 1 END", ExpressionError, "a condition must be boolean"),
        ("uper(s)", UnsupportedError, "did you mean 'upper'?"),
        ("sum(i)", UnsupportedError, "sum is not scalar"),
        ("explode(a)", UnsupportedError, "a select gives one row per row"),
        ("transform(a, x -> x + 1)", UnsupportedError, "lambda"),
        ("row_number() OVER (ORDER BY i)", UnsupportedError, "OVER"),
        ("(SELECT 1)", UnsupportedError, "subquery"),
        ("i IN (SELECT 1)", UnsupportedError, "subquery"),
        ("count(*)", UnsupportedError, "aggregation"),
        ("count(DISTINCT i)", UnsupportedError, "DISTINCT"),
        ("current_date()", UnsupportedError, "change from run to run"),
        ("now()", UnsupportedError, "change from run to run"),
        ("ts + INTERVAL 1 DAY", UnsupportedError, "INTERVAL"),
        ("CAST(s AS DECIMAL(10, 2))", UnsupportedError, "decimal(10, 2)"),
        ("CAST(i AS DATE)", UnsupportedError, "no cast from int to date"),
        ("a = a", UnsupportedError, "array<int>"),
        ("m = m", UnsupportedError, "map<string,int>"),
        ("m[1]", ExpressionError, "must be string"),
        ("a['x']", ExpressionError, "must be a whole number"),
        ("s.x", ExpressionError, "not a struct"),
        ("s RLIKE '(?=x)'", UnsupportedError, "Java may read differently"),
        ("s RLIKE s", UnsupportedError, "literal text"),
        ("date_format(ts, 'YYYY')", UnsupportedError, "date pattern 'YYYY'"),
        ("get_json_object(s, '$.*')", UnsupportedError, "path '$.*'"),
        ("element_at(a, i)", UnsupportedError, "literal position"),
        ("substring(s, b)", ExpressionError, "does not fit"),
        ("99999999999999999999", ExpressionError, "does not fit bigint"),
        ("EXTRACT(SECOND FROM ts)", UnsupportedError, "use second(ts)"),
        ("s ILIKE 'x'", UnsupportedError, "lower(x) LIKE"),
    ],
)
def test_rule_26_what_is_not_there_is_refused_by_name_when_it_is_compiled(text, error, says):
    with pytest.raises(error) as caught:
        compile_expression(text, SCHEMA, where="features.py:7")
    assert says.lower() in str(caught.value).lower()
    assert "features.py:7" in str(caught.value)


def test_equal_calls_have_one_canonical_text_however_they_are_written():
    one = compile_expression("NVL( I,0 )>10 and s is not null", SCHEMA)
    two = compile_expression("(coalesce(i, 0) > 10) AND NOT (s IS NULL)", SCHEMA)
    assert one.canonical == two.canonical
    assert compile_expression("`i`", SCHEMA).canonical == "i"
    assert one.inputs == {"i", "s"}


def test_a_bare_column_passes_through_without_a_copy():
    table = pa.table({"i": pa.array([1, 2], pa.int32())})
    result = evaluate({"x": compile_expression("i", SCHEMA)}, table)
    before, after = table.column("i").chunk(0), result.column("x").chunk(0)
    assert before.buffers()[1].address == after.buffers()[1].address


def test_rule_10_nan_in_a_column_is_null_and_a_nan_result_is_null():
    table = pa.table({"d": [float("nan"), 1.0]})
    exprs = {
        "bare": compile_expression("d", SCHEMA),
        "isnull": compile_expression("d IS NULL", SCHEMA),
        "made": compile_expression("d * CAST('NaN' AS DOUBLE)", SCHEMA),
    }
    assert evaluate(exprs, table).to_pydict() == {
        "bare": [None, 1.0],
        "isnull": [True, False],
        "made": [None, None],
    }
    row = {"d": float("nan")}
    assert [each.evaluate_row(row) for each in exprs.values()] == [None, True, None]


def test_a_filter_keeps_rows_where_every_condition_is_true():
    table = pa.table({"i": pa.array([1, 5, None, 9], pa.int32()), "p": [True, None, True, True]})
    wheres = [compile_expression("i > 1", SCHEMA), compile_expression("p", SCHEMA)]
    assert filter(wheres, table).column("i").to_pylist() == [9]
    assert filter([], table) is table


def test_an_empty_table_gives_empty_columns_of_the_right_types():
    table = pa.table({"s": pa.array([], pa.string())})
    result = evaluate({"u": compile_expression("lpad(upper(s), 3, '0')", SCHEMA), "n": compile_expression("1", SCHEMA)}, table)  # fmt: skip
    assert result.num_rows == 0
    assert result.schema.types == [pa.string(), pa.int32()]


def test_a_chunked_and_sliced_table_gives_the_same_values():
    whole = pa.table({"s": ["a", None, "ccc", "dd"], "b": [1, 2, None, 4]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    exprs = {"x": compile_expression("concat(lpad(s, 4, '0'), CAST(b AS STRING))", SCHEMA)}
    assert evaluate(exprs, parts).equals(evaluate(exprs, whole))


def test_many_rows_at_once_give_what_they_give_a_micro_batch_at_a_time():
    rows = 25_000
    columns = {
        "n": [None if at % 7 == 0 else at for at in range(rows)],
        "x": [None if at % 11 == 0 else at / 8 - 1000 for at in range(rows)],
        "s": [f" {at}é" for at in range(rows)],
    }
    table = pa.table(columns)
    schema = Schema.of(n=BIGINT, x=DOUBLE, s=STRING)
    texts = (
        "n * 2 + 1",
        "exp(x / 500) - sqrt(abs(x))",
        "if(x > 0, x / n, n / 3)",
        "lpad(trim(s), 8, '0')",
        "concat(upper(trim(s)), '-', CAST(n AS STRING))",
    )
    exprs = {text: compile_expression(text, schema) for text in texts}
    parts = [evaluate(exprs, table.slice(at, 100)) for at in range(0, rows, 100)]
    assert evaluate(exprs, table).equals(pa.concat_tables(parts))


def test_a_long_chain_of_terms_and_of_arms_evaluates():
    total = compile_expression(" + ".join(["b"] * 90), SCHEMA)
    assert total.evaluate_row({"b": 2}) == 180
    arms = " ".join(f"WHEN i = {at} THEN {at}" for at in range(150))
    assert compile_expression(f"CASE {arms} ELSE -1 END", SCHEMA).evaluate_row({"i": 149}) == 149


def test_a_too_deep_expression_is_refused():
    with pytest.raises(ExpressionError, match="too deeply"):
        compile_expression("(" * 2000 + "i" + ")" * 2000, SCHEMA)


def test_an_expression_travels_as_its_text():
    expression = compile_expression("d * 2 + coalesce(i, 0)", SCHEMA)
    again = pickle.loads(pickle.dumps(expression))
    assert again == expression
    assert again.evaluate_row({"d": 1.5, "i": None}) == 3.0


def test_rule_26_a_user_function_runs_on_batches_and_on_rows():
    @register_function("twice", ["bigint"], "bigint")
    def twice(values):
        return pc.multiply(values, 2)

    expression = compile_expression("TWICE(i) + 1", SCHEMA)
    table = pa.table({"i": pa.array([1, None, 3], pa.int32())})
    assert evaluate({"x": expression}, table).column("x").to_pylist() == [3, None, 7]
    assert [expression.evaluate_row({"i": each}) for each in (1, None, 3)] == [3, None, 7]


def test_a_user_function_that_gives_the_wrong_type_or_length_is_named():
    register_function("wrong", ["bigint"], "bigint")(lambda values: values.cast(pa.string()))
    register_function("short", ["bigint"], "bigint")(lambda values: values.slice(0, 0))
    for name in ("wrong", "short"):
        with pytest.raises(DataError, match=name):
            compile_expression(f"{name}(b)", SCHEMA).evaluate_row({"b": 1})
    with pytest.raises(DefinitionError, match="built-in"):
        register_function("upper", ["string"], "string")


@pytest.mark.parametrize("rows", [3, 20_000])
def test_a_user_function_that_raises_is_named_with_its_line_and_nothing_of_the_engine(rows):
    @register_function("luckless", ["bigint"], "bigint")
    def luckless(values):
        raise ValueError("no luck\n  at all")

    expression = compile_expression("luckless(b) + 1", SCHEMA)
    line = luckless.__code__.co_firstlineno + 2
    for work in (
        lambda: evaluate({"x": expression}, pa.table({"b": pa.array([1] * rows)})),
        lambda: expression.evaluate_row({"b": 1}),
    ):
        with pytest.raises(DataError) as raised:
            work()
        error = raised.value
        assert error.problem == "user function luckless raised ValueError: no luck\n  at all"
        assert error.where == f"{__file__}:{line}"
        assert error.hint.startswith("mend the function")


def test_compiling_needs_neither_polars_nor_arrow():
    code = (
        "import sys\n"
        "from catenary.expressions import compile_expression\n"
        "from catenary.schema import INT, Schema\n"
        "compile_expression('i + 1 > 2 AND upper(CAST(i AS STRING)) LIKE \"1%\"', Schema.of(i=INT)).evaluate_row({'i': 1})\n"
        "print([name for name in ('polars', 'pyarrow', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_lists_exactly_the_functions_that_are_there():
    text = DOCS.read_text(encoding="utf-8")
    listed = text.split("<!-- functions -->\n")[1].split("\n<!-- end -->")[0]
    lines = [
        f"- **{group}**: " + ", ".join(f"`{name}`" for name in names)
        for group, names in listing().items()
    ]
    assert listed == "\n".join(lines)
