"""A source's rows: read day by day, filtered, projected, timed; those that do not count left out.

    Table ──► chunks of whole days ──► wheres ──► selects, ts ──► null times, misplaced rows out

Expressions are evaluated over many days at once, since a day may hold a handful of rows.
(semantics 4 and 7)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.rows.columns import int64_values, normalised, unlikely_time
from catenary.rows.query import columns_read, filtered, projected
from catenary.windows import DAY_MS, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.plan.nodes import ScanNode
    from catenary.ports import Table

DAY: Final = "__day"
"""The column that says in which partition a row lies, as days since the epoch."""
_CHUNK_BYTES: Final = 64 << 20


@dataclass
class Aside:
    """Rows that do not count, by the partition in which they lie, and times that are doubted."""

    null_times: Counter[int] = field(default_factory=Counter[int])
    misplaced: Counter[int] = field(default_factory=Counter[int])
    unlikely: dict[str, int] = field(default_factory=dict[str, int])
    """Column to its first time, where all of a chunk's can hardly be milliseconds; these do count."""


def day_number(ds: str) -> int:
    """Days since the epoch."""
    return ds_start_ms(ds) // DAY_MS


def scan_left(
    scan: ScanNode, table: Table, days: Sequence[str], aside: Aside
) -> Iterator[pa.Table]:
    """The rows of a Join's left: those without a time stay, those of entities get their day's end.

    Columns: the selects, `ts`, `DAY`; days in order, rows in their stored order.
    """
    for raw in _chunks(scan, table, days):
        rows = _selected(scan, raw, aside)
        if scan.kind == "entities":
            ends = (raw.column(DAY).to_numpy().astype(np.int64) + 1) * DAY_MS
            rows = rows.set_column(rows.column_names.index("ts"), "ts", pa.array(ends))
        elif scan.kind == "events":
            rows = _without_misplaced(scan, rows, aside)
        yield rows


def scan_right(
    scan: ScanNode, table: Table, days: Sequence[str], aside: Aside
) -> Iterator[pa.Table]:
    """The rows of a GroupBy's source that count. Columns as in `scan_left`.

    Entities without a time have a null `ts`.
    """
    for raw in _chunks(scan, table, days):
        rows = _selected(scan, raw, aside)
        if scan.time is not None:
            rows = _without_null_times(rows, aside)
            if scan.kind == "events":
                rows = _without_misplaced(scan, rows, aside)
        yield rows


def _chunks(scan: ScanNode, table: Table, days: Sequence[str]) -> Iterator[pa.Table]:
    """The columns that expressions need and `DAY`, normalised; rows that fail a where are gone."""
    # Constants need no column; the partition column then tells how many rows there are.
    columns = columns_read(scan) or [scan.partition_column]
    schema = table.schema()
    for batches in _grouped(table, days, columns):
        rows = normalised(pa.Table.from_batches([each for _, each in batches]), schema)
        numbers = [np.full(each.num_rows, day, np.int32) for day, each in batches]
        rows = rows.append_column(DAY, pa.array(np.concatenate(numbers)))
        yield filtered(scan, rows)


def _grouped(
    table: Table, days: Sequence[str], columns: Sequence[str]
) -> Iterator[list[tuple[int, pa.RecordBatch]]]:
    """Batches with their day, so many together as fill a chunk."""
    held: list[tuple[int, pa.RecordBatch]] = []
    size = 0
    for ds in days:
        day = day_number(ds)
        for each in table.batches(ds, columns):
            held.append((day, each))
            size += each.nbytes
            if size >= _CHUNK_BYTES:
                yield held
                held, size = [], 0
    if held:
        yield held


def _selected(scan: ScanNode, raw: pa.Table, aside: Aside) -> pa.Table:
    """The selects, then `ts`, then `DAY`."""
    rows = projected(scan, raw)
    if scan.parent is None and scan.time is not None:
        first = unlikely_time(rows.column("ts"))
        if first is not None:
            aside.unlikely.setdefault(f"{scan.table}.{scan.time.text}", first)
    return rows.append_column(DAY, raw.column(DAY))


def _without_null_times(rows: pa.Table, aside: Aside) -> pa.Table:
    times = rows.column("ts")
    if times.null_count == 0:
        return rows
    _, nulls = int64_values(times)
    assert nulls is not None
    aside.null_times.update(rows.column(DAY).to_numpy()[nulls].tolist())
    return rows.filter(pa.array(~nulls))


def _without_misplaced(scan: ScanNode, rows: pa.Table, aside: Aside) -> pa.Table:
    """Rows in their own day's partition or one of the `late_partitions` after it (semantics 4)."""
    times, nulls = int64_values(rows.column("ts"))
    lateness = rows.column(DAY).to_numpy() - times // DAY_MS
    in_place = (lateness >= 0) & (lateness <= scan.late_partitions)
    if nulls is not None:
        in_place |= nulls
    if in_place.all():
        return rows
    aside.misplaced.update(rows.column(DAY).to_numpy()[~in_place].tolist())
    return rows.filter(pa.array(in_place))
