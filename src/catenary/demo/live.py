"""The story goes on: December arrives as a stream, and every departure is asked about as of its minute.

    tables ──upload 1 Dec──► store ◄── four stages, each a process ◄── log ◄── publisher
                               │ └── upload 16 Dec, halfway
                               └──► a client that holds a reader: 256 departures at a time

The publisher appends what happened in the order in which it happened, as fast as it can, up to ten
days ahead of the client: answers that come when all is over would say little of a stream. The client
asks for each departure as of its own time, by the token of all that was published up to it. Every
answer must equal the backfill's row, and at the end every key's latest value a backfill as of then.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.app.live import Live
from catenary.app.running import Apart
from catenary.app.settings import shown
from catenary.app.upload import upload, uploaded
from catenary.app.wiring import engine
from catenary.demo import data
from catenary.demo.compare import Comparison, compare
from catenary.demo.features import DEFINITIONS
from catenary.errors import DataError, RunError
from catenary.plan.settings import ChainSettings
from catenary.ports import SourcePartition, Token
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, uploads_of
from catenary.windows import DAY_MS, HOUR_MS, ds_of, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary.app.wiring import Project
    from catenary.plan import GroupByNode, Plan
    from catenary.serve.fetcher import ClientReader
    from catenary.state.records import Lane

RISK: Final = "flight_risk"
HUB: Final = "hub_pressure"
FIRST_CUTOFF_MS: Final = ds_start_ms("2013-12-01")
SECOND_CUTOFF_MS: Final = ds_start_ms("2013-12-16")
AT_ONCE: Final = 256
LEAD_MS: Final = 10 * DAY_MS
"""How far ahead of the client the publisher gets."""
_PATIENCE_S: Final = 60.0
_TIMES: Final = {
    data.ARRIVALS: "arrived_at",
    data.WEATHER: "observed_at",
    data.DEPARTURES: "departed_at",
}
_PARTITIONS: Final = {data.ARRIVALS: 1, data.WEATHER: 1, data.DEPARTURES: 2}
"""Of the topics, which are named as the tables."""


@dataclass
class LiveStory:
    """What December came to.

    Attributes:
        answers: every departure's answer against its backfilled row.
        latest: every key's latest value against a backfill as of the end.
        statuses: how many answers had which.
        events: records published.
        stream_seconds: from the first append until every stage had caught up.
        far_ahead: answers for which the hub had passed their instant by more than an hour.
        before_end: answers that were given before the stream had ended.
        closed, head: reads that merged closed tiles, and head tiles.
        freshness_ms: from the append of a batch's last departure to its answer, sorted.
        waits: stage and parent to how often it was waited for, and for how many milliseconds.
        processes: the stages' process ids.
        head_trails: whether the head is back to its horizon, once the reader has gone.
        uploads: cut-offs that are active.
    """

    answers: Comparison
    latest: Comparison
    statuses: Counter[str]
    events: int
    stream_seconds: float
    far_ahead: int
    before_end: int
    closed: int
    head: int
    freshness_ms: list[float]
    waits: dict[str, dict[str, dict[str, float]]]
    processes: dict[str, int]
    head_trails: bool
    uploads: list[str]
    seconds: float

    @property
    def rows(self) -> int:
        """Departures that were asked about."""
        return sum(self.statuses.values())

    def facts(self) -> dict[str, object]:
        """For programs."""
        ms = self.freshness_ms
        return {
            "rows": self.rows,
            "values_compared": self.answers.compared,
            "values_differing": self.answers.differing,
            "latest_compared": self.latest.compared,
            "latest_differing": self.latest.differing,
            "statuses": dict(sorted(self.statuses.items())),
            "valid_share": {each.name: round(each.valid_share, 4) for each in self.answers.columns},
            "events": self.events,
            "events_per_second": round(self.events / self.stream_seconds),
            "freshness_ms": {
                f"p{share}": round(ms[len(ms) * share // 100], 1) for share in (50, 90, 99)
            },
            "waits": self.waits,
            "far_ahead": self.far_ahead,
            "before_end": self.before_end,
            "reads_of_closed_tiles": self.closed,
            "reads_of_head_tiles": self.head,
            "head_trails": self.head_trails,
            "uploads": self.uploads,
            "processes": self.processes,
            "seconds": round(self.seconds, 3),
            "failures": self.failures(),
        }

    def failures(self) -> list[str]:
        """What the story promises and did not keep; empty if all is well."""
        odd = sorted(set(self.statuses) - {"ok", "missing"})
        wrong = {
            "answers differ from the backfill": self.answers.differing > 0,
            "latest values differ from a backfill as of the end": self.latest.differing > 0,
            f"answers have other statuses than ok and missing: {odd}": bool(odd),
            "the stream was not far ahead of most answers": self.far_ahead * 2 <= self.rows,
            "most answers came after the stream had ended": self.before_end * 2 <= self.rows,
            "no read merged closed tiles": self.closed == 0,
            "no read merged head tiles": self.head == 0,
            "the head did not come back to its horizon": not self.head_trails,
            "the second upload is not read": ds_of(SECOND_CUTOFF_MS) not in self.uploads,
        }
        return [text for text, is_wrong in wrong.items() if is_wrong]


@dataclass
class _Published:
    """What the publisher has appended so far, and how far the client has come; each waits on the other."""

    tokens: dict[int, Token] = field(default_factory=dict[int, Token])
    appended_at: dict[int, float] = field(default_factory=dict[int, float])
    events: int = 0
    ended: bool = False
    answered_ms: int = FIRST_CUTOFF_MS
    failed: BaseException | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fail(self, error: BaseException) -> None:
        """One of those who share this fails: the others stop. The first error counts."""
        with self.changed:
            self.failed = self.failed or error
            self.changed.notify_all()


def december(project: Project, plan: Plan) -> Live:
    """What runs in December, over the project's log and store; `with` closes it."""
    # The client lags behind by as much of December as it likes: the heads wait for all of it.
    chain = ChainSettings(head_limit_ms=60 * DAY_MS)
    return Live(project, plan, chain, given={each.name or "": each for each in DEFINITIONS})


