"""Worlds of chained streams: definitions, topics, events, and stages that are stepped in any order.

    seed ──► a chain of depth 1 to 4 over one to three topics of one to three partitions
         ──► history in tables, uploaded at a midnight; the rest published; perhaps a second upload
         ──► stages: read, decode, wait, enrich, commit, tend, one step at a time or a batch by itself;
             killed, doubled (the older copy lives on), overtaken within a commit, started late;
             records arrive within a batch, an upload lands long after it read its tables
         ──► reads at random instants, back in time too, at the end and while events are still to
             come, held to the oracle over all events so far

All is drawn from one generator, so a world is its seed. Bounds are small, so that equal times, equal
keys and windows that begin on an event are common. Events that come late are published where no chain
reads them as a parent's: elsewhere nothing is promised of the rows that were enriched before (protocol
16), and the oracle would have to know the schedule.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.app.upload import uploaded
from catenary.definitions import (
    Aggregation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.engines.embedded import EmbeddedEngine
from catenary.errors import FencedError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, parents, stages, streamed_sources
from catenary.ports import Job, Looked, statuses
from catenary.serve.lookup import StoreLookup
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, uploads_of
from catenary.stores.memory import MemoryStore
from catenary.stream.build import children_of, stage_of
from catenary.tables.memory import MemoryOutputs
from catenary.testing import events
from catenary.testing.answers import in_memory
from catenary.testing.oracle import Oracle
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS, ds_of, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from catenary.ports import Snapshot
    from catenary.stream.stage import Reads, Stage
    from catenary.testing import Rows

CUTOFF_MS: Final = ds_start_ms("2024-03-01")
_COLUMNS: Final = "ts user:string item:string x:double n:bigint ds:string"
_WINDOWS: Final = ["15m", "1h", "12h", "1d", "3d"]
_PAST: Final = (MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS)
_STEPS: Final = (1_000, 7 * MINUTE_MS, HOUR_MS, 9 * HOUR_MS)
_UNLIMITED_MS: Final = 1000 * DAY_MS
_STEPS_OF_A_BATCH: Final = 8
_KEPT_STEPS: Final = 50_000


@dataclass(frozen=True)
class Event:
    """A row of a table, and what it was published as."""

    table: str
    row: Mapping[str, Any]


def resolve(address: str) -> tuple[str, Mapping[str, str]]:
    """Where a topic is: its address's end."""
    return address.removeprefix("log:///"), {}


def definitions(rng: Random) -> tuple[list[GroupBy], Join, list[str]]:
    """A chain, the Join that reads all of it, and its tables."""
    tables = [f"t{number}" for number in range(rng.randint(1, 3))]
    depth = rng.choice([1, 2, 2, 3, 3, 4])
    chain: list[GroupBy] = []
    for level in range(depth):
        name = f"g{level + 1}"
        if not chain:
            some = rng.sample(tables, k=min(len(tables), rng.choice([1, 1, 2])))
            source: Any = [_source(table) for table in some]
            inputs = ["x", "n"]
        else:
            parts = [chain[-1], *(chain[:1] if len(chain) > 1 and rng.random() < 0.5 else [])]
            join = Join(f"j{level}", left=_source(rng.choice(tables)), parts=parts)
            features = [f"{part.name}_{column}" for part in parts for column in _numbers(part)]
            chosen = rng.choice(features)
            selects = {"user": "user", "item": "item", "x": "x", "y": f"CAST({chosen} AS DOUBLE)"}
            wheres = () if rng.random() < 0.7 else (f"{chosen} IS NOT NULL",)
            source = JoinSource(join=join, query=Query(selects, wheres=wheres))
            inputs = ["x", "y"]
        passing = level == 0 and rng.random() < 0.1
        chain.append(
            GroupBy(
                name,
                sources=source,
                keys=rng.choice([("user",), ("item",), ("user", "item")]),
                aggregations=() if passing and depth == 1 else _aggregations(rng, inputs),
            )
        )
    left = EventSource(table="asks", query=Query(["user", "item"], time_column="ts"))
    return chain, Join("top", left=left, parts=chain), tables


def _source(table: str) -> EventSource:
    query = Query(["user", "item", "x", "n"], time_column="ts")
    return EventSource(table=table, topic=f"log:///{table}", query=query)


