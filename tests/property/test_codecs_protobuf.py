"""Protobuf records against the `protobuf` package: the same values, or both refuse; no bytes do harm.

Message types are drawn as descriptors. Records are what the package writes, one after another (which
merges them), damaged, or any bytes at all. What the package reads is brought into the columns' form first.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import (  # noqa: F401 - registered by it
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message import DecodeError, EncodeError
from hypothesis import given
from hypothesis import strategies as st
from tests.property.damage import damaged

from catenary.codecs import codec, schema_of_protobuf
from catenary.schema import STRING, Schema, Type
from catenary.schema.arrow import schema_to_arrow

pytestmark = pytest.mark.property

F = descriptor_pb2.FieldDescriptorProto
SCALARS = (
    F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_INT32, F.TYPE_FIXED64, F.TYPE_FIXED32,
    F.TYPE_BOOL, F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_UINT32, F.TYPE_SFIXED32, F.TYPE_SFIXED64, F.TYPE_SINT32,
    F.TYPE_SINT64,
)  # fmt: skip
KEYS = (F.TYPE_STRING, F.TYPE_INT32, F.TYPE_SINT64, F.TYPE_BOOL, F.TYPE_FIXED32, F.TYPE_INT64)
GOOGLE = (
    "Timestamp", "Duration", "StringValue", "Int32Value", "DoubleValue", "BoolValue", "BytesValue", "UInt64Value",
)  # fmt: skip
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@st.composite
def filled(draw: st.DrawFn, told: Any, full: str, depth: int, syntax: str) -> None:
    """Fields of a message's type: scalars, lists, enums, messages, maps, members of a oneof."""
    numbers = draw(st.lists(st.integers(1, 40) | st.sampled_from([2047, 1 << 28]), min_size=1, max_size=7, unique=True))  # fmt: skip
    oneof = False
    for at, number in enumerate(numbers):
        each = told.field.add(name=f"f{at}", number=number, label=F.LABEL_OPTIONAL)
        kinds = ["scalar", "scalar", "enum", "google"]
        if depth:
            kinds += ["message", "map"]
        kind = draw(st.sampled_from(kinds))
        shape = draw(st.sampled_from(["one", "many", "optional", "oneof", "oneof"]))
        if kind == "map":
            draw(mapped(told, each, full, depth, syntax))
            continue
        if shape == "many":
            each.label = F.LABEL_REPEATED
        elif shape == "oneof":
            if not oneof:
                told.oneof_decl.add(name="choice")
                oneof = True
            each.oneof_index = 0
        draw(typed(told, each, full, depth, kind, syntax))
        if shape == "many" and each.type not in (F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE):
            each.options.packed = draw(st.booleans())
    if syntax == "proto3":
        for each in told.field:
            if each.label == F.LABEL_OPTIONAL and not each.HasField("oneof_index") and each.type != F.TYPE_MESSAGE and draw(st.booleans()):  # fmt: skip
                each.proto3_optional = True
                each.oneof_index = len(told.oneof_decl)
                told.oneof_decl.add(name=f"_{each.name}")


@st.composite
def typed(
    draw: st.DrawFn, told: Any, each: Any, full: str, depth: int, kind: str, syntax: str
) -> None:
    if kind == "scalar":
        each.type = draw(st.sampled_from(SCALARS))
    elif kind == "enum":
        each.type, each.type_name = F.TYPE_ENUM, ".drawn.Colour"
    elif kind == "google":
        each.type = F.TYPE_MESSAGE
        each.type_name = ".google.protobuf." + draw(st.sampled_from(GOOGLE))
    else:
        name = f"M{len(told.nested_type)}"
        inner = told.nested_type.add(name=name)
        each.type, each.type_name = F.TYPE_MESSAGE, f"{full}.{name}"
        draw(filled(inner, f"{full}.{name}", depth - 1, syntax))


