"""Random chains: their topics, their GroupBys, who reads whom.

Bounds are those of the promise: depth up to four, diamonds, parent and child on one topic, several
sources in one GroupBy, partitions that are keyed by nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catenary.testing.protocol.shapes import TICKS, Edge, Shape, Source, Units

if TYPE_CHECKING:
    import random

KINDS: Final = ("gentle", "wild", "haste", "settling", "letters", "readers")
"""Of worlds: publishers that keep their side of the promise; any; and four that stress one thing."""


@dataclass(frozen=True)
class Habits:
    """What happens in a world; times are in ticks.

    Attributes:
        records: how many are published.
        rush: how often something is published, per step.
        burst: how many at a time, at most.
        pace: by how much time may go on from one to the next.
        late: how many of them are late, of all.
        latest: how late they may be: at most the horizon in a gentle world.
        uploads: how many land.
        unknown: whether one of them does not know what it holds.
        markers: whether control records take offsets.
        poison: how many rows fail, of all.
        faults: how likely a kill, a zombie or a pause is, per step.
        split: whether a stage's lanes are owned by several copies.
        readers: how often clients register and read.
        newcomer: the GroupBy whose stage starts later, if any.
        head_limit: the head's greatest age.
        history: how far before the floor reads are answered.
        lost_tail: whether a recovery cuts a topic's tail in the end.
    """

    records: int
    rush: float
    burst: int
    pace: tuple[int, ...]
    late: float
    latest: int
    uploads: int
    unknown: bool
    markers: bool
    poison: float
    faults: float
    split: bool
    readers: float
    newcomer: int | None
    head_limit: int | None
    history: int
    lost_tail: bool


def draw_topics(rng: random.Random) -> dict[str, int]:
    """Topics and their numbers of partitions."""
    return {name: rng.choice((1, 1, 2, 3)) for name in "xyz"[: rng.choice((1, 2, 2, 3))]}


def draw_shapes(
    rng: random.Random, topics: dict[str, int], kind: str, units: Units = TICKS
) -> tuple[Shape, ...]:
    """A chain of two to five GroupBys."""
    gentle = kind == "gentle"
    count = rng.choice((2, 2, 3, 3, 4, 5))
    snapshot = rng.random() < 0.25
    shapes: list[Shape] = []
    depths: list[int] = []
    for number in range(count):
        parents: list[int] = []
        if number:
            near = [each for each in range(number) if depths[each] < 4]
            parents = [near[-1]]
            if len(near) > 1 and rng.random() < 0.5:
                parents.append(rng.choice(near[:-1]))
        depths.append(1 + max((depths[each] for each in parents), default=0))
        edges = tuple(Edge(each, rng.random() < 0.3) for each in parents)
        names = list(topics)
        sources = [Source(rng.choice(names), edges)]
        if rng.random() < 0.25:
            sources.append(Source(rng.choice(names), rng.choice((edges, edges[:1]))))
        is_snapshot = snapshot and number == 0
        windows = [
            each
            for each in units.windows
            if each.length is None or each.length % units.day == 0 or not is_snapshot
        ]
        shapes.append(
            Shape(
                number,
                tuple(sources),
                tuple(rng.sample(windows, rng.choice((1, 1, 2)))),
                snapshot=is_snapshot,
                proceed=not gentle and rng.random() < (0.6 if kind == "settling" else 0.2),
                on_snapshot_late="hold" if gentle else rng.choice(("hold", "previous", "null")),
                tail_buffer=_spanned(
                    units, rng.choice((None, 120) if gentle else (None, 0, 20, 60))
                ),
                units=units,
            )
        )
    return tuple(shapes)


def _spanned(units: Units, ticks: int | None) -> int | None:
    return None if ticks is None else units.span(ticks)


def draw_habits(rng: random.Random, shapes: tuple[Shape, ...], kind: str) -> Habits:
    """What happens to it."""

    def wild(share: float) -> bool:
        return kind != "gentle" and rng.random() < share

    haste = kind == "haste"
    late = kind in ("settling", "letters")
    newcomer = rng.random() < (0.6 if kind == "settling" else 0.25)
    return Habits(
        records=rng.randrange(30, 40) if haste else rng.randrange(12, 40),
        rush=rng.choice((0.02, 0.06) if haste else (0.05, 0.12, 0.12, 0.5)),
        burst=4 if haste else 1,
        pace=(0, 1, 3, 9, 20, 35) if late else (0, 0, 1, 3, 9, 20),
        late=0.6 if late else 0.25,
        latest=rng.choice((0, 5, 15))
        if kind == "gentle"
        else rng.choice((0, 15, 60, 90)[late * 2 :]),
        uploads=6 if late else rng.choice((0, 1, 2, 3)),
        unknown=wild(0.1),
        markers=rng.random() < 0.2,
        poison=0.4 if kind == "letters" else 0.15 * wild(0.2),
        faults=0.05 if late or haste else rng.choice((0, 0.02, 0.05)),
        split=rng.random() < (0.6 if kind == "settling" else 0.3),
        readers=0.15 if kind == "readers" else rng.choice((0, 0, 0.05)),
        newcomer=shapes[-1].number if newcomer else None,
        head_limit=rng.choice((30, 60)) if wild(0.15) else None,
        history=rng.choice((0, 0, 30, 120)),
        lost_tail=wild(0.1),
    )
