"""Output tables: one folder per version, a pointer to the current one, one writer at a time.

    open ──► lock ──► write ds=… (temporary file, fsync, rename, journal line) … ──► publish

A crash at any point leaves whole partitions: a temporary file is no data file, and a partition
without its line in the journal counts as not written and is computed again.

The pointer moves to a version of another fingerprint only when that one has every day which readers
find now, apart from days that it cannot have (its sources lack them, or a bound leaves them out). So
a changed definition that was backfilled for a week stands beside the year that is read, and is
swapped in by the run that completes it; the run's report says what it still lacks. Within one
fingerprint days are only ever added or replaced by what newer inputs give.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catenary.tables.parquet.folder import FolderTable
from catenary.tables.parquet.layout import (
    CURRENT_FILE,
    LOCK_FILE,
    PART_FILE,
    PARTITIONS_FILE,
    TEMPORARY,
    partition_days,
    read_columns,
    refused,
    replace_file,
    write_columns,
)
from catenary.tables.parquet.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from catenary.ports import OutputTable
    from catenary.schema import Schema


class Warehouse:
    """The output tables below `root`."""

    def __init__(self, root: Path, *, compression: str = "zstd") -> None:
        self.root = root
        self.compression = compression

    @contextmanager
    def open(self, name: str, fingerprint: str, schema: Schema) -> Generator[OutputTable]:
        """The version of that fingerprint, for this run alone to write."""
        folder = self.root / name / fingerprint
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused(error, folder) from error
        with exclusive(self.root / name / LOCK_FILE, table=name):
            if read_columns(folder) is None:
                write_columns(folder, schema)
            version = Version(name, folder, compression=self.compression)
            version.clear_leftovers()
            yield version

    def written(self, name: str, fingerprint: str) -> Mapping[str, str]:
        """Days and tokens of that version."""
        return _journal(self.root / name / fingerprint)

    def current(self, name: str) -> FolderTable | None:
        """The published version of a table; None if there is none."""
        fingerprint = _pointer(self.root / name)
        return None if fingerprint is None else FolderTable(name, self.root / name / fingerprint)

    def names(self) -> list[str]:
        """The tables that have a published version."""
        return [path.parent.name for path in self.root.glob(f"*/{CURRENT_FILE}")]


class Version(FolderTable):
    """One version of an output table, open for writing."""

    def __init__(self, name: str, folder: Path, *, compression: str) -> None:
        super().__init__(name, folder)
        self._compression = compression
        self._appending = threading.Lock()

    def written(self) -> Mapping[str, str]:
        """The partitions that stand whole, and their tokens."""
        return _journal(self.folder)

    def partitions(self) -> tuple[str, ...]:
        """The partitions that stand whole."""
        return tuple(sorted(self.written()))

    def write(self, ds: str, rows: pa.Table, *, inputs: str) -> None:
        """Put one partition in place, then note it in the journal."""
        from catenary.tables.parquet.files import write_file

        folder = self.folder / f"ds={ds}"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise refused(error, folder) from error
        try:
            write_file(folder / PART_FILE, rows, compression=self._compression)
        except Exception:
            if not any(folder.iterdir()):
                folder.rmdir()
            raise
        line = json.dumps({"ds": ds, "rows": rows.num_rows, "inputs": inputs}) + "\n"
        with self._appending:
            _append(self.folder / PARTITIONS_FILE, line.encode())

    def publish(self, possible: Collection[str]) -> tuple[str, ...]:
        """Point readers to this version, unless they would lose days by it."""
        mine = self.written()
        lacking = sorted((_pointed(self.folder.parent).keys() & set(possible)) - mine.keys())
        if not lacking:
            replace_file(self.folder.parent / CURRENT_FILE, f"{self.folder.name}\n".encode())
        return tuple(lacking)

    def clear_leftovers(self) -> None:
        """Remove what runs that died left unfinished; nobody else writes here now."""
        for path in (*self.folder.glob(f"{TEMPORARY}*"), *self.folder.glob(f"ds=*/{TEMPORARY}*")):
            path.unlink(missing_ok=True)


def _pointer(folder: Path) -> str | None:
    """The fingerprint of the version that readers find; None if there is none."""
    try:
        return (folder / CURRENT_FILE).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _pointed(folder: Path) -> dict[str, str]:
    """The partitions that readers find."""
    fingerprint = _pointer(folder)
    return {} if fingerprint is None else _journal(folder / fingerprint)


def _append(path: Path, line: bytes) -> None:
    """Add a line; on a full disk, none of it stays."""
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            # A line torn by a crash is closed off, so that this one stands alone.
            whole = before == 0 or _ends_line(path)
            if file.write(line if whole else b"\n" + line) < len(line):
                os.ftruncate(file.fileno(), before)
                problem = OSError(28, "No space left on device")
                raise problem
    except OSError as error:
        raise refused(error, path) from error


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _journal(folder: Path) -> dict[str, str]:
    """The last note of every partition whose file is there."""
    try:
        lines = (folder / PARTITIONS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    noted: dict[str, str] = {}
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:  # torn by a crash: its partition counts as not written
            continue
        noted[note["ds"]] = note["inputs"]
    there = set(partition_days(folder, "ds"))
    return {ds: inputs for ds, inputs in noted.items() if ds in there}
