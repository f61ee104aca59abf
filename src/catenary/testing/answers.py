"""Features of definitions over rows stated inline, computed by the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catenary.plan import build
from catenary.ports import Job, Limits
from catenary.schema.arrow import schema_from_arrow, schema_to_arrow
from catenary.serve.requests import Asked
from catenary.tables.memory import FrameTable, MemoryOutputs, MemoryTables
from catenary.windows import parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.definitions import GroupBy, Join
    from catenary.engines.embedded import EmbeddedEngine
    from catenary.plan import Plan
    from catenary.schema import Type
    from catenary.testing.rows import Rows


def features(
    definition: Join | GroupBy,
    tables: Mapping[str, Rows],
    *,
    start: str | None = None,
    end: str | None = None,
    limits: Limits | None = None,
    query_shift_ms: int = 0,
) -> list[dict[str, object]]:
    """The rows that a backfill of the definition writes, day by day, each with its `ds`.

    Args:
        definition: a Join, or a GroupBy alone (its values at the end of each day).
        tables: the tables that it reads, by name.
        start: the first day asked for; None for the first that the rows allow.
        end: the last day asked for; None for the last that the rows allow.
        limits: what the run may use.
        query_shift_ms: 0, or below it: chained rows read their parents as of so much earlier.

    Raises:
        CatenaryError: whatever planning or running the definition raises.

    >>> from catenary.definitions import Aggregation, EventSource, GroupBy, Join, Operation, Query
    >>> from catenary.testing import events
    >>> clicks = EventSource(
    ...     table="clicks", topic="log:///clicks", query=Query(["user", "price"], time_column="ts")
    ... )
    >>> spent = GroupBy(
    ...     "spent", sources=clicks, keys="user",
    ...     aggregations=[Aggregation("price", Operation.SUM, windows="1d")],
    ... )
    >>> views = EventSource(table="views", query=Query(["user"], time_column="ts"))
    >>> rows = features(
    ...     Join("bought", left=views, parts=[spent]),
    ...     {
    ...         "clicks": events("ts user price", ("2024-01-01 10:00", "ann", 3.5)),
    ...         "views": events("ts user", ("2024-01-01 12:00", "ann"), ("2024-01-01 12:00", "bob")),
    ...     },
    ... )
    >>> [(row["user"], row["spent_price_sum_1d"]) for row in rows]
    [('ann', 3.5), ('bob', None)]
    """
    plan = _plan(definition, tables, query_shift_ms)
    outputs = MemoryOutputs()
    job = Job(
        plan=plan,
        tables=in_memory(tables),
        outputs=outputs,
        start=start,
        end=end,
        limits=limits or Limits(),
    )
    _engine().backfill(job)
    return rows_of(outputs.rows(plan.targets[0]))


def read(
    definition: Join | GroupBy, tables: Mapping[str, Rows], *, at: str | int, **columns: object
) -> dict[str, object]:
    """The features of one key at one instant.

    Args:
        definition: a GroupBy, or a Join (its left table is not read).
        tables: the tables that it reads, by name.
        at: the instant, as text (UTC) or in milliseconds since 1970.
        columns: the key, and whatever columns of the left derivations use.

    Raises:
        DataError: for a column that is unknown, missing or of another type, as the fetcher does.

    >>> from catenary.definitions import Aggregation, EventSource, GroupBy, Operation, Query
    >>> from catenary.testing import events
    >>> clicks = EventSource(
    ...     table="clicks", topic="log:///clicks", query=Query(["user", "price"], time_column="ts")
    ... )
    >>> last = GroupBy(
    ...     "last", sources=clicks, keys="user", aggregations=[Aggregation("price", Operation.LAST)]
    ... )
    >>> rows = {"clicks": events("ts user price", ("2024-01-01 10:00", "ann", 3.5))}
    >>> read(last, rows, at="2024-01-01 10:00", user="ann")  # not yet seen at its own instant
    {'price_last': None}
    >>> read(last, rows, at="2024-01-01 10:00:00.001", user="ann")
    {'price_last': 3.5}
    """
    plan = _plan(definition, tables)
    node = plan.node(plan.targets[0])
    ts = at if isinstance(at, int) else parse_instant(at)
    frame = Asked.of(node).rows([columns]).append_column("ts", pa.array([ts], pa.int64()))
    job = Job(plan=plan, tables=in_memory(tables), outputs=MemoryOutputs())
    found, _ = _engine().features(job, node, frame)
    (row,) = rows_of(found)
    return {name: value for name, value in row.items() if name not in (*columns, "ts", "ds")}


def in_memory(tables: Mapping[str, Rows]) -> MemoryTables:
    """The tables as the engine reads them."""
    return MemoryTables({name: FrameTable(name, arrow(rows)) for name, rows in tables.items()})


def arrow(rows: Rows) -> pa.Table:
    """The rows as an Arrow table."""
    return pa.Table.from_pylist(list(rows.rows), schema=schema_to_arrow(rows.schema))


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    """The rows of an Arrow table, maps as dictionaries."""
    schema = schema_from_arrow(table.schema)
    return [
        {name: _plain(value, schema[name]) for name, value in row.items()}
        for row in table.to_pylist()
    ]


def _plain(value: Any, type_: Type) -> object:
    """A value with dictionaries for maps, which Arrow gives as lists of pairs."""
    if value is None or type_.item is None:
        return value
    if type_.name == "map":
        return {key: _plain(each, type_.item) for key, each in value}
    return [_plain(each, type_.item) for each in value]


def _plan(definition: Join | GroupBy, tables: Mapping[str, Rows], query_shift_ms: int = 0) -> Plan:
    held = in_memory(tables)
    return build(
        [definition], lambda name: held.table(name).schema(), query_shift_ms=query_shift_ms
    )


def _engine() -> EmbeddedEngine:
    # Opened when first asked for: stating rows needs no engine.
    from catenary.engines.embedded import EmbeddedEngine

    return EmbeddedEngine()