def _aggregations(rng: Random, inputs: list[str]) -> list[Aggregation]:
    """One that gives a number, for what is chained on it, and perhaps others."""
    plain = [Operation.SUM, Operation.AVERAGE, Operation.MAX, Operation.COUNT, Operation.LAST]
    others = [
        *plain, Operation.LAST_K(2), Operation.UNIQUE_COUNT, Operation.TOP_K(2), Operation.VARIANCE,
        Operation.FIRST, Operation.MIN,
    ]  # fmt: skip
    found = {(inputs[-1], (first := rng.choice(plain)).name): first}
    for _ in range(rng.randint(0, 2)):
        operation = rng.choice(others)
        found.setdefault((rng.choice(inputs), operation.name), operation)
    return [
        Aggregation(column, operation, windows=rng.sample(_WINDOWS, k=rng.randint(0, 2)))
        for (column, _), operation in found.items()
    ]


def _numbers(group_by: GroupBy) -> list[str]:
    """The columns of a GroupBy that are numbers."""
    return [
        name
        for each in group_by.aggregations
        if not each.operation.name.endswith("_k")
        for name, _, _ in each.columns()
    ]


@dataclass
class Copy:
    """A running copy of a stage, and the batch that it has in hand."""

    stage: Stage
    reads: Reads | None = None
    cut: Any = None
    enriched: Any = None


