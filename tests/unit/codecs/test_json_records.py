"""JSON records: what each column takes, and what the reasons of rejected records say."""

from __future__ import annotations

import datetime as dt
import locale
from typing import Any

import pyarrow as pa
import pytest

from catenary.codecs import codec
from catenary.errors import DataError, UnsupportedError
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    STRING,
    TIMESTAMP,
    TINYINT,
    Schema,
    Type,
    array,
    map_of,
    struct,
)  # fmt: skip
from catenary.schema.arrow import schema_to_arrow


def read(type_: Type, text: str | bytes) -> Any:
    """The value of a record's only column; the reason if the record is rejected."""
    value = text if isinstance(text, bytes) else text.encode()
    record = b'{"x": ' + value + b"}"
    found = codec("json", Schema.of(x=type_)).decode(pa.array([record], pa.large_binary()))
    found.rows.validate(full=True)
    return found.rejected[0].reason if found.rejected else found.rows.column("x")[0].as_py()


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (BIGINT, "-9223372036854775808", -(1 << 63)),
        (BIGINT, "9223372036854775807", (1 << 63) - 1),
        (BIGINT, "-0", 0),
        (TINYINT, "-128", -128),
        (DOUBLE, "3", 3.0),
        (DOUBLE, "1e-400", 0.0),
        (DOUBLE, "123456789012345678901234567890", 1.2345678901234568e29),
        (DOUBLE, "2.2250738585072011e-308", 2.2250738585072011e-308),
        (FLOAT, "0.1", 0.10000000149011612),
        (BOOLEAN, "true", True),
        (STRING, r'"\u00e9\ud83d\ude00\n\/"', "é😀\n/"),
        (STRING, '""', ""),
        (BINARY, '"AP8="', b"\x00\xff"),
        (BINARY, '""', b""),
        (DATE, '"2024-02-29"', dt.date(2024, 2, 29)),
        (DATE, '"0001-01-01"', dt.date(1, 1, 1)),
        (TIMESTAMP, "1714564800123", at(2024, 5, 1, 12, 0, 0, 123000)),
        (TIMESTAMP, "-1", at(1969, 12, 31, 23, 59, 59, 999000)),
        (TIMESTAMP, '"2024-05-01T12:00:00Z"', at(2024, 5, 1, 12)),
        (TIMESTAMP, '"2024-05-01 14:00+02:00"', at(2024, 5, 1, 12)),
        (TIMESTAMP, '"2024-05-01T06:30:00.5-0530"', at(2024, 5, 1, 12, 0, 0, 500000)),
        (TIMESTAMP, '"2024-05-01T12:00:00.123456789Z"', at(2024, 5, 1, 12, 0, 0, 123456)),
        (array(BIGINT), "[ 1 , null ]", [1, None]),
        (map_of(STRING, DOUBLE), '{"a": 1, "b": null}', [("a", 1.0), ("b", None)]),
        (map_of(BIGINT, STRING), '{"-7": "x"}', [(-7, "x")]),
        (map_of(STRING, array(BIGINT)), '{"a":[1],"b":[2],"a":[3,4]}', [("b", [2]), ("a", [3, 4])]),
        (struct({"a": BIGINT}), '{"a":1,"a":2,"b":[{}]}', {"a": 2}),
        (struct({"a": array(BIGINT)}), '{"a":[1,2],"a":null}', {"a": None}),
        (struct({"a": BIGINT}), "{}", {"a": None}),
        (BIGINT, "null", None),
    ],
)  # fmt: skip
def test_a_column_takes(type_: Type, text: str, value: object) -> None:
    assert read(type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "reason"),
    [
        (BIGINT, '"1"', "column 'x': expected bigint, not a string (byte 6)"),
        (BIGINT, "1.0", "column 'x': expected bigint, not a number with a fraction or exponent (byte 6)"),
        (BIGINT, "9223372036854775808", "column 'x': the value does not fit bigint (byte 6)"),
        (TINYINT, "128", "column 'x': the value does not fit tinyint (byte 6)"),
        (DOUBLE, "true", "column 'x': expected double, not a boolean (byte 6)"),
        (DOUBLE, "1e400", "column 'x': the value does not fit double (byte 6)"),
        (FLOAT, "1e39", "column 'x': the value does not fit float (byte 6)"),
        (DOUBLE, "NaN", "column 'x': this is not JSON (byte 6)"),
        (DOUBLE, "-Infinity", "column 'x': this is not JSON (byte 6)"),
        (DOUBLE, "01", "column 'x': this is not JSON (byte 6)"),
        (BOOLEAN, "1", "column 'x': expected boolean, not a number (byte 6)"),
        (STRING, "1", "column 'x': expected string, not a number (byte 6)"),
        (STRING, r'"\ud83d"', "column 'x': an escape in a text means no character (byte 7)"),
        (STRING, '"a\tb"', "column 'x': text holds a control character that is not escaped (byte 8)"),
        (BINARY, '"AP8"', "column 'x': expected base64 (byte 6)"),
        (DATE, '"2023-02-29"', "column 'x': expected a date such as 2024-05-01 (byte 6)"),
        (DATE, "0", "column 'x': expected date, not a number (byte 6)"),
        (array(BIGINT), '[1, "2"]', "column 'x[]': expected bigint, not a string (byte 10)"),
        (array(BIGINT), "{}", "column 'x': expected array<bigint>, not an object (byte 6)"),
        (map_of(STRING, BIGINT), '{"a": []}', "column 'x{}.value': expected bigint, not an array (byte 12)"),
        (map_of(BIGINT, STRING), '{"a": ""}', "column 'x{}.key': a key of a map is not bigint (byte 7)"),
        (struct({"a": struct({"b": DATE})}), '{"a":{"b":[]}}', "column 'x.a.b': expected date, not an array (byte 16)"),
    ],
)  # fmt: skip
def test_the_reason_names_the_column_and_what_came(type_: Type, text: str, reason: str) -> None:
    assert read(type_, text) == reason


