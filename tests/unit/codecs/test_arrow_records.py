"""Arrow IPC records: a stream of one row each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from catenary.codecs import codec
from catenary.schema import BIGINT, DOUBLE, STRING, TIMESTAMP, Schema, array
from catenary.schema.arrow import schema_to_arrow

SCHEMA = Schema.of(id=BIGINT, name=STRING, xs=array(DOUBLE))
ROWS = [{"id": at, "name": f"n{at}", "xs": [at / 3] * (at % 3)} for at in range(20)]


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def batch(*records: bytes | None) -> pa.LargeBinaryArray:
    return pa.array(records, pa.large_binary())


def one(**columns: Any) -> bytes:
    return stream(pa.table({name: [value] for name, value in columns.items()}))


GOOD = one(id=7, name="seven", xs=[0.5])
READS = codec("arrow", SCHEMA)


def test_rows_that_are_written_come_back() -> None:
    table = pa.Table.from_pylist(ROWS, schema_to_arrow(SCHEMA))
    records = READS.encode(table)
    found = READS.decode(records)
    assert (found.rows.to_pylist(), found.rejected) == (ROWS, ())
    with pa.ipc.open_stream(records[5].as_buffer()) as read:
        assert read.read_all().to_pylist() == [ROWS[5]]


def test_columns_are_taken_by_name_and_widened_as_tables_are() -> None:
    types = {"xs": pa.large_list(pa.float64()), "extra": pa.bool_(), "name": pa.dictionary(pa.int8(), pa.string())}  # fmt: skip
    row = {"xs": [[1.5]], "extra": [True], "name": ["n"]}
    table = pa.table({name: pa.array(row[name], type_) for name, type_ in types.items()})
    found = READS.decode(batch(stream(table), GOOD, stream(table, compression="zstd")))
    new = {"id": None, "name": "n", "xs": [1.5]}
    assert found.rows.to_pylist() == [new, {"id": 7, "name": "seven", "xs": [0.5]}, new]


def test_nan_is_null_and_minus_zero_is_zero() -> None:
    found = READS.decode(batch(one(id=1, xs=[float("nan"), -0.0])))
    (row,) = found.rows.to_pylist()
    assert repr(row["xs"]) == "[None, 0.0]"


def test_times_of_other_units_become_microseconds() -> None:
    reads = codec("arrow", Schema.of(at=TIMESTAMP))
    for unit, value in (("s", 5), ("ms", 5_000), ("ns", 5_000_000_999)):
        table = pa.table({"at": pa.array([value], pa.timestamp(unit, tz="UTC"))})
        found = reads.decode(batch(stream(table)))
        assert found.rows.column("at").cast(pa.int64()).to_pylist() == [5_000_000], unit


@pytest.mark.parametrize("many", [0, 2, 1000])
def test_a_record_of_another_number_of_rows_is_rejected_as_a_whole(many: int) -> None:
    several = stream(pa.table({"id": list(range(many))}, schema=pa.schema({"id": pa.int64()})))
    found = READS.decode(batch(GOOD, several, GOOD))
    assert found.kept.tolist() == [0, 2]
    assert f"it holds {many} rows; write each row as a record" in found.rejected[0].reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "no value"),
        (b"", "is empty"),
        (b"{}", "no Arrow stream"),
        (GOOD[:-20], "no Arrow stream|holds 0 rows"),
        (one(id="seven"), "column 'id': expected bigint, not string"),
        (one(xs=[[1]]), "column 'xs'"),
    ],
)
def test_what_is_no_row_is_rejected_alone(record: bytes | None, reason: str) -> None:
    found = READS.decode(batch(GOOD, record, GOOD))
    assert found.kept.tolist() == [0, 2]
    assert [row["id"] for row in found.rows.to_pylist()] == [7, 7]
    (told,) = found.rejected
    assert told.row == 1
    assert any(each in told.reason for each in reason.split("|")), told.reason


def test_a_column_that_is_there_twice_is_no_column() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    (told,) = READS.decode(batch(stream(table))).rejected
    assert told.reason == "column 'id' is there twice"


def test_no_columns_at_all_still_count_the_records() -> None:
    found = codec("arrow", SCHEMA, columns=[]).decode(batch(GOOD, b"?", GOOD))
    assert (found.kept.tolist(), found.rows.num_columns) == ([0, 2], 0)
