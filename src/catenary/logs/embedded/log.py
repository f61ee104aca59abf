"""The embedded log: topics, partitions that are opened when they are asked for, waiting."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from catenary.errors import LogError, UnreadableError, UnsupportedError, nearest
from catenary.logs.embedded import frames
from catenary.logs.embedded.end import fresh
from catenary.logs.embedded.layout import (
    BELL,
    END_FILE,
    FORMAT,
    MAKING,
    TOPIC_FILE,
    check_format,
    folder_of,
    refused,
    sync_folder,
    topic_of,
)
from catenary.logs.embedded.reader import PartitionReader
from catenary.logs.embedded.writer import Durability, Keeping, PartitionWriter
from catenary.ports.token import SourcePartition, Token
from catenary.wakes import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pyarrow as pa

    from catenary.logs.embedded.frames import Body
    from catenary.ports.log import Membership, Records

# A waiter looks this often even if no bell rings: a writer may lack the right to ring.
_LOOK_S = 1.0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A log in a folder; any process may open it. Fulfils `catenary.ports.Log`.

    Args:
        folder: made if it is not there.
        durability: what an append survives: a failure of power, or of the process only.
        segment_bytes: when a partition's next segment file is begun.
        retention_bytes: how much a partition keeps, in whole segments; None: all.
        retention_ms: how long a partition keeps records; None: for ever.
        clock: milliseconds since 1970, for append times and retention.

    Example:
        with EmbeddedLog(folder) as log:
            log.create("payments")
            token = log.append("payments", [b'{"amount": 3}'])
    """

    def __init__(
        self,
        folder: Path,
        *,
        durability: Durability = "power",
        segment_bytes: int = 64 << 20,
        retention_bytes: int | None = None,
        retention_ms: int | None = None,
        clock: Callable[[], int] = _now_ms,
    ) -> None:
        self._folder = Path(folder)
        self._keeping = Keeping(durability, segment_bytes, retention_bytes, retention_ms)
        self._clock = clock
        self._bell = Bell(self._folder / BELL)
        self._lock = threading.Lock()
        self._topics: dict[str, tuple[SourcePartition, ...]] = {}
        self._readers: dict[SourcePartition, PartitionReader] = {}
        self._writers: dict[SourcePartition, PartitionWriter] = {}
        self._closed = False

    def create(self, topic: str, *, partitions: int = 1) -> None:
        """See `catenary.ports.Log.create`."""
        if partitions < 1:
            raise LogError(f"topic {topic!r} cannot have {partitions} partitions; it needs one")
        path = self._folder / folder_of(topic)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            there = path.exists() or not _make_topic(path, partitions)
        except OSError as error:
            raise refused(error, path) from error
        if there and len(self.partitions(topic)) != partitions:
            raise LogError(
                f"topic {topic!r} has {len(self.partitions(topic))} partitions, not {partitions}",
                where=str(path),
                hint="a topic keeps its partitions; make another topic",
            )

    def topics(self) -> tuple[str, ...]:
        """Names of all topics, ascending."""
        if not self._folder.is_dir():
            return ()
        names = (each for each in os.listdir(self._folder) if not each.startswith("."))
        found = (each for each in names if (self._folder / each / TOPIC_FILE).exists())
        return tuple(sorted(map(topic_of, found)))

    def partitions(self, topic: str) -> tuple[SourcePartition, ...]:
        """See `catenary.ports.Log.partitions`."""
        known = self._topics.get(topic)
        if known is None:
            path = self._folder / folder_of(topic) / TOPIC_FILE
            known = tuple(SourcePartition(topic, each) for each in range(self._count(topic, path)))
            self._topics[topic] = known
        return known

    def _count(self, topic: str, path: Path) -> int:
        """How many partitions a topic has."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            raise LogError(
                f"there is no topic {topic!r}",
                where=str(self._folder),
                hint=nearest(topic, self.topics()),
            ) from None
        try:
            found = json.loads(text)
            version, count = found["format"], int(found["partitions"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableError(f"topic {topic!r} is damaged", where=str(path)) from error
        check_format(version, path)
        return count

    def append(
        self,
        topic: str,
        values: Sequence[bytes] | pa.LargeBinaryArray,
        *,
        keys: Sequence[bytes | None] | pa.LargeBinaryArray | None = None,
        partition: int = 0,
    ) -> Token:
        """See `catenary.ports.Log.append`."""
        return self._append(SourcePartition(topic, partition), frames.encode(values, keys))

    def append_gap(self, topic: str, count: int, *, partition: int = 0) -> Token:
        """Take offsets without records: what compaction and transactions leave in other logs.

        Readers get past them by `Records.next_offset`. Made for tests of what must bear gaps.
        """
        return self._append(SourcePartition(topic, partition), [frames.gap(count)])

    def _append(self, place: SourcePartition, bodies: Sequence[Body]) -> Token:
        writer = self._writers.get(place) or self._writer(place)
        end = writer.append(bodies)
        self._bell.ring()
        return Token({place: end})

    def _writer(self, place: SourcePartition) -> PartitionWriter:
        path = self._path(place)
        with self._lock:
            assert not self._closed, "the log is closed"
            if place not in self._writers:
                self._writers[place] = PartitionWriter(place, path, self._keeping, self._clock)
            return self._writers[place]

    def _reader(self, place: SourcePartition) -> PartitionReader:
        known = self._readers.get(place)
        if known is not None:
            return known
        path = self._path(place)
        with self._lock:
            if place not in self._readers:
                self._readers[place] = PartitionReader(place, path)
            return self._readers[place]

    def _path(self, place: SourcePartition) -> Path:
        """A partition's folder.

        Raises:
            LogError: if there is no such partition.
        """
        known = self.partitions(place.topic)
        if place not in known:
            raise LogError(
                f"topic {place.topic!r} has no partition {place.partition}",
                where=str(self._folder),
                hint=f"it has {len(known)}, counted from 0",
            )
        return self._folder / folder_of(place.topic) / str(place.partition)

    def read(
        self, place: SourcePartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Records:
        """See `catenary.ports.Log.read`."""
        return self._reader(place).read(offset, max_records, max_bytes)

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.ends`."""
        return {place: self._reader(place).end().end for place in places}

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.starts`."""
        return {place: self._reader(place).start() for place in places}

    def incarnation(self, place: SourcePartition) -> int:
        """See `catenary.ports.Log.incarnation`."""
        return self._reader(place).end().incarnation

    def retain(self) -> None:
        """Remove what is beyond retention from the partitions that this log appends to.

        It happens on its own whenever a segment is begun and when a partition is first appended to.
        """
        for writer in tuple(self._writers.values()):
            writer.retain()

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        """See `catenary.ports.Log.wait`."""
        if self._has_more(positions):
            return True
        until = time.monotonic() + timeout_s
        with self._bell.waiting() as waiter:
            # Looked at once more now that rings are heard: an append in between is not missed.
            while not self._has_more(positions):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                waiter.wait(min(left, _LOOK_S))
        return True

    def join(self, group: str, topics: Collection[str]) -> Membership:
        """See `catenary.ports.Log.join`: a folder has no groups."""
        raise UnsupportedError(
            f"topics {', '.join(sorted(topics))} lie in a folder, which has no group {group!r}",
            where=str(self._folder),
            hint="leave the group out: one copy of each stage follows all partitions",
        )

    def _has_more(self, positions: Mapping[SourcePartition, int]) -> bool:
        return any(self._reader(place).end().end > at for place, at in positions.items())

    def close(self) -> None:
        """See `catenary.ports.Log.close`."""
        with self._lock:
            self._closed = True
            for writer in self._writers.values():
                writer.close()
            self._writers.clear()
            self._readers.clear()
        self._bell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_topic(path: Path, partitions: int) -> bool:
    """Make a topic's folder in one step; False if another process was quicker."""
    making = path.parent / f"{MAKING}{os.getpid()}-{os.urandom(4).hex()}"
    try:
        for each in range(partitions):
            folder = making / str(each)
            folder.mkdir(parents=True)
            _write_durably(folder / END_FILE, fresh())
            sync_folder(folder)
        text = json.dumps({"format": FORMAT, "partitions": partitions})
        _write_durably(making / TOPIC_FILE, text.encode())
        sync_folder(making)
        os.rename(making, path)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)
        if path.exists():
            return False
        raise
    sync_folder(path.parent)
    return True


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
