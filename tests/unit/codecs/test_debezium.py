"""Debezium's envelopes: what was created becomes rows; mutations are refused by name."""

from __future__ import annotations

import datetime as dt
import json
import struct as packing
from typing import Any

import pyarrow as pa
import pytest

from catenary.codecs import Rejected, codec
from catenary.codecs.framing import Registered
from catenary.codecs.topics import NoSchemas, topic_codec
from catenary.errors import DefinitionError, UnsupportedError
from catenary.schema import (
    BIGINT,
    DATE,
    DOUBLE,
    STRING,
    TIMESTAMP,
    Schema,
    array,
    map_of,
    struct,
)
from catenary.schema.arrow import schema_to_arrow

SCHEMA = Schema.of(id=BIGINT, amount=DOUBLE)
ENVELOPE = Schema.of(
    {
        "id": BIGINT,
        "__op": STRING,
        "__ts_ms": BIGINT,
        "__source_table": STRING,
        "__source_ts_ms": TIMESTAMP,
    }
)


def envelope(op: str, after: Any, before: Any = None, **more: Any) -> dict[str, Any]:
    source = {"version": "3.0", "connector": "postgresql", "table": "orders", "ts_ms": 1_000}
    held = {"before": before, "after": after, "source": source, "op": op, "ts_ms": 1_500}
    return {**held, "transaction": None, **more}


def wrapped(payload: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "struct", "fields": [{"field": "after"}]}, "payload": payload}


def batch(*records: Any) -> pa.LargeBinaryArray:
    return pa.array(
        [None if each is None else json.dumps(each).encode() for each in records],
        pa.large_binary(),
    )


def reads(rows: Schema = SCHEMA, columns: list[str] | None = None, **options: str) -> Any:
    return topic_codec("orders", rows, {"format": "debezium", **options}, NoSchemas(), columns)


CREATED = envelope("c", {"id": 1, "amount": 0.5, "more": [1]})
READ = envelope("r", {"id": 2, "amount": None})


def test_what_was_created_or_read_by_a_snapshot_becomes_a_row() -> None:
    found = reads().decode(batch(CREATED, READ))
    assert found.rows.to_pylist() == [{"id": 1, "amount": 0.5}, {"id": 2, "amount": None}]
    assert found.rows.schema == schema_to_arrow(SCHEMA)
    assert (found.rejected, found.skipped) == ((), 0)


def test_envelopes_are_read_with_and_without_a_schema_around_them_in_one_batch() -> None:
    found = reads().decode(batch(wrapped(READ), CREATED, wrapped(CREATED), READ))
    assert [row["id"] for row in found.rows.to_pylist()] == [2, 1, 1, 2]
    found = reads().decode(batch(wrapped(READ), wrapped(CREATED)))
    assert [row["id"] for row in found.rows.to_pylist()] == [2, 1]


def test_mutations_are_refused_by_name_and_take_no_neighbour_along() -> None:
    gone = envelope("d", None, {"id": 1, "amount": 0.5})
    changed = envelope("u", {"id": 1, "amount": 1.5}, {"id": 1, "amount": 0.5})
    found = reads().decode(batch(CREATED, changed, gone, None, wrapped(gone), READ, envelope("t", None)))  # fmt: skip
    assert found.kept.tolist() == [0, 5]
    assert [row["id"] for row in found.rows.to_pylist()] == [1, 2]
    assert found.rejected == (
        Rejected(1, "an update (op 'u'): mutations are not supported yet"),
        Rejected(2, "a delete (op 'd'): mutations are not supported yet"),
        Rejected(4, "a delete (op 'd'): mutations are not supported yet"),
        Rejected(6, "a truncation (op 't'): mutations are not supported yet"),
    )
    assert found.skipped == 1, "the tombstone behind the delete says nothing more"


def test_a_batch_of_tombstones_has_no_rows_and_no_rejected_records() -> None:
    found = reads().decode(batch(None, None))
    assert (found.rows.num_rows, found.rejected, found.skipped) == (0, (), 2)
    assert reads().decode(batch()).rows.schema == schema_to_arrow(SCHEMA)


def test_what_is_no_envelope_says_so() -> None:
    whole = batch({"id": 1, "amount": 1.0}, envelope("c", None), envelope("x", {}), CREATED)
    found = reads().decode(whole)
    assert found.kept.tolist() == [3]
    assert [each.reason for each in found.rejected] == [
        "this is no Debezium envelope: it lacks 'op'",
        "a row was created (op 'c'), but 'after' is null",
        "op 'x' is not known",
    ]


def test_a_value_that_does_not_fit_its_column_is_told_with_its_path() -> None:
    bad = envelope("c", {"id": "one", "amount": 1.0})
    found = reads().decode(batch(bad, CREATED, wrapped(bad)))
    assert found.kept.tolist() == [1]
    assert "column 'after.id': expected bigint, not a string" in found.rejected[0].reason
    assert "column 'payload.after.id'" in found.rejected[1].reason


def test_columns_with_two_underscores_are_the_envelopes() -> None:
    for each in (CREATED, wrapped(CREATED)):
        (row,) = reads(ENVELOPE).decode(batch(each)).rows.to_pylist()
        assert row == {
            "id": 1,
            "__op": "c",
            "__ts_ms": 1_500,
            "__source_table": "orders",
            "__source_ts_ms": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
        }


