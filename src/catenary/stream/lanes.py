"""The lanes of a stage: which it owns, how it takes them, and whether it still has them.

Whoever takes a lane raises its epoch; the former owner finds out at its next commit and stops.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catenary.errors import FencedError, PositionError, StorageError
from catenary.state.layouts import dataset_name, layout_of
from catenary.state.records import (
    ANCIENT_MS,
    FORMAT,
    FORMAT_KEY,
    NOWHERE_MS,
    PASSED,
    READERS_KEY,
    UPLOADS_KEY,
    Format,
    Lane,
    LaneId,
    Readers,
    check_format,
    expired,
    lane_in,
    pack,
    readers_of,
    uploads_of,
)
from catenary.stream.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from catenary.plan.nodes import GroupByNode
    from catenary.plan.settings import ChainSettings
    from catenary.ports import (
        Dataset,
        Log,
        Membership,
        Records,
        Snapshot,
        SourcePartition,
        Store,
    )
    from catenary.state.records import Uploads
    from catenary.stream.pipeline import Pipeline
    from catenary.stream.waiting import Parents


class SetBackError(StorageError):
    """The store has lost the last commits; what it holds now is as good, only earlier."""


@dataclass(frozen=True)
class Input:
    """One source of the GroupBy that is streamed.

    Attributes:
        source: its place among the GroupBy's sources.
        topic: its name in the log.
        pipeline: what is done with its records.
    """

    source: int
    topic: str
    pipeline: Pipeline


class Lanes:
    """The lanes of one GroupBy's stream.

    Args:
        node: the GroupBy.
        inputs: its streamed sources.
        parents: whose frontiers are waited for.
        log: where records are.
        store: where state goes.
        settings: of the chain.
        children: datasets of the stages that read this one, registered as readers of its head.
        owned: the source partitions that this copy follows; None for all.
        join: makes it a member of a group of copies, which says what it owns while it runs.
        tabled: whether the tables may hold events that the log never had.
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
        join: Callable[[], Membership] | None = None,
        tabled: bool = False,
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
        self._tabled = tabled
        self._owned = None if owned is None else frozenset(owned)
        self._join = join
        self._owner = owner
        self._phase = phase
        self._lanes: dict[bytes, Lane] = {}
        found = store.dataset(dataset_name(node), create=True)
        assert found is not None, "a store makes what it is asked to make"
        self.dataset: Dataset = found

    @property
    def places(self) -> list[SourcePartition]:
        """The source partitions that this copy follows."""
        return sorted({place for _, place in self._places() if self._owns(place)})

    def take(self) -> None:
        """Take the lanes: whoever had them before cannot commit any more.

        All lanes of the GroupBy begin with the first copy, those that others are to take, too: to
        its parents what nobody has read yet is behind, not unheard of.

        Raises:
            PositionError: if a stored position means nothing in the log.
            UnreadableError: if the dataset is of another release or definition.
        """
        self._lanes = self._taken(self._places())

    def _taken(self, places: Sequence[tuple[int, SourcePartition]]) -> dict[bytes, Lane]:
        """Begin the lanes of these sources' partitions, and take those that are owned."""
        while True:
            expects: dict[bytes, bytes | None] = {}
            puts: list[tuple[bytes, bytes]] = []
            taken: dict[bytes, Lane] = {}
            new = 0
            with self.dataset.snapshot() as snapshot:
                expects[FORMAT_KEY] = check_format(snapshot, self.node.fingerprint, self.node.name)
                if expects[FORMAT_KEY] is None:
                    puts.append((FORMAT_KEY, pack(Format(FORMAT, self.node.fingerprint))))
                held, expects[READERS_KEY] = readers_of(snapshot)
                gone = expired(held, snapshot, now_ms())
                puts += self._registered(held, gone)
                found, expects[UPLOADS_KEY] = uploads_of(snapshot)
                for source, place in places:
                    id_ = LaneId(source, place.partition)
                    data = snapshot.get(id_.record)
                    if data is not None and not self._owns(place):
                        continue
                    expects[id_.record] = data
                    lane = self._new_lane(source, place, found) if data is None else lane_in(data)
                    new += data is None
                    if self._owns(place):
                        self._check_position(lane)
                        lane = replace(lane, epoch=lane.epoch + 1, owner=self._owner)
                        taken[id_.key] = lane
                    puts.append((id_.record, pack(lane)))
                if new:
                    # An upload that lands just now has not seen them: it is to look again.
                    puts.append((UPLOADS_KEY, pack(replace(found, lanes=found.lanes + new))))
            if self.dataset.commit(expects, puts, [PASSED + each.encode() for each in gone]):
                return taken

    def take_again(self) -> None:
        """Take the lanes once more, after the store was away: what it holds by now is what holds.

        A commit of which it was not heard whether it was done has been done or has not, and a server may
        have come back without its last commits: either way the lanes say where to go on.

        Raises:
            FencedError: if another copy has taken one meanwhile.
        """
        with self.dataset.snapshot() as snapshot:
            for lane in self._lanes.values():
                data = snapshot.get(lane.id.record)
                held = None if data is None else lane_in(data)
                if held is not None and held.epoch > lane.epoch and held.owner != self._owner:
                    raise self._fenced(lane, held)
        self.take()

    def _places(self) -> list[tuple[int, SourcePartition]]:
        """All source partitions that the log has by now, with the sources that read them."""
        return [
            (each.source, place)
            for each in self._inputs.values()
            for place in self._log.partitions(each.topic)
        ]

    def _owns(self, place: SourcePartition) -> bool:
        return self._owned is None or place in self._owned

    def _registered(self, held: Readers, gone: set[str]) -> list[tuple[bytes, bytes]]:
        """The children among the readers, and no client that is gone; nothing if that is so already."""
        kept = {name: each for name, each in held.held.items() if name not in gone}
        all_ = (Readers(kept) if gone else held).with_children(self._children)
        return [] if all_ is held else [(READERS_KEY, pack(all_))]

    def _new_lane(self, source: int, place: SourcePartition, uploads: Uploads) -> Lane:
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
            since_ms=NOWHERE_MS if start or self._tabled else ANCIENT_MS,
            began=start,
        )
        newest = uploads.beginning
        if newest is None:
            landed = [each.cutoff_ms for each in uploads.held if each.state != "loading"]
            # Nobody knows which of the log's events these hold; from their cut-off on the log has all.
            return replace(lane, since_ms=max(landed)) if landed and self._tabled else lane
        included = newest.includes(place)
        assert included is not None, "its frontier is known"
        # What lies before the cut-off is in the tables, whatever the log still has of it.
        return replace(
            lane,
            since_ms=newest.cutoff_ms,
            reached_ms=newest.reached_ms,
            covered_ms=newest.cutoff_ms,
            covered_offset=included,
        )

    def _anew(self) -> str:
        return f"`catenary remove --current {self.dataset.name}`, upload again and start the stage"

    def _check_position(self, lane: Lane) -> None:
        """A stored position must mean what it meant (protocol 17)."""
        held = self._log.incarnation(lane.place)
        if held != lane.incarnation:
            raise PositionError(
                f"{self.node.name} is at offset {lane.position} of {lane.place} in incarnation"
                f" {lane.incarnation}; the log is in incarnation {held}",
                hint="where that stage is another project's, keep the two apart: a store, or a ?prefix= of"
                " it, for each; else the log is another one, or recovery cut records that were read:"
                f" {self._anew()}",
            )
        end = self._log.ends([lane.place])[lane.place]
        if lane.position > end:
            raise PositionError(
                f"{self.node.name} is at offset {lane.position} of {lane.place}, which ends at {end}",
                hint=f"the log was cut behind the stage; {self._anew()}",
            )
        if lane.read_offset >= self._log.starts([lane.place])[lane.place]:
            read = self._log.read(lane.place, lane.read_offset, max_records=1, max_bytes=1)
            # One that is not there was compacted: a cut log would have ended before it, or hold another.
            there = len(read) and read.offsets[0] == lane.read_offset
            if there and sum_of(read, 0) != lane.read_sum:
                raise PositionError(
                    f"{self.node.name} is at offset {lane.position} of {lane.place}, but the record at"
                    f" {lane.read_offset} is not the one that it read",
                    hint=f"the log was restored from an older copy, or is another one; {self._anew()}",
                )

    def _refresh(self, snapshot: Snapshot) -> None:
        """Take note of what others did to the lanes without taking them (a replay of dead letters).

        Raises:
            FencedError: if another copy has taken one.
            SetBackError: if the store has lost commits.
        """
        for key, lane in self._lanes.items():
            data = snapshot.get(lane.id.record)
            held = None if data is None else lane_in(data)
            if held is not None and held.epoch <= lane.epoch and held.position < lane.position:
                raise SetBackError(
                    f"{self.node.name} was at offset {lane.position} of {lane.place}; its dataset"
                    f" says {held.position}: the store came back without its last commits",
                    hint="start the stage anew; it goes on from there",
                )
            if held is None or (held.epoch, held.position) != (lane.epoch, lane.position):
                raise self._fenced(lane, held)
            self._lanes[key] = held

    def _fenced(self, lane: Lane, held: Lane | None) -> FencedError:
        owner = "nobody" if held is None else held.owner or "another copy"
        return FencedError(
            f"{self.node.name}: {lane.place} was taken over by {owner}",
            hint="one copy of a stage runs at a time; this one stops",
        )

    def _passed(self, lane: Lane, position: int) -> Iterator[Records]:
        """What a lane has committed from a position on, a batch at a time."""
        while position < lane.position:
            records = self._log.read(
                lane.place,
                position,
                max_records=min(self._settings.max_batch_rows, lane.position - position),
                max_bytes=self._settings.max_batch_bytes,
            ).until(lane.position)
            yield records
            position = records.next_offset

    def lag(self) -> int:
        """Records that are queued and not committed."""
        ends = self._log.ends([lane.place for lane in self._lanes.values()])
        return sum(ends[lane.place] - lane.position for lane in self._lanes.values())


def sum_of(records: Records, at: int) -> int:
    """32 bits that tell a record from another at its offset: of its bytes, and when it was appended."""
    parts = [records.keys[at].as_py(), records.values[at].as_py()]
    found = zlib.crc32(int(records.append_ms[at]).to_bytes(8, "big", signed=True))
    for each in parts:
        found = zlib.crc32(b"\0" if each is None else b"\1" + each, found)
    return found


def now_ms() -> int:
    """The wall clock's."""
    return time.time_ns() // 1_000_000
