"""A folder of `ds=` folders as a table.

Its columns are what the sidecar tells, else what the newest partition's first file has; every file
that is read is held to them, so that a change midway is named and never guessed around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.errors import MissingPartitionError, SchemaMismatchError
from catenary.schema import STRING, Field, Schema
from catenary.tables.parquet.layout import data_files, partition_days, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from catenary.tables.parquet.files import DataFile


class FolderTable:
    """The table in `folder`."""

    sparse = False

    def __init__(self, name: str, folder: Path, *, partition_column: str = "ds") -> None:
        self.name = name
        self.folder = folder
        self.partition_column = partition_column
        self._schema: Schema | None = None

    def schema(self) -> Schema:
        """All columns, the partition column last unless the files hold it too."""
        if self._schema is None:
            told = read_columns(self.folder) or self._newest_columns()
            if self.partition_column not in told:
                told = Schema((*told.fields, Field(self.partition_column, STRING)))
            self._schema = told
        return self._schema

    def partitions(self) -> tuple[str, ...]:
        """The days that have a folder."""
        return partition_days(self.folder, self.partition_column)

    def batches(self, ds: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of one day, file by file in the order of their names."""
        folder = self.folder / f"{self.partition_column}={ds}"
        if not folder.is_dir():
            problem = f"table {self.name!r} has no partition {self.partition_column}={ds}"
            raise MissingPartitionError(problem, where=str(self.folder), hint=self._range())
        from catenary.tables.parquet.files import DataFile

        stored = [column for column in columns if column != self.partition_column]
        for path in data_files(folder):
            file = DataFile(path)
            self._check(file, ds, stored)
            for batch in file.batches(stored):
                yield self._with_day(batch, ds, columns)

    def _with_day(self, batch: pa.RecordBatch, ds: str, columns: Sequence[str]) -> pa.RecordBatch:
        if self.partition_column not in columns:
            return batch
        import pyarrow as pa

        day = pa.repeat(pa.scalar(ds), batch.num_rows)
        arrays = [day if each == self.partition_column else batch.column(each) for each in columns]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))

    def _check(self, file: DataFile, ds: str, columns: Sequence[str]) -> None:
        """Hold a file to the table's columns."""
        schema = self.schema()
        for column in columns:
            expected, found = str(schema[column]), file.type_of(column)
            if found == expected:
                continue
            file.close()
            came = "is missing" if found is None else f"is {found}"
            problem = (
                f"table {self.name!r} changed midway: column {column!r} {came} "
                f"in partition {self.partition_column}={ds}, expected {expected}"
            )
            hint = "write that partition again with the table's present columns"
            raise SchemaMismatchError(problem, where=str(file.path), hint=hint)

    def _newest_columns(self) -> Schema:
        from catenary.tables.parquet.files import DataFile

        for ds in reversed(self.partitions()):
            for path in data_files(self.folder / f"{self.partition_column}={ds}"):
                file = DataFile(path)
                file.close()
                return file.columns()
        problem = f"table {self.name!r} has no partition yet, so its columns are not known"
        hint = f"expected folders such as {self.partition_column}=2013-01-31 holding Parquet files"
        raise MissingPartitionError(problem, where=str(self.folder), hint=hint)

    def _range(self) -> str:
        days = self.partitions()
        return f"it has {len(days)}, {days[0]} to {days[-1]}" if days else "it has none"
