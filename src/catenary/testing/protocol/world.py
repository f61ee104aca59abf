"""A world of topics, datasets and stages, and the checks on every row and read in it.

    publish ──► log ──► stages ──► datasets ──► reads
        └─────► oracle ──────────────────────────┴──► equal, or told, or without a promise

A finding is a sentence: what was wrong, where. A world without findings held the protocol's promise.

Read next: ``schedule.py`` (what happens in it, at random).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catenary.ports import statuses
from catenary.testing.protocol.oracle import Expected, Oracle
from catenary.testing.protocol.reading import Answer, read
from catenary.testing.protocol.shapes import ANCIENT, LaneId, Place
from catenary.testing.protocol.store import Dataset, Lane, Reader
from catenary.testing.protocol.trace import Trace

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from catenary.testing.protocol.shapes import Shape
    from catenary.testing.protocol.stage import Ready
    from catenary.testing.protocol.topics import Log, Record
    from catenary.testing.protocol.variants import Rules

TOO_OLD = statuses.BEFORE_RETENTION | statuses.MISSING_UPLOAD


class World:
    """Everything there is.

    Attributes:
        units: of all times.
        head_limit: the head's greatest age, readers or not; None for none.
        history: how far before the floor reads are answered.
        whole: steps that a real stage takes at once are not taken apart.
        trace: of the steps, where it is kept.
        copies: how many copies were begun.
        running: GroupBys whose stage has been started.
        deaf: rows are no longer checked: what they would be held to was lost.
        cured: what was poisonous is enriched from now on.
        now: the event time that publishers have come to.
        step: how many things have happened.
        lateness: how late each record was as it was published.
        found: what was wrong.
        tally: how many rows and reads were checked, without a promise, of which status.
        differed: statuses under which a promised value was another one.
    """

    def __init__(
        self,
        rng: random.Random,
        rules: Rules,
        log: Log,
        shapes: Sequence[Shape],
        *,
        head_limit: int | None = None,
        history: int = 0,
        traced: bool = False,
        whole: bool = False,
    ) -> None:
        self.rng, self.rules, self.log, self.shapes = rng, rules, log, shapes
        self.units = shapes[0].units
        self.head_limit, self.history, self.whole = head_limit, history, whole
        self.lanes: list[tuple[LaneId, ...]] = [
            tuple(
                LaneId(number, topic, partition)
                for number, source in enumerate(shape.sources)
                for topic, partition in log.places[source.topic]
                if not shape.snapshot
            )
            for shape in shapes
        ]
        self.datasets = [Dataset(shape) for shape in shapes]
        self.oracle = Oracle(shapes)
        self.trace = Trace(kept=traced)
        self.copies = 0
        self.running: set[int] = set()
        self.now = 0
        self.step = 0
        self.lateness: list[int] = []
        self.deaf = False
        self.cured = False
        self.rows: dict[tuple[int, LaneId, int], int] = Counter()
        self.found: list[str] = []
        self.tally: Counter[str] = Counter()
        self.differed: Counter[str] = Counter()

    def publish(
        self, place: Place, ts: int, key: str, other: str, value: int, *, poison: bool = False
    ) -> Record:
        """A record is acknowledged."""
        record = self.log.publish(place, ts, key, other, value, poison=poison)
        self.lateness.append(self.now - ts)
        self.oracle.publish(record)
        self.trace.outside("publish", record)
        return record

    def mark(self, place: Place) -> None:
        """A control record takes an offset."""
        self.log.mark(place)
        self.trace.outside("mark", place)

    def known(self, place: Place, lane: Lane) -> bool:
        """Whether a lane's position means something in the log as it is now."""
        return lane.incarnation == self.log.incarnations[place] and lane.position <= self.log.end(
            place
        )

    def committed(self, shape: Shape, row: Ready) -> None:
        """A row was folded: its value is the backfill's, or it says that it may not be."""
        if self.deaf:
            return
        record = row.record
        self.rows[shape.number, row.lane, record.offset] += 1
        in_time = self.lateness[record.sequence] <= shape.units.horizon
        if in_time and self.head_limit is None and row.own & statuses.AS_OF_TILE:
            self.found.append(f"{record} of {shape.number}: its parents' heads were not held")
        self.checked(shape, row)

    def checked(self, shape: Shape, row: Ready) -> None:
        """Hold a row to the oracle."""
        record = row.record
        wanted = next(
            each
            for each in self.oracle.rows[shape.number][record.key]
            if each.record is record and each.source == row.lane.source
        )
        self.tally["rows"] += 1
        where = f"row {record} of {shape.number}, {statuses.listed(row.status)}"
        if not wanted.promised:
            self.tally["rows without a promise"] += 1
        elif row.value != wanted.value:
            if row.status:
                self.differed.update(statuses.listed(row.status))
            else:
                self.found.append(f"{where}: {row.value}, not {wanted.value}")

    def settled(self, shape: Shape, row: Ready) -> None:
        """A row was folded into late tiles by replay."""
        self.tally["rows settled"] += 1
        if row.own & statuses.INHERITED:
            self.tally["rows settled with a doubt"] += 1
        self.checked(shape, row)

    def look(self, shape: Shape, key: str, at: int, reader: Reader | None = None) -> Answer:
        """Read, and hold the answer to the oracle."""
        dataset = self.datasets[shape.number]
        answer = read(dataset, key, at, self.rules)
        self._check_told(dataset, answer, at, reader)
        wanted = self.oracle.expected(shape, key, at)
        self.tally["reads"] += 1
        if not self._caught_up(dataset, shape, wanted):
            self.tally["reads ahead of the stage"] += 1
        elif not wanted.promised:
            self.tally["reads without a promise"] += 1
        else:
            self._check_value(dataset, key, at, answer, wanted)
        return answer

    def check_complete(self) -> None:
        """Every record below a lane's position was folded, and once."""
        for shape in self.shapes:
            for lane_id, lane in self.datasets[shape.number].lanes.items():
                cutoff, included = lane.covered
                for entry in self.log.entries[lane_id.place][: lane.position]:
                    if entry is not None:
                        folded = self.rows[shape.number, lane_id, entry.offset]
                        if folded != (entry.ts >= cutoff or entry.offset >= included):
                            self.found.append(f"{entry} was folded {folded} times in {lane_id}")

    def check_tiles(self) -> None:
        """No two tiles of a lane overlap unless one holds the other."""
        for dataset in self.datasets:
            self.found += dataset.overlapping()

    def _check_value(
        self, dataset: Dataset, key: str, at: int, answer: Answer, wanted: Expected
    ) -> None:
        where = f"{key} of {dataset.shape.number} at {at}, {statuses.listed(answer.status)}"
        doubt = answer.status & ~statuses.SURE
        self.tally["reads promised"] += 1
        since = max((each.since for each in dataset.lanes.values()), default=ANCIENT)
        if at >= max(dataset.floor(), since):
            self.tally["reads held"] += 1
            self.tally["reads held and sure"] += not doubt
        self.tally.update(statuses.listed(answer.status) or ["ok"])
        if answer.values != wanted.values:
            if not doubt:
                self.found.append(f"{where}: {answer.values}, not {wanted.values}")
            self.differed.update(statuses.listed(doubt))
        if doubt == statuses.AS_OF_TILE and not answer.inherited:
            before = self.oracle.expected(dataset.shape, key, answer.at)
            if self._caught_up(dataset, dataset.shape, before) and answer.values != before.values:
                self.found.append(
                    f"{where}: {answer.values}, not {before.values} as of {answer.at}"
                )

    def _check_told(self, dataset: Dataset, answer: Answer, at: int, reader: Reader | None) -> None:
        """A read that the head holds is not called old, and one that is retained not too old."""
        where = f"{dataset.shape.number} at {at}, floor {dataset.floor()}"
        held = dataset.floor() if reader is None or self.head_limit else reader.exact_from
        if at >= held and answer.own & statuses.AS_OF_TILE:
            self.found.append(f"{where}: as of {answer.at}, after the floor {held}")
        since = max((each.since for each in dataset.lanes.values()), default=at + 1)
        if at >= max(dataset.floor() - self.history, since) and answer.own & TOO_OLD:
            self.found.append(f"{where}: {statuses.listed(answer.own)}, since {since}")

    def _caught_up(self, dataset: Dataset, shape: Shape, wanted: Expected) -> bool:
        """Whether the stage has committed all that the read ought to see."""
        for row in wanted.rows:
            lane = dataset.lanes.get(LaneId(row.source, *row.record.place))
            if lane is None or lane.position <= row.record.offset:
                return False
        return True
