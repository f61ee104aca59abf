"""Appends to one partition: those of many threads share one write and one sync.

    append ─► queue ─► whoever gets the lock takes all that is queued
                       └► write ─► sync (power) ─► visible end ─► ring

A write that the disk refuses is cut off again: nothing of it is visible, and later ones go on.
A segment that is full is left and a new one begun; then retention removes whole old segments.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from catenary.errors import BusyError, StorageError
from catenary.logs.embedded.end import NOTHING, End
from catenary.logs.embedded.layout import (
    LOCK_FILE,
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    boot,
    refused,
    segment_bases,
    segment_name,
    sync_file,
    sync_folder,
)
from catenary.logs.embedded.recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from catenary.logs.embedded.end import EndFile
    from catenary.logs.embedded.frames import Blob, Body
    from catenary.ports.token import SourcePartition

Durability = Literal["power", "process"]

_VECTORS = 1000


@dataclass(frozen=True)
class Keeping:
    """How a log keeps records."""

    durability: Durability = "power"
    segment_bytes: int = 64 << 20
    retention_bytes: int | None = None
    retention_ms: int | None = None


@dataclass(slots=True)
class _Request:
    """One call's frames, and what became of them."""

    bodies: Sequence[Body]
    end: int = -1
    error: StorageError | None = field(default=None)


