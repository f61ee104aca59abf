"""A stage: the steps of a micro-batch, one by one, and the loop that takes them.

    take ──► [ read ──► cut ──► wait ──► enrich ──► commit ──► tend ]…

Each step may be called by itself, which is how the protocol's model is compared with it. A commit
names, as conditions, the bytes of every record that it was decided on: the lanes (epoch and position),
the uploads, the readers. If one has changed, nothing is written and the fold is done again; if a lane
has another epoch, this copy stops.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from catenary.errors import FencedError, NotYetError, UnreachableError
from catenary.ports import Records, statuses
from catenary.state.fold import Changes, fold
from catenary.state.records import (
    NOWHERE_MS,
    READERS_KEY,
    UPLOADS_KEY,
    Lane,
    pack,
    uploads_of,
)
from catenary.stream.changing import Changing
from catenary.stream.floors import held_by_readers, risen
from catenary.stream.lanes import SetBackError, now_ms, sum_of
from catenary.stream.pacing import Pace, delay_ms, slept
from catenary.stream.pipeline import ROW
from catenary.stream.traced import Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.errors import RunError
    from catenary.stream.pipeline import Decoded, Enriched

_IDLE_S: Final = 0.25
_AWAY_S: Final = 0.2
_STARTING_S: Final = 30.0
"""How long servers are waited for that do not answer yet when a stage begins."""
_TENDED_EVERY_S: Final = 0.1
_TENDED_AFTER_ROWS: Final = 200_000
"""From one upkeep to the next, while there are batches: small ones are not to wait for it each time."""


@dataclass
class Reads:
    """What was read for a micro-batch: for each lane its records and rows."""

    lanes: list[tuple[Lane, Records]]
    decoded: list[Decoded] = field(default_factory=list["Decoded"])

    @property
    def records(self) -> int:
        """Records in all lanes."""
        return sum(len(records) for _, records in self.lanes)


class Stage(Changing, Traced):
    """One GroupBy's stream: lanes, their upkeep, and micro-batches.

    The arguments are those of `Lanes`.
    """

    _first = 0
    """The place of the lane that is read first."""

    def read(self) -> Reads | None:
        """What is queued for the owned lanes, up to the batch's bounds; None if nothing is.

        Where there is more than a batch holds, the next one begins with the lanes that this one had
        no room for.
        """
        self._phase("read")
        found: list[tuple[Lane, Records]] = []
        left = self._settings.batch_rows
        lanes = list(self._lanes.values())
        first = self._first % len(lanes) if lanes else 0
        for at, lane in enumerate(lanes[first:] + lanes[:first]):
            if self._log.incarnation(lane.place) != lane.incarnation:
                self._check_position(lane)
            if not left:
                self._first = first + at
                break
            records = self._log.read(
                lane.place,
                lane.position,
                max_records=left,
                max_bytes=self._settings.max_batch_bytes,
            )
            if records.next_offset > lane.position:
                found.append((lane, records))
                left -= len(records)
        return Reads(found) if found else None

    def decode(self, reads: Reads, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Rows after the topics' own queries; False if the stage was stopped while it waited for a registry."""
        self._phase("decode")
        reads.decoded = []
        for lane, records in reads.lanes:
            decoded = self._decoded(lane, records, stopped)
            if decoded is None:
                return False
            reads.decoded.append(self._uncovered(decoded))
        return True

    def _uncovered(self, decoded: Decoded) -> Decoded:
        """Without the rows that are in the upload with which the lane began."""
        lane, offsets = decoded.lane, decoded.records.offsets
        if not len(offsets) or offsets[0] >= lane.covered_offset:
            return decoded
        came_from = offsets[decoded.rows.column(ROW).to_numpy()]
        ts = decoded.rows.column("ts").to_numpy()
        wanted = (ts >= lane.covered_ms) | (came_from >= lane.covered_offset)
        return self._inputs[lane.source].pipeline.only(decoded, wanted)

    def paused(self, reads: Reads, stopped: Callable[[], bool]) -> bool:
        """Sleep before parents are read, if the settings say so; False if the stage was stopped."""
        if not any(each.pipeline.joins for each in self._inputs.values()):
            return True
        times = [each.rows.column("ts").to_numpy() for each in reads.decoded]
        pause_ms = self._settings.pause_ms + delay_ms(times, now_ms(), self._settings)
        return slept(pause_ms, stopped)

    def enrich(self, reads: Reads, inherited: int = statuses.OK) -> list[Enriched]:
        """Rows that are ready to fold, per lane."""
        self._phase("enrich")
        if inherited & statuses.LATE_PARENT and self._settings.on_parent_late == "dead_letter":
            # They are not enriched too early, but not at all.
            inherited &= ~statuses.LATE_PARENT
            for each in reads.decoded:
                each.refused = ("late_parent", "the parents did not catch up in time")
        return [
            self._inputs[each.lane.source].pipeline.enrich(each, inherited)
            for each in reads.decoded
        ]

    def commit(self, reads: Reads, enriched: Sequence[Enriched]) -> None:
        """Fold and commit: tiles, positions, floors, dead letters, all or nothing.

        Raises:
            FencedError: if another copy has taken a lane.
        """
        while True:
            self._phase("fold")
            expects: dict[bytes, bytes | None] = {}
            changes = Changes()
            after: dict[bytes, Lane] = {}
            with self.dataset.snapshot() as snapshot:
                self._refresh(snapshot)
                found, expects[UPLOADS_KEY] = uploads_of(snapshot)
                expects[READERS_KEY] = snapshot.get(READERS_KEY)
                held = None
                if self._may_rise(reads, enriched):
                    held = held_by_readers(snapshot, self._store, self._log, now_ms())
                current = [each for each in found.held if each.state != "loading"]
                for (read, records), each in zip(reads.lanes, enriched, strict=True):
                    lane = self._lanes[read.id.key]
                    expects[lane.id.record] = pack(lane)
                    moved = self._advanced(lane, records, each, held)
                    # The floor that this commit brings decides already: what lies before it would
                    # go into the head only to be merged out of it.
                    same = lane.floor_ms == moved.floor_ms
                    under = lane if same else replace(lane, floor_ms=moved.floor_ms)
                    folded = fold(self.layout, snapshot, under, each.batch, current)
                    _add(changes, folded)
                    for letter in each.letters:
                        changes.puts[letter.store_key] = letter.pack()
                    after[lane.id.key] = moved.with_tiles(folded.newest_ms, folded.head_bytes)
            for lane in after.values():
                changes.puts[lane.id.record] = pack(lane)
            if self.status.is_due(time.monotonic()):
                told = self.told(next(iter(self._lanes.values())))
                changes.puts[told.key] = pack(told)
            puts = sorted(changes.puts.items())
            self._phase("transaction")
            if self.dataset.commit(expects, puts, changes.deletes):
                self.status.committed(self._lanes, after, enriched)
                self._lanes.update(after)
                self._phase("after")
                return

    def _may_rise(self, reads: Reads, enriched: Sequence[Enriched]) -> bool:
        """Whether a lane's floor would rise if no reader held it; else none need be asked."""
        for (read, _), each in zip(reads.lanes, enriched, strict=True):
            lane = self._lanes[read.id.key]
            passed = _passed_ms(lane, each)
            if risen(lane, passed, self.layout.base_ms, self._settings, None) > lane.floor_ms:
                return True
        return False

    def _advanced(self, lane: Lane, records: Records, each: Enriched, held: int | None) -> Lane:
        """The lane after a batch."""
        passed = _passed_ms(lane, each)
        if len(records):
            lane = replace(lane, read_offset=int(records.offsets[-1]), read_sum=sum_of(records, -1))
        return replace(
            lane,
            position=records.next_offset,
            passed_ms=passed,
            since_ms=_since_ms(lane, each),
            floor_ms=risen(lane, passed, self.layout.base_ms, self._settings, held),
            rows=lane.rows + each.batch.rows.num_rows,
            folds=lane.folds + 1,
            set_aside=lane.set_aside + len(each.letters),
            committed_ms=now_ms(),
        )

    def step(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """One micro-batch; False if nothing was queued, or the stage was stopped while it waited."""
        reads = self.read()
        if reads is None:
            return False
        cut = self.cut()
        if not (self.decode(reads, stopped) and self.paused(reads, stopped)):
            return False
        inherited = self.wait(cut, stopped)
        if inherited is None:
            return False
        enriched = self.landed(lambda: self._enriched(reads, inherited, stopped), stopped)
        if enriched is None:
            return False
        self.commit(reads, enriched)
        return True

    def _enriched(
        self, reads: Reads, inherited: int, stopped: Callable[[], bool]
    ) -> list[Enriched]:
        """`enrich`; where it is to be tried again, the rows are as they were decoded."""
        try:
            return self.enrich(reads, inherited)
        except NotYetError:
            self.decode(reads, stopped)
            raise

    def run(
        self, stopped: Callable[[], bool], finishing: Callable[[], bool] = lambda: False
    ) -> None:
        """Follow the topics until told to stop; while the store's server or the log's is away, wait.

        Args:
            stopped: asked between steps and while waiting.
            finishing: asked before each step: whether to end once nothing is queued and nothing is
                to be tended. No interval between batches is kept then.

        Raises:
            FencedError: if another copy took a lane over that is not of the same group.
            UnreachableError: if the store's server, or the log's, is away from the start, for long.
            RunError: what a log or a store says that cannot go on.
        """
        self.enter()
        try:
            self._begin(stopped)
            while True:
                try:
                    self._follow(stopped, finishing)
                    return
                except (UnreachableError, SetBackError) as away:
                    if not self._is_back(away, stopped):
                        return
                except FencedError as fenced:
                    if not self.let_go():
                        self.status.taken_over = fenced.problem
                        raise
        finally:
            self.leave()

    def _begin(self, stopped: Callable[[], bool]) -> None:
        """Take the lanes; servers may be starting, too, and are waited for as long as that may take."""
        until_s = time.monotonic() + _STARTING_S
        while True:
            try:
                self.take()
                self.status.taken_over = ""
                return
            except UnreachableError:
                if stopped() or time.monotonic() > until_s:
                    raise
            time.sleep(_AWAY_S)

    def _is_back(self, away: RunError, stopped: Callable[[], bool]) -> bool:
        """Wait for the store, and take the lanes as they are there; False if stopped meanwhile."""
        self.status.waiting_for = away.problem
        while not stopped():
            time.sleep(_AWAY_S)  # also for a log that is away, of which the store tells nothing
            with suppress(UnreachableError):
                self.let_go()
                self.take_again()
                self.status.waiting_for = ""
                return True
        return False

    def _follow(self, stopped: Callable[[], bool], finishing: Callable[[], bool]) -> None:
        tended_s, quiet = time.monotonic(), True
        pace = Pace(self._settings.batch_interval_millis / 1000)
        while not stopped():
            self.look()
            if self.is_idle:
                self._log.wait({}, _AWAY_S)
                continue
            last = finishing()
            due = last or pace.left_s(time.monotonic()) <= 0
            began_s = time.monotonic()
            worked = due and self.step(stopped)
            if worked:
                pace.began(began_s)
            if (
                time.monotonic() - tended_s >= _TENDED_EVERY_S
                or self.untended_rows >= _TENDED_AFTER_ROWS
                or self.crowded()
                or (not worked and (quiet or last))
            ):
                tended_s = time.monotonic()
                if self.tend(stopped):
                    # A head that is over its limit is brought below it before more is read.
                    while self.crowded() and not stopped() and self.tend(stopped):
                        pass
                    quiet = True
                    continue
                if not worked and last:
                    break
            if not worked:
                self.tell()
                quiet = self._idle(pace.left_s(time.monotonic()))
        self.tell(last=True)

    def _idle(self, left_s: float) -> bool:
        """Wait until there is something to read and it is time to; whether nothing came."""
        if left_s > 0:
            time.sleep(min(left_s, _IDLE_S))
            return True
        positions = {lane.place: lane.position for lane in self._lanes.values()}
        return not self._log.wait(positions, _IDLE_S)


def _passed_ms(lane: Lane, each: Enriched) -> int:
    """The greatest event time that the lane has passed with this batch, what it set aside included."""
    passed = [lane.passed_ms, *(mark.ts_ms for mark in each.batch.aside)]
    ts = each.batch.rows.column("ts").to_numpy()
    if len(ts):
        passed.append(int(ts.max()))
    return max(passed)


def _since_ms(lane: Lane, each: Enriched) -> int:
    """From when on the lane has all: where its log has not always been, from its first row on."""
    batch = each.batch
    if lane.since_ms != NOWHERE_MS or not len(batch.offsets):
        return lane.since_ms
    return int(batch.rows.column("ts").to_numpy()[batch.offsets.argmin()])


def _add(changes: Changes, more: Changes) -> None:
    changes.puts.update(more.puts)
    changes.deletes += more.deletes
