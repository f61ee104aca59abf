"""The rows of a source: which count, when, and with which columns (semantics 4 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from catenary.definitions import EntitySource, EventSource, Query
from catenary.schema import Schema
from catenary.testing.oracle.folds import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catenary.testing.oracle.language import Compile, Values
    from catenary.testing.rows import Rows

DAY: Final = 24 * 60 * 60 * 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One row of a source.

    Attributes:
        ts: its time; None where it is null, or where entities have no time.
        ds: the partition in which it lies.
        values: its selected columns.
    """

    ts: int | None
    ds: str
    values: Values


@dataclass(frozen=True)
class Scanned:
    """The rows of a source, and their columns.

    Attributes:
        columns: names and types of the selected columns.
        rows: those that count.
        days: the partitions that exist, whether or not a row of theirs counts.
        misplaced: how many rows lie in a partition that is not theirs.
    """

    columns: Schema
    rows: tuple[Row, ...]
    days: frozenset[str]
    misplaced: int = 0


def day_of(ts: int) -> str:
    """The UTC day that holds the instant."""
    return (date(1970, 1, 1) + timedelta(days=ts // DAY)).isoformat()


def day_start(ds: str) -> int:
    """The first instant of the day."""
    return (date.fromisoformat(ds) - date(1970, 1, 1)).days * DAY


def scan(source: EventSource | EntitySource, table: Rows, compile: Compile) -> Scanned:  # noqa: A002
    """The rows of a table's source that count."""
    query = source.query
    late = source.late_partitions if isinstance(source, EventSource) else None
    kept = [row for row in table.rows if _in_bounds(str(row[source.partition_column]), query)]
    days = frozenset(str(row[source.partition_column]) for row in kept)
    time = None if query.time_column is None else compile(query.time_column, table.schema)
    rows: list[Row] = []
    misplaced = 0
    for raw, values in selected(query, table.schema, kept, source.partition_column, compile):
        ds = str(raw[source.partition_column])
        ts = None if time is None else _instant(time.evaluate_row(raw))
        if ts is not None and late is not None and not _in_place(ts, ds, late):
            misplaced += 1
        else:
            rows.append(Row(ts, ds, values))
    columns = selected_columns(query, table.schema, source.partition_column, compile)
    return Scanned(columns, tuple(rows), days, misplaced)


def selected(
    query: Query,
    schema: Schema,
    rows: list[Mapping[str, object]],
    partition: str,
    compile: Compile,  # noqa: A002
) -> Iterator[tuple[Mapping[str, object], Values]]:
    """Each row that passes the wheres, as it is and with the selected columns."""
    wheres = [compile(text, schema) for text in query.wheres]
    texts = _selects(query, schema, partition)
    selects = {name: compile(text, schema) for name, text in texts.items()}
    for row in rows:
        raw = {name: clean(value) for name, value in row.items()}
        if all(where.evaluate_row(raw) is True for where in wheres):
            yield raw, {name: clean(each.evaluate_row(raw)) for name, each in selects.items()}


def selected_columns(
    query: Query,
    schema: Schema,
    partition: str,
    compile: Compile,  # noqa: A002
) -> Schema:
    """Names and types of the columns that a query selects."""
    texts = _selects(query, schema, partition)
    return Schema.of({name: compile(text, schema).type for name, text in texts.items()})


def _selects(query: Query, schema: Schema, partition: str) -> Mapping[str, str]:
    """Output column to expression; without selects, every column but the time and the partition."""
    if query.selects is not None:
        return query.selects
    return {name: name for name in schema if name not in ("ts", "ds", partition)}


def _in_bounds(ds: str, query: Query) -> bool:
    return (query.start is None or query.start <= ds) and (query.end is None or ds <= query.end)


def _in_place(ts: int, ds: str, late: int) -> bool:
    """Whether a row lies in its own day's partition, or in one of the `late` that follow it."""
    return 0 <= day_start(ds) // DAY - ts // DAY <= late


def _instant(value: object) -> int | None:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    assert value is None or isinstance(value, int), f"a time is bigint or timestamp, got {value!r}"
    return value
