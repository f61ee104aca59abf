"""The small records of a dataset: its format, its lanes, its uploads, its readers.

Each is one value, replaced as a whole, and named in a commit's conditions by the bytes that were read:
whoever decides on a record has it checked when what was decided is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from catenary.errors import UnreadableError
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary.ports import Snapshot

FORMAT: Final = 2
ANCIENT_MS: Final = -(1 << 62)
"""Before every event."""
NOWHERE_MS: Final = 1 << 61
"""After every event: in `Lane.since_ms`, that it is not known yet from when on the lane has all."""

FORMAT_KEY: Final = b"f"
UPLOADS_KEY: Final = b"u"
READERS_KEY: Final = b"r"
LANES: Final = b"l"
TOLD: Final = b"s"
PASSED: Final = b"p"

R = TypeVar("R")


class LaneId(NamedTuple):
    """Which source of the GroupBy, and which partition of its topic."""

    source: int
    partition: int

    @property
    def key(self) -> bytes:
        """Three bytes, ordered."""
        return self.source.to_bytes(1, "big") + self.partition.to_bytes(2, "big")

    @property
    def record(self) -> bytes:
        """The key of the lane's record."""
        return LANES + self.key


@dataclass(frozen=True)
class Format:
    """Who wrote a dataset.

    Attributes:
        version: of this layout.
        fingerprint: of the GroupBy whose values lie here.
    """

    version: int
    fingerprint: str


@dataclass(frozen=True)
class Lane:
    """One lane, as of its last commit.

    Attributes:
        topic, source, partition: where its records come from.
        epoch: raised by whoever takes the lane; only the last one commits. 0 until it is taken for
            the first time.
        position: the offset to be read next.
        incarnation: the log's, of `position`.
        read_offset, read_sum: of the last record before it, and what tells that from another; -1 before
            the first.
        passed_ms: the greatest event time committed; `ANCIENT_MS` before the first.
        newest_ms: no tile of the lane that was ever written starts after it.
        floor_ms: the head floor; never falls.
        since_ms: the event time from which the lane holds everything. Of a log that did not begin with
            the tables it is the first row's; `NOWHERE_MS` until there is one.
        reached_ms: the event time that the tables of the upload with which it began had reached, from
            which on its rows are expected.
        began: the offset that was read first.
        covered_ms, covered_offset: rows from before both are in the upload that the lane began with,
            and are left to it.
        rows: rows folded so far.
        folds: commits so far.
        set_aside: rows and records that went to the dead letters.
        owner: who took it, for people.
        committed_ms: by the wall clock, when.
        kept_ms: lane tiles that ended at or before it are gone.
        head_bytes: keys and values of its head tiles; changed by the commit that changes them.
    """

    topic: str
    source: int
    partition: int
    epoch: int = 0
    position: int = 0
    incarnation: int = 0
    read_offset: int = -1
    read_sum: int = 0
    passed_ms: int = ANCIENT_MS
    newest_ms: int = ANCIENT_MS
    floor_ms: int = ANCIENT_MS
    since_ms: int = ANCIENT_MS
    reached_ms: int = ANCIENT_MS
    kept_ms: int = ANCIENT_MS
    began: int = 0
    covered_ms: int = ANCIENT_MS
    covered_offset: int = 0
    rows: int = 0
    folds: int = 0
    set_aside: int = 0
    owner: str = ""
    committed_ms: int = 0
    head_bytes: int = 0

    @property
    def id(self) -> LaneId:
        """The lane's number."""
        return LaneId(self.source, self.partition)

    @property
    def place(self) -> SourcePartition:
        """The source partition that it follows."""
        return SourcePartition(self.topic, self.partition)

    def with_tiles(self, newest_ms: int, head_bytes: int) -> Lane:
        """When tiles were written of which the newest starts there, and the head grew by so many bytes."""
        return replace(
            self,
            newest_ms=max(newest_ms, self.newest_ms),
            head_bytes=self.head_bytes + head_bytes,
        )


