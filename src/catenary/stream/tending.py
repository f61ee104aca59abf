"""Upkeep between batches: settling uploads, raising floors, compaction, retirement, dead letters.

Whatever changes a lane's tiles changes the lane's record with them, so that nobody who decided on what
lay there before commits after it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import pyarrow as pa

from catenary.errors import NotYetError, RegistryError
from catenary.ports import Records, statuses
from catenary.state import compact
from catenary.state import uploads as swaps
from catenary.state.fold import Batch, Changes, Mark, fold, fold_late
from catenary.state.records import (
    ANCIENT_MS,
    READERS_KEY,
    UPLOADS_KEY,
    Lane,
    LaneId,
    Told,
    lane_in,
    lanes_of,
    pack,
    uploads_of,
)
from catenary.stream.floors import crowded, held_by_readers, pressed, risen
from catenary.stream.lanes import Lanes, now_ms
from catenary.stream.letters import Letter, letters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.ports import SourcePartition
    from catenary.state.records import Upload
    from catenary.stream.pipeline import Decoded

_COMPACTED_AT_ONCE: Final = 10_000
"""Tiles that are merged in one commit when little is queued, so that no batch waits for long."""
_COMPACTED_PER_ROW: Final = 2
"""So that upkeep is not outrun where much is queued."""
_PATIENCE_S: Final = 1.0

W = TypeVar("W")


class Tended(Lanes):
    """Lanes with their upkeep."""

    _tended_rows = 0
    """Rows that had been folded when tiles were last merged."""

    def cut(self) -> dict[SourcePartition, int]:
        """What the parents must have seen before what was just read may be enriched."""
        return self._parents.cut()

    def ready(self, cut: dict[SourcePartition, int]) -> bool:
        """Whether the parents have reached a cut, and settled what landed first."""
        return not self._parents.lacking(cut)

    def wait(self, cut: dict[SourcePartition, int], stopped: Callable[[], bool]) -> int | None:
        """Wait for the parents as the settings say.

        Returns:
            The status that the batch's rows inherit; None if the stage was stopped meanwhile.
        """
        self._phase("wait")
        if self.ready(cut):
            self.status.waited(dict.fromkeys(self._parents.names, 0.0))
            return statuses.OK
        began = advanced = time.monotonic()
        waited = dict.fromkeys(self._parents.names, 0.0)
        before: set[tuple[str, object]] = set()
        while True:
            version = self._store.version()
            lacking = self._parents.lacking(cut)
            if not lacking:
                self.status.waited(waited)
                return statuses.OK
            now = {(each.parent, each.reached) for each in lacking}
            if now != before:
                advanced, before = time.monotonic(), now
            self.status.waiting_for = str(lacking[0])
            if stopped():
                return None
            patience_ms = self._settings.patience_ms
            if patience_ms is not None:
                left = patience_ms / 1000 - (time.monotonic() - advanced)
                if left <= 0:
                    self.status.waited(waited)
                    return statuses.LATE_PARENT
                self._store.wait(version, min(left, _PATIENCE_S))
            else:
                # Each of them has to come on, so it is enough to hear of one.
                self._store.wait(version, _PATIENCE_S, dataset=lacking[-1].dataset)
            now_s = time.monotonic()
            waited |= {each.parent: now_s - began for each in lacking}
            if now_s - began > _PATIENCE_S:
                self.tell()

    def _decoded(self, lane: Lane, records: Records, stopped: Callable[[], bool]) -> Decoded | None:
        """The rows of a lane's records; waits while a registry does not answer. None if stopped."""
        while True:
            try:
                return self._inputs[lane.source].pipeline.decode(lane, records)
            except RegistryError as error:
                self.status.waiting_for = error.problem
                if stopped():
                    return None
                self._store.wait(self._store.version(), _PATIENCE_S)
                self.tell()

    def tend(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """One piece of upkeep: settle an upload, raise a floor, merge or remove tiles.

        Returns:
            Whether anything was done; more may be left.
        """
        with self.dataset.snapshot() as snapshot:
            self._refresh(snapshot)
            found, _ = uploads_of(snapshot)
        for upload in found.held:
            for key, lane in self._lanes.items():
                if upload.state == "landed" and key in upload.unsettled:
                    return self._settle(upload, lane, stopped)
        raised, compacted = self._raise_floors(), self._compact()
        return raised or compacted or self._retire()

    @property
    def untended_rows(self) -> int:
        """Rows that were folded since tiles were last merged."""
        return sum(lane.rows for lane in self._lanes.values()) - self._tended_rows

    def crowded(self) -> bool:
        """Whether the head of this copy's lanes alone holds more than the limit."""
        return crowded(self._lanes.values(), self._settings)

    def tell(self, *, last: bool = False) -> None:
        """Write down what the stage says of itself, for others to read, if that is due."""
        lane = next(iter(self._lanes.values()), None)
        if lane is None or not (last or self.status.is_due(time.monotonic())):
            return
        told = self.told(lane)
        self.dataset.commit({lane.id.record: pack(lane)}, [(told.key, pack(told))])

    def told(self, lane: Lane) -> Told:
        """What the stage says of itself now, kept with the first of its lanes."""
        self.status.told_s = time.monotonic()
        return Told(lane.id.key, self._owner, now_ms(), self.status.facts())

    def _settle(self, upload: Upload, lane: Lane, stopped: Callable[[], bool]) -> bool:
        """Fold what the log brought since the upload's frontier and before its cut-off (protocol 7).

        All of it in one commit, with the lane's settlement: half of it would be counted twice. Rows
        are enriched as in any batch: when the parents have caught up. Those with a dead letter are
        left to its replay, and leave a mark.
        """
        inherited = self.wait(self.cut(), stopped)
        if inherited is None:
            return False
        late = self.landed(lambda: self._late(upload, lane, inherited, stopped), stopped)
        if late is None:
            return False
        while True:
            changes = Changes()
            with self.dataset.snapshot() as snapshot:
                self._refresh(snapshot)
                found, before = uploads_of(snapshot)
                lane = self._lanes[lane.id.key]
                if late:
                    open_letters = {each.offset for each in letters_of(snapshot, lane)}
                    batch = _marked(_joined(late), open_letters)
                    fold_late(self.layout, snapshot, lane, batch, upload, changes)
            if not any(each.id == upload.id for each in found.held):
                return True
            settled = swaps.settled(found, upload.id, lane.id.key)
            changes.puts[UPLOADS_KEY] = pack(settled)
            if self._write(lane, changes, {UPLOADS_KEY: before}):
                return True

    def _late(
        self, upload: Upload, lane: Lane, inherited: int, stopped: Callable[[], bool]
    ) -> list[Batch] | None:
        """The rows that a lane has committed, which an upload lacks although they lie before its cut-off.

        None if the stage was stopped while it waited for a registry.
        """
        position = upload.includes(lane.place)
        assert position is not None, "an upload without a frontier is active at once"
        pipeline = self._inputs[lane.source].pipeline
        late: list[Batch] = []
        for records in self._passed(lane, position):
            # Letters are not written again: these records were read before.
            done = self._decoded(lane, records, stopped)
            if done is None:
                return None
            done = pipeline.only(done, done.rows.column("ts").to_numpy() < upload.cutoff_ms)
            if done.rows.num_rows:
                late.append(pipeline.enrich(done, inherited).batch)
        return late

    def landed(self, work: Callable[[], W], stopped: Callable[[], bool]) -> W | None:
        """What the work gives, once the snapshots that it reads have landed (`on_snapshot_late=hold`).

        Returns:
            None if the stage was stopped meanwhile.
        """
        while True:
            version = self._store.version()
            try:
                return work()
            except NotYetError as late:
                self.status.waiting_for = late.problem
                if stopped():
                    return None
                self._store.wait(version, _PATIENCE_S)

    def _raise_floors(self) -> bool:
        """Let floors rise that no reader holds any more, or that hold more than the head may."""
        expects: dict[bytes, bytes | None] = {}
        with self.dataset.snapshot() as snapshot:
            self._refresh(snapshot)
            expects[READERS_KEY] = snapshot.get(READERS_KEY)
            held = held_by_readers(snapshot, self._store, self._log, now_ms())
            found, _ = uploads_of(snapshot)
            lanes = lanes_of(snapshot)
            least = (
                pressed(self.layout, snapshot, lanes, self._lanes)
                if crowded(lanes.values(), self._settings)
                else {}
            )
        after: dict[bytes, Lane] = {}
        for key, lane in self._lanes.items():
            floor = risen(lane, lane.passed_ms, self.layout.base_ms, self._settings, held)
            floor = max(floor, least.get(key, ANCIENT_MS))
            raised = replace(lane, floor_ms=floor)
            kept = compact.kept_from(self.layout, raised, found, self._settings.history_ms)
            raised = replace(raised, kept_ms=kept)
            if raised != lane:
                after[key] = raised
                expects[lane.id.record] = pack(lane)
        if not after:
            return False
        puts = [(lane.id.record, pack(lane)) for lane in after.values()]
        if self.dataset.commit(expects, puts):
            self._lanes.update(after)
        return True

    def _compact(self) -> bool:
        """Merge and remove a bounded number of tiles."""
        history = self._settings.history_ms
        budget = max(_COMPACTED_AT_ONCE, _COMPACTED_PER_ROW * self.untended_rows)
        self._tended_rows += self.untended_rows
        for lane in list(self._lanes.values()):
            with self.dataset.snapshot() as snapshot:
                changes = compact.compact(
                    self.layout, snapshot, lane, lane.kept_ms, history, budget
                )
            if changes.puts or changes.deletes:
                self._write(lane, changes, {})
                return True
        return False

    def _write(self, lane: Lane, changes: Changes, expects: dict[bytes, bytes | None]) -> bool:
        """Commit changes to one lane's tiles.

        The lane's record changes with them, so that nobody who decided on what lay there before
        commits after it.
        """
        after = replace(lane, folds=lane.folds + 1)
        after = after.with_tiles(changes.newest_ms, changes.head_bytes)
        conditions = {**expects, lane.id.record: pack(lane)}
        puts = sorted({**changes.puts, lane.id.record: pack(after)}.items())
        written = self.dataset.commit(conditions, puts, changes.deletes)
        if written and lane.id.key in self._lanes:
            self._lanes[lane.id.key] = after
        return written

    def _retire(self) -> bool:
        """Remove uploads that no read can choose any more."""
        with self.dataset.snapshot() as snapshot:
            found, _ = uploads_of(snapshot)
            lanes = lanes_of(snapshot)
        if not lanes or len(found.active) < 2:
            return False
        oldest = min(lane.floor_ms for lane in lanes.values()) - self._settings.history_ms
        needed = found.newest(oldest)
        if needed is None:
            return False
        gone = {each.id for each in found.active if each.cutoff_ms < needed.cutoff_ms}
        if not gone:
            return False
        swaps.retire(self.dataset, {each.id for each in found.held} - gone)
        return True

    def replay(self) -> tuple[int, int]:
        """Try open dead letters again; what passes is folded in, also beside a running copy.

        Returns:
            How many passed, and how many are left.
        """
        with self.dataset.snapshot() as snapshot:
            letters = [each for each in letters_of(snapshot) if each.is_open]
        passed = sum(self._replay(letter) for letter in letters)
        return passed, len(letters) - passed

    def _replay(self, letter: Letter) -> bool:
        """Whether one dead letter passed."""
        if not self.ready(self.cut()):
            return False
        pipeline = self._inputs[letter.source].pipeline
        record = Records(
            np.asarray([letter.offset], np.int64),
            pa.array([letter.key], pa.large_binary()),
            pa.array([letter.value], pa.large_binary()),
            np.asarray([letter.append_ms], np.int64),
            letter.offset + 1,
        )
        while True:
            with self.dataset.snapshot() as snapshot:
                data = snapshot.get(LaneId(letter.source, letter.partition).record)
                if data is None or snapshot.get(letter.store_key) != letter.pack():
                    return False  # somebody else has replayed or dismissed it
                lane = lane_in(data)
                try:
                    ready = pipeline.enrich(pipeline.decode(lane, record))
                except NotYetError:  # a snapshot that is held for: another time
                    return False
                if ready.letters or any(x.status & statuses.SET_ASIDE for x in ready.batch.aside):
                    return False
                found, before = uploads_of(snapshot)
                current = [each for each in found.held if each.state != "loading"]
                changes = fold(self.layout, snapshot, lane, ready.batch, current)
            changes.deletes.append(letter.store_key)
            if self._write(lane, changes, {UPLOADS_KEY: before, letter.store_key: letter.pack()}):
                return True


def _marked(batch: Batch, letters: set[int]) -> Batch:
    """The batch with marks in place of the rows whose dead letters are still there."""
    open_ = np.isin(batch.offsets, list(letters)) if letters else np.zeros(len(batch.codes), bool)
    if not open_.any():
        return batch
    ts = batch.rows.column("ts").to_numpy()
    marks = tuple(
        Mark(batch.entities[code], int(ts[row]), statuses.SET_ASIDE, int(batch.offsets[row]))
        for row, code in enumerate(batch.codes.tolist())
        if open_[row] and code >= 0
    )
    return Batch(
        batch.rows.filter(pa.array(~open_)),
        batch.codes[~open_],
        batch.entities,
        batch.status[~open_],
        batch.offsets[~open_],
        (*batch.aside, *marks),
    )


def _joined(batches: list[Batch]) -> Batch:
    """Several batches as one."""
    entities = sorted({each for batch in batches for each in batch.entities})
    places = {each: at for at, each in enumerate(entities)}
    codes = [
        np.asarray([*(places[each] for each in batch.entities), -1], np.int32)[batch.codes]
        for batch in batches
    ]
    return Batch(
        pa.concat_tables([batch.rows for batch in batches]),
        np.concatenate(codes),
        entities,
        np.concatenate([batch.status for batch in batches]),
        np.concatenate([batch.offsets for batch in batches]),
        tuple(mark for batch in batches for mark in batch.aside),
    )
