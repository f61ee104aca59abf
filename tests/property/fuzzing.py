"""Records of every codec, damaged at random, among good ones: run as a process, so that a crash is seen.

    python -X faulthandler fuzzing.py CODEC HOW_MANY SEED

Each batch is held to this: every record is a row, rejected with a reason of one line, or (a tombstone)
skipped; and the good ones have their exact values. Memory is bounded: a size that a record only claims
must not be taken for one. Prints how many damaged records became rows and how many were rejected.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import resource
import struct as packing
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from catenary.codecs import Codec, avro_schema, codec
from catenary.codecs.framing import Registered
from catenary.codecs.topics import topic_codec
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    Schema,
    array,
    map_of,
    struct,
)
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 64
MEMORY = 4 << 30
WORDS = (b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\0" * 8, b"\xff" * 8, b"\x7f", b"[" * 300, b'{"a":' * 150, b"\x0b" * 120, b"null", b"1e999")  # fmt: skip
SCHEMA = Schema.of(
    id=BIGINT, small=INT, ok=BOOLEAN, x=DOUBLE, name=STRING, raw=BINARY, at=TIMESTAMP, tags=array(STRING),
    place=struct({"x": DOUBLE, "names": array(STRING)}), counts=map_of(STRING, BIGINT),
    parts=array(struct({"n": INT, "note": STRING})),
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A codec with records of its own, whose rows are known."""

    codec: Codec
    records: list[bytes]
    rows: pa.Table


def drawn(random_: random.Random) -> dict[str, Any]:
    """A row."""
    text = ["", "a", "é€😀", "x" * 15, "y" * 16, "z" * 300]
    some = random_.choice
    return {
        "id": some([0, -1, 1 << 62, random_.randrange(1000)]),
        "small": random_.randrange(-(1 << 31), 1 << 31),
        "ok": some([True, False]),
        "x": some([0.0, 1.5, -1e300, random_.random()]),
        "name": some(text),
        "raw": random_.randbytes(random_.randrange(20)),
        "at": dt.datetime(2024, 5, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=random_.randrange(1 << 40)),
        "tags": [some(text) for _ in range(random_.randrange(4))],
        "place": {"x": random_.random(), "names": [some(text) for _ in range(random_.randrange(3))]},
        "counts": [(f"k{at}", random_.randrange(300)) for at in range(random_.randrange(4))],
        "parts": [{"n": at, "note": some(text)} for at in range(random_.randrange(4))],
    }  # fmt: skip


def encoded(with_: Codec, table: pa.Table) -> list[bytes]:
    return list(with_.encode(table).to_pylist())


class Ids:
    """A registry of two ids."""

    def schema(self, id_: int) -> Registered:
        from catenary.errors import UnknownSchemaError

        if id_ not in (1, 2):
            raise UnknownSchemaError(f"no schema of id {id_}")
        return Registered(id_, "avro", avro_schema(SCHEMA))

    def latest(self, subject: str) -> Registered:
        return self.schema(1)

    def registry(self, address: str) -> Ids:
        return self

    def text(self, name: str) -> str:
        raise AssertionError(name)

    def file(self, name: str) -> bytes:
        raise FileNotFoundError(name)


def bare(name: str, table: pa.Table, rows: list[dict[str, Any]]) -> Kind:
    made = codec(name, SCHEMA)
    return Kind(made, encoded(made, table), table)


def framed(name: str, table: pa.Table, rows: list[dict[str, Any]]) -> Kind:
    made = topic_codec("t", SCHEMA, {"codec": "avro", "registry": "project"}, Ids())
    records = encoded(codec("avro", SCHEMA), table)
    headed = [packing.pack(">bI", 0, 1 + at % 2) + each for at, each in enumerate(records)]
    return Kind(made, headed, table)


def envelopes(name: str, table: pa.Table, rows: list[dict[str, Any]]) -> Kind:
    made = topic_codec("t", SCHEMA, {"format": "debezium"}, Ids())
    records = [json.loads(each) for each in encoded(codec("json", SCHEMA), table)]
    held = [{"before": None, "after": each, "op": "cr"[at % 2]} for at, each in enumerate(records)]
    wrapped = [{"schema": {}, "payload": each} if at % 3 else each for at, each in enumerate(held)]
    return Kind(made, [json.dumps(each).encode() for each in wrapped], table)


