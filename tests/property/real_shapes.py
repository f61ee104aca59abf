"""A model's GroupBys as real definitions, its time as milliseconds, and the ports that let it lead.

    Shape ──► GroupBy: count, sum and latest per window; enriched rows as one SQL expression
    Led   ──► a log that shows a read what the model's read found
    Ailing ─► a lookup for which poisonous rows fail until they are cured

One tick-sized world of the model has the real day and the real base tile here (`UNITS`), so tiles of
both have the same bounds.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from catenary.definitions import (
    Accuracy,
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    Operation,
    Query,
)
from catenary.ports import statuses
from catenary.testing.protocol.shapes import ANCIENT, MODULUS, Units, Window
from catenary.windows import (
    DAY_MS,
    MINUTE_MS,
    default_hop_ms,
    ds_of,
    ds_start_ms,
    format_length,
    parse_length,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa

    from catenary.logs.embedded import EmbeddedLog
    from catenary.plan import JoinNode
    from catenary.ports import Looked, Records, SourcePartition
    from catenary.serve.lookup import StoreLookup
    from catenary.testing.protocol.shapes import Edge, Shape, Source
    from catenary.testing.protocol.topics import Record

ORIGIN_MS: Final = ds_start_ms("2024-03-01")
"""Where the model's time begins."""
COLUMNS: Final = "ts key:string other:string value:bigint poison:boolean ds:string"
_LONG_AGO_MS: Final = ORIGIN_MS - 400 * DAY_MS
_LENGTHS: Final = ("15m", "3h", "6h", "12h", "1d", "3d", "12d")


def _window(length_ms: int) -> Window:
    return Window(length_ms, default_hop_ms(length_ms))


UNITS: Final = Units(
    base=5 * MINUTE_MS,
    day=DAY_MS,
    windows=(*(_window(parse_length(each)) for each in _LENGTHS), Window(None, 1)),
)
"""A stage's: milliseconds, windows of every hop."""


def instant_ms(at: int) -> int | None:
    """The model's instant in milliseconds since 1970; None before every event."""
    return None if at <= ANCIENT else ORIGIN_MS + at


def known_ms(ms: int) -> int | None:
    """A real instant; None for what lies before every event, however far."""
    return None if ms < _LONG_AGO_MS else ms


def row_of(record: Record) -> dict[str, Any]:
    """A record as its topic and its tables have it, but for the table's day."""
    return {
        "ts": ORIGIN_MS + record.ts,
        "key": record.key,
        "other": record.other,
        "value": record.value,
        "poison": record.poison,
    }


def table_row(record: Record) -> tuple[Any, ...]:
    """A record as a row of a table with `COLUMNS`."""
    return (*row_of(record).values(), ds_of(ORIGIN_MS + record.ts))


def table_of(shape: Shape, source: int) -> str:
    """The table that holds a topic's past for one source: each has its own, filled at its own time."""
    return f"s{shape.number}_{source}"


def definitions(shapes: Iterable[Shape]) -> list[GroupBy]:
    """The chain."""
    found: list[GroupBy] = []
    for shape in shapes:
        sources = [
            _source(shape, number, source, found) for number, source in enumerate(shape.sources)
        ]
        found.append(
            GroupBy(
                f"g{shape.number}",
                sources=sources,
                keys="key",
                aggregations=[
                    Aggregation(
                        "value",
                        operation,
                        windows=() if window.length is None else format_length(window.length),
                        name=f"{name}{at}",
                    )
                    for at, window in enumerate(shape.windows)
                    for name, operation in _FOLDS.items()
                ],
                accuracy=Accuracy.SNAPSHOT if shape.snapshot else Accuracy.TEMPORAL,
            )
        )
    return found


_FOLDS: Final = {"count": Operation.COUNT, "sum": Operation.SUM, "last": Operation.LAST}


def _source(
    shape: Shape, number: int, source: Source, known: Sequence[GroupBy]
) -> EventSource | JoinSource:
    left = EventSource(
        table=table_of(shape, number),
        topic=None if shape.snapshot else f"log:///{source.topic}",
        query=Query(["key", "other", "value", "poison"], time_column="ts"),
    )
    if not source.edges:
        return left
    join = Join(
        f"j{shape.number}_{number}",
        left=left,
        parts=[
            JoinPart(known[edge.parent], key_mapping={"other": "key"} if edge.other else None)
            for edge in source.edges
        ],
    )
    value = _enriched(source.edges, known)
    return JoinSource(join=join, query=Query({"key": "key", "other": "other", "value": value}))


def _enriched(edges: Iterable[Edge], known: Sequence[GroupBy]) -> str:
    """`protocol.shapes.enriched` in SQL."""
    value = "value"
    for edge in edges:
        part = known[edge.parent]
        seen = " + ".join(
            f"{at + 1} * COALESCE({_finished(part.name or '', at)}, 0)"
            for at in range(len(part.aggregations) // len(_FOLDS))
        )
        value = f"({value} * 7 + {seen}) % {MODULUS}"
    return value


def _finished(part: str, at: int) -> str:
    """`protocol.partials.finished` in SQL."""
    return f"({part}_count{at} * 11 + {part}_sum{at} * 3 + {part}_last{at} * 5) % {MODULUS}"


def finished(columns: Mapping[str, Any], window: int) -> int | None:
    """What the model makes of a count, a sum and a latest value."""
    count, total, last = (columns[f"{name}{window}"] for name in _FOLDS)
    return None if not count else (count * 11 + total * 3 + last * 5) % MODULUS


class Led:
    """A log whose next reads end where the model's ended, and whose ends are those that it saw."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self._reads: list[int] = []
        self._ends: dict[SourcePartition, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    @contextmanager
    def reads(self, ends: Iterable[int]) -> Generator[None]:
        """Each read meanwhile stops at the next of these offsets."""
        self._reads = list(ends)
        yield
        assert not self._reads, "every lane was read"

    @contextmanager
    def ends_at(self, ends: Mapping[SourcePartition, int]) -> Generator[None]:
        """These partitions end where they did when the model looked."""
        self._ends = dict(ends)
        yield
        self._ends = {}

    def read(self, place: SourcePartition, offset: int, **bounds: int) -> Records:
        """See `catenary.ports.Log.read`."""
        found = self._log.read(place, offset, **bounds)
        return found.until(self._reads.pop(0)) if self._reads else found

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.ends`."""
        return self._log.ends(places) | {at: self._ends[at] for at in places if at in self._ends}


class Ailing:
    """A lookup that has no answer for poisonous rows."""

    def __init__(self, lookup: StoreLookup) -> None:
        self._lookup = lookup
        self.cured = False

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        """See `catenary.ports.Lookup.join`."""
        found = self._lookup.join(join, rows, at)
        if self.cured:
            return found
        poison = rows.column("poison").to_numpy()
        found.status[poison] |= statuses.ERROR
        failed = dict.fromkeys(poison.nonzero()[0].tolist(), "poison")
        return replace(found, failed=failed)
