"""Sources and queries: where rows come from, as Chronon's structs say it.

The time of a chain's rows is that of the left's rows at its beginning, so a JoinSource's `timeColumn`
is that time, under whatever name the parent selects it, or it is refused.

Held to account by: ``tests/unit/interop/test_compiled.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from catenary.definitions import EntitySource, EventSource, JoinSource, Query
from catenary.definitions.origin import placed
from catenary.errors import DefinitionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.definitions import Join, Source
    from catenary.interop.thrift import Struct

_FUNCTIONS: Final = re.compile(
    r"\s*(ADD\s+JARS?|CREATE\s+(OR\s+REPLACE\s+)?(TEMPORARY\s+)?FUNCTION)\b", re.IGNORECASE
)
_PARTITION: Final = "ds"


class Sources:
    """Reads sources.

    Args:
        join: reads a JoinSource's Join.
        topic: the address of a topic, given the one that is written.
        note: told of what has no effect.
    """

    def __init__(
        self,
        join: Callable[[Struct], Join],
        topic: Callable[[str], str],
        note: Callable[[str, str], None],
    ) -> None:
        self._join = join
        self._topic = topic
        self._note = note

    def source(self, given: Struct) -> Source:
        """The one source that is set.

        Raises:
            DefinitionError: if none or several are, or for what is malformed.
            UnsupportedError: for what is not there.
        """
        if len(given.held) != 1:
            problem = f"a Source is one of events, entities and joinSource, not {list(given.held)}"
            raise DefinitionError(problem, where=given.place())
        (kind,) = given.held
        if kind == "events":
            return self._events(given.needed("events", "EventSource"))
        if kind == "entities":
            return self._entities(given.needed("entities", "EntitySource"))
        return self._chained(given.needed("joinSource", "JoinSource"))

    def _events(self, given: Struct) -> EventSource:
        given.refuse(
            "isCumulative",
            "a table each of whose partitions holds all of the past is not read",
            "keep each row in the partition of its own day",
        )
        query = given.needed("query", "Query")
        topic = given.text("topic")
        time = _time(query)
        if time is None:
            query.lacks(
                "timeColumn", "events need a time: give the expression of their milliseconds"
            )
        with placed(given.place()):
            return EventSource(
                table=_table(given, "table"),
                topic=None if topic is None else self._topic(topic),
                query=self._query(query, time),
                partition_column=query.text("partitionColumn") or _PARTITION,
            )

    def _entities(self, given: Struct) -> EntitySource:
        for name in ("mutationTable", "mutationTopic"):
            why = "mutations of entities are not there yet"
            given.refuse(name, why, "leave it out to read the snapshot of the day before")
        query = given.needed("query", "Query")
        with placed(given.place()):
            return EntitySource(
                snapshot_table=_table(given, "snapshotTable"),
                query=self._query(query, _time(query)),
                partition_column=query.text("partitionColumn") or _PARTITION,
            )

    def _chained(self, given: Struct) -> JoinSource:
        join = self._join(given.needed("join", "Join"))
        query = given.needed("query", "Query")
        time = _time(query)
        if time not in (None, "ts", *_times_of(join)):
            raise UnsupportedError(
                f"timeColumn={time!r}: rows of a chain have the time of the left of {join.name!r}",
                where=query.place("timeColumn"),
                hint="write ts, or leave it out; set the time on the left's own query",
            )
        with placed(given.place()):
            return JoinSource(join=join, query=self._query(query, None))

    def _query(self, given: Struct, time: str | None) -> Query:
        for at, text in enumerate(given.texts("setups")):
            if not _FUNCTIONS.match(text):
                raise UnsupportedError(
                    f"{text!r} is a statement of Spark's, which may change values",
                    where=given.place(f"setups[{at}]"),
                    hint="say what it does in the query's expressions",
                )
            self._note(
                given.place(f"setups[{at}]"), "functions are registered by register_function"
            )
        for name in ("mutationTimeColumn", "reversalColumn"):
            if given.text(name) is not None:
                self._note(given.place(name), "there are no mutations to read")
        selects = given.mapping("selects")
        if selects is not None:
            selects = {k: v for k, v in selects.items() if k != "ts" and (k, v) != ("ds", "ds")}
        with placed(given.place()):
            return Query(
                selects,
                wheres=given.texts("wheres"),
                time_column=time,
                start=given.text("startPartition"),
                end=given.text("endPartition"),
            )


def _time(query: Struct) -> str | None:
    """The expression of the rows' time: `timeColumn`, or what is selected as `ts`."""
    time = query.text("timeColumn")
    selected = (query.mapping("selects") or {}).get("ts")
    if time is not None and selected not in (None, "ts", time):
        problem = f"timeColumn={time!r}, but ts is selected as {selected!r}"
        raise DefinitionError(problem, where=query.place("selects"), hint="give timeColumn alone")
    return selected if time is None else time


def _times_of(join: Join) -> list[str]:
    """Columns of a Join's output that hold its left's time."""
    query = join.left.query
    time = "ts" if isinstance(join.left, JoinSource) else query.time_column
    if query.selects is None:
        return [] if time is None else [time]
    return [name for name, text in query.selects.items() if text == time]


def _table(given: Struct, name: str) -> str:
    table = given.text(name) or given.lacks(name)
    if "/" in table:
        raise UnsupportedError(
            f"{name}={table!r} names sub-partitions",
            where=given.place(name),
            hint="name the table, and keep its rows by a condition in wheres",
        )
    return table