def protobuf(name: str, table: pa.Table, rows: list[dict[str, Any]]) -> Kind:
    """Written by the `protobuf` package, from a file that is made here: in proto3, or in proto2."""
    kinds = descriptor_pb2.FieldDescriptorProto
    syntax = "proto2" if name == "protobuf2" else "proto3"
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax=syntax)
    file.dependency.append("google/protobuf/timestamp.proto")
    row = file.message_type.add(name="Row")
    place, part = row.nested_type.add(name="Place"), row.nested_type.add(name="Part")
    entry = row.nested_type.add(name="CountsEntry")
    entry.options.map_entry = True

    def add(to: Any, name: str, kind: int, label: int = 1, type_name: str = "") -> None:
        each = to.field.add(name=name, number=len(to.field) + 1, type=kind, label=label)
        if type_name:
            each.type_name = type_name

    add(place, "x", kinds.TYPE_DOUBLE)
    add(place, "names", kinds.TYPE_STRING, 3)
    add(part, "n", kinds.TYPE_INT32)
    add(part, "note", kinds.TYPE_STRING)
    add(entry, "key", kinds.TYPE_STRING)
    add(entry, "value", kinds.TYPE_INT64)
    for at, kind in (
        ("id", kinds.TYPE_INT64),
        ("small", kinds.TYPE_SFIXED32),
        ("ok", kinds.TYPE_BOOL),
    ):
        add(row, at, kind)
    for at, kind in (
        ("x", kinds.TYPE_DOUBLE),
        ("name", kinds.TYPE_STRING),
        ("raw", kinds.TYPE_BYTES),
    ):
        add(row, at, kind)
    add(row, "at", kinds.TYPE_MESSAGE, 1, ".google.protobuf.Timestamp")
    add(row, "tags", kinds.TYPE_STRING, 3)
    add(row, "place", kinds.TYPE_MESSAGE, 1, ".t.Row.Place")
    add(row, "counts", kinds.TYPE_MESSAGE, 3, ".t.Row.CountsEntry")
    add(row, "parts", kinds.TYPE_MESSAGE, 3, ".t.Row.Part")
    add(row, "again", kinds.TYPE_MESSAGE, 1, ".t.Row")  # no column: checked, to any depth
    held = descriptor_pb2.FileDescriptorSet()
    from google.protobuf import timestamp_pb2

    timestamp_pb2.DESCRIPTOR.CopyToProto(held.file.add())
    held.file.append(file)
    pool = descriptor_pool.DescriptorPool()
    for each in held.file:
        pool.Add(each)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Row"))
    records: list[bytes] = []
    for each in rows:
        micros = (each["at"] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)  # fmt: skip
        at = {"seconds": micros // 1_000_000, "nanos": micros % 1_000_000 * 1000}
        record = made(**{**each, "at": at, "counts": dict(each["counts"])})
        records.append(record.SerializeToString(deterministic=True))
    return Kind(codec("protobuf", SCHEMA, files=held.SerializeToString()), records, table)


KINDS: dict[str, Callable[[str, pa.Table, list[dict[str, Any]]], Kind]] = {
    "avro": bare,
    "json": bare,
    "arrow": bare,
    "framed": framed,
    "debezium": envelopes,
    "protobuf": protobuf,
    "protobuf2": protobuf,
}


def damaged(random_: random.Random, records: list[bytes]) -> bytes:
    """A record, changed in one to three places; or any bytes."""
    data = bytearray(random_.choice(records))
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        at, how = random_.randrange(len(data) + 1), random_.randrange(9)
        size = random_.choice((1, 1, 2, 4, 8, 16))
        if how == 0:
            del data[at:]
        elif how == 1:
            del data[at : at + size]
        elif how == 2:
            data[at : at + size] = random_.randbytes(size)
        elif how == 3:
            data[at:at] = random_.randbytes(size)
        elif how == 4 and at < len(data):
            data[at] ^= 1 << random_.randrange(8)
        elif how == 5:
            data[at:at] = random_.choice(WORDS)
        elif how == 6:
            word = random_.choice(WORDS)
            data[at : at + len(word)] = word
        elif how == 7:
            other = random_.choice(records)
            data[at:] = other[random_.randrange(len(other)) :]
        else:
            data = bytearray(random_.randbytes(random_.randrange(60)))
    return bytes(data)


def check(kind: Kind, random_: random.Random, many: int) -> tuple[int, int]:
    """One batch with `many` damaged records; how many of them became rows, how many did not."""
    good = [random_.randrange(len(kind.records)) for _ in range(BATCH - many // 2)]
    mixed: list[tuple[bytes, int]] = [(kind.records[at], at) for at in good]
    mixed += [(damaged(random_, kind.records), -1) for _ in range(many)]
    random_.shuffle(mixed)
    found = kind.codec.decode(pa.array([data for data, _ in mixed], pa.large_binary()))
    found.rows.validate(full=True)
    kept, told = found.kept.tolist(), {each.row: each.reason for each in found.rejected}
    assert len(found.rows) == len(kept)
    assert kept == sorted(kept)
    assert sorted([*kept, *told]) == list(range(len(mixed))), "every record is accounted for"
    assert all(reason and "\n" not in reason for reason in told.values())
    places = {row: at for at, row in enumerate(kept)}
    lost = [(row, told.get(row)) for row, (_, at) in enumerate(mixed) if at >= 0 and row not in places]  # fmt: skip
    assert not lost, f"good records were rejected: {lost[:3]}"
    mine = [(places[row], at) for row, (_, at) in enumerate(mixed) if at >= 0]
    rows = found.rows.take(pa.array([place for place, _ in mine]))
    expected = kind.rows.take(pa.array([at for _, at in mine]))
    assert rows.equals(expected), "good records have other values"
    return many - len(told), len(told)


def main(name: str, many: int, seed: int) -> None:
    """Damage `many` records, a batch at a time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    random_ = random.Random(f"{name} {seed}")
    rows = [drawn(random_) for _ in range(40)]
    table = pa.Table.from_pylist(rows, schema_to_arrow(SCHEMA))
    kind = KINDS[name](name, table, rows)
    read = rejected = 0
    while read + rejected < many:
        more = check(kind, random_, min(BATCH, many - read - rejected))
        read, rejected = read + more[0], rejected + more[1]
    sys.stdout.write(json.dumps({"read": read, "rejected": rejected}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