@dataclass(frozen=True)
class Upload:
    """Batch partials of all entities up to a cut-off.

    Attributes:
        id: ascending.
        cutoff_ms: events strictly before it are in; a UTC midnight.
        frontier: source partition, as text, to the offset up to which the tables hold the stream's
            events; None if nobody knows.
        reached_ms: the event time that the tables of each streamed source have reached, at most the
            cut-off. What lies beyond the frontier is expected from there on.
        state: `loading`, `landed` (complete, not yet read), `active`.
        unsettled: lanes whose late events before `position` are not yet in late tiles, as bytes.
        entities: how many it holds.
        landed_ms: by the wall clock, when.
    """

    id: int
    cutoff_ms: int
    frontier: dict[str, int] | None
    state: str = "loading"
    unsettled: tuple[bytes, ...] = ()
    entities: int = 0
    landed_ms: int = 0
    reached_ms: int = ANCIENT_MS

    def includes(self, place: SourcePartition) -> int | None:
        """The offset before which the source partition's events are in; None if unknown."""
        return None if self.frontier is None else self.frontier.get(str(place), 0)


@dataclass(frozen=True)
class Uploads:
    """All uploads of a dataset: one record, so that a swap is one write.

    Attributes:
        next_id: of the next one.
        held: ascending by id.
        lanes: how many lanes have begun. An upload that lands has seen them all, or this number, and
            with it the record, is another one.
    """

    next_id: int = 1
    held: tuple[Upload, ...] = ()
    lanes: int = 0

    @cached_property
    def active(self) -> tuple[Upload, ...]:
        """Those that are read, ascending by cut-off."""
        found = [each for each in self.held if each.state == "active"]
        return tuple(sorted(found, key=lambda each: (each.cutoff_ms, each.id)))

    @property
    def beginning(self) -> Upload | None:
        """The upload with which a lane begins: the newest that knows its frontier."""
        known = [
            each for each in self.held if each.state != "loading" and each.frontier is not None
        ]
        return max(known, key=lambda each: (each.cutoff_ms, each.id), default=None)

    def newest(self, at_ms: int) -> Upload | None:
        """The upload for a read at `at_ms`: the newest whose cut-off is at or before it."""
        for each in reversed(self.active):
            if each.cutoff_ms <= at_ms:
                return each
        return None

    def changed(self, upload: Upload) -> Uploads:
        """With this upload in place of the one of its id, or added."""
        others = [each for each in self.held if each.id != upload.id]
        held = tuple(sorted([*others, upload], key=lambda each: each.id))
        return replace(self, next_id=max(self.next_id, upload.id + 1), held=held)

    def without(self, ids: set[int]) -> Uploads:
        """Without these uploads."""
        return replace(self, held=tuple(each for each in self.held if each.id not in ids))


@dataclass(frozen=True)
class Reader:
    """Who holds a head.

    Attributes:
        name: of a child GroupBy, or of a client.
        child: whether it is a child stage; its progress is read from its own dataset.
        from_ms: what a client reads from, until it says more.
        until_ms: by the wall clock, when a client's registration ends.
    """

    name: str
    child: bool
    from_ms: int = ANCIENT_MS
    until_ms: int = 0


@dataclass(frozen=True)
class Readers:
    """All registered readers: one record."""

    held: dict[str, Reader] = field(default_factory=dict[str, Reader])

    def with_children(self, names: Iterable[str]) -> Readers:
        """With the stages of these datasets, too."""
        missing = {name: Reader(name, child=True) for name in names if name not in self.held}
        return Readers({**self.held, **missing}) if missing else self


@dataclass(frozen=True)
class Passed:
    """How far a client's reader has come, in event time, and until when it is believed."""

    passed_ms: int
    until_ms: int


@dataclass(frozen=True)
class Told:
    """What a copy of a stage last said of itself.

    Attributes:
        lane: the first of its lanes; a copy that takes that over says it anew.
        owner: who said it, for people; out of date if the lane has another owner.
        at_ms: by the wall clock, when.
        facts: counts, rates and waits.
    """

    lane: bytes
    owner: str
    at_ms: int
    facts: dict[str, Any]

    @property
    def key(self) -> bytes:
        """Where it is kept."""
        return TOLD + self.lane


