"""Avro records against fastavro: the same values, or both refuse; and no bytes do harm.

Schemas are drawn in pairs, the writer's and what a reader may have made of it. What fastavro reads is
brought into the columns' form first: NaN is null, -0.0 is 0.0, a float is a float32.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import uuid
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.damage import damaged

from catenary.codecs import avro_schema, codec, schema_of_avro
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
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

pytestmark = pytest.mark.property

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
PROMOTIONS = {
    "int": ["int", "long", "float", "double"],
    "long": ["long", "float", "double"],
    "float": ["float", "double"],
    "string": ["string", "bytes"],
    "bytes": ["bytes", "string"],
}
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
]
DAY_MS = 86_400_000
RANGES = {
    "date": (-700_000, 2_900_000),
    "time-millis": (0, DAY_MS - 1),
    "time-micros": (0, DAY_MS * 1000 - 1),
    "timestamp-millis": (-60_000_000_000_000, 250_000_000_000_000),
    "timestamp-micros": (-60_000_000_000_000_000, 250_000_000_000_000_000),
}


class Names:
    """Names that no two types of one schema share."""

    def __init__(self) -> None:
        self.given = 0

    def one(self, kind: str) -> str:
        self.given += 1
        return f"{kind}{self.given}"


@st.composite
def pairs(draw: st.DrawFn, names: Names, depth: int, *, resolved: bool) -> tuple[Any, Any]:
    """A writer's type, and a reader's that it can become (the same unless `resolved`)."""
    kinds = ["primitive", "primitive", "logical", "fixed", "enum"]
    if depth > 0:
        kinds += ["array", "map", "record"]
    kind = draw(st.sampled_from(kinds))
    if kind == "primitive":
        name = draw(st.sampled_from(PRIMITIVES))
        made = name, draw(st.sampled_from(PROMOTIONS.get(name, [name]) if resolved else [name]))
    elif kind == "logical":
        type_ = draw(st.sampled_from(LOGICAL))
        made = type_, type_
    elif kind == "fixed":
        type_ = {"type": "fixed", "name": names.one("Fixed"), "size": draw(st.integers(0, 5))}
        made = type_, type_
    elif kind == "enum":
        made = draw(enums(names, resolved=resolved))
    elif kind == "record":
        made = draw(records(names, depth - 1, resolved=resolved))
    else:
        part = "items" if kind == "array" else "values"
        inner = draw(pairs(names, depth - 1, resolved=resolved))
        made = tuple({"type": kind, part: each} for each in inner)
    if made[0] == "null":
        return made
    return draw(st.sampled_from(nullable(made, resolved=resolved)))


def nullable(made: tuple[Any, Any], *, resolved: bool) -> list[tuple[Any, Any]]:
    writer, reader = made
    both = [(["null", writer], ["null", reader]), ([writer, "null"], [reader, "null"])]
    if not resolved:
        return [made, *both]
    return [made, *both, (writer, ["null", reader]), (["null", writer], reader)]


@st.composite
def enums(draw: st.DrawFn, names: Names, *, resolved: bool) -> tuple[Any, Any]:
    writer = {"type": "enum", "name": names.one("Enum"), "symbols": ["A", "B", "C"]}
    if not resolved:
        return writer, writer
    reader = {**writer, "symbols": draw(st.sampled_from([["C", "A", "B"], ["B", "X"], ["A"]]))}
    if draw(st.booleans()):
        reader["default"] = reader["symbols"][0]
    return writer, reader


DEFAULTS = [
    ("int", -7),
    ("long", 1 << 40),
    ("double", 1.5),
    ("string", "é"),
    ("boolean", True),
    (["null", "string"], None),
    (["string", "null"], "there"),
    ({"type": "array", "items": "int"}, [1, 2]),
    ({"type": "map", "values": "string"}, {"k": "v"}),
]


@st.composite
def records(draw: st.DrawFn, names: Names, depth: int, *, resolved: bool) -> tuple[Any, Any]:
    name = names.one("Record")
    fields = []
    for at in range(draw(st.integers(0, 5))):
        writer, reader = draw(pairs(names, depth, resolved=resolved))
        fields.append(({"name": f"f{at}", "type": writer}, {"name": f"f{at}", "type": reader}))
    read = [reader for _, reader in fields]
    if resolved:
        read = [each for each in draw(st.permutations(read)) if draw(st.integers(0, 4))]
        for each in read:
            if not draw(st.integers(0, 4)):
                each["aliases"], each["name"] = [each["name"]], "new_" + each["name"]
        for at in range(draw(st.integers(0, 2))):
            type_, default = draw(st.sampled_from(DEFAULTS))
            read.append({"name": f"d{at}", "type": type_, "default": default})
    return (
        {"type": "record", "name": name, "fields": [writer for writer, _ in fields]},
        {"type": "record", "name": name, "fields": read},
    )


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Values as fastavro writes them; times as numbers."""
    if isinstance(type_, list):
        return st.one_of([values(each) for each in type_])
    if isinstance(type_, str):
        type_ = {"type": type_}
    kind, logical = type_["type"], type_.get("logicalType", "").removeprefix("local-")
    if logical in RANGES:
        return st.integers(*RANGES[logical])
    if logical == "uuid":
        return st.uuids().map(str)
    simple = {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(1 << 31), (1 << 31) - 1),
        # Beyond 2^53 a long has no exact double, and roundings of roundings differ.
        "long": st.integers(-(1 << 53), 1 << 53) | st.sampled_from([-(1 << 63), (1 << 63) - 1]),
        "float": st.floats(width=32),
        "double": st.floats(),
        "bytes": st.binary(max_size=24),
        "string": st.text(max_size=24),
    }
    if kind in simple:
        return simple[kind]
    if kind == "fixed":
        return st.binary(min_size=type_["size"], max_size=type_["size"])
    if kind == "enum":
        return st.sampled_from(type_["symbols"])
    if kind == "array":
        return st.lists(values(type_["items"]), max_size=4)
    if kind == "map":
        return st.dictionaries(st.text(max_size=5), values(type_["values"]), max_size=4)
    return st.fixed_dictionaries({each["name"]: values(each["type"]) for each in type_["fields"]})


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def shown(value: Any, type_: Type) -> Any:
    """What fastavro reads, as a column of the type shows it."""
    if value is None:
        return None
    if type_.name in ("float", "double"):
        number = float(np.float32(value)) if type_.name == "float" else float(value)
        return None if math.isnan(number) else number + 0.0
    if type_.name == "array":
        assert type_.item is not None
        return [shown(each, type_.item) for each in value]
    if type_.name == "map":
        assert type_.item is not None
        return [(key, shown(each, type_.item)) for key, each in value.items()]
    if type_.name == "struct":
        return {each.name: shown(value[each.name], each.type) for each in type_.fields}
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dt.time):
        micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000
        return (
            micros + value.microsecond if type_ == BIGINT else (micros + value.microsecond) // 1000
        )
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return value


