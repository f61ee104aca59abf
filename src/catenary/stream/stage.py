"""A stage: the steps of a micro-batch, one by one, and the loop that takes them.

    take ──► [ read ──► cut ──► wait ──► enrich ──► commit ──► tend ]…

Each step may be called by itself, which is how the protocol's model is compared with it. A commit
names, as conditions, the bytes of every record that it was decided on: the lanes (epoch and position),
the uploads, the readers. If one has changed, nothing is written and the fold is done again; if a lane
has another epoch, this copy stops.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.errors import FencedError, PositionError
from catenary.ports import Records, statuses
from catenary.state import compact
from catenary.state import uploads as swaps
from catenary.state.fold import Batch, Changes, Mark, fold, fold_late
from catenary.state.layouts import dataset_name, layout_of
from catenary.state.records import (
    ANCIENT_MS,
    FORMAT,
    FORMAT_KEY,
    READERS_KEY,
    UPLOADS_KEY,
    Format,
    Lane,
    LaneId,
    Reader,
    Readers,
    check_format,
    lanes_of,
    pack,
    readers_of,
    unpack,
    uploads_of,
)
from catenary.stream.floors import held_by_readers, risen
from catenary.stream.letters import Letter, letters_of
from catenary.stream.pipeline import ROW
from catenary.stream.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from catenary.plan.nodes import GroupByNode
    from catenary.plan.settings import ChainSettings
    from catenary.ports import Dataset, Log, Snapshot, SourcePartition, Store
    from catenary.state.records import Upload
    from catenary.stream.pipeline import Decoded, Enriched, Pipeline
    from catenary.stream.waiting import Parents

_NOWHERE_MS: Final = 1 << 61
"""`since_ms` of a lane whose log had lost its beginning: it holds everything from no instant on."""
_COMPACTED_AT_ONCE: Final = 4_000
_IDLE_S: Final = 0.25
_PATIENCE_S: Final = 1.0


@dataclass(frozen=True)
class Input:
    """One source of the GroupBy that is streamed.

    Attributes:
        source: its place among the GroupBy's sources.
        places: its source partitions.
        pipeline: what is done with its records.
    """

    source: int
    places: tuple[SourcePartition, ...]
    pipeline: Pipeline


@dataclass
class Reads:
    """What was read for a micro-batch: for each lane its records and rows."""

    lanes: list[tuple[Lane, Records]]
    decoded: list[Decoded] = field(default_factory=list["Decoded"])

    @property
    def records(self) -> int:
        """Records in all lanes."""
        return sum(len(records) for _, records in self.lanes)


class Stage:
    """One GroupBy's stream.

    Args:
        node: the GroupBy.
        inputs: its streamed sources.
        parents: whose frontiers are waited for.
        log: where records are.
        store: where state goes.
        settings: of the chain.
        children: datasets of the stages that read this one, registered as readers of its head.
        owned: the source partitions that this copy follows; None for all.
        owner: who runs it, for people.
        phase: told what the stage is about to do; for tests that kill it there.
    """

    def __init__(
        self,
        node: GroupByNode,
        inputs: Sequence[Input],
        parents: Parents,
        log: Log,
        store: Store,
        settings: ChainSettings,
        *,
        children: Collection[str] = (),
        owned: Collection[SourcePartition] | None = None,
        owner: str = "",
        phase: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.node = node
        self.layout = layout_of(node)
        self.status = Status(node.name)
        self._inputs = {each.source: each for each in inputs}
        self._parents = parents
        self._log = log
        self._store = store
        self._settings = settings
        self._children = tuple(children)
        self._owned = None if owned is None else frozenset(owned)
        self._owner = owner
        self._phase = phase
        self._lanes: dict[bytes, Lane] = {}
        found = store.dataset(dataset_name(node), create=True)
        assert found is not None, "a store makes what it is asked to make"
        self.dataset: Dataset = found

    # -- taking lanes --------------------------------------------------------------------------

    def take(self) -> None:
        """Take the lanes: whoever had them before cannot commit any more.

        Raises:
            PositionError: if a stored position means nothing in the log.
            UnreadableError: if the dataset is of another release or definition.
        """
        while True:
            expects: dict[bytes, bytes | None] = {}
            puts: list[tuple[bytes, bytes]] = []
            taken: dict[bytes, Lane] = {}
            with self.dataset.snapshot() as snapshot:
                expects[FORMAT_KEY] = check_format(snapshot, self.node.fingerprint, self.node.name)
                if expects[FORMAT_KEY] is None:
                    puts.append((FORMAT_KEY, pack(Format(FORMAT, self.node.fingerprint))))
                held, expects[READERS_KEY] = readers_of(snapshot)
                puts += self._registered(held)
                found, expects[UPLOADS_KEY] = uploads_of(snapshot)
                for source, place in self._places():
                    id_ = LaneId(source, place.partition)
                    expects[id_.record] = data = snapshot.get(id_.record)
                    lane = (
                        self._new_lane(source, place, found.held)
                        if data is None
                        else unpack(data, Lane)
                    )
                    self._check_position(lane)
                    lane = replace(lane, epoch=lane.epoch + 1, owner=self._owner)
                    taken[id_.key] = lane
                    puts.append((id_.record, pack(lane)))
            if self.dataset.commit(expects, puts):
                self._lanes = taken
                return

    def _places(self) -> list[tuple[int, SourcePartition]]:
        return [
            (each.source, place)
            for each in self._inputs.values()
            for place in each.places
            if self._owned is None or place in self._owned
        ]

    def _registered(self, held: Readers) -> list[tuple[bytes, bytes]]:
        """The children among the readers, if they are not yet."""
        missing = {
            name: Reader(name, child=True) for name in self._children if name not in held.held
        }
        return [(READERS_KEY, pack(Readers({**held.held, **missing})))] if missing else []

    def _new_lane(self, source: int, place: SourcePartition, held: Sequence[Upload]) -> Lane:
        """A lane begins at the log's beginning, and leaves to the newest upload what that holds.

        An upload's frontier says which events from before its cut-off are in the tables; later ones
        may lie anywhere before it in the log.
        """
        start = self._log.starts([place])[place]
        lane = Lane(
            topic=place.topic,
            source=source,
            partition=place.partition,
            position=start,
            incarnation=self._log.incarnation(place),
            since_ms=ANCIENT_MS if start == 0 else _NOWHERE_MS,
            began=start,
        )
        known = [each for each in held if each.state != "loading" and each.frontier is not None]
        if not known:
            return lane
        newest = max(known, key=lambda each: (each.cutoff_ms, each.id))
        included = newest.includes(place)
        assert included is not None, "its frontier is known"
        # What lies before the cut-off is in the tables, whatever the log still has of it.
        return replace(
            lane,
            since_ms=newest.cutoff_ms,
            covered_ms=newest.cutoff_ms,
            covered_offset=included,
        )

    def _check_position(self, lane: Lane) -> None:
        """A stored position must mean what it meant (protocol 17)."""
        held = self._log.incarnation(lane.place)
        if held != lane.incarnation:
            raise PositionError(
                f"{self.node.name} is at offset {lane.position} of {lane.place} in incarnation"
                f" {lane.incarnation}; the log is in incarnation {held}",
                hint="recovery cut records that were read already; upload again and start anew",
            )
        end = self._log.ends([lane.place])[lane.place]
        if lane.position > end:
            raise PositionError(
                f"{self.node.name} is at offset {lane.position} of {lane.place}, which ends at {end}",
                hint="the log was cut behind the stage; upload again and start anew",
            )

    # -- a micro-batch, step by step -----------------------------------------------------------

    def read(self) -> Reads | None:
        """What is queued for the owned lanes, up to the batch's bounds; None if nothing is."""
        self._phase("read")
        settings = self._settings
        found: list[tuple[Lane, Records]] = []
        rows = 0
        for lane in self._lanes.values():
            if self._log.incarnation(lane.place) != lane.incarnation:
                self._check_position(lane)
            records = self._log.read(
                lane.place,
                lane.position,
                max_records=max(1, settings.max_batch_rows - rows),
                max_bytes=settings.max_batch_bytes,
            )
            if records.next_offset > lane.position:
                found.append((lane, records))
                rows += len(records)
        return Reads(found) if found else None

    def cut(self) -> dict[SourcePartition, int]:
        """What the parents must have seen before what was just read may be enriched."""
        return self._parents.cut()

    def decode(self, reads: Reads) -> None:
        """Rows after the topics' own queries."""
        self._phase("decode")
        reads.decoded = [
            self._inputs[lane.source].pipeline.decode(lane, records)
            for lane, records in reads.lanes
        ]

    def _uncovered(self, decoded: Decoded) -> Decoded:
        """Without the rows that are in the upload with which the lane began."""
        lane, offsets = decoded.lane, decoded.records.offsets
        if not len(offsets) or offsets[0] >= lane.covered_offset:
            return decoded
        came_from = offsets[decoded.rows.column(ROW).to_numpy()]
        ts = decoded.rows.column("ts").to_numpy()
        wanted = (ts >= lane.covered_ms) | (came_from >= lane.covered_offset)
        return self._inputs[lane.source].pipeline.only(decoded, wanted)

    def ready(self, cut: dict[SourcePartition, int]) -> bool:
        """Whether the parents have reached a cut."""
        return not self._parents.lacking(cut)

    def wait(self, cut: dict[SourcePartition, int], stopped: Callable[[], bool]) -> int | None:
        """Wait for the parents as the settings say.

        Returns:
            The status that the batch's rows inherit; None if the stage was stopped meanwhile.
        """
        self._phase("wait")
        began = advanced = time.monotonic()
        before: dict[tuple[str, SourcePartition], int | None] = {}
        while True:
            version = self._store.version()
            lacking = self._parents.lacking(cut)
            if not lacking:
                self.status.waited(time.monotonic() - began)
                return statuses.OK
            now = {(each.parent, each.place): each.position for each in lacking}
            if now != before:
                advanced, before = time.monotonic(), now
            self.status.waiting_for = str(lacking[0])
            if stopped():
                return None
            if self._settings.on_parent_late != "hold":
                left = self._settings.max_wait_ms / 1000 - (time.monotonic() - advanced)
                if left <= 0:
                    self.status.waited(time.monotonic() - began)
                    return statuses.LATE_PARENT
                self._store.wait(version, min(left, _PATIENCE_S))
            else:
                self._store.wait(version, _PATIENCE_S)

    def enrich(self, reads: Reads, inherited: int = statuses.OK) -> list[Enriched]:
        """Rows that are ready to fold, per lane."""
        self._phase("enrich")
        if inherited & statuses.LATE_PARENT and self._settings.on_parent_late == "dead_letter":
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
                held = held_by_readers(snapshot, self._store, self._log, _now_ms())
                current = [each for each in found.held if each.state != "loading"]
                for (read, records), each in zip(reads.lanes, enriched, strict=True):
                    lane = self._lanes[read.id.key]
                    expects[lane.id.record] = pack(lane)
                    _add(changes, fold(self.layout, snapshot, lane, each.batch, current))
                    for letter in each.letters:
                        changes.puts[letter.store_key] = letter.pack()
                    after[lane.id.key] = self._advanced(lane, records, each, held)
            for lane in after.values():
                changes.puts[lane.id.record] = pack(lane)
            puts = sorted(changes.puts.items())
            self._phase("transaction")
            if self.dataset.commit(expects, puts, changes.deletes):
                self.status.committed(self._lanes, after, enriched)
                self._lanes.update(after)
                self._phase("after")
                return

    def _advanced(self, lane: Lane, records: Records, each: Enriched, held: int | None) -> Lane:
        """The lane after a batch."""
        ts = each.batch.rows.column("ts").to_numpy()
        passed = max(lane.passed_ms, int(ts.max())) if len(ts) else lane.passed_ms
        moved = replace(
            lane,
            position=records.next_offset,
            passed_ms=passed,
            rows=lane.rows + len(ts),
            folds=lane.folds + 1,
            set_aside=lane.set_aside + len(each.letters),
            committed_ms=_now_ms(),
        )
        return replace(moved, floor_ms=risen(moved, self.layout.base_ms, self._settings, held))

    def _refresh(self, snapshot: Snapshot) -> None:
        """Take note of what others did to the lanes without taking them (a replay of dead letters).

        Raises:
            FencedError: if another copy has taken one.
        """
        for key, lane in self._lanes.items():
            data = snapshot.get(lane.id.record)
            held = None if data is None else unpack(data, Lane)
            if held is None or (held.epoch, held.position) != (lane.epoch, lane.position):
                owner = "nobody" if held is None else held.owner or "another copy"
                raise FencedError(
                    f"{self.node.name}: {lane.place} was taken over by {owner}",
                    hint="one copy of a stage runs at a time; this one stops",
                )
            self._lanes[key] = held

    # -- between batches -----------------------------------------------------------------------

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
        return self._raise_floors() or self._compact() or self._retire()

    def _settle(self, upload: Upload, lane: Lane, stopped: Callable[[], bool]) -> bool:
        """Fold what the log brought since the upload's frontier and before its cut-off (protocol 7).

        All of it in one commit, with the lane's settlement: half of it would be counted twice. Rows
        are enriched as in any batch: when the parents have caught up. Those with a dead letter are
        left to its replay, and leave a mark.
        """
        inherited = self.wait(self.cut(), stopped)
        if inherited is None:
            return False
        position = upload.includes(lane.place)
        assert position is not None, "an upload without a frontier is active at once"
        late: list[Batch] = []
        pipeline = self._inputs[lane.source].pipeline
        while position < lane.position:
            records = self._log.read(
                lane.place,
                position,
                max_records=min(self._settings.max_batch_rows, lane.position - position),
                max_bytes=self._settings.max_batch_bytes,
            )
            records = _until(records, lane.position)
            # Letters are not written again: these records were read before.
            done = pipeline.decode(lane, records)
            done = pipeline.only(done, done.rows.column("ts").to_numpy() < upload.cutoff_ms)
            if done.rows.num_rows:
                late.append(pipeline.enrich(done, inherited).batch)
            position = records.next_offset
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

    def _raise_floors(self) -> bool:
        """Let floors rise that no reader holds any more."""
        expects: dict[bytes, bytes | None] = {}
        with self.dataset.snapshot() as snapshot:
            self._refresh(snapshot)
            expects[READERS_KEY] = snapshot.get(READERS_KEY)
            held = held_by_readers(snapshot, self._store, self._log, _now_ms())
            found, _ = uploads_of(snapshot)
        after: dict[bytes, Lane] = {}
        for key, lane in self._lanes.items():
            floor = risen(lane, self.layout.base_ms, self._settings, held)
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
        for lane in list(self._lanes.values()):
            with self.dataset.snapshot() as snapshot:
                changes = compact.compact(
                    self.layout, snapshot, lane, lane.kept_ms, history, _COMPACTED_AT_ONCE
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
        conditions = {**expects, lane.id.record: pack(lane)}
        puts = sorted({**changes.puts, lane.id.record: pack(after)}.items())
        written = self.dataset.commit(conditions, puts, changes.deletes)
        if written and lane.id.key in self._lanes:
            self._lanes[lane.id.key] = after
        return written

    def replay(self) -> tuple[int, int]:
        """Try dead letters again; what passes is folded in, also beside a running copy.

        Returns:
            How many passed, and how many are left.
        """
        with self.dataset.snapshot() as snapshot:
            letters = list(letters_of(snapshot))
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
            np.asarray([letter.at_ms], np.int64),
            letter.offset + 1,
        )
        while True:
            with self.dataset.snapshot() as snapshot:
                data = snapshot.get(LaneId(letter.source, letter.partition).record)
                if data is None or snapshot.get(letter.store_key) is None:
                    return False
                lane = unpack(data, Lane)
                ready = pipeline.enrich(pipeline.decode(lane, record))
                if ready.letters or ready.batch.aside:
                    return False
                found, before = uploads_of(snapshot)
                current = [each for each in found.held if each.state != "loading"]
                changes = fold(self.layout, snapshot, lane, ready.batch, current)
            changes.deletes.append(letter.store_key)
            if self._write(lane, changes, {UPLOADS_KEY: before}):
                return True

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

    # -- the loop ------------------------------------------------------------------------------

    def step(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """One micro-batch; False if nothing was queued, or the stage was stopped while it waited."""
        reads = self.read()
        if reads is None:
            return False
        cut = self.cut()
        self.decode(reads)
        inherited = self.wait(cut, stopped)
        if inherited is None:
            return False
        self.commit(reads, self.enrich(reads, inherited))
        return True

    def run(
        self, stopped: Callable[[], bool], finishing: Callable[[], bool] = lambda: False
    ) -> None:
        """Follow the topics until told to stop.

        Args:
            stopped: asked between steps and while waiting.
            finishing: asked when nothing is queued and nothing is to be tended: whether that is the end.

        Raises:
            FencedError: if another copy took a lane over.
            RunError: what a log or a store says that cannot go on.
        """
        self.take()
        batches = 0
        while not stopped():
            worked = self.step(stopped)
            batches += worked
            if not worked or batches % 4 == 0:
                tended = self.tend(stopped)
                if worked or tended:
                    continue
                if finishing():
                    return
                positions = {lane.place: lane.position for lane in self._lanes.values()}
                self._log.wait(positions, _IDLE_S)

    def events(self, entity: bytes, start_ms: int, end_ms: int) -> pa.Table:
        """The rows of one entity that the log still has and the stage has committed.

        Read, decoded and enriched again: for explaining a value, not for computing one.

        Args:
            entity: its bytes.
            start_ms: the first event time that counts.
            end_ms: the first that does not.

        Returns:
            The accumulators' inputs, `ts`, and where each came from: `topic`, `partition`, `offset`.
        """
        with self.dataset.snapshot() as snapshot:
            lanes = list(lanes_of(snapshot).values())
        found: list[pa.Table] = []
        for lane in lanes:
            pipeline = self._inputs[lane.source].pipeline
            position = max(lane.began, self._log.starts([lane.place])[lane.place])
            while position < lane.position:
                records = _until(
                    self._log.read(
                        lane.place,
                        position,
                        max_records=self._settings.max_batch_rows,
                        max_bytes=self._settings.max_batch_bytes,
                    ),
                    lane.position,
                )
                position = records.next_offset
                done = pipeline.decode(lane, records)
                ts = done.rows.column("ts").to_numpy()
                done = pipeline.only(done, (ts >= start_ms) & (ts < end_ms))
                if done.rows.num_rows == 0:
                    continue
                batch = pipeline.enrich(done).batch
                if entity not in batch.entities:
                    continue
                mine = batch.codes == list(batch.entities).index(entity)
                rows = batch.rows.filter(pa.array(mine))
                origin = {
                    "topic": pa.array([lane.topic] * rows.num_rows, pa.string()),
                    "partition": pa.array([lane.partition] * rows.num_rows, pa.int64()),
                    "offset": pa.array(batch.offsets[mine]),
                }
                for name, column in origin.items():
                    rows = rows.append_column(name, column)
                found.append(rows)
        return pa.concat_tables(found).sort_by("ts") if found else pa.table({})

    def lag(self) -> int:
        """Records that are queued and not committed."""
        ends = self._log.ends([lane.place for lane in self._lanes.values()])
        return sum(ends[lane.place] - lane.position for lane in self._lanes.values())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _add(changes: Changes, more: Changes) -> None:
    changes.puts.update(more.puts)
    changes.deletes += more.deletes


def _until(records: Records, end: int) -> Records:
    """The records before an offset."""
    if records.next_offset <= end:
        return records
    many = int(np.searchsorted(records.offsets, end))
    return replace(
        records,
        offsets=records.offsets[:many],
        keys=records.keys.slice(0, many),
        values=records.values.slice(0, many),
        append_ms=records.append_ms[:many],
        next_offset=end,
    )


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
