"""What a backfill would say, and for which rows and reads the protocol promises just that.

    record ──► a row per GroupBy that reads its topic ──► value over what was published before it
                                                     └──► or no promise, once an earlier event is late

Protocol 16 promises a row's value only if every ancestor event that its reads may see was published
before the row itself. So a promised row has the same value in every later backfill, too: the one over
what was published before it. An event that comes later than a row that should have seen it takes the
promise from that row, and from all that see the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catenary.testing.protocol.partials import finished, merged, one
from catenary.testing.protocol.shapes import ANCIENT, Values, enriched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.testing.protocol.shapes import Edge, Shape
    from catenary.testing.protocol.topics import Record


@dataclass(slots=True)
class Row:
    """A record as a row of one GroupBy's source.

    Attributes:
        record: what it came from.
        source: which source of the GroupBy.
        value: the backfill's, over what was published before it.
        promised: whether that is what the stream must have, too.
    """

    record: Record
    source: int
    value: int
    promised: bool = True


@dataclass
class Expected:
    """What a backfill says of a key as of an instant.

    Attributes:
        values: one per window.
        promised: whether every row behind them is.
        rows: those that count.
    """

    values: Values
    promised: bool
    rows: list[Row] = field(default_factory=list[Row])


class Oracle:
    """Plain loops over everything that was published."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = shapes
        self.rows: list[dict[str, list[Row]]] = [{} for _ in shapes]
        self.children: list[list[tuple[Shape, int, Edge]]] = [
            [
                (child, number, edge)
                for child in shapes
                for number, source in enumerate(child.sources)
                for edge in source.edges
                if edge.parent == parent.number
            ]
            for parent in shapes
        ]
        self.snapshots: dict[tuple[int, int], int] = {}
        self.unknown: list[tuple[int, int, int]] = []

    def publish(self, record: Record) -> None:
        """A record was acknowledged: its rows, and those that ought to have seen it."""
        for shape in self.shapes:
            for number, source in enumerate(shape.sources):
                if source.topic == record.place[0]:
                    self._row(shape, number, record)

    def expected(self, shape: Shape, key: str, at: int) -> Expected:
        """What a backfill of all that is published so far says of the key as of `at`."""
        rows = self._seen(shape, key, at)
        values = over(shape, at, [(each.record.ts, each.value) for each in rows])
        return Expected(values, all(each.promised for each in rows), rows)

    def reached(self, shape: Shape, own: int, cutoff: int) -> int:
        """The greatest time among the rows that an upload reads of each source, the least of these.

        It reads the days that a window covers at the cut-off, and one more: a row may lie in the
        partition after its own day's.

        Args:
            shape: of the GroupBy.
            own: the sequence before which the tables hold all.
            cutoff: the upload's; nothing counts as reached after it.
        """
        day = shape.units.day
        first, last = shape.oldest(cutoff) // day * day, cutoff + day
        times = [ANCIENT] * len(shape.sources)
        for rows in self.rows[shape.number].values():
            for row in rows:
                if row.record.sequence < own and first <= row.record.ts < last:
                    times[row.source] = max(times[row.source], row.record.ts)
        return min(cutoff, *times)

    def snapshot_taken(self, shape: Shape, cutoff: int, extent: int) -> None:
        """A snapshot GroupBy's tables of a day were read: what comes later is in no answer."""
        self.snapshots[shape.number, cutoff] = extent

    def upload_of_unknown(self, shape: Shape, cutoff: int, extent: int) -> None:
        """An upload landed of which nobody knows what it holds: what it lacks has no promise."""
        self.unknown.append((shape.number, cutoff, extent))
        for rows in self.rows[shape.number].values():
            for row in rows:
                if row.record.ts < cutoff and row.record.sequence >= extent:
                    self._break(shape, row)

    def backfill(self, shape: Shape, own: int, ancestors: int) -> list[tuple[str, int, int]]:
        """Rows (key, time, value) over tables that hold what was published before `own`.

        Args:
            shape: of the GroupBy.
            own: the sequence before which the tables of its own sources hold all.
            ancestors: the same of the tables that its parents are computed from.
        """
        memo: dict[int, int] = {}
        return [
            (key, row.record.ts, self._over_tables(shape, row, ancestors, memo))
            for key, rows in self.rows[shape.number].items()
            for row in rows
            if row.record.sequence < own
        ]

    def _over_tables(self, shape: Shape, row: Row, ancestors: int, memo: dict[int, int]) -> int:
        if id(row) not in memo:
            answers: list[Values] = []
            for edge in shape.sources[row.source].edges:
                parent = self.shapes[edge.parent]
                at = read_at(parent, row.record.ts)
                rows = [
                    (each.record.ts, self._over_tables(parent, each, ancestors, memo))
                    for each in self._seen(parent, looked_up(edge, row.record), at)
                    if each.record.sequence < ancestors
                ]
                answers.append(over(parent, at, rows))
            memo[id(row)] = enriched(row.record.value, answers)
        return memo[id(row)]

    def _row(self, shape: Shape, number: int, record: Record) -> None:
        answers: list[Values] = []
        promised = True
        for edge in shape.sources[number].edges:
            parent = self.shapes[edge.parent]
            at = read_at(parent, record.ts)
            found = self.expected(parent, looked_up(edge, record), at)
            answers.append(found.values)
            extent = self.snapshots.get((parent.number, at)) if parent.snapshot else None
            in_time = extent is None or all(row.record.sequence < extent for row in found.rows)
            promised = promised and found.promised and in_time
        row = Row(record, number, enriched(record.value, answers), promised)
        self.rows[shape.number].setdefault(record.key, []).append(row)
        for seeing in self._seeing(shape, row):
            self._break(*seeing)
        if any(
            owner == shape.number and record.ts < cutoff and record.sequence >= extent
            for owner, cutoff, extent in self.unknown
        ):
            self._break(shape, row)

    def _break(self, shape: Shape, row: Row) -> None:
        if row.promised:
            row.promised = False
            for seeing in self._seeing(shape, row):
                self._break(*seeing)

    def _seeing(self, shape: Shape, row: Row) -> list[tuple[Shape, Row]]:
        """Rows of children that are enriched with this one."""
        found: list[tuple[Shape, Row]] = []
        for child, number, edge in self.children[shape.number]:
            for rows in self.rows[child.number].values():
                for each in rows:
                    at = read_at(shape, each.record.ts)
                    if (
                        each.source == number
                        and row.record.ts < at
                        and row.record.ts >= shape.oldest(at)
                        and looked_up(edge, each.record) == row.record.key
                    ):
                        found.append((child, each))
        return found

    def _seen(self, shape: Shape, key: str, at: int) -> list[Row]:
        oldest = shape.oldest(at)
        rows = self.rows[shape.number].get(key, ())
        return [row for row in rows if oldest <= row.record.ts < at]


def read_at(parent: Shape, ts: int) -> int:
    """The instant as of which a row's parent is read."""
    return ts // parent.units.day * parent.units.day if parent.snapshot else ts


def looked_up(edge: Edge, record: Record) -> str:
    """The key for which a parent is asked."""
    return record.other if edge.other else record.key


def over(shape: Shape, at: int, rows: Sequence[tuple[int, int]]) -> Values:
    """Each window's value over rows (time, value)."""
    values: list[int | None] = []
    for window in shape.windows:
        partial = None
        for ts, value in rows:
            if window.start(at) <= ts < at:
                partial = merged(partial, one(ts, value))
        values.append(finished(partial))
    return tuple(values)
