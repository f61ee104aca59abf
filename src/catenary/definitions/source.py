"""Where rows come from: events, daily snapshots of entities, or another Join's output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from catenary.definitions.origin import written_at
from catenary.definitions.shown import call
from catenary.errors import DefinitionError
from catenary.windows import ds_start_ms

if TYPE_CHECKING:
    from catenary.definitions.join import Join


@dataclass(frozen=True, init=False)
class Query:
    """Which columns and rows of a source are read; Spark SQL scalar expressions.

    Args:
        selects: output column to expression; a list of names selects those columns as they are;
            None selects every column.
        wheres: conditions over input columns, all of which must be true (semantics 7).
        time_column: the event's time: an expression of type bigint (milliseconds since the epoch)
            or timestamp. Read as `ts`.
        start: first `ds` partition that is read; None for the table's first.
        end: last `ds` partition that is read; None for no bound.
    """

    selects: Mapping[str, str] | None
    wheres: tuple[str, ...]
    time_column: str | None
    start: str | None
    end: str | None
    where: str = field(compare=False, repr=False)

    def __init__(
        self,
        selects: Mapping[str, str] | Iterable[str] | None = None,
        *,
        wheres: str | Iterable[str] = (),
        time_column: str | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> None:
        where = written_at()
        if selects is None:
            chosen = None
        elif isinstance(selects, Mapping):
            chosen = MappingProxyType(dict(selects))
        else:
            chosen = MappingProxyType({name: name for name in selects})
        if chosen is not None and ("ts" in chosen or "ds" in chosen):
            raise DefinitionError(
                "selects must not name 'ts' or 'ds'; both are always there",
                where=where,
                hint="give the time as time_column=; ds is the UTC date of ts",
            )
        for day in (start, end):
            if day is not None:
                _check_day(day, where)
        set_ = object.__setattr__
        set_(self, "selects", chosen)
        set_(self, "wheres", (wheres,) if isinstance(wheres, str) else tuple(wheres))
        set_(self, "time_column", time_column)
        set_(self, "start", start)
        set_(self, "end", end)
        set_(self, "where", where)

    def __repr__(self) -> str:
        chosen: object = self.selects
        if self.selects is not None and all(name == text for name, text in self.selects.items()):
            chosen = list(self.selects)
        return call(
            "Query",
            *([] if chosen is None else [chosen]),
            wheres=(self.wheres, ()),
            time_column=(self.time_column, None),
            start=(self.start, None),
            end=(self.end, None),
        )

    def __hash__(self) -> int:
        chosen = None if self.selects is None else tuple(sorted(self.selects.items()))
        return hash((chosen, self.wheres, self.time_column, self.start, self.end))


def _check_day(day: str, where: str) -> None:
    try:
        ds_start_ms(day)
    except DefinitionError as error:
        raise DefinitionError(error.problem, where=where, hint=error.hint) from None


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """Facts with a time: a table with one `ds` partition a day and, if streamed, a topic.

    Attributes:
        table: the table that holds the history.
        query: its `time_column` is required.
        topic: `log:///folder/topic` or `kafka://host:port/topic`; makes the GroupBy temporal.
        late_partitions: how many partitions after its own day a late row may lie in (semantics 4).
        partition_column: the column that names the partition.
    """

    table: str
    query: Query
    topic: str | None = None
    late_partitions: int = 1
    partition_column: str = "ds"
    where: str = field(default_factory=written_at, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.query.time_column is None:
            raise DefinitionError(
                f"events from table {self.table!r} have no time",
                where=self.where,
                hint="give Query(time_column=...)",
            )
        if self.late_partitions < 0:
            problem = f"late_partitions={self.late_partitions} is negative"
            raise DefinitionError(problem, where=self.where)

    def __repr__(self) -> str:
        return call(
            "EventSource",
            table=(self.table, None),
            query=(self.query, None),
            topic=(self.topic, None),
            late_partitions=(self.late_partitions, 1),
            partition_column=(self.partition_column, "ds"),
        )


@dataclass(frozen=True, kw_only=True)
class EntitySource:
    """Daily snapshots: partition `ds` holds every entity as of the end of that UTC day.

    Attributes:
        snapshot_table: the table that holds them.
        query: `time_column` is needed only for windowed aggregations.
        holds: a snapshot stands until the next one that exists (semantics 4), for dimension
            tables that change seldom.
        partition_column: the column that names the partition.
    """

    snapshot_table: str
    query: Query = field(default_factory=Query)
    holds: bool = False
    partition_column: str = "ds"
    where: str = field(default_factory=written_at, compare=False, repr=False)

    def __repr__(self) -> str:
        return call(
            "EntitySource",
            snapshot_table=(self.snapshot_table, None),
            query=(self.query, Query()),
            holds=(self.holds, False),
            partition_column=(self.partition_column, "ds"),
        )


@dataclass(frozen=True, kw_only=True)
class JoinSource:
    """Another Join's output rows as a source: what makes a chain (semantics 23).

    Attributes:
        join: the parent.
        query: over the parent's output columns; its `time_column` is not given, the time is the
            parent left row's own.
    """

    join: Join
    query: Query = field(default_factory=Query)
    where: str = field(default_factory=written_at, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.query.time_column is not None:
            raise DefinitionError(
                f"a JoinSource has its parent's time; time_column={self.query.time_column!r} was given",
                where=self.where,
                hint="set the time on the source at the left of the parent Join",
            )

    def __repr__(self) -> str:
        return call("JoinSource", join=(self.join, None), query=(self.query, Query()))


Source = EventSource | EntitySource | JoinSource
