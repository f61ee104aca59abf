"""A source's query over rows that are there: conditions, selects, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from catenary.rows.columns import instants
from catenary.schema.floats import clean_floats, holds_floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.expressions import Expression
    from catenary.plan.nodes import ScanNode


def columns_read(scan: ScanNode) -> list[str]:
    """The source's columns that the query reads, sorted."""
    expressions = [*(each for _, each in scan.selects), *scan.wheres]
    if scan.time is not None:
        expressions.append(scan.time)
    return sorted({name for each in expressions for name in each.inputs})


def filtered(scan: ScanNode, rows: pa.Table) -> pa.Table:
    """The rows that meet all conditions (semantics 7)."""
    if not scan.wheres:
        return rows
    from catenary.expressions import batch

    return batch.filter(list(scan.wheres), rows)


def projected(scan: ScanNode, rows: pa.Table) -> pa.Table:
    """The selects, then `ts`: int64 milliseconds, null where the source has no time."""
    wanted = [*scan.selects]
    if scan.time is not None:
        wanted.append(("ts", scan.time))
    columns = evaluated(wanted, rows)
    ts = instants(columns.pop()) if scan.time is not None else pa.nulls(rows.num_rows, pa.int64())
    return pa.Table.from_arrays([*columns, ts], names=[*(name for name, _ in scan.selects), "ts"])


def evaluated(wanted: Sequence[tuple[str, Expression]], rows: pa.Table) -> list[pa.ChunkedArray]:
    """The expressions' values; a bare column is passed on as it is."""
    computed = [(name, each) for name, each in wanted if each.bare_column is None]
    if not computed:
        return [rows.column(each.bare_column) for _, each in wanted]
    from catenary.expressions import batch

    results = batch.evaluate(computed, rows)
    columns: list[pa.ChunkedArray] = []
    for name, each in wanted:
        bare = each.bare_column
        column = results.column(name) if bare is None else rows.column(bare)
        columns.append(clean_floats(column) if holds_floats(each.type) else column)
    return columns