@st.composite
def mapped(draw: st.DrawFn, told: Any, each: Any, full: str, depth: int, syntax: str) -> None:
    name = each.name.upper() + "Entry"
    inner = told.nested_type.add(name=name)
    inner.options.map_entry = True
    key = inner.field.add(name="key", number=1, label=F.LABEL_OPTIONAL)
    key.type = draw(st.sampled_from(KEYS))
    value = inner.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
    kinds = ["scalar", "google", "message", "enum"]
    kind = draw(st.sampled_from(kinds))
    if kind == "message":
        below = told.nested_type.add(name=f"V{each.name}")
        value.type, value.type_name = F.TYPE_MESSAGE, f"{full}.V{each.name}"
        draw(filled(below, f"{full}.V{each.name}", depth - 1, syntax))
    else:
        draw(typed(told, value, full, 0, kind, syntax))
    each.label, each.type, each.type_name = F.LABEL_REPEATED, F.TYPE_MESSAGE, f"{full}.{name}"


@st.composite
def types(draw: st.DrawFn) -> tuple[bytes, Any]:
    """A FileDescriptorSet, and the package's class of its message."""
    syntax = draw(st.sampled_from(["proto3", "proto3", "proto2"]))
    file = descriptor_pb2.FileDescriptorProto(name="drawn.proto", package="drawn", syntax=syntax)
    colour = file.enum_type.add(name="Colour")
    for name, number in (("NONE", 0), ("RED", 5), ("BLUE", -3), ("GREEN", 70000)):
        colour.value.add(name=name, number=number)
    draw(filled(file.message_type.add(name="Row"), ".drawn.Row", 2, syntax))
    held = descriptor_pb2.FileDescriptorSet()
    for module in ("timestamp", "duration", "wrappers"):
        known = descriptor_pool.Default().FindFileByName(f"google/protobuf/{module}.proto")
        known.CopyToProto(held.file.add())
        file.dependency.append(f"google/protobuf/{module}.proto")
    held.file.append(file)
    pool = descriptor_pool.DescriptorPool()
    for each in held.file:
        pool.Add(each)
    return held.SerializeToString(), message_factory.GetMessageClass(pool.FindMessageTypeByName("drawn.Row"))  # fmt: skip


def scalar(each: Any) -> st.SearchStrategy[Any]:
    small = {
        F.TYPE_DOUBLE: st.floats(),
        F.TYPE_FLOAT: st.floats(width=32),
        F.TYPE_BOOL: st.booleans(),
        F.TYPE_STRING: st.text(max_size=20),
        F.TYPE_BYTES: st.binary(max_size=20),
    }
    if each.type in small:
        return small[each.type]
    if each.type == F.TYPE_ENUM:
        return st.sampled_from([0, 5, -3, 70000] + [9, -1] * (not each.enum_type.is_closed))
    bits = 64 if each.cpp_type in (each.CPPTYPE_INT64, each.CPPTYPE_UINT64) else 32
    if each.cpp_type in (each.CPPTYPE_UINT32, each.CPPTYPE_UINT64):
        return st.integers(0, (1 << bits) - 1) | st.integers(0, 300)
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) | st.integers(-150, 150)


@st.composite
def messages(draw: st.DrawFn, made: Any) -> Any:
    record = made()
    for each in made.DESCRIPTOR.fields:
        if not draw(st.integers(0, 2)):
            continue
        inner = each.message_type
        if inner is not None and inner.GetOptions().map_entry:
            key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
            for one in draw(st.lists(scalar(key), max_size=3)):
                if value.message_type is None:
                    getattr(record, each.name)[one] = draw(scalar(value))
                else:
                    made_of = message_factory.GetMessageClass(value.message_type)
                    getattr(record, each.name)[one].CopyFrom(draw(messages(made_of)))
        elif inner is not None:
            made_of = message_factory.GetMessageClass(inner)
            if each.is_repeated:
                getattr(record, each.name).extend(draw(st.lists(messages(made_of), max_size=3)))
            else:
                getattr(record, each.name).CopyFrom(draw(messages(made_of)))
        elif each.is_repeated:
            getattr(record, each.name).extend(draw(st.lists(scalar(each), max_size=4)))
        else:
            setattr(record, each.name, draw(scalar(each)))
    return record


class NoFormError(Exception):
    """What the package reads and a column cannot hold."""