def read_by_fastavro(record: bytes, writer: Any, reader: Any, schema: Schema) -> Any:
    """The row, or None if fastavro refuses it."""
    try:
        found = fastavro.schemaless_reader(io.BytesIO(record), writer, reader)
    except Exception:  # whatever it raises is a refusal
        return None
    assert isinstance(found, dict)
    return {name: shown(found[name], type_) for name, type_ in schema.items()}


def batch(*records: bytes | None) -> pa.LargeBinaryArray:
    return pa.array(records, pa.large_binary())


def check(record: bytes, writer: Any, reader: Any) -> None:
    text = json.dumps(reader)
    schema = schema_of_avro(text)
    found = codec("avro", schema, writer=json.dumps(writer), reader=text).decode(batch(record))
    found.rows.validate(full=True)
    assert found.rows.schema == schema_to_arrow(schema)
    expected = read_by_fastavro(record, writer, reader, schema)
    if not record:
        assert found.rejected[0].reason == "the record is empty"
    elif expected is None:
        assert [each.row for each in found.rejected] == [0]
    else:
        assert found.rows.to_pylist() == [expected], found.rejected
        assert found.kept.tolist() == [0]


@given(data=st.data())
def test_records_are_read_as_fastavro_reads_them(data: st.DataObject) -> None:
    writer, _ = data.draw(records(Names(), 2, resolved=False))
    check(written(writer, data.draw(values(writer))), writer, writer)


@given(data=st.data())
def test_records_of_another_writer_are_resolved_as_fastavro_resolves_them(
    data: st.DataObject,
) -> None:
    writer, reader = data.draw(records(Names(), 2, resolved=True))
    check(written(writer, data.draw(values(writer))), writer, reader)