def check_nothing_is_there(live: Live) -> None:
    """See that log and store hold nothing yet of what December writes.

    Raises:
        DataError: if they do; whose it is cannot be known, so it is left alone.
        RunError: if a server does not answer, or refuses.
    """
    settings = live.project.settings
    topics = sorted(set(_PARTITIONS) & set(live.log.topics()))
    if topics:
        raise DataError(
            f"topics are there already: {', '.join(topics)}",
            where=str(shown(settings.place("log"))),
            hint="the demo begins afresh, and deletes none: do so yourself, or name another log",
        )
    names = {dataset_name(node) for node in uploaded(live.plan)}
    datasets = sorted(names & set(live.store.datasets()))
    if datasets:
        raise DataError(
            f"datasets are there already: {', '.join(datasets)}",
            where=str(shown(settings.place("store"))),
            hint="the demo begins afresh: name another store; redis://host:port/db?prefix=… is one",
        )


def let_december_happen(
    live: Live, backfilled: pa.Table, *, without_arrival: int | None = None
) -> LiveStory:
    """Let December happen.

    Args:
        live: as `december` gave it.
        backfilled: all rows of `flight_risk`.
        without_arrival: a `flight_id` whose arrival is not published: differences must show.
    """
    began = time.perf_counter()
    live.create_topics(_PARTITIONS)
    beginning = Token(dict.fromkeys(_places(live), 0))
    upload(
        live.project,
        live.plan,
        live.store,
        ds=ds_of(FIRST_CUTOFF_MS - 1),
        tail_buffer="full",
        frontier=beginning,
    )
    events = _december(live.project, without_arrival)
    wanted = backfilled.filter(pc.greater_equal(backfilled["ts"], FIRST_CUTOFF_MS))
    wanted = wanted.sort_by([("ts", "ascending"), ("flight_id", "ascending")]).combine_chunks()
    nodes = live.stages
    published = _Published()
    client = _Client(live, wanted, published)
    second = threading.Thread(target=_second_upload, args=(live, published, events))
    publisher = threading.Thread(target=_publish, args=(live, events, published))
    with live.fetcher.reader("demo", RISK, from_ms=FIRST_CUTOFF_MS, ttl_s=_PATIENCE_S) as reader:
        apart = Apart(live, nodes)
        started = time.perf_counter()
        second.start()
        publisher.start()
        try:
            client.run(reader)
            publisher.join()
            second.join()
            if published.failed is not None:
                raise published.failed
            _eventually(live, lambda: ds_of(SECOND_CUTOFF_MS) in _uploads(live))
            uploads = _uploads(live)
        except BaseException:
            apart.kill()
            raise
    trails = _trails(live)
    processes = {name: worker.pid for name, worker in apart.workers.items()}
    apart.finish()
    streamed = time.perf_counter() - started
    answers = compare(
        pa.concat_tables(client.answers).select(wanted.column_names),
        wanted,
        identity="flight_id",
        show=("carrier", "origin", "tailnum", "flight_id"),
    )
    end_ms = int(pc.max(events["ts"]).as_py()) + 1
    return LiveStory(
        answers=answers,
        latest=_latest(live, end_ms),
        statuses=client.statuses,
        events=published.events,
        stream_seconds=streamed,
        far_ahead=client.far_ahead,
        before_end=client.before_end,
        closed=live.fetcher.lookup.merged.closed,
        head=live.fetcher.lookup.merged.head,
        freshness_ms=sorted(client.freshness_ms),
        waits={name: each.facts.get("waits", {}) for name, each in apart.workers.items()},
        processes=processes,
        head_trails=trails,
        uploads=uploads,
        seconds=time.perf_counter() - began,
    )