def number(value: Any, type_: Type) -> Any:
    found = float(np.float32(value)) if type_.name == "float" else float(value)
    return None if math.isnan(found) else found + 0.0


def shown(value: Any, each: Any, type_: Type) -> Any:
    """One value of a field, as a column of the type shows it."""
    if each.message_type is not None:
        name = each.message_type.full_name.removeprefix("google.protobuf.")
        if name in ("Timestamp", "Duration"):
            part = value.nanos // 1000 if name == "Timestamp" else int(value.nanos / 1000)
            micros = value.seconds * 1_000_000 + part
            if not -(1 << 63) <= micros < 1 << 63:
                raise NoFormError
            return micros
        if name in GOOGLE:
            return shown(value.value, each.message_type.fields_by_name["value"], type_)
        return row_of(value, type_)
    if type_.is_float:
        return number(value, type_)
    if each.type == F.TYPE_ENUM:
        named = each.enum_type.values_by_number.get(value)
        return str(value) if named is None else named.name
    if type_.name == "bigint" and value >= 1 << 63:
        raise NoFormError
    if type_.name == "string":
        text_of(value)
    return value


def text_of(value: Any) -> None:
    """Whether it is text: proto2 lets bytes pass that are none, and the package shows them somehow."""
    try:
        str.encode(value)
    except (TypeError, UnicodeEncodeError) as error:
        raise NoFormError from error


def row_of(record: Any, type_: Type) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in type_.fields:
        each = record.DESCRIPTOR.fields_by_name[part.name]
        value = getattr(record, part.name)
        if part.type.name == "map":
            assert part.type.item is not None
            field = each.message_type.fields_by_name["value"]
            for key in value:
                if part.type.key == STRING:
                    text_of(key)
            # Asked for key by key: going through the pairs does not see what messages hold.
            made[part.name] = {key: shown(value[key], field, part.type.item) for key in value}
        elif each.is_repeated:
            assert part.type.item is not None
            made[part.name] = [shown(one, each, part.type.item) for one in value]
        elif each.has_presence and not record.HasField(part.name):
            made[part.name] = None
        else:
            made[part.name] = shown(value, each, part.type)
    return made


def plain(value: Any, type_: Type) -> Any:
    """What PyArrow shows, with maps as dictionaries and times as microseconds."""
    if value is None:
        return None
    if type_.name == "map":
        assert type_.item is not None
        keys = [key for key, _ in value]
        assert len(set(keys)) == len(keys), "a key comes once"
        return {key: plain(one, type_.item) for key, one in value}
    if type_.name == "array":
        assert type_.item is not None
        return [plain(one, type_.item) for one in value]
    if type_.name == "struct":
        return {each.name: plain(value[each.name], each.type) for each in type_.fields}
    if isinstance(value, dt.datetime):
        return (value - EPOCH) // dt.timedelta(microseconds=1)
    return value


def rows_of(table: pa.Table, schema: Schema) -> list[Any]:
    """The rows; of times, which may lie in years that Python has no date for, the microseconds."""
    return [plain(row, Type("struct", fields=schema.fields)) for row in numbered(table).to_pylist()]