@given(data=st.data())
def test_leaving_columns_out_changes_nothing_in_the_others(data: st.DataObject) -> None:
    writer, _ = data.draw(records(Names(), 2, resolved=False))
    text = json.dumps(writer)
    schema = schema_of_avro(text)
    some = data.draw(st.sets(st.sampled_from(list(schema)))) if len(schema) else set()
    records_ = batch(*(written(writer, data.draw(values(writer))) for _ in range(3)))
    whole = codec("avro", schema, writer=text).decode(records_)
    part = codec("avro", schema, writer=text, columns=some).decode(records_)
    assert part.rows == whole.rows.select([name for name in schema if name in some])
    assert part.kept.tolist() == whole.kept.tolist()


@given(data=st.data())
def test_damaged_records_take_no_neighbour_along_and_are_never_read_otherwise(
    data: st.DataObject,
) -> None:
    writer, _ = data.draw(records(Names(), 2, resolved=False))
    text = json.dumps(writer)
    schema = schema_of_avro(text)
    good = [written(writer, data.draw(values(writer))) for _ in range(2)]
    bad = data.draw(damaged(good[0]))
    reads = codec("avro", schema, writer=text)
    alone = [reads.decode(batch(each)).rows for each in good]
    found = reads.decode(batch(good[0], bad, good[1]))
    found.rows.validate(full=True)
    assert sorted([*found.kept.tolist(), *(each.row for each in found.rejected)]) == [0, 1, 2]
    ends = [at for at, row in enumerate(found.kept.tolist()) if row != 1]
    assert found.rows.take(pa.array(ends, pa.int64())) == pa.concat_tables(alone)
    if 1 in found.kept.tolist():
        expected = read_by_fastavro(bad, writer, writer, schema)
        if expected is not None:
            at = found.kept.tolist().index(1)
            assert found.rows.slice(at, 1).to_pylist() == [expected]


SCALARS = (
    BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BINARY, DATE, TIMESTAMP, NULL,
)  # fmt: skip
TYPES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(array),
        inner.map(lambda item: map_of(STRING, item)),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(struct),
    ),
    max_leaves=5,
)
SCHEMAS = st.dictionaries(st.sampled_from("pqrstu"), TYPES, min_size=1).map(Schema.of)


def column_values(type_: Type) -> st.SearchStrategy[Any]:
    """Values of a column, as PyArrow shows them."""
    simple: dict[Type, st.SearchStrategy[Any]] = {
        NULL: st.none(),
        BOOLEAN: st.booleans(),
        TINYINT: st.integers(-128, 127),
        SMALLINT: st.integers(-(1 << 15), (1 << 15) - 1),
        INT: st.integers(-(1 << 31), (1 << 31) - 1),
        BIGINT: st.integers(-(1 << 63), (1 << 63) - 1),
        FLOAT: st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: x + 0.0),
        DOUBLE: st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
        STRING: st.text(max_size=20),
        BINARY: st.binary(max_size=20),
        DATE: st.dates(),
        TIMESTAMP: st.datetimes(timezones=st.just(dt.UTC)),
    }
    if type_ in simple:
        return st.none() | simple[type_]
    if type_.name == "array":
        assert type_.item is not None
        return st.none() | st.lists(column_values(type_.item), max_size=3)
    if type_.name == "map":
        assert type_.item is not None
        keys = st.text(max_size=3)
        entries = st.dictionaries(keys, column_values(type_.item), max_size=3)
        return st.none() | entries.map(lambda each: list(each.items()))
    return st.none() | st.fixed_dictionaries(
        {each.name: column_values(each.type) for each in type_.fields}
    )


@given(data=st.data())
def test_rows_written_as_avro_come_back(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    row = st.fixed_dictionaries({name: column_values(type_) for name, type_ in schema.items()})
    rows = pa.Table.from_pylist(data.draw(st.lists(row, max_size=4)), schema_to_arrow(schema))
    both = codec("avro", schema)
    records_ = both.encode(rows)
    found = both.decode(records_)
    if any(type_ != NULL for type_ in schema.values()):
        assert found.rows == rows, found.rejected
    text = json.loads(avro_schema(schema))
    for record, each in zip(records_.to_pylist(), rows.to_pylist(), strict=True):
        read = fastavro.schemaless_reader(io.BytesIO(record), text)
        assert isinstance(read, dict)
        assert {name: shown(read[name], schema[name]) for name in schema} == each