class PartitionWriter:
    """The one writer of a partition.

    Raises:
        BusyError: if another process (or another log object of this one) is it.
        StorageError: if the disk refuses.
        UnreadableError: if the files are of another format.
    """

    def __init__(
        self, place: SourcePartition, folder: Path, keeping: Keeping, clock: Callable[[], int]
    ) -> None:
        self.place = place
        self._folder = folder
        self._keeping = keeping
        self._clock = clock
        self._queue: deque[_Request] = deque()
        self._lock = threading.Lock()
        self._boot = boot()
        self._torn = False
        self._file = -1
        self._end_file: EndFile | None = None
        self._held = _held(folder, place)
        try:
            self._end_file, self._end, self._append_ms = recover(folder)
            if self._end.position:
                path = folder / segment_name(self._end.segment)
                self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._settle()
        except OSError as error:
            self.close()
            raise refused(error, folder) from error
        except BaseException:
            self.close()
            raise

    def _settle(self) -> None:
        """Make what was found as durable as what will be written."""
        if self._keeping.durability == "power" and self._end.unsynced != NOTHING:
            for base in segment_bases(tuple(os.listdir(self._folder))):
                if base >= self._end.unsynced:
                    sync_file(self._folder / segment_name(base))
            self._end = self._moved(unsynced=NOTHING)
            self._publish()
        self._retain()

    def append(self, bodies: Sequence[Body]) -> int:
        """Write frames; the offset behind them, once they are durable and visible.

        Raises:
            StorageError: if the disk refuses; nothing of it is visible then.
        """
        if not bodies:
            return self._end.end
        request = _Request(bodies)
        self._queue.append(request)
        with self._lock:
            if request.end < 0 and request.error is None:
                self._flush()
        if request.error is not None:
            raise request.error
        return request.end

    def _flush(self) -> None:
        """Write all that is queued, with one sync."""
        requests: list[_Request] = []
        while self._queue:
            requests.append(self._queue.popleft())
        try:
            self._write(requests)
        except OSError as error:
            self._torn = True
            for request in requests:
                request.error = refused(error, self._folder)
                request.error.__cause__ = error
        except BaseException:
            # Interrupted: what happened to the others is unknown, and they must not wait forever.
            self._torn = True
            for request in requests:
                request.error = StorageError("the append was interrupted", where=str(self._folder))
            raise

    def _write(self, requests: Sequence[_Request]) -> None:
        if self._torn:
            self._untear()
        self._append_ms = now = max(self._clock(), self._append_ms)
        offset, size = self._end.end, 0
        buffers: list[Blob] = []
        ends: list[int] = []
        for request in requests:
            for body in request.bodies:
                buffers.append(body.header(offset, now))
                buffers.extend(body.parts)
                offset += body.span
                size += body.size
            ends.append(offset)
        self._make_room(size)
        end = self._end
        self._put(buffers, end.position, size)
        if self._keeping.durability == "power":
            os.fdatasync(self._file)
        # Ours first: cutting a torn write must never cut what a reader may have seen.
        self._end = self._moved(end=offset, position=end.position + size)
        try:
            self._publish()
        except OSError:
            self._end = end
            raise
        for request, reached in zip(requests, ends, strict=True):
            request.end = reached

    def _put(self, buffers: list[Blob], at: int, size: int) -> None:
        """Write all of it."""
        if len(buffers) <= _VECTORS:
            written = os.pwritev(self._file, buffers, at)
            if written == size:
                return
        # A part only, or too many at once: the rest in one piece shows why.
        rest = memoryview(b"".join(buffers))
        done = 0
        while done < size:
            done += os.pwrite(self._file, rest[done:], at + done)

    def _make_room(self, size: int) -> None:
        """Begin a new segment if this one is full, or there is none."""
        end = self._end
        full = end.position + size > self._keeping.segment_bytes
        if end.position and not (full and end.position > SEGMENT_HEADER_BYTES):
            return
        path = self._folder / segment_name(end.end)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        file = os.open(path, flags, 0o644)
        try:
            data = SegmentHeader(end.end, self._append_ms).encode()
            if os.pwrite(file, data, 0) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._keeping.durability == "power":
                os.fdatasync(file)
                sync_folder(self._folder)
        except BaseException:
            os.close(file)
            path.unlink()
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._end = self._moved(segment=end.end, position=SEGMENT_HEADER_BYTES)
        self._retain()

    def _untear(self) -> None:
        """Cut what a refused write left."""
        if self._file >= 0:
            os.ftruncate(self._file, self._end.position)
        self._torn = False

    def _moved(
        self,
        *,
        end: int | None = None,
        segment: int | None = None,
        position: int | None = None,
        unsynced: int | None = None,
    ) -> End:
        """The end, changed; in process durability it says from where on records are not synced."""
        now = self._end
        if unsynced is None:
            unsynced = now.unsynced
        if self._keeping.durability == "process" and unsynced == NOTHING:
            unsynced = now.segment
        return End(
            now.incarnation,
            now.end if end is None else end,
            now.segment if segment is None else segment,
            now.position if position is None else position,
            unsynced,
            self._boot,
        )

    def _publish(self) -> None:
        """Make our end the visible one."""
        assert self._end_file is not None
        self._end_file.write(self._end)

    def retain(self) -> None:
        """Remove what is beyond what is kept.

        Raises:
            StorageError: if the disk refuses.
        """
        with self._lock:
            try:
                self._retain()
            except OSError as error:
                raise refused(error, self._folder) from error

    def _retain(self) -> None:
        """Remove the oldest segments that are beyond what is kept; never the one written to."""
        keeping = self._keeping
        if keeping.retention_bytes is None and keeping.retention_ms is None:
            return
        bases = segment_bases(tuple(sorted(os.listdir(self._folder))))
        sizes = {base: (self._folder / segment_name(base)).stat().st_size for base in bases}
        total = sum(sizes.values())
        for base, following in pairwise(bases):
            large = keeping.retention_bytes is not None and total > keeping.retention_bytes
            if not (large or self._is_old(following)):
                return
            (self._folder / segment_name(base)).unlink()
            total -= sizes[base]

    def _is_old(self, following: int) -> bool:
        """Whether all records before a segment are older than what is kept."""
        kept = self._keeping.retention_ms
        if kept is None:
            return False
        path = self._folder / segment_name(following)
        with path.open("rb") as file:
            made_ms = SegmentHeader.decode(file.read(SEGMENT_HEADER_BYTES), path).made_ms
        return made_ms < self._clock() - kept

    def close(self) -> None:
        """Let another process write."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            if self._end_file is not None:
                self._end_file.close()
            if self._held >= 0:
                os.close(self._held)
                self._held = -1


def _held(folder: Path, place: SourcePartition) -> int:
    """The writer's lock; the kernel releases it when the process ends, however it ends."""
    path = folder / LOCK_FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise refused(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.read(file, 32).decode().strip() or "unknown"
        os.close(file)
        raise BusyError(
            f"another writer appends to {place}: process {holder}",
            where=str(path),
            hint="one process at a time appends to a partition: end it, or use another partition",
        ) from None
    except OSError as error:
        os.close(file)
        raise refused(error, path) from error
    return file
