"""Frames as tables, and outputs that stay in memory: for notebooks and tests.

A frame's partition column is one of its own columns; rows of a day need not lie together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import (
    MissingPartitionError,
    MissingTableError,
    SchemaMismatchError,
    nearest,
)
from catenary.schema import STRING, Field, Schema
from catenary.schema.arrow import schema_from_arrow, schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

    from catenary.ports import OutputTable, Table, Tables


class FrameTable:
    """An Arrow table whose column `partition_column` holds days as `yyyy-mm-dd`.

    Raises:
        SchemaMismatchError: if that column is missing or no string.
    """

    sparse = True

    def __init__(self, name: str, rows: pa.Table, *, partition_column: str = "ds") -> None:
        self.name = name
        self._rows = rows
        self._schema = schema_from_arrow(rows.schema)
        self._partition = partition_column
        if self._schema.get(partition_column) != STRING:
            found = self._schema.get(partition_column, "missing")
            problem = (
                f"table {name!r}: partition column {partition_column!r} is {found}, not string"
            )
            raise SchemaMismatchError(problem, hint="give every row its day as text: yyyy-mm-dd")
        self._days: dict[str, pa.Table] | None = None

    def schema(self) -> Schema:
        """The frame's columns."""
        return self._schema

    def partitions(self) -> tuple[str, ...]:
        """The days that occur."""
        return tuple(sorted(self._by_day()))

    def batches(self, ds: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of one day, in the frame's order."""
        found = self._by_day().get(ds)
        if found is None:
            problem = f"table {self.name!r} has no rows of ds={ds}"
            raise MissingPartitionError(problem)
        for column in columns:
            if column not in self._schema:
                problem = f"table {self.name!r} has no column {column!r}"
                raise SchemaMismatchError(problem, hint=nearest(column, self._schema))
        yield from found.select(list(columns)).to_batches()

    def _by_day(self) -> dict[str, pa.Table]:
        """The rows by day; found once, since a frame never changes."""
        if self._days is None:
            days = self._rows.column(self._partition).cast(pa.string())
            held = [day for day in pc.unique(days).to_pylist() if day is not None]
            if len(held) == 1 and days.null_count == 0:
                self._days = {held[0]: self._rows}
            else:
                coded = days.combine_chunks()
                self._days = {day: self._rows.filter(pc.equal(coded, day)) for day in held}
        return self._days


class MemoryTables:
    """Tables by name; those that are not held are asked of `others`."""

    def __init__(self, tables: Mapping[str, Table], others: Tables | None = None) -> None:
        self._tables = dict(tables)
        self._others = others

    def table(self, name: str, *, partition_column: str = "ds") -> Table:
        """The table of that name."""
        found = self._tables.get(name)
        if found is not None:
            return found
        if self._others is not None:
            return self._others.table(name, partition_column=partition_column)
        problem = f"no table {name!r} was given"
        raise MissingTableError(problem, hint=nearest(name, self._tables))


class MemoryOutput:
    """One output table, partition by partition."""

    sparse = True

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self._columns = schema
        self._parts: dict[str, pa.Table] = {}
        self._tokens: dict[str, str] = {}

    def schema(self) -> Schema:
        """The output's columns and `ds`."""
        return Schema((*self._columns.fields, Field("ds", STRING)))

    def partitions(self) -> tuple[str, ...]:
        """The days written so far."""
        return tuple(sorted(self._parts))

    def batches(self, ds: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of one day."""
        rows = self._parts[ds]
        if "ds" in columns and "ds" not in rows.column_names:
            rows = rows.append_column("ds", pa.repeat(pa.scalar(ds), rows.num_rows))
        yield from rows.select(list(columns)).to_batches()

    def written(self) -> Mapping[str, str]:
        """Days and their tokens."""
        return dict(self._tokens)

    def write(self, ds: str, rows: pa.Table, *, inputs: str) -> None:
        """Keep the rows of one day."""
        self._parts[ds] = rows
        self._tokens[ds] = inputs

    def publish(self, possible: Collection[str]) -> tuple[str, ...]:
        """There is nobody else to publish to."""
        return ()

    def whole(self) -> pa.Table:
        """All days in order, each row with its `ds`."""
        parts = [
            rows.append_column("ds", pa.repeat(pa.scalar(ds), rows.num_rows))
            for ds, rows in sorted(self._parts.items())
        ]
        if parts:
            return pa.concat_tables(parts)
        return schema_to_arrow(self.schema()).empty_table()


class MemoryOutputs:
    """Outputs by name; of each name the version that was opened last is the one found."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], MemoryOutput] = {}

    @contextmanager
    def open(self, name: str, fingerprint: str, schema: Schema) -> Generator[OutputTable]:
        """The version of that fingerprint."""
        key = (name, fingerprint)
        if key not in self._versions:
            self._versions[key] = MemoryOutput(name, schema)
        yield self._versions[key]

    def written(self, name: str, fingerprint: str) -> Mapping[str, str]:
        """Days and tokens of that version."""
        found = self._versions.get((name, fingerprint))
        return found.written() if found is not None else {}

    def rows(self, name: str) -> pa.Table:
        """All rows of the table; it must have been written."""
        return next(
            out.whole() for (held, _), out in reversed(self._versions.items()) if held == name
        )
