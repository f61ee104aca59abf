"""What is modelled: chains of small GroupBys, in a time whose day has sixty ticks unless it is told.

    topic ──► source ──► GroupBy ──► (windows, levels of tiles)
                 ▲
                 └── edges to parents, read as of each row's own time

Only what the protocol looks at: no columns, no operations. A partial is a count, a total and the
latest value, so that a row which is lost, doubled or read too late shows in the value.

Read next: ``topics.py`` (where records come from), ``store.py`` (where tiles lie).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

ANCIENT: Final = -(1 << 40)
"""Before every event."""
MODULUS: Final = 10007

Place = tuple[str, int]
"""A topic and a partition of it: a source partition."""


class Window(NamedTuple):
    """The span of event time that a feature covers.

    Attributes:
        length: None for all of the past.
        hop: the step to which the window's start is floored.
    """

    length: int | None
    hop: int

    def start(self, at: int) -> int:
        """The first instant that a read at `at` covers.

        >>> Window(40, 10).start(57), Window(None, 10).start(57) == ANCIENT
        (10, True)
        """
        return ANCIENT if self.length is None else (at - self.length) // self.hop * self.hop


@dataclass(frozen=True)
class Units:
    """How long things are: in a few ticks, or as a real stage has them.

    Attributes:
        base: the finest stored tile, where no hop is finer.
        day: from one midnight to the next.
        windows: that features are drawn from.
    """

    base: int
    day: int
    windows: tuple[Window, ...]

    def span(self, ticks: int) -> int:
        """A span that was drawn in ticks, ten to a base tile and sixty to a day, in these units.

        >>> TICKS.span(9), TICKS.span(35), Units(5, 1440, ()).span(35)
        (9, 35, 722)
        """
        if ticks <= 10:
            return ticks * self.base // 10
        return self.base + (ticks - 10) * (self.day - self.base) // 50

    @property
    def horizon(self) -> int:
        """How far the head floor trails."""
        return self.span(20)


TICKS: Final = Units(
    base=10,
    day=60,
    windows=(
        Window(40, 10),
        Window(30, 10),
        Window(20, 5),
        Window(90, 30),
        Window(120, 60),
        Window(180, 60),
        Window(None, 10),
    ),
)
"""Small, so that equal times and boundaries are common."""


class Edge(NamedTuple):
    """A parent that a source's rows are enriched with.

    Attributes:
        parent: the parent's number.
        other: whether it is asked for the row's other key, not for the one the row is grouped by.
    """

    parent: int
    other: bool = False


class Source(NamedTuple):
    """A topic, and the parts of the Join through which its rows come; none for a plain source."""

    topic: str
    edges: tuple[Edge, ...] = ()


class LaneId(NamedTuple):
    """Which source of the GroupBy, and which source partition."""

    source: int
    topic: str
    partition: int

    @property
    def place(self) -> Place:
        """The source partition."""
        return self.topic, self.partition


@dataclass(frozen=True)
class Shape:
    """One GroupBy.

    Attributes:
        number: parents have smaller numbers than their children.
        sources: in order.
        windows: one per feature.
        snapshot: read as of midnights, from uploads alone; it has no stage.
        proceed: whether a batch goes on after a bounded wait for its parents.
        on_snapshot_late: `hold`, `previous` or `null`.
        tail_buffer: how far into a window an upload keeps tiles; None for all of it.
        units: of all times.
    """

    number: int
    sources: tuple[Source, ...]
    windows: tuple[Window, ...]
    snapshot: bool = False
    proceed: bool = False
    on_snapshot_late: str = "previous"
    tail_buffer: int | None = None
    units: Units = TICKS

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of tiles by level: the head's, base, hops above it, the day.

        >>> Shape(0, (), (Window(90, 30), Window(40, 10))).sizes
        (1, 10, 30, 60)
        """
        hops = {each.hop for each in self.windows if each.length is not None}
        base = min(self.units.base, *hops) if hops else self.units.base
        return (1, base, *sorted({hop for hop in hops if hop > base} | {self.units.day}))

    @property
    def base(self) -> int:
        """The finest stored tile."""
        return self.sizes[1]

    @cached_property
    def reach(self) -> int | None:
        """How far before a read an event may count; None for all of the past."""
        spans = [None if each.length is None else each.length + each.hop for each in self.windows]
        known = [span for span in spans if span is not None]
        return max(known) if len(known) == len(spans) else None

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Numbers of the GroupBys that are read directly, ascending."""
        return tuple(sorted({edge.parent for source in self.sources for edge in source.edges}))

    def oldest(self, at: int) -> int:
        """The first instant that any feature covers in a read at `at`."""
        return min(each.start(at) for each in self.windows)


Values = tuple[int | None, ...]
"""One value per window; None where nothing was seen."""


def enriched(value: int, answers: list[Values]) -> int:
    """A row's value beside what its parents answered; any difference in one shows in the other.

    >>> enriched(3, []), enriched(3, [(None, 2)])
    (3, 25)
    """
    for values in answers:
        seen = sum((at + 1) * (each or 0) for at, each in enumerate(values))
        value = (value * 7 + seen) % MODULUS
    return value
