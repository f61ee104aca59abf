"""Protobuf records: what a field becomes, what stands for one that did not come, what is refused by name."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from catenary.codecs import codec, schema_of_protobuf
from catenary.errors import DataError, DefinitionError, UnsupportedError
from catenary.logs.registry.protos import compiled, descriptors
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    Schema,
    array,
    map_of,
    struct,
)
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from pathlib import Path

PROTO3 = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
enum Colour { NONE = 0; RED = 5; }
message Order {
  int64 id = 1;
  optional double amount = 2;
  Colour colour = 3;
  repeated int32 sizes = 4;
  repeated int32 loose = 5 [packed = false];
  map<string, Place> places = 6;
  oneof paid { string card = 7; Place cash = 8; bool free = 20; }
  google.protobuf.Timestamp at = 9;
  google.protobuf.Duration took = 10;
  google.protobuf.StringValue note = 11;
  Order parent = 12;
  google.protobuf.Struct any = 13;
  uint64 big = 14;
  message Place { double x = 1; Place near = 2; }
}
"""
PROTO2 = """
syntax = "proto2";
package old;
enum Colour { NONE = 1; RED = 5; }
enum Shade { DARK = 0; LIGHT = 5; }
message Order {
  required int64 id = 1;
  optional int32 many = 2 [default = 7];
  optional string name = 3 [default = "none"];
  optional bytes raw = 4;
  optional Colour colour = 5;
  repeated Colour colours = 6;
  optional double x = 7 [default = 1.5];
  map<string, Shade> by_name = 8;
  optional group Old = 9 { optional int32 a = 1; }
  extensions 100 to 200;
}
extend Order { optional int32 added = 100; }
"""
NEW, OLD = descriptors(PROTO3, {}), descriptors(PROTO2, {})


def decoded(columns: Schema, *records: bytes, files: bytes = NEW) -> Any:
    reads = codec("protobuf", columns, files=files)
    return reads.decode(pa.array(records, pa.large_binary()))


def rows(columns: Schema, *records: bytes, files: bytes = NEW) -> list[Any]:
    found = decoded(columns, *records, files=files)
    assert found.rejected == ()
    return list(found.rows.to_pylist())


def rejected(columns: Schema, record: bytes, files: bytes = NEW) -> str:
    """Why a record is rejected that has good ones around it."""
    good = b"\x08\x07"
    found = decoded(columns, good, record, good, files=files)
    assert found.kept.tolist() == [0, 2]
    (told,) = found.rejected
    assert told.row == 1
    return str(told.reason)


PLACE = struct({"x": DOUBLE})


def test_a_field_that_did_not_come_is_null_where_the_format_tells_so_else_its_default() -> None:
    columns = Schema.of(
        id=BIGINT, amount=DOUBLE, colour=STRING, sizes=array(INT), places=map_of(STRING, PLACE), card=STRING,
        cash=PLACE, at=TIMESTAMP, took=BIGINT, note=STRING, absent=DATE,
    )  # fmt: skip
    (row,) = rows(columns, b"")
    assert row == {
        "id": 0, "amount": None, "colour": "NONE", "sizes": [], "places": [], "card": None, "cash": None,
        "at": None, "took": None, "note": None, "absent": None,
    }  # fmt: skip
    (row,) = rows(columns, b"\x11" + bytes(8) + b"\x3a\0\x4a\0\x52\0\x5a\0")
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert [row[each] for each in ("amount", "card", "at", "took", "note")] == [0.0, "", epoch, 0, ""]  # fmt: skip


def test_defaults_that_proto2_states_stand_for_what_did_not_come() -> None:
    columns = Schema.of(
        id=BIGINT, many=INT, name=STRING, raw=BINARY, colour=STRING, colours=array(STRING), x=DOUBLE
    )
    assert rows(columns, b"\x08\x01", files=OLD) == [
        {"id": 1, "many": 7, "name": "none", "raw": None, "colour": None, "colours": [], "x": 1.5}
    ]


def test_enums_are_names_of_unknown_numbers_digits_or_numbers_if_the_column_is_one() -> None:
    records = (b"\x18\x05", b"\x18\x09", b"\x18" + b"\xff" * 9 + b"\x01")
    assert [row["colour"] for row in rows(Schema.of(colour=STRING), *records)] == ["RED", "9", "-1"]
    assert [row["colour"] for row in rows(Schema.of(colour=SMALLINT), *records)] == [5, 9, -1]


def test_unknown_numbers_of_a_closed_enum_did_not_come() -> None:
    columns = Schema.of(colour=STRING, colours=array(STRING), by_name=map_of(STRING, STRING))
    record = b"\x08\x01\x28\x09\x30\x05\x30\x09\x42\x05\x0a\x01a\x10\x09\x42\x05\x0a\x01b\x10\x05"
    assert rows(columns, record, files=OLD) == [
        {"colour": None, "colours": ["RED"], "by_name": [("b", "LIGHT")]}
    ]


