"""Records that begin with their schema's id: several ids in one batch, ids that nobody knows, outages."""

from __future__ import annotations

import json
import struct as packing
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2

from catenary.codecs import Rejected, codec
from catenary.codecs.framing import Registered
from catenary.codecs.topics import topic_codec
from catenary.errors import (
    DefinitionError,
    RegistryError,
    UnknownSchemaError,
    UnsupportedError,
)
from catenary.schema import BIGINT, DOUBLE, STRING, Schema
from catenary.schema.arrow import schema_to_arrow

SCHEMA = Schema.of(id=BIGINT, amount=DOUBLE, note=STRING)


def record_of(**fields: Any) -> str:
    parts = [{"name": name, "type": type_} for name, type_ in fields.items()]
    return json.dumps({"type": "record", "name": "Order", "fields": parts})


OLD = record_of(id="int", amount="float")
NEW = record_of(note=["null", "string"], id="long", amount="double", more="bytes")


class Held:
    """A registry in memory, which may be down."""

    def __init__(self, *schemas: Registered) -> None:
        self.schemas = {each.id: each for each in schemas}
        self.subjects: dict[str, int] = {}
        self.down = False

    def schema(self, id_: int) -> Registered:
        if self.down:
            raise RegistryError("the registry is down")
        if id_ not in self.schemas:
            raise UnknownSchemaError(f"no schema of id {id_}")
        return self.schemas[id_]

    def latest(self, subject: str) -> Registered:
        return self.schema(self.subjects[subject])

    def text(self, name: str) -> str:
        raise AssertionError(name)

    def file(self, name: str) -> bytes:
        raise AssertionError(name)

    def registry(self, address: str) -> Held:
        assert address == "project"
        return self


def framed(id_: int, record: bytes) -> bytes:
    return packing.pack(">bI", 0, id_) + record


def avro(writer: str, **row: Any) -> bytes:
    columns = Schema.of({name: SCHEMA[name] for name in row})
    table = pa.Table.from_pylist([row], schema_to_arrow(columns))
    (one,) = codec("avro", columns, writer=writer).encode(table).to_pylist()
    return bytes(one)


def batch(*records: bytes | None) -> pa.LargeBinaryArray:
    return pa.array(records, pa.large_binary())


OPTIONS = {"codec": "avro", "registry": "project"}
HELD = Held(Registered(1, "avro", OLD), Registered(260, "avro", NEW))
ONE = framed(1, avro(OLD, id=1, amount=0.5))
NEW_RECORD = avro(record_of(note=["null", "string"], id="long", amount="double"), id=2, amount=1.5, note="n") + b"\x02x"  # fmt: skip
TWO = framed(260, NEW_RECORD)


def test_each_record_is_read_with_the_schema_that_it_was_written_with() -> None:
    reads = topic_codec("orders", SCHEMA, OPTIONS, HELD)
    found = reads.decode(batch(TWO, ONE, TWO, ONE, ONE))
    old = {"id": 1, "amount": 0.5, "note": None}
    new = {"id": 2, "amount": 1.5, "note": "n"}
    assert found.rows.to_pylist() == [new, old, new, old, old]
    assert found.kept.tolist() == [0, 1, 2, 3, 4]
    assert found.rows.schema == schema_to_arrow(SCHEMA)
    assert reads.decode(batch(ONE, ONE)).rows.to_pylist() == [old, old]


def test_each_is_resolved_to_the_readers_schema_if_one_is_given() -> None:
    fields = [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": "double"},
        {"name": "note", "type": "string", "default": "none"},
    ]
    reader = json.dumps({"type": "record", "name": "Order", "fields": fields})
    old = topic_codec("orders", SCHEMA, {**OPTIONS, "schema": reader}, HELD)
    assert old.decode(batch(ONE)).rows.to_pylist() == [{"id": 1, "amount": 0.5, "note": "none"}]