def pack(record: object) -> bytes:
    """A record's bytes."""
    return msgspec.msgpack.encode(record)


def unpack(data: bytes, kind: type[R]) -> R:
    """The record in `data`.

    Raises:
        UnreadableError: for bytes that are no such record.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise damaged(
            f"a {kind.__name__.lower()} record of the store is damaged: {error}"
        ) from error


def damaged(problem: str) -> UnreadableError:
    """The error for bytes of the store that are not what was written."""
    return UnreadableError(
        problem, hint="upload again into a new store, and stream from its frontier"
    )


def check_format(snapshot: Snapshot, fingerprint: str, where: str) -> bytes | None:
    """The format's bytes, None in a new dataset.

    Raises:
        UnreadableError: for another release's layout, or another definition's values.
    """
    data = snapshot.get(FORMAT_KEY)
    if data is None:
        return None
    held = _format_in(data)
    if held.version != FORMAT:
        raise UnreadableError(
            f"the store's layout has version {held.version}; version {FORMAT} is read",
            where=where,
            hint="it was written by another release of Catenary",
        )
    if held.fingerprint != fingerprint:
        raise UnreadableError(
            f"the store holds values of definition {held.fingerprint}, not {fingerprint}",
            where=where,
            hint="the definition changed; upload it anew",
        )
    return data


@lru_cache(maxsize=64)
def _format_in(data: bytes) -> Format:
    return unpack(data, Format)


@lru_cache(maxsize=1024)
def lane_in(data: bytes) -> Lane:
    """The lane that a record tells of."""
    return unpack(data, Lane)


@lru_cache(maxsize=64)
def uploads_in(data: bytes | None) -> Uploads:
    """The uploads that a record tells of; none without one."""
    return Uploads() if data is None else unpack(data, Uploads)


def lanes_of(snapshot: Snapshot) -> dict[bytes, Lane]:
    """All lanes by their three bytes, ascending."""
    return lanes_in(snapshot.scan(LANES))


def lanes_in(records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Lane]:
    """Those that records under `LANES` tell of."""
    return {key[1:]: lane_in(value) for key, value in records}


def told_in(snapshot: Snapshot) -> list[Told]:
    """What the copies that own the lanes now last said of themselves."""
    owners = {key: lane.owner for key, lane in lanes_of(snapshot).items()}
    found = [unpack(value, Told) for _, value in snapshot.scan(TOLD)]
    return [each for each in found if owners.get(each.lane) == each.owner]


def uploads_of(snapshot: Snapshot) -> tuple[Uploads, bytes | None]:
    """All uploads, and their bytes."""
    data = snapshot.get(UPLOADS_KEY)
    return uploads_in(data), data


def readers_of(snapshot: Snapshot) -> tuple[Readers, bytes | None]:
    """All readers, and their bytes."""
    data = snapshot.get(READERS_KEY)
    return (Readers() if data is None else unpack(data, Readers)), data


def passed_by(client: Reader, snapshot: Snapshot) -> Passed:
    """How far a client has come, and until when it is believed: by its registration, and what it said since."""
    data = snapshot.get(PASSED + client.name.encode())
    told = Passed(client.from_ms, client.until_ms) if data is None else unpack(data, Passed)
    return Passed(max(told.passed_ms, client.from_ms), max(told.until_ms, client.until_ms))


def expired(readers: Readers, snapshot: Snapshot, now_ms: int) -> set[str]:
    """The clients whose time to live is over: whoever writes the record next leaves them out."""
    clients = [each for each in readers.held.values() if not each.child]
    return {each.name for each in clients if passed_by(each, snapshot).until_ms < now_ms}


def frontier(lanes: Mapping[bytes, Lane]) -> dict[SourcePartition, int]:
    """Committed positions per source partition: the least of the lanes that follow it."""
    found: dict[SourcePartition, int] = {}
    for lane in lanes.values():
        found[lane.place] = min(lane.position, found.get(lane.place, lane.position))
    return found
