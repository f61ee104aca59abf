"""Frames: records as bytes, the unit of writing, checking and reading.

A frame is a header of 56 bytes and a body, little-endian:

    magic (4)         b"CTFR"
    header crc32 (4)  over the header's bytes behind it
    body crc32 (4)
    count (4)         records in the frame
    base (8)          offset of the first one
    append_ms (8)     when all of them were appended
    keys (8)          bytes of all keys together
    values (8)        bytes of all values together
    gap (4)           offsets behind the records that no record has
    flags (4)         1: there are keys

    key lengths (4 × count, only with keys) │ value lengths (4 × count) │ keys │ values │ zeros to 8 bytes

A length of 2³² - 1 stands for null. Frames as Records again: `gathered`.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
HEADER_BYTES = 56
MAGIC = b"CTFR"
NULL = 0xFFFF_FFFF

HEADER = struct.Struct("<4sIIIqqqqII")
CHECKED_FROM = 8
HAS_KEYS = 1

_HEAD = struct.Struct("<4sI")
_REST = struct.Struct("<IIqqqqII")

# Frames of this size keep checking and reading a few records of a large append cheap.
_FRAME_RECORDS = 1 << 14
_FRAME_BYTES = 1 << 20
_SMALL = 4096

_ARROW = (pa.Array, pa.ChunkedArray)

Blob = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Body:
    """A frame's records before they have an offset."""

    count: int
    keys_bytes: int
    values_bytes: int
    gap: int
    flags: int
    parts: tuple[Blob, ...]
    crc: int

    @property
    def span(self) -> int:
        """How many offsets the frame takes."""
        return self.count + self.gap

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return HEADER_BYTES + body_size(self.count, self.keys_bytes, self.values_bytes, self.flags)

    def header(self, base: int, append_ms: int) -> bytes:
        """The header, once the first offset is known."""
        rest = _REST.pack(
            self.crc,
            self.count,
            base,
            append_ms,
            self.keys_bytes,
            self.values_bytes,
            self.gap,
            self.flags,
        )
        return _HEAD.pack(MAGIC, zlib.crc32(rest)) + rest


def body_size(count: int, keys_bytes: int, values_bytes: int, flags: int) -> int:
    """Bytes of a frame's body."""
    size = 4 * count * (1 + (flags & HAS_KEYS)) + keys_bytes + values_bytes
    return (size + 7) & ~7


class Header(NamedTuple):
    """A frame's header as read."""

    crc: int
    records: int
    base: int
    append_ms: int
    keys_bytes: int
    values_bytes: int
    gap: int
    flags: int

    @property
    def next(self) -> int:
        """The offset behind the frame."""
        return self.base + self.records + self.gap

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return HEADER_BYTES + body_size(
            self.records, self.keys_bytes, self.values_bytes, self.flags
        )


def header(data: Blob, at: int) -> Header | None:
    """The header at a byte; None if there is no whole one."""
    if len(data) - at < HEADER_BYTES:
        return None
    magic, crc = _HEAD.unpack_from(data, at)
    if magic != MAGIC or zlib.crc32(data[at + CHECKED_FROM : at + HEADER_BYTES]) != crc:
        return None
    return Header._make(_REST.unpack_from(data, at + CHECKED_FROM))


def is_whole(data: Blob, at: int, found: Header) -> bool:
    """Whether the frame's body is there as it was written."""
    body = data[at + HEADER_BYTES : at + found.size]
    return len(body) == found.size - HEADER_BYTES and zlib.crc32(body) == found.crc


def gap(span: int) -> Body:
    """A frame without records that takes `span` offsets."""
    return Body(0, 0, 0, span, 0, (), zlib.crc32(b""))


