"""Names of files and folders, and the sidecar that tells a table's columns without PyArrow."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from catenary.errors import CatenaryError, StorageError, UnreadableError
from catenary.schema import Field, Schema, parse_type

if TYPE_CHECKING:
    from pathlib import Path

TABLE_FILE: Final = "_table.json"
PARTITIONS_FILE: Final = "_partitions.jsonl"
CURRENT_FILE: Final = "current"
LOCK_FILE: Final = ".lock"
PART_FILE: Final = "part-0.parquet"
TEMPORARY: Final = ".writing-"
"""What the name of a file begins with that is not whole yet."""


def data_files(folder: Path) -> list[Path]:
    """The Parquet files directly in a folder, in the order of their names."""
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.endswith(".parquet") and not entry.name.startswith((".", "_"))
        ]
    return [folder / name for name in sorted(names)]


def partition_days(folder: Path, partition_column: str) -> tuple[str, ...]:
    """The days for which there is a folder `<partition_column>=<day>`, ascending."""
    start = f"{partition_column}="
    with os.scandir(folder) as entries:
        found = [entry.name[len(start) :] for entry in entries if entry.name.startswith(start)]
    return tuple(sorted(found))


def read_columns(folder: Path) -> Schema | None:
    """The columns that the sidecar tells; None if there is no sidecar.

    Raises:
        UnreadableError: if the sidecar is damaged.
    """
    path = folder / TABLE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        columns: list[list[str]] = json.loads(text)["columns"]
        return Schema(tuple(Field(name, parse_type(type_)) for name, type_ in columns))
    except (ValueError, KeyError, TypeError, CatenaryError) as error:
        problem = f"{TABLE_FILE} does not tell a table's columns: {error}"
        hint = "delete it; the columns are then taken from the Parquet files"
        raise UnreadableError(problem, where=str(path), hint=hint) from error


def write_columns(folder: Path, schema: Schema) -> None:
    """Write the sidecar (without the partition column, which the folders' names hold)."""
    columns = [[field.name, str(field.type)] for field in schema.fields]
    text = json.dumps({"format": 1, "columns": columns}, indent=1)
    replace_file(folder / TABLE_FILE, (text + "\n").encode())


def replace_file(path: Path, content: bytes) -> None:
    """Make `path` hold `content`, in one step for whoever reads it.

    Raises:
        StorageError: if the disk refuses; what stood before still stands.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise refused(error, path) from error


def refused(error: OSError, path: Path) -> StorageError:
    """The error for a write that the disk did not take."""
    problem = f"the disk refused a write: {error.strerror or error}"
    hint = "free some space and run again; partitions that stand are kept"
    return StorageError(problem, where=str(path), hint=hint)
