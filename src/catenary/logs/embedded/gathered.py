"""Frames as records: columns of lengths and bytes of many frames at once, nothing made per record.

What one frame holds is passed on as it was read; of several frames the columns are joined, one copy.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.logs.embedded.frames import CHECKED_FROM, HAS_KEYS, HEADER, HEADER_BYTES, MAGIC, NULL
from catenary.ports.log import Records

if TYPE_CHECKING:
    from catenary.logs.embedded.frames import Blob


class BadFrame(Exception):  # noqa: N818 - not an error that anyone meets: the reader names the file
    """The frame at this byte is not as it was written."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(at, why)
        self.at = at
        self.why = why


class Taken(NamedTuple):
    """How far the frames in some bytes were taken.

    Attributes:
        used: bytes of whole frames.
        base: the offset behind them.
        wanted: bytes of the frame that begins behind them and is not whole here; 0: it is unknown.
    """

    used: int
    base: int
    wanted: int


class Gathered:
    """The frames that one read collects."""

    def __init__(self) -> None:
        self.bytes = 0
        self.count = 0
        self._keyed = False
        self._frames: list[tuple[int, int, int]] = []
        self._key_lengths: list[Blob] = []
        self._value_lengths: list[Blob] = []
        self._keys: list[Blob] = []
        self._values: list[Blob] = []

    def take(self, data: bytes, base: int, max_records: int, max_bytes: int) -> Taken:
        """Check and take frames until there are enough; the first one begins at offset `base`.

        Raises:
            BadFrame: if one is damaged.
        """
        view = memoryview(data)
        at, total = 0, len(data)
        while at < total and self.count < max_records and self.bytes < max_bytes:
            body = at + HEADER_BYTES
            if body > total:
                return Taken(at, base, 0)
            magic, head_crc, body_crc, count, first, append_ms, keys, values, gap, flags = (
                HEADER.unpack_from(data, at)
            )
            if (
                magic != MAGIC
                or first != base
                or zlib.crc32(data[at + CHECKED_FROM : body]) != head_crc
            ):
                raise BadFrame(at, "no frame begins where one must")
            keyed = flags & HAS_KEYS
            end = body + ((4 * count * (1 + keyed) + keys + values + 7) & ~7)
            if end > total:
                return Taken(at, base, end - at)
            if zlib.crc32(view[body:end]) != body_crc:
                raise BadFrame(at, "the checksum of its records is wrong")
            if count:
                self._add(view, body, count, keys, values, keyed)
                self._frames.append((count, first, append_ms))
            at, base = end, base + count + gap
        return Taken(at, base, 0)

    def _add(
        self, view: memoryview, at: int, count: int, keys: int, values: int, keyed: int
    ) -> None:
        """Take a frame's columns."""
        wide = 4 * count
        if keyed:
            self._keyed = True
            self._key_lengths.append(view[at : at + wide])
            at += wide
        else:
            self._key_lengths.append(b"\xff" * wide)
        starts = at + wide
        self._value_lengths.append(view[at:starts])
        if keys:
            self._keys.append(view[starts : starts + keys])
            starts += keys
        self._values.append(view[starts : starts + values])
        self.count += count
        self.bytes += keys + values

    def records(self, next_offset: int) -> Records:
        """All of it as buffers."""
        offsets, append_ms = self._numbers()
        if self._keyed:
            keys = _column(self._key_lengths, self._keys)
        else:
            keys = pa.nulls(self.count, pa.large_binary())
        values = _column(self._value_lengths, self._values)
        return Records(offsets, keys, values, append_ms, next_offset)

    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets and times of the records."""
        if len(self._frames) == 1:
            count, first, append_ms = self._frames[0]
            return np.arange(first, first + count), np.full(count, append_ms)
        table = np.array(self._frames, np.int64).reshape(-1, 3)
        counts, bases, times = table[:, 0], table[:, 1], table[:, 2]
        before = np.cumsum(counts) - counts
        offsets = np.arange(self.count, dtype=np.int64) + np.repeat(bases - before, counts)
        return offsets, np.repeat(times, counts)


def _joined(blobs: list[Blob]) -> Blob:
    return blobs[0] if len(blobs) == 1 else b"".join(blobs)


def _column(lengths: list[Blob], blobs: list[Blob]) -> pa.LargeBinaryArray:
    """Values of many frames as one array."""
    sizes = np.frombuffer(_joined(lengths), np.uint32)
    nulls = sizes == NULL
    null_count = int(np.count_nonzero(nulls))
    bitmap = None
    if null_count:
        sizes = np.where(nulls, np.uint32(0), sizes)
        bitmap = pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    offsets = np.empty(len(sizes) + 1, np.int64)
    offsets[0] = 0
    np.cumsum(sizes, dtype=np.int64, out=offsets[1:])
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(_joined(blobs))]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(sizes), buffers, null_count)
