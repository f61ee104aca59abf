"""One Parquet file: its columns, its rows in batches, and writing it in one step.

`ParquetFile` is used throughout: the dataset readers behind `read_table` cost a second to import.
Written with zstd at level 1 unless settings say otherwise: measured on 3 M rows it takes as long as
no compression at all (0.24 s) and half the space; lz4 is a quarter faster and a third larger.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from catenary.errors import StorageError, UnreadableError
from catenary.schema.arrow import from_arrow, schema_from_arrow
from catenary.tables.parquet.layout import TEMPORARY, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from catenary.schema import Schema

_BATCH_ROWS = 1 << 17


class DataFile:
    """An open Parquet file.

    Raises:
        UnreadableError: if it is no Parquet file, or a damaged one; names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)
            self.arrow = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error

    def columns(self) -> Schema:
        """All columns of the file.

        Raises:
            UnsupportedError: for a column of a type that has no counterpart here.
        """
        return schema_from_arrow(self.arrow)

    def type_of(self, column: str) -> str | None:
        """A column's type as text; None if the file lacks it."""
        at = self.arrow.get_field_index(column)
        return None if at < 0 else str(from_arrow(self.arrow.field(at).type, column=column))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows, these columns only, in this order; the file is closed afterwards."""
        try:
            if self._file.metadata.num_rows <= _BATCH_ROWS:
                yield from (
                    self._file.read(list(columns), use_threads=False)
                    .select(list(columns))
                    .to_batches()
                )
                return
            for batch in self._file.iter_batches(
                batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False
            ):
                yield batch.select(list(columns))
        except (pa.ArrowException, OSError) as error:
            raise unreadable(self.path, error) from error
        finally:
            self._file.close()

    def close(self) -> None:
        """Close a file whose rows are not wanted."""
        self._file.close()


def unreadable(
    path: Path, error: Exception, *, hint: str = "write the partition again"
) -> UnreadableError:
    """The error for a file that cannot be read."""
    reason = str(error).partition("\n")[0].rstrip(".")
    problem = f"{path.name} is not a readable Parquet file: {reason}"
    return UnreadableError(problem, where=str(path), hint=hint)


def write_file(path: Path, rows: pa.Table, *, compression: str) -> None:
    """Make `path` a Parquet file of `rows`, in one step for whoever reads it.

    Raises:
        StorageError: if the disk refuses; nothing of the attempt is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            pq.write_table(
                rows,
                file,
                compression=compression,
                compression_level=1 if compression == "zstd" else None,
                use_dictionary=[  # pyright: ignore[reportArgumentType] - names do, too
                    each.name for each in rows.schema if pa.types.is_string(each.type)
                ],
                write_statistics=False,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, pa.ArrowException) as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise refused(error, path) from error
        problem = f"rows could not be written: {error}"
        raise StorageError(problem, where=str(path)) from error
