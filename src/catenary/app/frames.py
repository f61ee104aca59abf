"""Frames of any kind as Arrow tables, and back as the kind they were.

Known by their module's name, so that neither Polars nor pandas is imported for somebody else's frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catenary.definitions import EventSource, GroupBy, Join, JoinSource
from catenary.errors import DataError
from catenary.rows.columns import day_texts, instants, int64_values, plain
from catenary.tables.memory import FrameTable
from catenary.tables.parquet import ParquetTables
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from catenary.definitions import EntitySource, Source
    from catenary.ports import Table


def to_arrow(frame: Any) -> tuple[pa.Table, Callable[[pa.Table], Any]]:
    """The frame as an Arrow table, and what makes such a table a frame of its kind.

    Raises:
        DataError: if it is no Arrow table, Polars or pandas frame.
    """
    if isinstance(frame, pa.Table):
        return frame, lambda table: table
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame]), lambda table: table.combine_chunks().to_batches()[0]
    kind = type(frame).__module__.partition(".")[0]
    if kind == "polars" and hasattr(frame, "to_arrow"):
        return frame.to_arrow(), _to_polars
    if kind == "pandas" and hasattr(frame, "columns"):
        index = frame.index

        def to_pandas(table: pa.Table) -> Any:
            made = table.to_pandas()
            made.index = index
            return made

        return pa.Table.from_pandas(frame, preserve_index=False), to_pandas
    problem = f"{type(frame).__module__}.{type(frame).__name__} is no frame"
    raise DataError(problem, hint="give a pyarrow.Table, a polars.DataFrame or a pandas.DataFrame")


def _to_polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def with_instants(rows: pa.Table) -> pa.Table:
    """The rows with `ts` as milliseconds, whatever kind of time it was.

    Raises:
        DataError: if there is no `ts`, or it is no time.
    """
    if "ts" not in rows.column_names:
        problem = f"the frame has no column 'ts', only {rows.column_names}"
        raise DataError(problem, hint="name the column of read times 'ts'")
    at = rows.column_names.index("ts")
    return rows.set_column(at, "ts", times(rows.column("ts"), "ts"))


def times(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Times as milliseconds since the epoch, UTC unless they name a zone.

    Raises:
        DataError: if they are no times, or beyond what 64 bits hold of milliseconds.
    """
    column = plain(column)
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        column = column.cast(pa.timestamp(kind.unit, tz="UTC"))
    elif pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC"))
    elif not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        problem = f"column {name!r} is {kind}, not a time"
        raise DataError(problem, hint="give milliseconds since 1970, or timestamps")
    try:
        return instants(column)
    except pa.ArrowException as error:
        raise DataError(f"column {name!r} ({kind}) holds what is no instant: {error}") from error


def given_table(name: str, given: Any, definitions: Iterable[Join | GroupBy]) -> Table:
    """A table that was given as a frame, or as a path to Parquet."""
    sources = [each for each in sources_of(definitions) if table_of(each) == name]
    partition = sources[0].partition_column if sources else "ds"
    if isinstance(given, (str, Path)):
        path = Path(given)
        stem = path.stem if path.suffix == ".parquet" else path.name
        return ParquetTables(path.parent).table(stem, partition_column=partition)
    rows, _ = to_arrow(given)
    if partition not in rows.column_names and sources:
        rows = _with_days(name, rows, sources[0], partition)
    return FrameTable(name, rows, partition_column=partition)


def _with_days(
    name: str, rows: pa.Table, source: EventSource | EntitySource, partition: str
) -> pa.Table:
    """Events without a partition column lie in the partition of their own day."""
    if not isinstance(source, EventSource):
        problem = f"table {name!r} holds snapshots and has no column {partition!r}"
        raise DataError(problem, where=source.where, hint="say of which day each row is")
    from catenary.expressions import batch, compile_expression
    from catenary.schema.arrow import schema_from_arrow

    text = str(source.query.time_column)
    expression = compile_expression(text, schema_from_arrow(rows.schema), where=source.query.where)
    at = batch.evaluate([("ts", expression)], rows).column("ts")
    values, nulls = int64_values(times(at, text))
    if nulls is not None and not nulls.all():
        # A row without a time counts for nothing; it lies with the first, to be counted as such.
        values = values.copy()
        values[nulls] = values[~nulls].min()
    return rows.append_column(partition, day_texts(values // DAY_MS))


def sources_of(definitions: Iterable[Join | GroupBy]) -> Iterator[EventSource | EntitySource]:
    """Every table's source below the definitions."""
    for each in definitions:
        if isinstance(each, Join):
            yield from _source(each.left)
            yield from sources_of(part.group_by for part in each.parts)
        else:
            for source in each.sources:
                yield from _source(source)


def _source(source: Source) -> Iterator[EventSource | EntitySource]:
    if isinstance(source, JoinSource):
        yield from sources_of([source.join])
    else:
        yield source


def table_of(source: EventSource | EntitySource) -> str:
    """The table that a source reads."""
    return source.table if isinstance(source, EventSource) else source.snapshot_table