def missed_arrival(backfilled: pa.Table) -> int:
    """A flight whose arrival decides many answers: the first of December whose aircraft goes on."""
    since = backfilled.filter(pc.greater_equal(backfilled["ts"], FIRST_CUTOFF_MS + DAY_MS))
    landed = since.filter(pc.and_(pc.is_valid(since["arr_delay"]), pc.is_valid(since["tailnum"])))
    flights = landed.group_by("tailnum").aggregate([("flight_id", "count")])
    busy = flights.filter(pc.greater(flights["flight_id_count"], 20))["tailnum"]
    chosen = landed.filter(pc.is_in(landed["tailnum"], busy.combine_chunks()))
    found: int = chosen.sort_by("ts")["flight_id"][0].as_py()
    return found


class _Client:
    """Asks about departures in the order in which they left, as fast as it gets answers."""

    def __init__(self, live: Live, wanted: pa.Table, published: _Published) -> None:
        self._live = live
        self._wanted = wanted
        self._published = published
        self.answers: list[pa.Table] = []
        self.statuses: Counter[str] = Counter()
        self.freshness_ms: list[float] = []
        self.far_ahead = self.before_end = 0

    def run(self, reader: ClientReader) -> None:
        """Ask about all of them; should it fail, the others stop."""
        try:
            self._run(reader)
        except BaseException as error:
            self._published.fail(error)
            raise

    def _run(self, reader: ClientReader) -> None:
        ids = self._wanted["flight_id"].to_pylist()
        for first in range(0, len(ids), AT_ONCE):
            rows = self._wanted.slice(first, AT_ONCE)
            last = ids[min(first + AT_ONCE, len(ids)) - 1]
            token, appended = self._wait(last)
            at = rows["ts"].to_numpy()
            asked = rows.select([name for name in rows.column_names if name not in ("ts", "ds")])
            answer = self._live.fetcher.fetch(
                RISK, asked, at=at, min_token=token, timeout_s=_PATIENCE_S
            )
            now = time.perf_counter()
            self.freshness_ms.append((now - appended) * 1000)
            self.statuses.update(answer.status)
            carried = [
                name for name in rows.column_names if name not in answer.columns.column_names
            ]
            both = {name: rows.column(name) for name in carried}
            both |= {name: answer.columns.column(name) for name in answer.columns.column_names}
            self.answers.append(pa.table(both))
            passed, ended = self._progress()
            self.far_ahead += int((at < passed - HOUR_MS).sum())
            self.before_end += 0 if ended else len(at)
            reader.passed(int(at[-1]))
            with self._published.changed:
                self._published.answered_ms = int(at[-1])
                self._published.changed.notify_all()

    def _wait(self, flight_id: int) -> tuple[Token, float]:
        """The token of all that was published up to a departure, once it was."""
        with self._published.changed:
            self._published.changed.wait_for(
                lambda: flight_id in self._published.tokens or self._published.failed is not None,
                timeout=_PATIENCE_S,
            )
        if flight_id not in self._published.tokens:
            raise RunError(
                f"the departure of flight_id={flight_id} was not published within {_PATIENCE_S} s"
            ) from self._published.failed
        return self._published.tokens[flight_id], self._published.appended_at[flight_id]

    def _progress(self) -> tuple[int, bool]:
        """What the hub has passed, and whether the stream has ended for it."""
        lanes = _lanes(self._live, self._live.group_by(HUB))
        ends = self._live.log.ends([lane.place for lane in lanes])
        at_end = all(lane.position == ends[lane.place] for lane in lanes)
        return min(lane.passed_ms for lane in lanes), self._published.ended and at_end


