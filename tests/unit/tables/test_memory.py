"""Frames as tables, and outputs that stay in memory."""

from __future__ import annotations

import pyarrow as pa
import pytest

from catenary.errors import MissingPartitionError, MissingTableError, SchemaMismatchError
from catenary.schema import BIGINT, Schema
from catenary.tables.memory import FrameTable, MemoryOutputs, MemoryTables

DAY, NEXT = "2024-01-01", "2024-01-02"
ROWS = pa.table({"n": [1, 2, 3, 4], "ds": [NEXT, DAY, NEXT, None]})


def numbers(table: FrameTable, ds: str) -> list[int]:
    return [n for batch in table.batches(ds, ["n"]) for n in batch.column(0).to_pylist()]


def test_rows_of_a_day_need_not_lie_together_and_keep_their_order() -> None:
    table = FrameTable("t", ROWS)
    assert table.partitions() == (DAY, NEXT)
    assert (numbers(table, DAY), numbers(table, NEXT)) == ([2], [1, 3])


def test_a_partition_column_that_is_missing_or_no_text_is_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="partition column 'ds' is missing, not string"):
        FrameTable("t", ROWS.drop_columns(["ds"]))
    with pytest.raises(SchemaMismatchError, match="partition column 'n' is bigint, not string"):
        FrameTable("t", ROWS, partition_column="n")


def test_a_day_or_a_column_that_is_not_there_is_refused() -> None:
    table = FrameTable("t", ROWS)
    with pytest.raises(MissingPartitionError, match="'t' has no rows of ds=2024-02-01"):
        list(table.batches("2024-02-01", ["n"]))
    with pytest.raises(SchemaMismatchError, match="no column 'm'"):
        list(table.batches(DAY, ["m"]))


def test_a_name_that_was_not_given_is_asked_of_the_others_or_refused() -> None:
    held = MemoryTables({"sales": FrameTable("sales", ROWS)})
    assert MemoryTables({}, held).table("sales").name == "sales"
    with pytest.raises(MissingTableError, match="no table 'sale' was given") as error:
        held.table("sale")
    assert error.value.hint == "did you mean 'sales'?"


def test_outputs_give_back_what_was_written_day_by_day() -> None:
    outputs = MemoryOutputs()
    with outputs.open("t", "f", Schema.of({"n": BIGINT})) as output:
        assert output.publish([]) == ()
        output.write(NEXT, pa.table({"n": [2]}), inputs="y")
        output.write(DAY, pa.table({"n": [1]}), inputs="x")
    assert outputs.rows("t").to_pylist() == [{"n": 1, "ds": DAY}, {"n": 2, "ds": NEXT}]
    assert outputs.written("t", "f") == {DAY: "x", NEXT: "y"}
    assert outputs.written("t", "g") == {}