def test_a_time_needs_a_zone() -> None:
    assert "the time has no zone" in read(TIMESTAMP, '"2024-05-01T12:00:00"')


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"[1]", "expected an object, not an array (byte 0)"),
        (b"12", "expected an object, not a number (byte 0)"),
        (b"{} {}", "the record goes on after its value (byte 3)"),
        (b"{", "the record ends inside a value (byte 1)"),
        (b" \n", "the record is empty"),
        (b"\xef\xbb\xbf{}", "this is not JSON (byte 0)"),
        (b'{"x":1,}', "this is not JSON (byte 7)"),
        (b"{'x':1}", "this is not JSON (byte 1)"),
        (b'{"y":nul}', "this is not JSON (byte 5)"),
        (b'{"\xff":1}', "text is not valid UTF-8 (byte 2)"),
        (b'{"y":"\xed\xa0\x80"}', "text is not valid UTF-8 (byte 6)"),
    ],
)
def test_records_that_are_no_object_are_rejected(record: bytes, reason: str) -> None:
    found = codec("json", Schema.of(x=BIGINT)).decode(pa.array([record], pa.large_binary()))
    assert found.rejected[0].reason == reason


def test_depth_is_limited_where_nothing_is_kept_too() -> None:
    deep = [b'{"y":' + b"[" * depth + b"]" * depth + b"}" for depth in (100, 200, 1_000_000)]
    found = codec("json", Schema.of(x=BIGINT)).decode(pa.array(deep, pa.large_binary()))
    assert found.kept.tolist() == [0]
    assert all("nested deeper than 128" in each.reason for each in found.rejected)


def test_numbers_do_not_depend_on_the_process_s_locale() -> None:
    known = locale.setlocale(locale.LC_NUMERIC)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
        except locale.Error:
            continue  # not installed here; C always is
        try:
            assert read(DOUBLE, "0.1234567890123456789") == 0.12345678901234568
        finally:
            locale.setlocale(locale.LC_NUMERIC, known)


def test_maps_with_other_keys_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"'x'.*keys of double"):
        codec("json", Schema.of(x=map_of(DOUBLE, STRING)))


def test_rows_are_written_as_they_are_read() -> None:
    schema = Schema.of(t=TIMESTAMP, d=DATE, b=BINARY, x=DOUBLE, s=struct({"f": array(DOUBLE)}))
    row = {"t": at(2024, 5, 1, 12), "d": dt.date(2024, 5, 1), "b": b"\xff", "x": 0.5, "s": {"f": [float("nan")]}}  # fmt: skip
    rows = pa.Table.from_pylist([row], schema_to_arrow(schema))
    assert codec("json", schema).encode(rows)[0].as_py() == (
        b'{"t":"2024-05-01T12:00:00Z","d":"2024-05-01","b":"/w==","x":0.5,"s":{"f":[null]}}'
    )


def test_infinities_cannot_be_written() -> None:
    rows = pa.table({"x": [1.0, float("inf")]})
    with pytest.raises(DataError, match="column 'x', row 1: JSON has no infinity"):
        codec("json", Schema.of(x=DOUBLE)).encode(rows)
