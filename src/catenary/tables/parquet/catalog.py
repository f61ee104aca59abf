"""Source tables by name: folders below one root, and the warehouse's current versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.errors import MissingTableError, nearest
from catenary.tables.parquet.folder import FolderTable
from catenary.tables.parquet.layout import partition_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.ports import Table
    from catenary.tables.parquet.warehouse import Warehouse


class ParquetTables:
    """Tables below `root`, then those that `warehouse` has published.

    `payments.purchases` is the folder `payments.purchases`, or `payments/purchases`. A single file
    `<name>.parquet`, or a folder of files without `ds=` folders, is read as a whole and must have
    the partition column as a column.
    """

    def __init__(self, root: Path, warehouse: Warehouse | None = None) -> None:
        self.root = root
        self.warehouse = warehouse

    def table(self, name: str, *, partition_column: str = "ds") -> Table:
        """The table of that name."""
        for folder in (self.root / name, self.root.joinpath(*name.split("."))):
            if folder.is_dir():
                return self._folder(name, folder, partition_column)
            file = folder.with_name(f"{folder.name}.parquet")
            if file.is_file():
                return _whole(name, [file], partition_column)
        published = self.warehouse.current(name) if self.warehouse is not None else None
        if published is not None:
            return published
        problem = f"no table {name!r}"
        form = f"{self.root.name}/{name}/{partition_column}=YYYY-MM-DD/*.parquet"
        near = nearest(name, self._names())
        hint = f"{near}; its rows lie in {form}, of which one file without rows is enough to begin"
        raise MissingTableError(problem, where=str(self.root), hint=hint)

    def _folder(self, name: str, folder: Path, partition_column: str) -> Table:
        if not partition_days(folder, partition_column):
            files = sorted(folder.glob("*.parquet"))
            if files:
                return _whole(name, files, partition_column)
        return FolderTable(name, folder, partition_column=partition_column)

    def _names(self) -> Iterator[str]:
        if self.root.is_dir():
            yield from (
                path.stem if path.suffix == ".parquet" else path.name
                for path in self.root.iterdir()
                if path.is_dir() or path.suffix == ".parquet"
            )
        if self.warehouse is not None:
            yield from self.warehouse.names()


def _whole(name: str, files: list[Path], partition_column: str) -> Table:
    """Files without partitions, held in memory."""
    import pyarrow as pa

    from catenary.tables.memory import FrameTable
    from catenary.tables.parquet.files import DataFile

    opened = [DataFile(file) for file in files]
    batches = [batch for each in opened for batch in each.batches(each.arrow.names)]
    columns = batches[0].schema if batches else opened[0].arrow
    rows = pa.Table.from_batches(batches, columns)
    return FrameTable(name, rows, partition_column=partition_column)