def test_an_entry_without_a_key_or_a_value_has_their_defaults_in_proto2_too() -> None:
    columns = Schema.of(by_name=map_of(STRING, STRING))
    assert rows(columns, b"\x08\x01\x42\x00", b"\x08\x01\x42\x02\x10\x05", files=OLD) == [
        {"by_name": [("", "DARK")]},
        {"by_name": [("", "LIGHT")]},
    ]


def test_lists_are_read_packed_and_loose_whatever_the_schema_says() -> None:
    columns = Schema.of(sizes=array(INT), loose=array(INT))
    assert rows(columns, b"\x22\x02\x01\x02\x20\x03", b"\x28\x01\x2a\x02\x02\x03\x28\x04") == [
        {"sizes": [1, 2, 3], "loose": []},
        {"sizes": [], "loose": [1, 2, 3, 4]},
    ]


def test_of_a_oneof_the_last_member_counts_also_if_no_column_takes_it() -> None:
    cash = b"\x42\x09\x09" + bytes(6) + b"\xf8\x3f"
    both = Schema.of(card=STRING, cash=PLACE)
    assert rows(both, b"\x3a\x01a" + cash, cash + b"\x3a\x01a", cash + b"\xa0\x01\x01") == [
        {"card": None, "cash": {"x": 1.5}},
        {"card": "a", "cash": None},
        {"card": None, "cash": None},
    ]


def test_messages_merge_and_of_entries_with_one_key_the_last_counts() -> None:
    columns = Schema.of(places=map_of(STRING, PLACE), parent=struct({"id": BIGINT, "sizes": array(INT)}))  # fmt: skip
    entries = [b"\x32\x03\x0a\x01" + key for key in (b"a", b"b", b"a")]
    two = b"\x62\x04\x08\x01\x20\x02" + b"".join(entries) + b"\x62\x02\x20\x03"
    (row,) = rows(columns, two)
    assert row["parent"] == {"id": 1, "sizes": [2, 3]}
    assert sorted(key for key, _ in row["places"]) == ["a", "b"]


def test_times_are_timestamps_or_what_they_hold() -> None:
    record = b"\x4a\x08\x08\x01\x10\xcf\x8f\x01\x18\x09\x52\x0c\x08\x01\x10\xff\x93\xeb\xdc\x03"
    parts = struct({"seconds": BIGINT, "nanos": INT})
    (row,) = rows(Schema.of(at=TIMESTAMP), record[:10])
    assert row["at"] == dt.datetime(1970, 1, 1, 0, 0, 1, 18, tzinfo=dt.UTC)
    assert rows(Schema.of(at=parts), record[:10]) == [{"at": {"seconds": 1, "nanos": 18_383}}]
    assert rows(Schema.of(took=BIGINT), b"\x52\x08\x08\x01\x10\xff\x93\xeb\xdc\x03") == [
        {"took": 1_999_999}
    ]


@pytest.mark.parametrize(
    ("columns", "record", "reason"),
    [
        (Schema.of(id=BIGINT), b"\x08", "ends inside a value (byte 1)"),
        (Schema.of(id=BIGINT), b"\x08" + b"\xff" * 11, "a number is longer"),
        (Schema.of(id=BIGINT), b"\x3a\x05a", "beyond the record's end"),
        (Schema.of(id=BIGINT), b"\x3a\x02\xff\xff", "'card': text is not valid UTF-8"),
        (Schema.of(id=BIGINT), b"\x00\x01", "no field of Protobuf"),
        (Schema.of(id=BIGINT), b"\x0f\x01", "no field of Protobuf"),
        (Schema.of(id=BIGINT), b"\xa3\x06\x08\x01", "ends inside"),
        (Schema.of(id=BIGINT), b"\x0c", "no field of Protobuf"),
        (Schema.of(id=SMALLINT), b"\x08\xff\xff\x7f", "'id': the value does not fit smallint"),
        (Schema.of(big=BIGINT), b"\x70" + b"\xff" * 9 + b"\x01", "'big': the value does not fit"),
        (Schema.of(parent=struct({"card": STRING})), b"\x62\x03\x3a\x01\xff", "'parent.card': text"),
        (Schema.of(at=TIMESTAMP), b"\x4a\x0a\x08" + b"\xff" * 8 + b"\x7f", "'at': the value does not fit"),
    ],
)  # fmt: skip
def test_a_broken_record_is_rejected_alone_with_the_field_and_the_byte(
    columns: Schema, record: bytes, reason: str
) -> None:
    assert reason in rejected(columns, record)


def test_a_record_without_a_required_field_is_none() -> None:
    columns = Schema.of(id=BIGINT)
    assert rejected(columns, b"\x10\x01", OLD).startswith("column 'id': the record lacks")


def test_fields_and_groups_that_are_not_known_are_left_out() -> None:
    unknown = b"\xa3\x06\x08\x01\xa3\x06\x12\x01x\xa4\x06\xa4\x06" + b"\xf8\x07\x01"
    assert rows(Schema.of(id=BIGINT), unknown + b"\x08\x02") == [{"id": 2}]