@pytest.mark.parametrize("column", [{"__before": STRING}, {"__after": BIGINT}, {"__op": BIGINT}])
def test_images_are_no_columns_of_the_envelope(column: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="is not read from Debezium's envelope"):
        reads(Schema.of({"id": BIGINT, **column}))


def test_only_the_columns_that_are_asked_for_are_kept() -> None:
    assert reads(columns=["amount"]).decode(batch(CREATED)).rows.to_pylist() == [{"amount": 0.5}]
    found = reads(columns=[]).decode(batch(CREATED, READ, envelope("d", None)))
    assert (found.rows.num_columns, found.kept.tolist()) == (0, [0, 1])


def test_dates_come_as_days_since_1970() -> None:
    found = reads(Schema.of(day=DATE)).decode(
        batch(envelope("c", {"day": 19_844}), envelope("c", {"day": "2024-05-01"}))
    )
    assert found.rows.column("day").to_pylist() == [dt.date(2024, 5, 1)] * 2


@pytest.mark.parametrize(("times", "unit"), [({}, 1_000), ({"times": "us"}, 1)])
def test_times_come_in_the_unit_that_the_topic_names(times: dict[str, str], unit: int) -> None:
    at = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    number = int(at.timestamp()) * 1_000_000 // unit
    found = reads(Schema.of(at=TIMESTAMP), **times).decode(
        batch(envelope("c", {"at": number}), envelope("c", {"at": "2024-05-01T00:00:00Z"}))
    )
    assert found.rows.column("at").to_pylist() == [at, at]


def test_times_in_another_unit_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="known: ms, us"):
        reads(times="hours")


def test_avro_envelopes_are_read_with_the_connectors_schema() -> None:
    value = {"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "long"}, {"name": "amount", "type": ["null", "double"], "default": None},
    ]}  # fmt: skip
    fields = [
        {"name": "before", "type": ["null", value], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
            {"name": "ts_ms", "type": "long"}, {"name": "table", "type": "string"}]}},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
    ]  # fmt: skip
    writer = json.dumps({"type": "record", "name": "Envelope", "fields": fields})
    shape = struct({"id": BIGINT, "amount": DOUBLE})
    source = struct({"ts_ms": BIGINT, "table": STRING})
    columns = Schema.of(before=shape, after=shape, source=source, op=STRING, ts_ms=BIGINT)
    rows = [
        {"before": None, "after": {"id": 1, "amount": 0.5}, "op": "c"},
        {"before": {"id": 1, "amount": 0.5}, "after": None, "op": "d"},
        {"before": None, "after": {"id": 2, "amount": None}, "op": "r"},
    ]
    common = {"source": {"ts_ms": 1_000, "table": "orders"}, "ts_ms": 1_500}
    table = pa.Table.from_pylist([{**each, **common} for each in rows], schema_to_arrow(columns))
    bare = codec("avro", columns, writer=writer).encode(table)
    wanted = Schema.of({**ENVELOPE, "__source_ts_ms": BIGINT})
    found = reads(wanted, codec="avro", schema=writer).decode(bare)
    assert [row["id"] for row in found.rows.to_pylist()] == [1, 2]
    assert found.rows.column("__source_table").to_pylist() == ["orders"] * 2
    assert [each.row for each in found.rejected] == [1]

    class One(NoSchemas):
        def registry(self, address: str) -> Any:
            return self

        def schema(self, id_: int) -> Registered:
            return Registered(id_, "avro", writer)

    options = {"format": "debezium", "codec": "avro", "registry": "project"}
    framed = [packing.pack(">bI", 0, 3) + each for each in bare.to_pylist()]
    both = topic_codec("orders", wanted, options, One())
    again = both.decode(pa.array([*framed, None], pa.large_binary()))
    assert (again.rows, again.rejected, again.skipped) == (found.rows, found.rejected, 1)


@pytest.mark.parametrize("name", ["json", "avro"])
def test_rows_that_are_published_come_back_as_created(name: str) -> None:
    schema = Schema.of(
        {"id": BIGINT, "tags": array(STRING), "at": map_of(STRING, DOUBLE), "__ts_ms": BIGINT}
    )
    rows = [
        {"id": at, "tags": ["a"] * at, "at": [("x", 0.5)] * (at % 2), "__ts_ms": 5}
        for at in range(4)
    ]
    table = pa.Table.from_pylist(rows, schema_to_arrow(schema))
    both = reads(schema, codec=name)
    found = both.decode(both.encode(table))
    assert found.rows.to_pylist() == rows


def test_envelopes_are_not_read_from_protobuf() -> None:
    with pytest.raises(UnsupportedError, match="json or avro"):
        reads(codec="protobuf")


@pytest.mark.parametrize("slip", ["codecs", "shema_", "formats", "timez"])
def test_an_option_that_is_nearly_one_is_refused(slip: str) -> None:
    with pytest.raises(UnsupportedError, match=f"'orders': there is no option '{slip}'"):
        topic_codec("orders", Schema.of(id=BIGINT), {slip: "x"}, NoSchemas())


def test_options_of_others_are_left_alone() -> None:
    options = {"kafka.security.protocol": "SSL", "serde": "custom", "provider_class": "x.Y"}
    assert topic_codec("orders", Schema.of(id=BIGINT), options, NoSchemas()) is not None