def test_what_is_no_framed_record_is_rejected_alone() -> None:
    reads = topic_codec("orders", SCHEMA, OPTIONS, HELD)
    records = batch(ONE, None, b"", b"\0\0\0", b"\1" + ONE[1:], framed(9, b"?"), ONE[:-1], TWO)
    found = reads.decode(records)
    assert found.kept.tolist() == [0, 7]
    assert [row["id"] for row in found.rows.to_pylist()] == [1, 2]
    assert found.rejected[:5] == (
        Rejected(1, "the record has no value"),
        Rejected(2, "the record is empty"),
        Rejected(3, "the record has 3 bytes, too few for its schema's id"),
        Rejected(4, "the record begins with 1, not with the 0 of a registry's frame"),
        Rejected(5, "schema 9: no schema of id 9"),
    )
    assert found.rejected[5].row == 6
    assert found.rejected[5].reason.endswith("(byte 6)"), "counted from the record's first byte"


def test_a_slice_of_a_batch_is_read_from_where_it_starts() -> None:
    reads = topic_codec("orders", SCHEMA, OPTIONS, HELD)
    records = batch(TWO, None, ONE, TWO, b"", ONE)
    for first in range(6):
        whole = reads.decode(records.slice(first))
        alone = [reads.decode(batch(each)) for each in records.to_pylist()[first:]]
        kept = [at for at, each in enumerate(alone) if len(each.kept)]
        assert whole.kept.tolist() == kept
        assert whole.rows.to_pylist() == [row for each in alone for row in each.rows.to_pylist()]


def test_a_registry_that_is_down_rejects_nothing() -> None:
    held = Held(Registered(1, "avro", OLD))
    reads = topic_codec("orders", SCHEMA, OPTIONS, held)
    held.down = True
    with pytest.raises(RegistryError):
        reads.decode(batch(ONE))
    held.down = False
    assert reads.decode(batch(ONE)).kept.tolist() == [0]
    held.down = True
    assert reads.decode(batch(ONE)).kept.tolist() == [0], "what an id means never changes"


def test_a_schema_that_cannot_become_the_columns_rejects_its_records_only() -> None:
    other = record_of(id="string", amount="double")
    held = Held(Registered(1, "avro", OLD), Registered(2, "avro", other), Registered(3, "json", ""))
    found = topic_codec("orders", SCHEMA, OPTIONS, held).decode(
        batch(framed(2, b"x"), ONE, framed(3, b"{}"))
    )
    assert found.kept.tolist() == [1]
    assert "schema 2: field 'id'" in found.rejected[0].reason
    assert found.rejected[1].reason == "schema 3: it is one of json, but the topic's are avro"


@pytest.mark.parametrize(
    ("name", "subject", "options"),
    [("avro", "orders-value", {}), ("avro", "x", {"subject": "x"}), ("json", "orders-value", {})],
)
def test_rows_are_written_with_the_subjects_newest_schema(
    name: str, subject: str, options: dict[str, str]
) -> None:
    held = Held(Registered(513, name, record_of(id="long", amount="double")))
    held.subjects[subject] = 513
    both = topic_codec("orders", SCHEMA, {"codec": name, "registry": "project", **options}, held)
    rows = [{"id": at, "amount": at / 2, "note": None} for at in range(3)]
    records = both.encode(pa.Table.from_pylist(rows, schema_to_arrow(SCHEMA)))
    assert all(each[:5] == b"\0\0\0\x02\x01" for each in records.to_pylist())
    assert both.decode(records).rows.to_pylist() == rows


def test_json_records_are_read_behind_their_frame() -> None:
    held = Held(Registered(5, "json", "{}"))
    reads = topic_codec("orders", SCHEMA, {"codec": "json", "registry": "project"}, held)
    found = reads.decode(batch(framed(5, b'{"id": 1}'), framed(5, b"{"), framed(6, b"{}")))
    assert found.rows.to_pylist() == [{"id": 1, "amount": None, "note": None}]
    assert [each.row for each in found.rejected] == [1, 2]


