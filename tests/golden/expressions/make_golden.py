"""Obtains the golden values from a real Spark: `python tests/golden/expressions/make_golden.py`.

Writes `golden.jsonl` beside this file: one expression a line, its type and its value for each row
of `ROWS`. NaN in a column counts as null in Catenary (semantics 10), so Spark sees nulls there.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.jsonl"
NAN, INF = float("nan"), float("inf")


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


COLUMNS: dict[str, tuple[pa.DataType, list[object]]] = {
    "t": (pa.int8(), [1, -128, 127, None, 0, 5, -5, 7, 100, 3, 2, 1]),
    "sm": (pa.int16(), [1, -32768, 32767, None, 0, 300, -300, 7, 100, 3, 2, 1]),
    "i": (pa.int32(), [1, -(2**31), 2**31 - 1, None, 0, 7, -7, 42, 1000, -13, 2, 12]),
    "j": (pa.int32(), [3, -1, 1, 5, 0, -2, 2, None, 3, 4, 31, 33]),
    "b": (pa.int64(), [1, -(2**63), 2**63 - 1, None, 0, 1357000000, -86401, 2**53 + 1, 16777217, -1, 10, 255]),
    "f": (pa.float32(), [1.5, -0.0, 3.4028234663852886e38, None, INF, 0.1, NAN, 2.5, -2.5, 1e-7, 16777216.0, 1e10]),
    "d": (pa.float64(), [0.5, -0.0, 1e308, None, INF, -INF, NAN, 2.5, -1.5, 1e-5, 123456789.987, 1.005]),
    "e": (pa.float64(), [2.0, 0.0, -1e308, 3.0, 1.0, None, 0.1, 3.5, -0.5, 1e300, 1e7, 0.001]),
    "s": (pa.string(), ["abc", "", " Hello World ", None, "𝄞aé日", "12", "-3.7", "2020-02-29", "a,b,,c", "TRUE", "1e3", "x%_y"]),
    "u": (pa.string(), ["b", "", "o", "zz", "é", None, "3", "-", ",", "u", "e", "%"]),
    "p": (pa.bool_(), [True, True, True, False, False, False, None, None, None, True, False, None]),
    "q": (pa.bool_(), [True, False, None, True, False, None, True, False, None, True, True, False]),
    "dt": (pa.date32(), [date(2020, 2, 29), date(1969, 12, 31), date(1970, 1, 1), None, date(2013, 12, 30), date(1900, 3, 1), date(2024, 12, 31), date(2016, 1, 3), date(2000, 1, 31), date(1999, 10, 10), date(2021, 1, 1), date(2013, 6, 15)]),
    "dv": (pa.date32(), [date(2020, 3, 1), date(1970, 1, 1), None, date(2000, 1, 1), date(2013, 1, 1), date(1900, 2, 28), date(2024, 2, 29), date(2016, 1, 3), date(2000, 2, 29), date(2000, 10, 10), date(2020, 12, 31), date(2013, 6, 16)]),
    "ts": (pa.timestamp("us", tz="UTC"), [_at(2020, 2, 29, 23, 59, 59, 999999), _at(1969, 12, 31, 23, 59, 59, 1), _at(1970, 1, 1), None, _at(2013, 7, 4, 12, 30, 15, 500000), _at(1900, 3, 1, 1, 2, 3), _at(2024, 12, 31, 0, 0, 0, 1000), _at(2016, 1, 3, 6), _at(2000, 1, 31, 18, 45), _at(1999, 10, 10, 10, 10, 10, 100), _at(2021, 1, 1), _at(2013, 6, 15, 7, 8, 9)]),
    "a": (pa.list_(pa.int32()), [[1, 2, 3], [], [None, 3], None, [5], [3, 1, 2, 1], [2, None, 2, None], [7], [0], [1, 1], [9, 8, 7, 6], [None]]),
    "w": (pa.list_(pa.string()), [["a", "b"], [], ["x", None], None, ["𝄞"], ["b", "a", "b"], [None], ["q"], [""], ["é", "e"], ["z"], ["a"]]),
    "m": (pa.map_(pa.string(), pa.int32()), [[("a", 1), ("b", 2)], [], [("a", None)], None, [("é", 5)], [("b", 3)], [("a", 7)], [], [("c", 1)], [("a", -1), ("c", 2)], [("", 3)], [("a", 0)]]),
    "st": (pa.struct([pa.field("x", pa.int32()), pa.field("y", pa.string())]), [{"x": 1, "y": "a"}, {"x": None, "y": "b"}, {"x": 3, "y": None}, None, {"x": 0, "y": ""}, {"x": 5, "y": "e"}, {"x": -1, "y": "f"}, {"x": 7, "y": "g"}, {"x": 8, "y": "h"}, {"x": 9, "y": "i"}, {"x": 10, "y": "j"}, {"x": 11, "y": "k"}]),
    "js": (pa.string(), ['{"a":1,"b":{"c":"x"}}', '{"a":[1,2,{"d":3.50}]}', "[1,2,3]", None, "not json", '{"a":null}', '{"a":true,"b":"é𝄞"}', '{"a": {"k" : [ 1 , 2 ]}}', "{}", '{"a":"q\\"t"}', '{"a":1e5}', '""']),
}  # fmt: skip

EXPRESSIONS = (HERE / "expressions.txt").read_text(encoding="utf-8").splitlines()


def expressions() -> list[str]:
    """The expressions, without blank lines and headings."""
    return [each for each in EXPRESSIONS if each and not each.startswith("# ")]


def table() -> pa.Table:
    """The input, NaN included, as Catenary gets it."""
    return pa.table({name: pa.array(values, type_) for name, (type_, values) in COLUMNS.items()})


def encoded(value: object) -> object:
    """A value as JSON that keeps every bit and the kind of number."""
    if isinstance(value, float):
        return {"float": "NaN" if value != value else repr(value)}
    if isinstance(value, datetime):
        return {"timestamp": value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, bytes):
        return {"binary": value.hex()}
    if isinstance(value, tuple):
        return [encoded(each) for each in value]
    if isinstance(value, list):
        return [encoded(each) for each in value]
    if isinstance(value, dict):
        return {"struct": {key: encoded(each) for key, each in value.items()}}
    return value


def spark_lines() -> tuple[list[str], dict[str, str]]:
    """The golden lines by a Spark of this machine, and the expressions that it refuses."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        plain = table()
        for at, name in enumerate(plain.column_names):
            if pa.types.is_floating(plain.schema.field(name).type):
                values = [
                    None if v is None or v != v else v for v in plain.column(name).to_pylist()
                ]
                plain = plain.set_column(at, name, pa.array(values, plain.schema.field(name).type))
        frame = spark.createDataFrame(plain).coalesce(1)
        refused: dict[str, str] = {}
        taken: list[tuple[str, str]] = []
        for text in expressions():
            try:
                type_ = frame.selectExpr(f"{text} AS v").schema[0].dataType.simpleString()
            except Exception as error:
                refused[text] = str(error).splitlines()[0]
            else:
                taken.append((text, type_))
        lines: list[str] = []
        for start in range(0, len(taken), 40):
            part = taken[start : start + 40]
            result = frame.selectExpr(
                *(f"{text} AS v{at}" for at, (text, _) in enumerate(part))
            ).toArrow()
            for (text, type_), column in zip(part, result.columns, strict=True):
                values = [encoded(each) for each in column.to_pylist()]
                line = {"expression": text, "type": type_, "values": values}
                lines.append(json.dumps(line, ensure_ascii=False))
        return lines, refused
    finally:
        spark.stop()


def main() -> None:
    lines, refused = spark_lines()
    for text, why in refused.items():
        sys.stderr.write(f"Spark refuses {text}: {why}\n")
    GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