@dataclass
class World:
    """Everything, and what becomes of it.

    Attributes:
        rng: draws all.
        folder: of the log.
        late: whether events come late, where that breaks no promise.
        settings: of the chain.
    """

    rng: Random
    folder: Path
    late: bool = False
    settings: ChainSettings = field(default_factory=ChainSettings)

    def __post_init__(self) -> None:
        rng = self.rng
        self.chain, self.top, self.tables = definitions(rng)
        self.settings = replace(
            self.settings,
            head_horizon_ms=rng.choice([0, 10 * MINUTE_MS]),
            head_limit_ms=rng.choice([DAY_MS, _UNLIMITED_MS]) if self.late else _UNLIMITED_MS,
            history_ms=rng.choice([0, 2 * DAY_MS]),
            max_batch_rows=rng.choice([1, 3, 1000]),
        )
        self.schemas = {name: events(_COLUMNS).schema for name in (*self.tables, "asks")}
        self.plan = build([*self.chain, self.top], self.schemas.__getitem__)
        self.nodes = stages(self.plan)
        self.log = EmbeddedLog(self.folder, durability="process")
        for table in self.tables:
            self.log.create(table, partitions=rng.randint(1, 3))
        self.store = MemoryStore()
        self.lookup = StoreLookup(self.store)
        self.history: list[Event] = []
        self.published: list[Event] = []
        self.now = CUTOFF_MS - rng.choice(_PAST)
        self.step_ms = rng.choice(_STEPS)
        self.keyed = rng.random() < 0.5
        self.copies: list[Copy] = []
        self.zombies: list[Copy] = []
        self.fenced = self.batches = 0
        self.left, self.second = 0, -1
        self.hurry = rng.choice([0.1, 0.3, 0.8])
        self.begins_late = rng.random() < 0.3
        self.verdicts: list[Verdict] = []
        self.collapsed = False
        self.begun: tuple[int, dict[str, int], dict[str, Rows]] | None = None
        self._busy: list[Copy] = []
        read_by_chains = {
            scan_topic
            for node in self.nodes
            for parent in parents(node)
            for _, _, scan_topic in streamed_sources(parent)
        }
        self.may_be_late = [t for t in self.tables if f"log:///{t}" not in read_by_chains]

    # -- what happens ---------------------------------------------------------------------------

    def happen(self, count: int) -> list[Event]:
        """Events in the order of their times."""
        found: list[Event] = []
        for _ in range(count):
            self.now += self.rng.randrange(self.step_ms)
            found.append(Event(self.rng.choice(self.tables), self._row(self.now)))
        return found

    def publish(self, event: Event) -> None:
        """Append an event to its topic."""
        places = self.log.partitions(event.table)
        key = event.row["user"] or ""
        number = sum(key.encode()) if self.keyed else self.rng.randrange(len(places))
        self.log.append(
            event.table, [json.dumps(event.row).encode()], partition=number % len(places)
        )
        self.published.append(event)

    def publish_one(self) -> None:
        """The next event, or one that comes late."""
        if self.late and self.may_be_late and self.rng.random() < 0.3:
            ts = self.now - self.rng.choice(
                [1, 5_000, 5_000, MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS, DAY_MS]
            )
            self.publish(Event(self.rng.choice(self.may_be_late), self._row(ts)))
        else:
            (event,) = self.happen(1)
            self.publish(event)

    def publish_next(self) -> None:
        """One of those that are left; halfway an upload may begin."""
        self.publish_one()
        self.left -= 1
        if self.left == self.second:
            # Parents are not held for what is late to the upload that a stage has yet to begin with.
            unfinished = self.late or not self.begins_late
            days = self.now // DAY_MS + (self.rng.choice([0, 1]) if unfinished else 0)
            self.begin_upload(days * DAY_MS)

    def _row(self, ts: int) -> dict[str, Any]:
        rng = self.rng
        return {
            "ts": ts,
            "user": rng.choice(["u", "u", "v", None]),
            "item": rng.choice(["p", "q"]),
            "x": rng.choice([1.0, 0.1, -2.5, 1e16, None]),
            "n": rng.choice([1, 2**62, -7, None]),
        }

    # -- uploads --------------------------------------------------------------------------------

    def upload(self, cutoff_ms: int, *, knows: bool = True) -> None:
        """All GroupBys up to a midnight, from tables that hold what has happened so far."""
        self.begin_upload(cutoff_ms)
        self.land_upload(knows=knows)

    def begin_upload(self, cutoff_ms: int) -> None:
        """An upload has read its tables; it lands when it has computed."""
        ends = {
            str(place): end
            for table in self.tables
            for place, end in self.log.ends(self.log.partitions(table)).items()
        }
        self.begun = (cutoff_ms, ends, self.rows())

    def land_upload(self, *, knows: bool = True) -> None:
        """What it computed comes into the store."""
        assert self.begun is not None
        cutoff_ms, ends, rows = self.begun
        self.begun = None
        job = Job(self.plan, in_memory(rows), MemoryOutputs())
        tail_ms = self.rng.choice([None, None, 2 * DAY_MS])
        self.collapsed |= tail_ms is not None
        for node in uploaded(self.plan):
            dataset = self.store.dataset(dataset_name(node), create=True)
            assert dataset is not None
            EmbeddedEngine().upload(
                job, node, cutoff_ms, dataset, frontier=ends if knows else None, tail_ms=tail_ms
            )

    def rows(self) -> dict[str, Rows]:
        """The tables, with all that has happened."""
        found = {
            table: events(
                _COLUMNS,
                *(
                    (*each.row.values(), ds_of(each.row["ts"]))
                    for each in (*self.history, *self.published)
                    if each.table == table
                ),
            )
            for table in self.tables
        }
        # Days without rows are there, too: a day that a table lacks may be yet to come.
        return {**found, "asks": events(_COLUMNS)}

    # -- stages ---------------------------------------------------------------------------------

    @cached_property
    def specs(self) -> dict[str, bytes]:
        """Each stage's spec, by name."""
        known = {each.name or "": each for each in (*self.chain, self.top)}
        return {
            node.name: StageSpec.of(
                known, self.schemas.__getitem__, node.name, self.settings
            ).encode()
            for node in self.nodes
        }

    def stage(self, name: str) -> Stage:
        """A copy of a stage, from its spec's bytes."""
        spec = StageSpec.decode(self.specs[name])
        node = spec.node()
        return stage_of(
            spec,
            self.log,
            self.store,
            self.lookup,
            resolve,
            children=children_of(node, self.nodes),
            owner=f"copy {len(self.copies) + len(self.zombies)}",
            phase=lambda phase: self.moment(name, phase),
        )

    def moment(self, name: str, phase: str) -> None:
        """What happens while a stage is within a step: records arrive, another copy takes over."""
        if not self._busy:
            return
        if phase in ("read", "decode", "wait") and self.rng.random() < 0.3:
            for _ in range(min(self.left, self.rng.randint(1, 3))):
                self.publish_next()
        if phase == "transaction" and self.rng.random() < 0.03:
            taken = self.stage(name)
            taken.take()
            self.copies = [each for each in self.copies if each.stage.node.name != name]
            self.copies.append(Copy(taken))

    def start(self, name: str) -> None:
        """A copy takes the stage's lanes; one that runs already lives on, or is gone."""
        running = [each for each in self.copies if each.stage.node.name == name]
        if running and self.rng.random() < 0.5:
            self.zombies += running
        self.copies = [each for each in self.copies if each not in running]
        stage = self.stage(name)
        stage.take()
        self.copies.append(Copy(stage))

    def step(self, copy: Copy) -> None:
        """One step of one copy, or a whole batch as it runs by itself."""
        self._busy.append(copy)
        try:
            if copy.reads is None and self.rng.random() < 0.3:
                self.batches += copy.stage.step(self.meanwhile())
            else:
                self.small_step(copy, self.meanwhile())
        finally:
            self._busy.pop()

    def meanwhile(self) -> Callable[[], bool]:
        """Lets the others work while a copy waits; gives up when that does not help."""
        patience = iter(range(60))

        def stopped() -> bool:
            others = [each for each in self.copies if each not in self._busy]
            version = self.store.version()
            for _ in range(_STEPS_OF_A_BATCH):
                for each in others:
                    with suppress(FencedError):
                        self.small_step(each, lambda: True)
                if self.store.version() != version:
                    break
            else:
                return True
            return next(patience, None) is None

        return stopped

    def small_step(self, copy: Copy, stopped: Callable[[], bool]) -> None:
        """One step of one copy."""
        stage = copy.stage
        if copy.reads is None:
            copy.reads = stage.read()
            if copy.reads is None:
                stage.tend(stopped)
        elif copy.cut is None:
            copy.cut = stage.cut()
            stage.decode(copy.reads)
        elif copy.enriched is None:
            if stage.ready(copy.cut):
                copy.enriched = stage.enrich(copy.reads)
        else:
            stage.commit(copy.reads, copy.enriched)
            self.batches += 1
            copy.reads = copy.cut = copy.enriched = None

    def work(self) -> None:
        """One step of some copy, or a kill."""
        if self.zombies and self.rng.random() < 0.2:
            zombie = self.rng.choice(self.zombies)
            try:
                self.step(zombie)
            except FencedError:
                self.fenced += 1
                self.zombies.remove(zombie)
            return
        copy = self.rng.choice(self.copies)
        if self.rng.random() < 0.03:
            self.start(copy.stage.node.name)
            return
        try:
            self.step(copy)
        except FencedError:  # overtaken in its commit
            self.fenced += 1
            assert copy not in self.copies

    def caught_up(self) -> bool:
        """Whether every stage has committed all that was published."""
        return all(each.reads is None and each.stage.lag() == 0 for each in self.copies)

    # -- a whole story --------------------------------------------------------------------------

    def run(self) -> None:
        """History, an upload, a stream, perhaps another upload, until all are caught up."""
        rng = self.rng
        begins_with_upload = rng.random() < 0.7
        if begins_with_upload:
            self.history = [e for e in self.happen(rng.randint(0, 12)) if e.row["ts"] < CUTOFF_MS]
            self.upload(CUTOFF_MS)
            self.now = max(self.now, CUTOFF_MS)
        names = [node.name for node in self.nodes]
        last = names.pop() if len(names) > 1 and self.begins_late else None
        for name in names:
            self.start(name)
        self.left = rng.randint(1, 40)
        self.second = self.left // 2 if begins_with_upload and rng.random() < 0.5 else -1
        for _ in range(_KEPT_STEPS):
            if self.left and rng.random() < self.hurry:
                self.publish_next()
            if self.begun is not None and (not self.left or rng.random() < 0.05):
                self.land_upload()
            if last is not None and (not self.left or rng.random() < 0.01):
                self.start(last)
                last = None
            self.work()
            if last is None and self.caught_up():
                if not self.left and self.begun is None:
                    break
                if len(self.verdicts) < 3 and rng.random() < 0.1:
                    self.verdicts.append(judge(self))
        else:
            raise AssertionError("the stages did not catch up")
        for copy in self.copies:
            for _ in range(rng.choice([0, 3, 100])):
                if not copy.stage.tend():
                    break

    def asks(self) -> list[tuple[Any, ...]]:
        """Requests: most as of the end, some as of other instants."""
        rng = self.rng
        seen = [each.row["ts"] for each in (*self.history, *self.published)] or [self.now]
        seen += [floor + rng.choice([0, 1, 7, 200_000]) for floor in self.floors().values()]
        found: list[tuple[Any, ...]] = []
        for _ in range(10):
            at = rng.choice([self.now + 1, self.now + 1, rng.choice(seen), rng.choice(seen) + 1])
            at = max(at, CUTOFF_MS) if rng.random() < 0.5 else at
            found.append((at, rng.choice("uvw"), rng.choice("pq"), None, None, ds_of(at)))
        return found

    def kept_from(self) -> int:
        """The first instant for which there is all that is needed: the newest upload's cut-off."""
        uploads = (uploads_of(snapshot)[0].held for _, snapshot in self.stored())
        return max((each.cutoff_ms for some in uploads for each in some), default=0)

    def floors(self) -> dict[str, int]:
        """From which instant each GroupBy can be read to the millisecond."""
        found: dict[str, int] = {}
        for name, snapshot in self.stored():
            floors = [lane.floor_ms for lane in lanes_of(snapshot).values()]
            if floors and max(floors) > 0:
                found[name] = max(floors)
        return found

    def stored(self) -> Iterator[tuple[str, Snapshot]]:
        """What each stage has committed."""
        for node in self.nodes:
            dataset = self.store.dataset(dataset_name(node))
            assert dataset is not None
            with dataset.snapshot() as snapshot:
                yield node.name, snapshot

    def read(self, asks: list[tuple[Any, ...]]) -> Looked:
        """What the store answers."""
        rows = pa.table(
            {
                "user": pa.array([each[1] for each in asks], pa.string()),
                "item": pa.array([each[2] for each in asks], pa.string()),
                "ts": pa.array([each[0] for each in asks], pa.int64()),
            }
        )
        top = self.plan.node("top")
        return self.lookup.join(top, rows, rows["ts"].to_numpy())  # pyright: ignore[reportArgumentType]

    def expected(self, asks: list[tuple[Any, ...]]) -> list[dict[str, object]]:
        """What the oracle answers."""
        tables = {**self.rows(), "asks": events(_COLUMNS, *asks)}
        answers = Oracle(tables).join(self.top)
        by_ask = {(row["ts"], row["user"], row["item"]): row for row in answers}
        return [dict(by_ask[each[0], each[1], each[2]]) for each in asks]


