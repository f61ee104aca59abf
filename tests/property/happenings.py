"""What happens around the stages of a world: events, topics, tables, uploads.

    happen ──► history, in tables
           ──► publish ──► topics, and tables, too
    tables ──begin──► an upload ──land──► store

An upload reads its tables when it begins and lands when it has computed; topics go on meanwhile. Events
that come late are published where no chain reads them as a parent's: elsewhere nothing is promised of the
rows that were enriched before (protocol 16), and the oracle would have to know the schedule.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.property.chains import COLUMNS, Kind, drawn

from catenary.app.upload import uploaded
from catenary.engines.embedded import EmbeddedEngine
from catenary.plan import build
from catenary.plan.stage import parents, stages, streamed_sources
from catenary.ports import Job, Token
from catenary.state.layouts import dataset_name
from catenary.state.records import uploads_of
from catenary.stores.memory import MemoryStore
from catenary.tables.memory import MemoryOutputs
from catenary.testing import events
from catenary.testing.answers import in_memory
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS, ds_of, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from catenary.ports import Log
    from catenary.testing import Rows

CUTOFF_MS: Final = ds_start_ms("2024-03-01")
_PAST: Final = (MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS)
_STEPS: Final = (1_000, 7 * MINUTE_MS, HOUR_MS, 9 * HOUR_MS)
TAILS: Final = (None, None, 2 * DAY_MS)
"""How much of a window's beginning an upload may keep as tiles; None for all."""
_LATE: Final = (1, 5_000, 5_000, MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS, DAY_MS)


@dataclass(frozen=True)
class Event:
    """A row of a table, and what it was published as."""

    table: str
    row: Mapping[str, Any]


