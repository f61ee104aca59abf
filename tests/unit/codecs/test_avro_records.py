"""Avro records: what is refused when a codec is made, what is rejected when a record comes."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from catenary.codecs import avro_schema, codec, schema_of_avro
from catenary.errors import DataError, DefinitionError, UnsupportedError
from catenary.schema import (
    BIGINT,
    BINARY,
    DATE,
    DOUBLE,
    INT,
    NULL,
    SMALLINT,
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


def record(*fields: tuple[Any, ...], name: str = "R") -> str:
    """A schema of records: fields are (name, type) or (name, type, default)."""
    made = [
        {"name": each[0], "type": each[1], **({"default": each[2]} if len(each) > 2 else {})}
        for each in fields
    ]
    return json.dumps({"type": "record", "name": name, "fields": made})


def read(
    data: bytes, writer: str, schema: Schema | None = None, reader: str | None = None
) -> dict[str, Any] | str:
    """The row of a record; the reason if it is rejected."""
    made = codec(
        "avro", schema or schema_of_avro(reader or writer), writer=writer, reader=reader
    ).decode(pa.array([data], pa.large_binary()))
    made.rows.validate(full=True)
    return made.rejected[0].reason if made.rejected else made.rows.to_pylist()[0]


def written(writer: str, row: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, json.loads(writer), row)
    return out.getvalue()


LONG, TEXT = record(("x", "long")), record(("x", "string"))


@pytest.mark.parametrize(
    ("writer", "data", "reason"),
    [
        (LONG, b"\xff" * 11, "field 'x': a number is longer than its type allows (byte 0)"),
        (LONG, b"\xff" * 9 + b"\x02", "field 'x': a number is longer than its type allows (byte 0)"),
        (LONG, b"\xff", "field 'x': the record ends inside a value (byte 0)"),
        (LONG, b"\x02\x02", "the record goes on after its value (byte 1)"),
        (record(("x", "int")), b"\x80\x80\x80\x80\x10", "field 'x': a number is longer than its type allows (byte 0)"),
        (record(("x", "boolean")), b"\x02", "field 'x': a boolean is neither 0 nor 1 (byte 0)"),
        (record(("x", "double")), b"\x00" * 7, "field 'x': the record ends inside a value (byte 0)"),
        (TEXT, b"\x01", "field 'x': a size is negative (byte 0)"),
        (TEXT, b"\x06ab", "field 'x': a size reaches beyond the record's end (byte 0)"),
        (TEXT, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01a", "field 'x': a size reaches beyond the record's end (byte 0)"),
        (TEXT, b"\x04a\xff", "field 'x': text is not valid UTF-8 (byte 1)"),
        (record(("x", ["null", "long"])), b"\x04\x00", "field 'x': a union has no such branch (byte 0)"),
        (record(("x", {"type": "enum", "name": "E", "symbols": ["A"]})), b"\x02", "field 'x': an enum has no such symbol (byte 0)"),
        (record(("x", {"type": "array", "items": "long"})), b"\x80\x89\x7a\x00", "field 'x': a count of items is beyond what the record can hold (byte 0)"),
        (record(("x", {"type": "array", "items": "null"})), b"\xfe\xff\xff\xff\x0f\x00", "field 'x': a count of items is beyond what the record can hold (byte 0)"),
        (record(("x", {"type": "array", "items": "long"})), b"\x01\x04\x02\x00", "field 'x': a block of items does not have the size that it tells (byte 0)"),
        (record(("x", {"type": "array", "items": "long"})), b"\xff" * 9 + b"\x01" + b"\x00" * 9, "field 'x': a count of items is beyond what the record can hold (byte 0)"),
        (record(("x", {"type": "map", "values": "long"})), b"\x02\x02k", "field 'x{}': the record ends inside a value (byte 3)"),
        (record(("x", {"type": "array", "items": {"type": "record", "name": "In", "fields": [{"name": "y", "type": "long"}]}})), b"\x02\xff", "field 'x[].y': the record ends inside a value (byte 1)"),
    ],
)  # fmt: skip
def test_damage_is_told_with_its_field_and_byte(writer: str, data: bytes, reason: str) -> None:
    told = read(data, writer)
    assert isinstance(told, str)
    assert told.replace("column", "field") == reason


def test_blocks_with_sizes_are_read() -> None:
    writer = record(("x", {"type": "array", "items": "long"}))
    assert read(b"\x03\x04\x02\x04\x02\x06\x00", writer) == {"x": [1, 2, 3]}


@pytest.mark.parametrize(
    ("type_", "problem"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 5}, "'x' is an Avro decimal"),
        ({"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 5}, "'x' is an Avro decimal"),
        (["null", {"type": "bytes", "logicalType": "decimal", "precision": 5}], "'x' is an Avro decimal"),
        (["string", "long"], "no one type holds string and bigint"),
        (["null", "R"], "'R' holds itself"),
    ],
)  # fmt: skip
def test_types_that_no_column_has_are_refused_by_name(type_: Any, problem: str) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        schema_of_avro(record(("x", type_)))


def test_a_decimal_that_no_column_asks_for_is_stepped_over() -> None:
    money = {"type": "bytes", "logicalType": "decimal", "precision": 5}
    writer = record(("x", money), ("y", "long"))
    assert read(b"\x04\x01\x02\x06", writer, Schema.of(y=BIGINT)) == {"y": 3}
    with pytest.raises(UnsupportedError, match="'x' is an Avro decimal"):
        codec("avro", Schema.of(x=DOUBLE, y=BIGINT), writer=writer)


@pytest.mark.parametrize(
    ("writer", "schema", "problem"),
    [
        (LONG, Schema.of(x=STRING), "'x' is long in Avro, which a column of string cannot hold"),
        (LONG, Schema.of(x=TIMESTAMP), "cannot hold"),
        (record(("x", "double")), Schema.of(x=INT), "cannot hold"),
        (
            record(("x", {"type": "int", "logicalType": "date"})),
            Schema.of(x=INT),
            "declare it date",
        ),
        (
            record(("x", {"type": "long", "logicalType": "timestamp-micros"})),
            Schema.of(x=BIGINT),
            "declare it timestamp",
        ),
        ('"long"', Schema.of(x=BIGINT), "need an Avro record, not long"),
        ("{", Schema.of(x=BIGINT), "is not JSON"),
        ('{"type": "recrd"}', Schema.of(x=BIGINT), "'recrd' is not defined"),
    ],
)
def test_columns_that_cannot_hold_a_field_are_refused(
    writer: str, schema: Schema, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem):
        codec("avro", schema, writer=writer)


def test_numbers_that_do_not_fit_a_narrow_column_are_rejected() -> None:
    schema = Schema.of(x=TINYINT)
    assert read(written(LONG, {"x": -128}), LONG, schema) == {"x": -128}
    told = "column 'x': the value does not fit tinyint (byte 0)"
    assert read(written(LONG, {"x": 128}), LONG, schema) == told


def test_columns_that_records_lack_are_null() -> None:
    schema = Schema.of(y=array(STRING), x=BIGINT, z=struct({"a": BIGINT}))
    assert read(b"\x02", LONG, schema) == {"y": None, "x": 1, "z": None}


@pytest.mark.parametrize("unit", ["timestamp-millis", "timestamp-micros", "local-timestamp-millis"])
def test_times_of_any_unit_become_timestamps(unit: str) -> None:
    writer = record(("x", {"type": "long", "logicalType": unit}))
    number = 1_714_564_800_123 * (1000 if unit.endswith("micros") else 1)
    at = dt.datetime(2024, 5, 1, 12, 0, 0, 123000, tzinfo=dt.UTC)
    assert read(written(writer, {"x": number}), writer) == {"x": at}


def test_milliseconds_may_stay_a_number_and_the_writers_unit_holds() -> None:
    millis = record(("x", {"type": "long", "logicalType": "timestamp-millis"}))
    micros = record(("x", {"type": "long", "logicalType": "timestamp-micros"}))
    schema = Schema.of(x=BIGINT)
    assert read(written(millis, {"x": -5}), millis, schema) == {"x": -5}
    assert read(written(micros, {"x": -5}), micros, schema, reader=millis) == {"x": -1}
    assert read(written(micros, {"x": -5}), micros, schema, reader=LONG) == {"x": -5}


def test_a_time_beyond_the_column_is_rejected() -> None:
    writer = record(("x", {"type": "long", "logicalType": "timestamp-millis"}))
    told = read(written(writer, {"x": 1 << 62}), writer)
    assert told == "column 'x': the value does not fit timestamp (byte 0)"


def test_a_branch_that_the_reader_does_not_take_is_rejected_when_it_comes() -> None:
    writer, reader = record(("x", ["null", "string", "long"])), record(("x", ["null", "long"]))
    assert read(written(writer, {"x": 3}), writer, reader=reader) == {"x": 3}
    assert read(written(writer, {"x": None}), writer, reader=reader) == {"x": None}
    told = read(written(writer, {"x": "3"}), writer, reader=reader)
    assert told == "column 'x': the value has no form in the reader's schema (byte 1)"


def test_a_union_of_numbers_is_one_column() -> None:
    writer = record(("x", ["int", "double", "null"]))
    assert schema_of_avro(writer) == Schema.of(x=DOUBLE)
    rows = [read(written(writer, {"x": each}), writer) for each in (3, 0.5, None)]
    assert rows == [{"x": 3.0}, {"x": 0.5}, {"x": None}]


def test_a_reader_field_without_a_default_that_the_writer_lacks_is_refused() -> None:
    with pytest.raises(DefinitionError, match="lacks the field 'y', which has no default"):
        codec("avro", Schema.of(x=BIGINT), writer=LONG, reader=record(("x", "long"), ("y", "long")))


def test_records_of_another_name_do_not_resolve_unless_it_is_an_alias() -> None:
    other = json.loads(record(("x", "long"), name="Other"))
    with pytest.raises(DefinitionError, match="written as record R"):
        codec("avro", Schema.of(x=BIGINT), writer=LONG, reader=json.dumps(other))
    renamed = json.dumps({**other, "aliases": ["R"]})
    assert read(b"\x02", LONG, reader=renamed) == {"x": 1}


def test_a_default_that_is_none_is_refused() -> None:
    with pytest.raises(DefinitionError, match="default of the Avro field 'y'"):
        codec("avro", Schema.of(y=BIGINT), writer=LONG, reader=record(("x", "long"), ("y", "long", "a")))  # fmt: skip


def test_defaults_of_every_kind_fill_fields_that_the_writer_lacks() -> None:
    inner = {"type": "record", "name": "In", "fields": [{"name": "b", "type": "bytes"}]}
    reader = record(
        ("x", "long"),
        ("r", inner, {"b": "\u00ff"}),
        ("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B"),
        ("f", {"type": "fixed", "name": "F", "size": 2}, "\u0000\u0001"),
        ("m", {"type": "map", "values": ["null", "int"]}, {"k": 1}),
    )
    row = {"x": 1, "r": {"b": b"\xff"}, "e": "B", "f": b"\x00\x01", "m": [("k", 1)]}
    assert read(b"\x02", LONG, reader=reader) == row


def test_named_types_may_be_used_again_and_have_namespaces() -> None:
    writer = json.dumps(
        {
            "type": "record", "name": "a.b.R", "fields": [
                {"name": "x", "type": {"type": "fixed", "name": "F", "size": 1}},
                {"name": "y", "type": "F"},
                {"name": "z", "type": ["null", "a.b.F"]},
            ],
        }
    )  # fmt: skip
    assert read(b"\x01\x02\x02\x03", writer) == {"x": b"\x01", "y": b"\x02", "z": b"\x03"}


@pytest.mark.parametrize("levels", [30, 100, 100_000])
def test_schemas_that_unfold_without_end_are_refused(levels: int) -> None:
    if levels == 30:  # each type twice in the next: a thousand million ops
        inner: Any = {"type": "record", "name": "R0", "fields": [{"name": "x", "type": "long"}]}
        for at in range(1, levels):
            fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"R{at - 1}"}]
            inner = {"type": "record", "name": f"R{at}", "fields": fields}
        text = json.dumps(inner)
    else:
        text = '{"type":"array","items":' * levels + '"int"' + "}" * levels
        text = '{"type":"record","name":"R","fields":[{"name":"x","type":' + text + "}]}"
    with pytest.raises(DefinitionError):
        codec("avro", Schema.of(x=BIGINT), writer=text)


def test_nan_is_null_and_zero_has_no_sign() -> None:
    writer = record(("x", "double"), ("y", "float"))
    row = read(written(writer, {"x": float("nan"), "y": -0.0}), writer)
    assert str(row) == "{'x': None, 'y': 0.0}"


@pytest.mark.parametrize(
    ("type_", "avro"),
    [
        (SMALLINT, ["null", "int"]),
        (BIGINT, ["null", "long"]),
        (BINARY, ["null", "bytes"]),
        (DATE, ["null", {"type": "int", "logicalType": "date"}]),
        (TIMESTAMP, ["null", {"type": "long", "logicalType": "timestamp-micros"}]),
        (NULL, "null"),
        (array(DOUBLE), ["null", {"type": "array", "items": ["null", "double"]}]),
        (map_of(STRING, INT), ["null", {"type": "map", "values": ["null", "int"]}]),
    ],
)
def test_a_schema_has_an_avro_form_that_leads_back(type_: Type, avro: Any) -> None:
    text = avro_schema(Schema.of(x=type_))
    assert json.loads(text)["fields"] == [{"name": "x", "type": avro, "default": None}]
    assert schema_of_avro(text) == Schema.of(x=INT if type_ == SMALLINT else type_)


def test_names_and_keys_that_avro_does_not_take_are_refused() -> None:
    with pytest.raises(DefinitionError, match="'a b'"):
        avro_schema(Schema.of({"a b": BIGINT}))
    with pytest.raises(UnsupportedError, match="keys of bigint"):
        avro_schema(Schema.of(x=map_of(BIGINT, STRING)))


def test_a_value_that_the_writers_schema_does_not_take_is_told_with_its_row() -> None:
    rows = pa.Table.from_pylist([{"x": 1}, {"x": None}], schema_to_arrow(Schema.of(x=BIGINT)))
    with pytest.raises(DataError, match=r"row 1.*'x'"):
        codec("avro", Schema.of(x=BIGINT), writer=LONG).encode(rows)


def test_a_field_that_rows_lack_is_written_as_its_default() -> None:
    writer = record(("x", "long"), ("y", "string", "d"), ("z", ["null", "long"]))
    rows = pa.table({"x": [1]})
    made = codec("avro", Schema.of(x=BIGINT), writer=writer).encode(rows)
    found = fastavro.schemaless_reader(io.BytesIO(made[0].as_py()), json.loads(writer))
    assert found == {"x": 1, "y": "d", "z": None}
