"""What every codec does: names, projection, records that are not there, batches of odd shapes."""

from __future__ import annotations

import gc
import threading

import pyarrow as pa
import pytest

from catenary.codecs import Rejected, codec
from catenary.errors import DataError, DefinitionError, UnsupportedError
from catenary.schema import BIGINT, DOUBLE, STRING, Schema, array, map_of, struct
from catenary.schema.arrow import schema_to_arrow

SCHEMA = Schema.of(id=BIGINT, name=STRING, tags=array(STRING), at=struct({"x": DOUBLE}))
ROWS = [
    {"id": at, "name": f"n{at}" * (at % 9), "tags": ["é"] * (at % 3), "at": {"x": at / 3}}
    for at in range(1000)
]
both = pytest.mark.parametrize("name", ["json", "avro"])


def records(name: str) -> pa.LargeBinaryArray:
    return codec(name, SCHEMA).encode(pa.Table.from_pylist(ROWS, schema_to_arrow(SCHEMA)))


@both
def test_a_batch_becomes_rows_of_the_schemas_arrow_types(name: str) -> None:
    found = codec(name, SCHEMA).decode(records(name))
    found.rows.validate(full=True)
    assert found.rows.schema == schema_to_arrow(SCHEMA)
    assert found.rows.to_pylist() == ROWS
    assert found.kept.tolist() == list(range(1000))
    assert found.rejected == ()


@both
def test_a_batch_without_records_has_the_columns(name: str) -> None:
    found = codec(name, SCHEMA).decode(pa.array([], pa.large_binary()))
    assert found.rows.schema == schema_to_arrow(SCHEMA)
    assert (len(found.rows), len(found.kept), found.rejected) == (0, 0, ())


@both
def test_records_without_a_value_or_a_byte_are_rejected(name: str) -> None:
    good = records(name)[5].as_py()
    found = codec(name, SCHEMA).decode(pa.array([None, good, b"", None], pa.large_binary()))
    assert found.rows.to_pylist() == [ROWS[5]]
    assert found.kept.tolist() == [1]
    assert found.rejected == (
        Rejected(0, "the record has no value"),
        Rejected(2, "the record is empty"),
        Rejected(3, "the record has no value"),
    )


@both
@pytest.mark.parametrize("first", [1, 7, 8, 9, 999])
def test_a_slice_of_a_batch_is_read_from_where_it_starts(name: str, first: int) -> None:
    some = pa.array([None if at % 5 == 0 else each for at, each in enumerate(records(name).to_pylist())], pa.large_binary())  # fmt: skip
    found = codec(name, SCHEMA).decode(some.slice(first, 100))
    kept = [at for at in range(first, min(first + 100, 1000)) if at % 5]
    assert [at + first for at in found.kept.tolist()] == kept
    assert found.rows.to_pylist() == [ROWS[at] for at in kept]


@both
def test_only_the_columns_that_are_asked_for_are_kept_in_the_schemas_order(name: str) -> None:
    found = codec(name, SCHEMA, columns=["at", "id"]).decode(records(name))
    assert found.rows.to_pylist() == [{"id": each["id"], "at": each["at"]} for each in ROWS]


@both
def test_what_is_not_kept_is_checked_all_the_same(name: str) -> None:
    good = records(name)[7].as_py()
    assert good.count(b"n7n7") == 3 or good.count(b"n7") == 7
    found = codec(name, SCHEMA, columns=["id"]).decode(
        pa.array([good, good.replace(b"n7", b"n\xff", 1)], pa.large_binary())
    )
    assert found.kept.tolist() == [0]
    assert "UTF-8" in found.rejected[0].reason


def test_a_member_that_is_not_kept_must_fit_its_column_all_the_same() -> None:
    values = pa.array([b'{"id": 1, "name": "a"}', b'{"id": 2, "name": 5}'], pa.large_binary())
    found = codec("json", SCHEMA, columns=["id"]).decode(values)
    assert found.rows.to_pylist() == [{"id": 1}]
    assert found.rejected[0].row == 1
    assert "name" in found.rejected[0].reason


def test_a_column_that_json_has_no_form_for_does_no_harm_unless_it_is_kept() -> None:
    schema = Schema.of(id=BIGINT, by=array(map_of(DOUBLE, STRING)))
    values = pa.array([b'{"id": 1, "by": [{}]}'], pa.large_binary())
    assert codec("json", schema, columns=["id"]).decode(values).rows.to_pylist() == [{"id": 1}]
    with pytest.raises(UnsupportedError, match="'by': JSON has no maps with keys of double"):
        codec("json", schema)


def test_rows_without_a_column_of_the_records_are_refused_by_name() -> None:
    rows = pa.table({"id": [1], "naam": ["a"]})
    with pytest.raises(DataError, match=r"no column 'name'[^']*did you mean 'naam'"):
        codec("json", Schema.of(id=BIGINT, name=STRING)).encode(rows)


@both
def test_no_columns_at_all_still_count_the_records(name: str) -> None:
    found = codec(name, SCHEMA, columns=[]).decode(records(name))
    assert found.rows.num_columns == 0
    assert len(found.kept) == 1000


@both
def test_rows_outlive_the_batch_and_the_codec(name: str) -> None:
    found = codec(name, SCHEMA).decode(records(name)).rows.slice(500)
    gc.collect()
    assert found.to_pylist() == ROWS[500:]


@both
def test_threads_may_share_a_codec(name: str) -> None:
    shared, values = codec(name, SCHEMA), records(name)
    found: list[bool] = []

    def read() -> None:
        found.extend(shared.decode(values).rows.to_pylist() == ROWS for _ in range(3))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [True] * 12


def test_another_codec_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnsupportedError, match="did you mean 'avro'"):
        codec("avr", SCHEMA)


@pytest.mark.parametrize("name", ["json", "arrow"])
def test_json_and_arrow_have_no_writers_schema(name: str) -> None:
    with pytest.raises(UnsupportedError, match="without a schema"):
        codec(name, SCHEMA, writer="{}")


def test_a_column_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'name'"):
        codec("json", SCHEMA, columns=["namee"])