@dataclass
class Verdict:
    """How a world's answers compare.

    Attributes:
        wrong: cells that differ although their status says that they do not.
        sure: cells with a status that promises the backfill's value.
        cells: all.
        excused: statuses of cells that differ.
        hedged: cells from where all is promised whose status promises nothing.
    """

    wrong: list[str]
    sure: int
    cells: int
    excused: set[str]
    hedged: list[str] = field(default_factory=list[str])


def story(seed: int, folder: Path, *, late: bool, settings: ChainSettings | None = None) -> Verdict:
    """A world from its seed to its end: all that was judged on the way, and then."""
    world = World(Random(seed), folder, late=late, settings=settings or ChainSettings())
    world.run()
    verdict = judge(world)
    world.log.close()
    for earlier in world.verdicts:
        verdict.wrong += earlier.wrong
        verdict.hedged += earlier.hedged
        verdict.excused |= earlier.excused
    return verdict


def judge(world: World) -> Verdict:
    """Read, ask the oracle, compare cell by cell."""
    asks = world.asks()
    looked, wanted = world.read(asks), world.expected(asks)
    verdict = Verdict([], 0, 0, set())
    top: Any = world.plan.node("top")
    values = looked.columns.to_pylist()
    floors, kept_from = world.floors(), world.kept_from()
    for row, ask in enumerate(asks):
        for part in top.parts:
            group_by = part.group_by.name
            bits = int(looked.parts[group_by][row])
            is_sure = bits & ~statuses.SURE == 0
            keeps = not world.collapsed and ask[0] >= kept_from
            keeps &= not world.late or group_by == world.nodes[0].name
            if not is_sure and keeps and ask[0] >= floors.get(group_by, 0):
                verdict.hedged.append(f"{group_by} of {ask[:3]}: {statuses.listed(bits)}")
            for _, name in part.columns:
                mine, theirs = values[row][name], wanted[row][name]
                verdict.cells += 1
                verdict.sure += is_sure
                if _same(mine, theirs):
                    continue
                if is_sure:
                    text = f"{name} of {ask[:3]}: {mine!r}, not {theirs!r}, {statuses.listed(bits)}"
                    verdict.wrong.append(text)
                else:
                    verdict.excused |= set(statuses.listed(bits))
    return verdict


def _same(mine: object, theirs: object) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return bool(np.float64(mine).view(np.int64) == np.float64(theirs).view(np.int64))
    return mine == theirs