def nested(field: int, depth: int) -> bytes:
    record = b""
    for _ in range(depth):
        size, made = len(record), b""
        while size > 0x7F:
            made, size = made + bytes([size & 0x7F | 0x80]), size >> 7
        record = bytes([field << 3 | 2]) + made + bytes([size]) + record
    return record


@pytest.mark.parametrize("depth", [100, 101, 20_000])
def test_messages_in_messages_are_read_to_the_depth_that_others_read_them(depth: int) -> None:
    record = nested(12, depth)
    assert len(record) > depth
    if depth <= 100:
        assert rows(Schema.of(id=BIGINT), record) == [{"id": 0}]
    else:
        assert "deeper than" in rejected(Schema.of(id=BIGINT), record)
    groups = b"\xa3\x06" * depth + b"\xa4\x06" * depth
    if depth > 100:
        assert "deeper than" in rejected(Schema.of(id=BIGINT), groups)


def test_a_message_that_holds_itself_is_read_as_deep_as_the_columns_go() -> None:
    columns = Schema.of(parent=struct({"id": BIGINT, "parent": struct({"id": BIGINT})}))
    record = b"\x62\x08\x08\x01\x62\x04\x08\x02\x62\x00"
    assert rows(columns, record) == [{"parent": {"id": 1, "parent": {"id": 2}}}]
    with pytest.raises(UnsupportedError, match="holds itself"):
        schema_of_protobuf(NEW)


@pytest.mark.parametrize(
    ("columns", "files", "reason"),
    [
        (Schema.of(old=struct({"a": INT})), OLD, "'old' is a Protobuf group"),
        (Schema.of(added=INT), OLD, "the Protobuf extension 'old.added'"),
        (Schema.of({"old.added": INT}), OLD, "the Protobuf extension 'old.added'"),
        (Schema.of(id=STRING), NEW, "'id' is int64 in Protobuf, which a column of string"),
        (Schema.of(sizes=INT), NEW, "'sizes' is repeated int32"),
        (Schema.of(places=array(PLACE)), NEW, "'places' is repeated"),
        (Schema.of(places=map_of(BIGINT, PLACE)), NEW, "places.key"),
        (Schema.of(at=DATE), NEW, "'at' is google.protobuf.Timestamp"),
        (Schema.of(note=BOOLEAN), NEW, "'note' is string"),
    ],
)
def test_columns_that_a_field_cannot_be_are_refused_by_name(
    columns: Schema, files: bytes, reason: str
) -> None:
    with pytest.raises((UnsupportedError, DefinitionError), match=reason):
        codec("protobuf", columns, files=files)


@pytest.mark.parametrize(
    ("message", "reason"),
    [("Ordr", "did you mean 'Order'"), ("Place", None), ("shop.Order.Place", None)],
)
def test_a_message_is_found_by_its_short_or_its_full_name(message: str, reason: str | None) -> None:
    if reason is None:
        columns = Schema.of(x=DOUBLE)
        reads = codec("protobuf", columns, files=NEW, message=message)
        assert reads.decode(pa.array([b""], pa.large_binary())).rows.to_pylist() == [{"x": 0.0}]
    else:
        with pytest.raises(DefinitionError, match=reason):
            codec("protobuf", Schema.of(x=DOUBLE), files=NEW, message=message)


@pytest.mark.parametrize("files", [b"", b"\xff", b"nonsense", NEW[400:]])
def test_what_is_no_set_of_descriptors_is_refused(files: bytes) -> None:
    with pytest.raises(DefinitionError, match="Protobuf schema"):
        codec("protobuf", Schema.of(id=BIGINT), files=files)


def test_a_file_that_does_not_compile_is_refused_in_protocs_words(tmp_path: Path) -> None:
    file = tmp_path / "order.proto"
    file.write_text('syntax = "proto3"; message Order { int64 id = 1 }')
    with pytest.raises(DefinitionError, match=r"order\.proto:1:49"):
        compiled(file, tmp_path)
    with pytest.raises(DefinitionError, match="no name of a file"):
        descriptors("", {"../outside.proto": ""})


def test_rows_are_written_and_what_does_not_fit_is_told_with_its_row() -> None:
    columns = Schema.of(id=BIGINT, colour=STRING, took=BIGINT, note=STRING, places=map_of(STRING, PLACE))  # fmt: skip
    both = codec("protobuf", columns, files=NEW)
    some = [
        {"id": 1, "colour": "RED", "took": -1_500_001, "note": "", "places": [("a", {"x": 0.5})]},
        {"id": 2, "colour": "9", "took": 5, "note": None, "places": []},
    ]
    table = pa.Table.from_pylist(some, schema_to_arrow(columns))
    assert both.decode(both.encode(table)).rows.to_pylist() == some
    wrong = pa.Table.from_pylist([some[0], {**some[1], "colour": "PINK"}], schema_to_arrow(columns))
    with pytest.raises(DataError, match=r"row 1 .*'PINK' is no name of field 'colour'"):
        both.encode(wrong)