class Happenings:
    """Definitions, and what happens to their tables, topics and store.

    Args:
        rng: draws all.
        log: where events are published.
        kind: what sort of world it is.
        shift_ms: chained rows read their parents as of so much later: 0, or earlier, below it.

    Attributes:
        now: the greatest event time so far.
        token: positions after all that was published.
        left: how many events are still to be published.
        second: how many are left when another upload begins; below zero for none.
        collapsed: whether an upload kept only its tail as tiles of the hop.
        settles_chains: whether an upload landed that running stages of a chain had to settle.
    """

    def __init__(self, rng: Random, log: Log, kind: Kind, shift_ms: int) -> None:
        self.rng = rng
        self.kind = kind
        before = rng.getstate()
        self.chain = drawn(rng, kind)
        after = rng.getstate()
        # The oracle answers for the rows that do not raise; those that do leave a mark.
        rng.setstate(before)
        self.forgiving = drawn(rng, kind, forgiving=True).top
        assert rng.getstate() == after
        self.schemas = {name: events(COLUMNS).schema for name in (*self.chain.tables, "asks")}
        self.plan = build(self.chain.definitions, self.schemas.__getitem__, query_shift_ms=shift_ms)
        self.nodes = stages(self.plan)
        self.log = log
        for table in self.chain.tables:
            self.log.create(table, partitions=rng.randint(1, 3))
        self.store: Any = MemoryStore()
        self.history: list[Event] = []
        self.published: list[Event] = []
        self.token = Token()
        self.now = CUTOFF_MS - rng.choice(_PAST)
        self.left, self.second = 0, -1
        self.begins_late = rng.random() < 0.3
        self.collapsed = False
        self.settles_chains = False
        self.begun: tuple[int, dict[str, int], dict[str, Rows]] | None = None
        self._step_ms = rng.choice(_STEPS)
        self._keyed = rng.random() < 0.5
        read_by_chains = {
            topic
            for node in self.nodes
            for parent in parents(node)
            for _, _, topic in streamed_sources(parent)
        }
        self._may_be_late = [
            each for each in self.chain.tables if f"log:///{each}" not in read_by_chains
        ]

    # -- events -----------------------------------------------------------------------------------

    def happen(self, count: int) -> list[Event]:
        """Events in the order of their times."""
        found: list[Event] = []
        for _ in range(count):
            self.now += self.rng.randrange(self._step_ms)
            found.append(Event(self.rng.choice(self.chain.tables), self._row(self.now)))
        return found

    def publish(self, event: Event) -> None:
        """Append an event to its topic."""
        places = self.log.partitions(event.table)
        key = event.row["user"] or ""
        number = sum(key.encode()) if self._keyed else self.rng.randrange(len(places))
        self.append(event.table, json.dumps(event.row).encode(), number % len(places))
        self.published.append(event)

    def append(self, topic: str, record: bytes, partition: int) -> Token:
        """Append a record; its token is kept."""
        token = self.log.append(topic, [record], partition=partition)
        self.token = self.token.merge(token)
        return token

    def publish_one(self) -> None:
        """The next event, or one that comes late."""
        if self.kind.late and self._may_be_late and self.rng.random() < 0.3:
            ts = self.now - self.rng.choice(_LATE)
            self.publish(Event(self.rng.choice(self._may_be_late), self._row(ts)))
        else:
            (event,) = self.happen(1)
            self.publish(event)

    def publish_next(self) -> None:
        """One of those that are left; halfway an upload may begin."""
        self.publish_one()
        self.left -= 1
        if self.left == self.second:
            self.begin_upload(self._midnight())

    def _midnight(self) -> int:
        """The cut-off of an upload that begins now: perhaps one that is still to come."""
        days = self.now // DAY_MS
        # A snapshot has no stream that brings what its tables lacked.
        if not self.kind.snapshot:
            days += self.rng.choice([0, 1])
        return days * DAY_MS

    def _row(self, ts: int) -> dict[str, Any]:
        rng = self.rng
        return {
            "ts": ts,
            "user": rng.choice(["u", "u", "v", None]),
            "item": rng.choice(["p", "q"]),
            "x": rng.choice([1.0, 0.1, -2.5, 1e16, None]),
            "n": rng.choice([1, 2**62, -7, None]),
        }

    # -- tables and uploads -----------------------------------------------------------------------

    def rows(self) -> dict[str, Rows]:
        """The tables, with all that has happened."""
        found = {
            table: events(
                COLUMNS,
                *(
                    (*each.row.values(), ds_of(each.row["ts"]))
                    for each in (*self.history, *self.published)
                    if each.table == table
                ),
            )
            for table in self.chain.tables
        }
        # Days without rows are there, too: a day that a table lacks may be yet to come.
        return {**found, "asks": events(COLUMNS)}

    def upload(self, cutoff_ms: int) -> None:
        """All GroupBys up to a midnight, from tables that hold what has happened so far."""
        self.begin_upload(cutoff_ms)
        self.land_upload(self.rng.choice(TAILS))

    def begin_upload(self, cutoff_ms: int) -> None:
        """An upload has read its tables; it lands when it has computed."""
        ends = {
            str(place): end
            for table in self.chain.tables
            for place, end in self.log.ends(self.log.partitions(table)).items()
        }
        self.begun = (cutoff_ms, ends, self.rows())

    def land_upload(self, tail_ms: int | None) -> None:
        """What it computed comes into the store."""
        assert self.begun is not None
        cutoff_ms, ends, rows = self.begun
        self.begun = None
        job = Job(self.plan, in_memory(rows), MemoryOutputs())
        self.collapsed |= tail_ms is not None
        for node in uploaded(self.plan):
            dataset = self.store.dataset(dataset_name(node), create=True)
            EmbeddedEngine().upload(job, node, cutoff_ms, dataset, frontier=ends, tail_ms=tail_ms)
            with dataset.snapshot() as snapshot:
                uploads = uploads_of(snapshot)[0].held
            if parents(node):
                self.settles_chains |= any(each.unsettled for each in uploads)