def _december(project: Project, without_arrival: int | None) -> pa.Table:
    """All events since the first cut-off: `ts`, table, partition and the row's place in its table.

    In the order of their times. Departures lie in two partitions, one hour here and one hour there,
    so that few appends keep the order across partitions.
    """
    found: list[pa.Table] = []
    for number, (table, time_column) in enumerate(_TIMES.items()):
        rows = _rows(project, table)
        ts = pc.divide(rows[time_column].cast(pa.int64()), 1000)
        keep = np.ones(rows.num_rows, bool)
        if table == data.ARRIVALS and without_arrival is not None:
            keep = rows["flight_id"].to_numpy() != without_arrival
        hours = ts.to_numpy() // HOUR_MS
        partition = hours % 2 if table == data.DEPARTURES else np.zeros(len(hours), np.int64)
        place = pa.table(
            {
                "ts": ts,
                "hour": pa.array(hours),
                "table": pa.array(np.full(len(hours), number)),
                "partition": pa.array(partition),
                "row": pa.array(np.arange(len(hours))),
            }
        )
        found.append(place.filter(pa.array(keep)))
    return pa.concat_tables(found).sort_by(
        [("hour", "ascending"), ("table", "ascending"), ("row", "ascending")]
    )


def _rows(project: Project, name: str) -> pa.Table:
    """A table's rows since the first cut-off, in the order of their times."""
    table = project.tables.table(name)
    columns = [each for each in table.schema() if each != "ds"]
    days = [ds for ds in table.partitions() if ds_start_ms(ds) >= FIRST_CUTOFF_MS]
    rows = pa.Table.from_batches(
        [batch for ds in days for batch in table.batches(ds, columns)]
    ).combine_chunks()
    return rows.sort_by(_TIMES[name])


def _publish(live: Live, events: pa.Table, published: _Published) -> None:
    """Append hour by hour: what landed, the weather, what departed."""
    try:
        names = list(_TIMES)
        rows = {name: _rows(live.project, name) for name in names}
        token = Token()
        for number, places in _appends(events):
            name = names[number]
            some = rows[name].take(places["row"])
            partition = int(places["partition"][0].as_py())
            least_ms = places["ts"][0].as_py() - LEAD_MS
            with published.changed:
                published.changed.wait_for(
                    lambda least=least_ms: (
                        published.answered_ms >= least or published.failed is not None
                    )
                )
                if published.failed is not None:
                    return
            token = token.merge(live.publish(name, some, partition=partition))
            with published.changed:
                published.events += some.num_rows
                if name == data.DEPARTURES:
                    now = time.perf_counter()
                    for flight_id in some["flight_id"].to_pylist():
                        published.tokens[flight_id] = token
                        published.appended_at[flight_id] = now
                published.changed.notify_all()
        with published.changed:
            published.ended = True
            published.changed.notify_all()
    except BaseException as error:
        published.fail(error)


