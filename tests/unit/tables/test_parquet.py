"""Parquet folders: their layouts, the sidecar, the pointer, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from catenary.errors import MissingPartitionError, MissingTableError, SchemaMismatchError
from catenary.schema import BIGINT, STRING, Schema
from catenary.tables.parquet import ParquetTables, Warehouse
from catenary.tables.parquet.files import write_file
from catenary.tables.parquet.layout import write_columns

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.ports import Table

DAY, NEXT = "2024-01-01", "2024-01-02"
COLUMNS = Schema.of({"n": BIGINT})


def put(folder: Path, *numbers: int, name: str = "a.parquet") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / name, pa.table({"n": numbers}), compression="zstd")


def numbers(table: Table, ds: str) -> list[int]:
    return [n for batch in table.batches(ds, ["n"]) for n in batch.column(0).to_pylist()]


@pytest.mark.parametrize("folder", ["shop.sales", "shop/sales"])
def test_a_name_with_a_dot_is_a_folder_or_a_folder_in_a_folder(folder: str, tmp_path: Path) -> None:
    put(tmp_path / folder / f"ds={DAY}", 1)
    table = ParquetTables(tmp_path).table("shop.sales")
    assert table.partitions() == (DAY,)
    assert numbers(table, DAY) == [1]
    assert dict(table.schema().items()) == {"n": BIGINT, "ds": STRING}


def test_files_of_a_day_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, n in (("b.parquet", 2), ("a.parquet", 1), ("_skipped.parquet", 8), (".x.parquet", 9)):
        put(tmp_path / "t" / f"ds={DAY}", n, name=name)
    assert numbers(ParquetTables(tmp_path).table("t"), DAY) == [1, 2]


def test_another_partition_column_may_be_named(tmp_path: Path) -> None:
    put(tmp_path / "t" / f"day={DAY}", 1)
    table = ParquetTables(tmp_path).table("t", partition_column="day")
    (batch,) = table.batches(DAY, ["day", "n"])
    assert batch.to_pylist() == [{"day": DAY, "n": 1}]


@pytest.mark.parametrize("path", ["t.parquet", "t/part.parquet"])
def test_files_without_day_folders_are_read_as_a_whole(path: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    write_file(file, pa.table({"n": [1, 2, 3], "ds": [DAY, NEXT, DAY]}), compression="none")
    table = ParquetTables(tmp_path).table("t")
    assert table.partitions() == (DAY, NEXT)
    assert numbers(table, DAY) == [1, 3]


def test_a_file_without_rows_has_columns_and_no_days(tmp_path: Path) -> None:
    empty = pa.schema({"n": pa.int64(), "ds": pa.string()}).empty_table()
    write_file(tmp_path / "t.parquet", empty, compression="none")
    table = ParquetTables(tmp_path).table("t")
    assert dict(table.schema().items()) == {"n": BIGINT, "ds": STRING}
    assert table.partitions() == ()


def test_the_sidecar_tells_the_columns_without_a_file_being_read(tmp_path: Path) -> None:
    (tmp_path / "t" / f"ds={DAY}").mkdir(parents=True)
    (tmp_path / "t" / f"ds={DAY}" / "a.parquet").write_bytes(b"no Parquet")
    write_columns(tmp_path / "t", COLUMNS)
    table = ParquetTables(tmp_path).table("t")
    assert dict(table.schema().items()) == {"n": BIGINT, "ds": STRING}


def test_the_newest_day_tells_the_columns_and_others_are_held_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "t" / f"ds={DAY}"
    folder.mkdir(parents=True)
    write_file(folder / "a.parquet", pa.table({"n": ["one"]}), compression="none")
    put(tmp_path / "t" / f"ds={NEXT}", 1)
    table = ParquetTables(tmp_path).table("t")
    with pytest.raises(
        SchemaMismatchError, match=f"'n' is string in partition ds={DAY}, expected bigint"
    ):
        numbers(table, DAY)


def test_a_table_without_days_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with pytest.raises(MissingPartitionError, match="no partition yet") as error:
        ParquetTables(tmp_path).table("t").schema()
    assert error.value.hint is not None
    assert "ds=2013-01-31" in error.value.hint


def test_a_day_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    put(tmp_path / "t" / f"ds={DAY}", 1)
    with pytest.raises(MissingPartitionError, match=f"no partition ds={NEXT}") as error:
        numbers(ParquetTables(tmp_path).table("t"), NEXT)
    assert error.value.hint == f"it has 1, {DAY} to {DAY}"


def test_a_missing_table_is_named_with_the_nearest_published_ones_too(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "out")
    with warehouse.open("spending", "f1", COLUMNS) as version:
        version.write(DAY, pa.table({"n": [1]}), inputs="x")
        version.publish([DAY])
    tables = ParquetTables(tmp_path / "in", warehouse)
    assert numbers(tables.table("spending"), DAY) == [1]
    with pytest.raises(MissingTableError) as error:
        tables.table("spendings")
    assert error.value.hint == (
        "did you mean 'spending'?; its rows lie in in/spendings/ds=YYYY-MM-DD/*.parquet, of which one"
        " file without rows is enough to begin"
    )


def test_readers_find_a_version_once_it_is_published(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    with warehouse.open("t", "f1", COLUMNS) as version:
        version.write(DAY, pa.table({"n": [1]}), inputs="x")
        assert warehouse.current("t") is None
        assert version.publish([DAY, NEXT]) == ()
    with warehouse.open("t", "f2", COLUMNS) as version:
        version.write(NEXT, pa.table({"n": [2]}), inputs="y")
        assert version.publish([DAY, NEXT]) == (DAY,)
        found = warehouse.current("t")
        assert found is not None
        assert found.partitions() == (DAY,)
        version.write(DAY, pa.table({"n": [3]}), inputs="z")
        assert version.publish([DAY, NEXT]) == ()
    found = warehouse.current("t")
    assert found is not None
    assert [numbers(found, ds) for ds in found.partitions()] == [[3], [2]]


def test_what_a_day_was_computed_from_is_given_back_the_last_word_counting(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    with warehouse.open("t", "f", COLUMNS) as version:
        version.write(DAY, pa.table({"n": [1]}), inputs="x")
        version.write(DAY, pa.table({"n": [2]}), inputs="y")
        version.write(NEXT, pa.table({"n": [3]}), inputs="z")
    assert warehouse.written("t", "f") == {DAY: "y", NEXT: "z"}
    assert warehouse.written("t", "other") == {}
