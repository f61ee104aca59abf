"""Sources to scan nodes: every select, where and time is parsed and typed here.

    EventSource | EntitySource | JoinSource ──► ScanNode

A select list of None takes every column, in the table's order; `ts` and `ds` come on top of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from catenary.definitions import EntitySource, EventSource, JoinSource
from catenary.errors import DefinitionError, MissingTableError
from catenary.plan.fingerprints import scan_fingerprint
from catenary.plan.names import RESERVED, quoted
from catenary.plan.nodes import ScanNode
from catenary.schema import BIGINT, STRING, TIMESTAMP, Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.definitions import Query, Source
    from catenary.expressions import Expression
    from catenary.plan.nodes import JoinNode
    from catenary.schema import Type


class _Input(NamedTuple):
    """What a query reads: a table, or a parent's output."""

    kind: str
    table: str
    parent: JoinNode | None
    columns: Schema
    readable: Schema
    """`columns` and the names that a select list of None leaves out."""


def scan(source: Source, schemas: Callable[[str], Schema], parent: JoinNode | None) -> ScanNode:
    """The node that reads a source.

    Args:
        source: what was written.
        schemas: a table's columns, by its name.
        parent: the node of a JoinSource's Join.

    Raises:
        DefinitionError: for a column that is not there, or an expression of the wrong type.
        MissingTableError: if `schemas` knows no such table.
    """
    read = _input(source, schemas, parent)
    selects = _selects(source.query, read)
    schema = Schema.of({name: each.type for name, each in selects})
    events = source if isinstance(source, EventSource) else None
    entities = source if isinstance(source, EntitySource) else None
    node = ScanNode(
        kind=read.kind,
        table=read.table,
        parent=parent,
        selects=selects,
        wheres=tuple(_condition(text, read, source.query.where) for text in source.query.wheres),
        time=_time(source, read),
        schema=schema,
        late_partitions=parent.left.late_partitions
        if parent is not None
        else (events.late_partitions if events is not None else 0),
        holds=entities is not None and entities.holds,
        start=source.query.start,
        end=source.query.end,
        partition_column="ds" if isinstance(source, JoinSource) else source.partition_column,
        left_is_entities=parent is not None and parent.left.at_day_end,
        where=source.where,
        fingerprint="",
        topic=parent.left.topic if parent is not None else (events.topic if events else None),
    )
    return replace(node, fingerprint=scan_fingerprint(node))


def compiled(text: str, schema: Schema, *, where: str) -> Expression:
    """A parsed and typed expression whose type is known: a bare NULL is refused.

    Raises:
        ExpressionError, UnsupportedError: as the expression language says.
        DefinitionError: for a bare NULL.
    """
    # Parsing costs a heavy import that other uses of this room do without.
    from catenary.expressions import compile_expression

    expression = compile_expression(text, schema, where=where)
    if expression.type.name == "void":
        problem = f"{text!r} is always null and has no type"
        raise DefinitionError(problem, where=where, hint="write CAST(NULL AS double), or the like")
    return expression


def _input(source: Source, schemas: Callable[[str], Schema], parent: JoinNode | None) -> _Input:
    if isinstance(source, JoinSource):
        assert parent is not None, "a JoinSource is scanned after its parent was built"
        columns = {name: type_ for name, type_ in parent.schema.items() if name not in RESERVED}
        readable = Schema.of({**columns, "ts": BIGINT, "ds": STRING})
        return _Input("join", parent.name, parent, Schema.of(columns), readable)
    table = source.table if isinstance(source, EventSource) else source.snapshot_table
    try:
        found = schemas(table)
    except MissingTableError as error:
        place = "" if error.where is None else f" in {error.where}"
        problem = f"{error.problem}{place}"
        raise MissingTableError(problem, where=source.where, hint=error.hint) from None
    left_out = {*RESERVED, source.partition_column}
    columns = {name: type_ for name, type_ in found.items() if name not in left_out}
    readable = Schema.of({source.partition_column: STRING, **found})
    kind = "events" if isinstance(source, EventSource) else "entities"
    return _Input(kind, table, None, Schema.of(columns), readable)


def _selects(query: Query, read: _Input) -> tuple[tuple[str, Expression], ...]:
    wanted = {name: name for name in read.columns} if query.selects is None else query.selects
    if not wanted:
        problem = f"no columns are selected from {read.table!r}"
        raise DefinitionError(problem, where=query.where, hint="select the keys at least")
    for name in wanted:
        if name.startswith("__"):
            problem = f"column {name!r} begins with two underscores, as the engines' own columns do"
            raise DefinitionError(
                problem, where=query.where, hint=f"select it as {name.strip('_')!r}"
            )
    return tuple((name, _select(name, text, query, read)) for name, text in wanted.items())


def _select(name: str, text: str, query: Query, read: _Input) -> Expression:
    plain = text == name and name in read.readable
    return compiled(quoted(name) if plain else text, read.readable, where=query.where)


def _condition(text: str, read: _Input, where: str) -> Expression:
    condition = compiled(text, read.readable, where=where)
    if condition.type.name != "boolean":
        problem = f"where {text!r} is {condition.type}, not boolean"
        raise DefinitionError(problem, where=where, hint="compare it with something")
    return condition


def _time(source: Source, read: _Input) -> Expression | None:
    if isinstance(source, JoinSource):
        return compiled("ts", read.readable, where=source.where)
    text = source.query.time_column
    if text is None:
        return None
    time = compiled(text, read.readable, where=source.query.where)
    if time.type not in (BIGINT, TIMESTAMP):
        problem = f"time_column={text!r} is {time.type}, not bigint or timestamp"
        raise DefinitionError(problem, where=source.query.where, hint=_time_hint(text, time.type))
    return time


def _time_hint(text: str, type_: Type) -> str:
    if type_.is_integer:
        return f"a number means milliseconds since 1970: CAST({text} AS bigint)"
    return f"write CAST({text} AS timestamp)"