def _appends(events: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Runs of events of one hour and one table."""
    keys = events["hour"].to_numpy() * len(_TIMES) + events["table"].to_numpy()
    cuts = np.flatnonzero(np.diff(keys)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(keys)], strict=True):
        yield int(keys[first] % len(_TIMES)), events.slice(first, last - first)


def _second_upload(live: Live, published: _Published, events: pa.Table) -> None:
    """Halfway, while everything runs: the tables hold the stream's events up to 16 December."""
    with published.changed:
        published.changed.wait_for(
            lambda: published.events * 2 >= len(events) or published.failed is not None
        )
    before = events.filter(pc.less(events["ts"], SECOND_CUTOFF_MS))
    names = list(_TIMES)
    positions: Counter[SourcePartition] = Counter(dict.fromkeys(_places(live), 0))
    for number, partition in zip(
        before["table"].to_pylist(), before["partition"].to_pylist(), strict=True
    ):
        positions[SourcePartition(names[number], partition)] += 1
    try:
        upload(
            live.project,
            live.plan,
            live.store,
            ds=ds_of(SECOND_CUTOFF_MS - 1),
            tail_buffer="full",
            frontier=Token(dict(positions)),
        )
    except BaseException as error:
        published.fail(error)


def _latest(live: Live, end_ms: int) -> Comparison:
    """The latest values of all keys against a backfill as of the end."""
    job = live.project.job(live.plan, live.project.tables, live.project.warehouse)
    sides: tuple[list[pa.Table], list[pa.Table]] = ([], [])
    for node in live.stages:
        keys = _keys(live, node)
        ts = pa.array(np.full(keys.num_rows, end_ms, np.int64))
        theirs, _ = engine().features(job, node, keys.append_column("ts", ts))
        ours = live.fetcher.fetch(node.name, keys, at=end_ms).columns
        names = pa.array([f"{node.name} {row}" for row in keys.to_pylist()])
        for side, columns in ((sides[0], ours), (sides[1], theirs)):
            side.append(_lined_up(node, names, columns, end_ms))
    return compare(
        pa.concat_tables(sides[0], promote_options="default"),
        pa.concat_tables(sides[1], promote_options="default"),
        identity="key",
    )


def _lined_up(node: GroupByNode, names: pa.Array, columns: pa.Table, end_ms: int) -> pa.Table:
    """A GroupBy's columns under names of their own, for one comparison over all."""
    found = {"key": names, "ts": pa.array(np.full(len(names), end_ms, np.int64))}
    return pa.table(found | {f"{node.name}.{name}": columns.column(name) for name in node.schema})


def _keys(live: Live, node: GroupByNode) -> pa.Table:
    """All keys that the year's tables have."""
    table = live.project.tables.table(node.sources[0].root.table)
    names = [name for name, _ in node.keys]
    rows = pa.Table.from_batches(
        [batch for ds in table.partitions() for batch in table.batches(ds, names)]
    )
    keys = rows.group_by(names, use_threads=False).aggregate([])
    return keys.drop_null()


def _trails(live: Live) -> bool:
    """Whether every lane's floor comes back to its horizon, now that the reader has gone."""
    horizon = live.chain.head_horizon_ms

    def at_horizon() -> bool:
        lanes = [lane for node in live.stages for lane in _lanes(live, node)]
        return all(lane.floor_ms >= lane.passed_ms - horizon - DAY_MS // 288 for lane in lanes)

    return _eventually(live, at_horizon)


def _eventually(live: Live, true: Callable[[], bool]) -> bool:
    """Whether stages make it true, in some time."""
    until = time.monotonic() + _PATIENCE_S
    while not true():
        if time.monotonic() > until:
            return False
        live.store.wait(live.store.version(), 0.2)
    return True


def _lanes(live: Live, node: GroupByNode) -> list[Lane]:
    dataset = live.store.dataset(dataset_name(node))
    assert dataset is not None, "it was uploaded"
    with dataset.snapshot() as snapshot:
        return list(lanes_of(snapshot).values())


def _uploads(live: Live) -> list[str]:
    """Cut-offs of the hub's active uploads."""
    dataset = live.store.dataset(dataset_name(live.group_by(HUB)))
    assert dataset is not None, "it was uploaded"
    with dataset.snapshot() as snapshot:
        found, _ = uploads_of(snapshot)
    return [ds_of(each.cutoff_ms) for each in found.active]


def _places(live: Live) -> list[SourcePartition]:
    return [place for topic in live.topics() for place in live.log.partitions(topic)]