def encode(
    values: Sequence[bytes | None] | pa.LargeBinaryArray,
    keys: Sequence[bytes | None] | pa.LargeBinaryArray | None,
) -> list[Body]:
    """Records as frames; none for no records.

    Raises:
        DataError: if there are not as many keys as values, or one is too long.
    """
    count = len(values)
    if keys is not None and len(keys) != count:
        raise DataError(f"{len(keys)} keys came with {count} values; each record has its own")
    if count == 0:
        return []
    if count <= _SMALL and not isinstance(values, _ARROW):
        column = _small_column(values)
        key_column = None if keys is None else _small_column(_listed(keys))
        if len(column[1]) + (0 if key_column is None else len(key_column[1])) <= _FRAME_BYTES:
            return [_body(count, column, key_column)]
    return list(_split(_arrow(values), None if keys is None else _arrow(keys)))


def _listed(items: Any) -> Sequence[bytes | None]:
    return items.to_pylist() if isinstance(items, _ARROW) else items


def _small_column(items: Sequence[bytes | None]) -> tuple[bytes, bytes]:
    """Lengths and bytes of a few values."""
    try:
        blob = b"".join(items)  # type: ignore[arg-type]
        lengths = array("I", map(len, items))  # type: ignore[arg-type]
    except TypeError:
        blob = b"".join(item for item in items if item is not None)
        lengths = array("I", (NULL if item is None else len(item) for item in items))
    except OverflowError:
        raise _too_long() from None
    return lengths.tobytes(), blob


def _too_long() -> DataError:
    return DataError("a record's key or value is longer than 4 GiB", hint="store it elsewhere")


def _arrow(items: Any) -> pa.LargeBinaryArray:
    """Many values as one Arrow array whose bytes lie side by side."""
    if isinstance(items, pa.ChunkedArray):
        items = items.combine_chunks()
    if not isinstance(items, pa.Array):
        return pa.array(items, pa.large_binary())
    return items if items.type == pa.large_binary() else items.cast(pa.large_binary())


def _columns(items: pa.LargeBinaryArray) -> tuple[np.ndarray, np.ndarray, memoryview]:
    """Lengths, where each value begins, and the bytes of all."""
    _, starts, data = items.buffers()
    offsets = np.frombuffer(starts, np.int64, len(items) + 1, items.offset * 8)
    wide = np.diff(offsets)
    if int(wide.max()) >= NULL:
        raise _too_long()
    lengths = wide.astype(np.uint32)
    if items.null_count:
        nulls = items.is_null().to_numpy(zero_copy_only=False)
        if wide[nulls].any():  # bytes behind a null: lay the values out anew
            return _columns(pa.array(items.to_pylist(), pa.large_binary()))
        lengths[nulls] = NULL
    return lengths, offsets, memoryview(b"" if data is None else data).cast("B")


def _split(values: pa.LargeBinaryArray, keys: pa.LargeBinaryArray | None) -> Iterator[Body]:
    """Frames of bounded size; a record is never parted."""
    value_columns = _columns(values)
    key_columns = None if keys is None else _columns(keys)
    ends = value_columns[1] if key_columns is None else value_columns[1] + key_columns[1]
    at, count = 0, len(values)
    while at < count:
        fit = int(np.searchsorted(ends, ends[at] + _FRAME_BYTES, side="right")) - 1
        to = min(max(fit, at + 1), at + _FRAME_RECORDS, count)
        yield _body(to - at, _cut(value_columns, at, to), key_columns and _cut(key_columns, at, to))
        at = to


def _cut(
    columns: tuple[np.ndarray, np.ndarray, memoryview], at: int, to: int
) -> tuple[bytes, Blob]:
    """Lengths and bytes of some of the values."""
    lengths, starts, data = columns
    return lengths[at:to].tobytes(), data[int(starts[at]) : int(starts[to])]


def _body(count: int, values: tuple[bytes, Blob], keys: tuple[bytes, Blob] | None) -> Body:
    parts: tuple[Blob, ...]
    if keys is None:
        flags, keys_bytes = 0, 0
        parts = values
    else:
        flags, keys_bytes = HAS_KEYS, len(keys[1])
        parts = (keys[0], values[0], keys[1], values[1])
    size = sum(map(len, parts))
    if size % 8:
        parts = (*parts, bytes(8 - size % 8))
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return Body(count, keys_bytes, len(values[1]), 0, flags, parts, crc)