def numbered(table: pa.Table) -> pa.Table:
    def type_of(arrow: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(arrow):
            return pa.int64()
        if pa.types.is_map(arrow):
            return pa.map_(arrow.key_type, type_of(arrow.item_type))
        if pa.types.is_list(arrow):
            return pa.list_(type_of(arrow.value_type))
        if pa.types.is_struct(arrow):
            return pa.struct([pa.field(each.name, type_of(each.type)) for each in arrow])
        return arrow

    return table.cast(pa.schema([pa.field(each.name, type_of(each.type)) for each in table.schema]))


def read_by_the_package(record: bytes, made: Any, schema: Schema) -> Any:
    """The row; None if the package refuses it, or a column cannot hold it."""
    try:
        found = made.FromString(record)
        return row_of(found, Type("struct", fields=schema.fields))
    except (DecodeError, NoFormError, UnicodeDecodeError):
        return None


def batch(*records: bytes | None) -> pa.LargeBinaryArray:
    return pa.array(records, pa.large_binary())


def refused_early(reason: str) -> bool:
    return "does not fit" in reason or "UTF-8" in reason


def check(record: bytes, files: bytes, made: Any, *, again: bool = False) -> None:
    """`again`: fields may come again, and what did not fit before is refused though it does not count."""
    schema = schema_of_protobuf(files)
    found = codec("protobuf", schema, files=files).decode(batch(record))
    found.rows.validate(full=True)
    assert found.rows.schema == schema_to_arrow(schema)
    expected = read_by_the_package(record, made, schema)
    if expected is None:
        assert [each.row for each in found.rejected] == [0]
        return
    if again and any(refused_early(each.reason) for each in found.rejected):
        return
    assert rows_of(found.rows, schema) == [expected], found.rejected


@given(data=st.data())
def test_records_are_read_as_the_package_reads_them(data: st.DataObject) -> None:
    files, made = data.draw(types())
    check(data.draw(messages(made)).SerializeToString(), files, made)


@given(data=st.data())
def test_fields_that_come_again_count_as_for_the_package(data: st.DataObject) -> None:
    files, made = data.draw(types())
    some = data.draw(st.lists(messages(made), min_size=2, max_size=3))
    check(b"".join(each.SerializeToString() for each in some), files, made, again=True)


@given(data=st.data())
def test_fields_of_later_versions_are_left_out(data: st.DataObject) -> None:
    files, made = data.draw(types())
    _, other = data.draw(types())
    check(data.draw(messages(other)).SerializeToString(), files, made)


@given(data=st.data())
def test_damaged_records_are_read_as_the_package_reads_them_or_refused_with_it(
    data: st.DataObject,
) -> None:
    files, made = data.draw(types())
    record = data.draw(messages(made)).SerializeToString()
    check(data.draw(damaged(record)), files, made, again=True)


@given(data=st.data())
def test_damaged_records_take_no_neighbour_along(data: st.DataObject) -> None:
    files, made = data.draw(types())
    schema = schema_of_protobuf(files)
    reads = codec("protobuf", schema, files=files)
    good = [data.draw(messages(made)).SerializeToString() for _ in range(2)]
    alone = [reads.decode(batch(each)) for each in good]
    bad = data.draw(damaged(good[0]))
    found = reads.decode(batch(good[0], bad, good[1]))
    found.rows.validate(full=True)
    assert sorted([*found.kept.tolist(), *(each.row for each in found.rejected)]) == [0, 1, 2]
    ends = [at for at, row in enumerate(found.kept.tolist()) if row != 1]
    assert found.rows.take(pa.array(ends, pa.int64())) == pa.concat_tables([x.rows for x in alone])


@given(data=st.data())
def test_leaving_columns_out_changes_nothing_in_the_others(data: st.DataObject) -> None:
    files, made = data.draw(types())
    schema = schema_of_protobuf(files)
    some = data.draw(st.sets(st.sampled_from(list(schema))))
    records = batch(*(data.draw(messages(made)).SerializeToString() for _ in range(3)))
    whole = codec("protobuf", schema, files=files).decode(records)
    part = codec("protobuf", schema, files=files, columns=some).decode(records)
    if not whole.rejected:
        assert part.rows == whole.rows.select([name for name in schema if name in some])


@given(data=st.data())
def test_rows_written_as_protobuf_come_back(data: st.DataObject) -> None:
    files, made = data.draw(types())
    schema = schema_of_protobuf(files)
    both = codec("protobuf", schema, files=files)
    message = data.draw(messages(made))
    if "nan" in str(message):
        return  # it is null, and a null of a field without presence is its default when it is read again
    first = both.decode(batch(message.SerializeToString()))
    try:
        records = both.encode(first.rows)
    except (EncodeError, OverflowError, ValueError):
        return  # a year that PyArrow cannot show
    except Exception as error:
        if "cannot be written" in str(error) or "out of range" in str(error):
            return
        raise
    assert rows_of(both.decode(records).rows, schema) == rows_of(first.rows, schema)
