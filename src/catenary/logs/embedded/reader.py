"""Reads of one partition: from an offset to buffers, whichever process writes.

    end file ──► segment and byte of the offset ──► frames, each checked ──► Records

What a read took from the files beyond what it was asked for is kept for the next read from there.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from catenary.errors import PositionError
from catenary.logs.embedded.end import EndFile
from catenary.logs.embedded.gathered import BadFrame, Gathered
from catenary.logs.embedded.layout import END_FILE, SEGMENT_HEADER_BYTES, damaged, segment_bases
from catenary.logs.embedded.segments import Segment
from catenary.ports.log import Records
from catenary.wakes import Listing

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.logs.embedded.end import End
    from catenary.ports.token import SourcePartition

_T = TypeVar("_T")

_NO_NUMBERS = np.empty(0, np.int64)
_NO_BYTES = pa.array([], pa.large_binary())
_READ_MOST = 1 << 20
_READ_LEAST = 1 << 16
_RECORD_GUESS = 256
_KEPT_SEGMENTS = 16
_KEPT_PLACES = 32
_KEPT_BATCHES = 4


class PartitionReader:
    """One partition, for readers of any thread."""

    def __init__(self, place: SourcePartition, folder: Path) -> None:
        self.place = place
        self._folder = folder
        self._end_file = EndFile(folder / END_FILE)
        self._listing = Listing(str(folder))
        self._lock = threading.Lock()
        self._incarnation = -1
        self._segments: dict[int, Segment] = {}
        self._places: dict[int, tuple[Segment, int, int]] = {}
        self._batches: dict[int, Records] = {}

    def end(self) -> End:
        """What is visible now."""
        end = self._end_file.read()
        if end.incarnation != self._incarnation:
            self.forget()
            self._incarnation = end.incarnation
        return end

    def start(self) -> int:
        """The oldest offset that is retained."""
        return self._start(self.end())

    def _start(self, end: End) -> int:
        bases = segment_bases(self._listing.names())
        return min(bases[0], end.end) if bases else end.end

    def forget(self) -> None:
        """Drop all that is known of the files: some are gone or cut."""
        with self._lock:
            self._listing.forget()
            self._segments.clear()
            self._places.clear()
            self._batches.clear()

    def read(self, offset: int, max_records: int, max_bytes: int) -> Records:
        """See `catenary.ports.log.Log.read`."""
        assert max_records > 0
        end = self.end()
        if offset == end.end:  # perhaps there is no segment yet
            return Records(_NO_NUMBERS, _NO_BYTES, _NO_BYTES, _NO_NUMBERS, offset)
        start = self._start(end)
        if offset > end.end:
            raise PositionError(
                f"position {offset} of {self.place} lies behind the log's end, {end.end}: "
                "the log was cut or made anew",
                where=str(self._folder),
                hint="reset what stored the position, or restore the log",
            )
        if offset < start:
            raise PositionError(
                f"position {offset} of {self.place} is no longer retained; "
                f"the log begins at {start}",
                where=str(self._folder),
                hint=f"begin at {start} and accept the loss, or keep logs for longer",
            )
        with self._lock:
            kept = self._batches.pop(offset, None)
        whole = kept if kept is not None else self._gather(offset, end, max_records, max_bytes)
        taken, rest = _part(whole, max_records, max_bytes)
        if rest is not None:
            with self._lock:
                _keep(self._batches, taken.next_offset, rest, _KEPT_BATCHES)
        return taken

    def _gather(self, offset: int, end: End, max_records: int, max_bytes: int) -> Records:
        """Whole frames from the one that holds `offset` on, without the records before it."""
        gathered = Gathered()
        segment, at, base = self._find(offset, end)
        size = max(min(max_records * _RECORD_GUESS, max_bytes, _READ_MOST), _READ_LEAST)
        while base < end.end and gathered.count < max_records and gathered.bytes < max_bytes:
            limit = end.position if segment.base == end.segment else segment.size()
            if at >= limit:
                segment, at, base = self._next(segment, at, base)
                continue
            data = segment.read(at, min(size, limit - at))
            try:
                taken = gathered.take(data, base, max_records, max_bytes)
                if not taken.used:
                    data = self._whole(segment, at, taken.wanted, limit)
                    taken = gathered.take(data, base, max_records, max_bytes)
            except BadFrame as bad:
                raise damaged(segment.path, at + bad.at, bad.why) from None
            at, base = at + taken.used, taken.base
        with self._lock:
            segment.mark(base, at)
            _keep(self._places, base, (segment, at, base), _KEPT_PLACES)
        records = gathered.records(base)
        before = int(np.searchsorted(records.offsets, offset))
        return _slice(records, before, len(records), base) if before else records

    def _whole(self, segment: Segment, at: int, size: int, limit: int) -> bytes:
        """The bytes of a frame that is larger than what is read at once."""
        data = segment.read(at, size) if 0 < size <= limit - at else b""
        if len(data) < max(size, 1):
            raise damaged(segment.path, at, "it ends within a frame that is visible")
        return data

    def _find(self, offset: int, end: End) -> tuple[Segment, int, int]:
        """Segment, byte and first offset of the frame that holds `offset`."""
        with self._lock:
            known = self._places.get(offset)
        if known is not None:
            return known
        bases = segment_bases(self._listing.names())
        segment = self._segment(bases[max(bisect_right(bases, offset) - 1, 0)])
        limit = end.position if segment.base == end.segment else segment.size()
        return segment, *segment.frame_of(offset, limit)

    def _next(self, segment: Segment, at: int, base: int) -> tuple[Segment, int, int]:
        """The segment behind one that was read to its end."""
        if base not in segment_bases(self._listing.names()):
            raise damaged(segment.path, at, f"it ends before offset {base}, which is visible")
        following = self._segment(base)
        return following, SEGMENT_HEADER_BYTES, base

    def _segment(self, base: int) -> Segment:
        """An open segment.

        Raises:
            PositionError: if it was removed meanwhile.
        """
        with self._lock:
            known = self._segments.get(base)
        if known is not None:
            return known
        try:
            opened = Segment(self._folder, base)
        except FileNotFoundError:
            raise PositionError(
                f"offset {base} of {self.place} was removed while it was to be read",
                where=str(self._folder),
                hint="keep logs for longer than readers lag",
            ) from None
        with self._lock:
            _keep(self._segments, base, opened, _KEPT_SEGMENTS)
        return opened


def _part(whole: Records, max_records: int, max_bytes: int) -> tuple[Records, Records | None]:
    """As many records as asked for, at least one, and what is left of the batch."""
    count = len(whole)
    sizes = _ends(whole.values) + _ends(whole.keys)
    if not count or (count <= max_records and sizes[-1] <= max_bytes):
        return whole, None
    fit = int(np.searchsorted(sizes, max_bytes, side="right"))
    taken = min(max_records, max(fit, 1), count)
    if taken == count:
        return whole, None
    following = int(whole.offsets[taken - 1]) + 1
    return (
        _slice(whole, 0, taken, following),
        _slice(whole, taken, count, whole.next_offset),
    )


def _slice(records: Records, start: int, stop: int, next_offset: int) -> Records:
    return Records(
        records.offsets[start:stop],
        records.keys.slice(start, stop - start),
        records.values.slice(start, stop - start),
        records.append_ms[start:stop],
        next_offset,
    )


def _ends(column: pa.LargeBinaryArray) -> np.ndarray:
    """Bytes of a column up to and with each record."""
    starts = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
    return starts[1:] - starts[0]


def _keep(cache: dict[int, _T], key: int, item: _T, most: int) -> None:
    """Remember something, and forget the oldest of too many."""
    cache.pop(key, None)
    cache[key] = item
    while len(cache) > most:
        del cache[next(iter(cache))]