def file_of_messages() -> bytes:
    """First { Inner { Deep } }, Second: each with an id, at its own number."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="f.proto", package="p", syntax="proto3")
    first = file.message_type.add(name="First")
    inner = first.nested_type.add(name="Inner")
    made = [first, inner, inner.nested_type.add(name="Deep"), file.message_type.add(name="Second")]
    for number, each in enumerate(made, 1):
        each.field.add(name="id", number=number, type=kinds.TYPE_INT64, label=1)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


MESSAGES = {
    "First": b"\0",
    "First.Inner": b"\x04\0\0",
    "First.Inner.Deep": b"\x06\0\0\0",
    "Second": b"\x02\x02",
}


def test_a_framed_protobuf_record_says_which_message_of_its_file_it_is() -> None:
    held = Held(Registered(4, "protobuf", "", file_of_messages()))
    options = {"codec": "protobuf", "registry": "project"}
    reads = topic_codec("orders", SCHEMA, options, held)
    records = [
        framed(4, place + bytes([8 * number, 10 + number]))
        for number, place in enumerate(MESSAGES.values(), 1)
    ]
    found = reads.decode(batch(*records, *records, framed(4, b"\x02\0" + b"\x08\x07")))
    ids = [11, 12, 13, 14]
    assert [row["id"] for row in found.rows.to_pylist()] == [*ids, *ids, 7]


def test_a_message_that_its_file_has_not_is_rejected_alone() -> None:
    held = Held(Registered(4, "protobuf", "", file_of_messages()))
    reads = topic_codec("orders", SCHEMA, {"codec": "protobuf", "registry": "project"}, held)
    good = framed(4, b"\0\x08\x07")
    bad = [b"", b"\x02", b"\x02\x08", b"\x01\x01", b"\xff" * 12, b"\x04\0\x04\x08\x07"]
    found = reads.decode(batch(good, *(framed(4, each) for each in bad), good))
    assert found.kept.tolist() == [0, 7]
    assert [each.row for each in found.rejected] == [1, 2, 3, 4, 5, 6]
    assert "which message" in found.rejected[0].reason
    assert "has no message 4" in found.rejected[2].reason


@pytest.mark.parametrize("message", MESSAGES)
def test_protobuf_is_written_with_the_place_of_its_message(message: str) -> None:
    held = Held(Registered(4, "protobuf", "", file_of_messages()))
    held.subjects["orders-value"] = 4
    options = {"codec": "protobuf", "registry": "project", "message": message}
    both = topic_codec("orders", Schema.of(id=BIGINT), options, held)
    records = both.encode(pa.table({"id": [7, 8]}))
    assert all(each[5:].startswith(MESSAGES[message]) for each in records.to_pylist())
    assert both.decode(records).rows.to_pylist() == [{"id": 7}, {"id": 8}]


def test_a_registry_has_no_schemas_of_arrow() -> None:
    with pytest.raises(UnsupportedError, match="no schemas of arrow"):
        topic_codec("orders", SCHEMA, {"codec": "arrow", "registry": "project"}, HELD)


def test_a_format_that_is_not_known_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnsupportedError, match="did you mean 'debezium'"):
        topic_codec("orders", SCHEMA, {"format": "debezum"}, HELD)


def test_schemas_that_refer_to_others_are_read_with_them() -> None:
    place = json.dumps({"type": "record", "name": "geo.Place", "fields": [{"name": "x", "type": "int"}]})  # fmt: skip
    writer = record_of(id="long", at="geo.Place")
    held = Held(Registered(1, "avro", writer, imports=(place,)), Registered(2, "avro", writer))
    reads = topic_codec("orders", SCHEMA, OPTIONS, held)
    found = reads.decode(batch(framed(1, b"\x08\x02"), framed(2, b"\x08\x02")))
    assert found.kept.tolist() == [0]
    assert "geo.Place" in found.rejected[0].reason


def test_protobuf_without_a_schema_says_how_to_make_one() -> None:
    with pytest.raises(DefinitionError, match="protoc --include_imports"):
        topic_codec("orders", SCHEMA, {"codec": "protobuf"}, HELD)
