"""Keys and values of tiles: where the tiles of an entity lie, and how many are written at once.

An entity's tiles lie together, so that a read is one range: its lanes' tiles, then late tiles by upload.
A value is the statuses of the rows folded into it (4 bytes), then their packed partials.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow
from catenary.compiled import tile_keys as compiled
from catenary.state.records import damaged

TILE: Final = b"t"
INDEX: Final = b"i"
UPLOAD: Final = b"U"
OF_LANE: Final = b"\x00"
OF_UPLOAD: Final = b"\x01"
_BIAS: Final = 1 << 63
_STATUS: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<I")
_GROWN: Final = struct.Struct("<q")
STATUS_BYTES: Final = _STATUS.size
LANE_SUFFIX: Final = 13
"""Bytes after the entity: kind, lane, level, start."""
LATE_SUFFIX: Final = 17
"""Bytes after the entity: kind, upload, lane, level, start."""


def instant(ms: int) -> bytes:
    """Eight bytes that order as instants do."""
    return (ms + _BIAS).to_bytes(8, "big")


def instant_of(data: bytes) -> int:
    """The opposite of `instant`."""
    return int.from_bytes(data, "big") - _BIAS


def lane_middle(lane: bytes) -> bytes:
    """What stands between an entity and the level in the key of a lane's tile."""
    return OF_LANE + lane


def late_middle(upload: int, lane: bytes) -> bytes:
    """What stands there in the key of a late tile."""
    return OF_UPLOAD + upload.to_bytes(4, "big") + lane


def tile(entity: bytes, middle: bytes, level: int, start: bytes) -> bytes:
    """The key of a tile."""
    return TILE + entity + middle + bytes((level,)) + start


def level_of(key: bytes) -> int:
    """The level of a lane's tile or of a late one."""
    return key[-9]


def value(status: int, packed: bytes) -> bytes:
    """A tile's value."""
    return _STATUS.pack(status) + packed


def status_of(data: bytes) -> int:
    """The statuses in a tile's value."""
    found: int = _STATUS.unpack_from(data)[0]
    return found


def opened(values: list[bytes]) -> tuple[np.ndarray, pa.LargeBinaryArray]:
    """The statuses and partials of many values.

    Raises:
        UnreadableError: for a value that is none.
    """
    statuses, offsets = np.empty(len(values), np.int64), np.zeros(len(values) + 1, np.int64)
    data = compiled.opened(values, statuses, offsets)
    if data is None:
        raise damaged("the store is damaged: a tile has no status")
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    packed: Any = pa.Array.from_buffers(pa.large_binary(), len(values), buffers)
    return statuses, packed


def closed(statuses: np.ndarray, packed: pa.LargeBinaryArray) -> list[bytes]:
    """The opposite of `opened`."""
    offsets, data = arrow.offsets_of(packed)
    return compiled.values(statuses, data, offsets)


class UploadTile(NamedTuple):
    """One tile of an upload: events in `[start_ms, end_ms)`.

    Attributes:
        collapsed: it is longer than the hop of a window that may begin in it, since the upload's tail
            buffer does not reach so far.
        packed: its partials.
    """

    start_ms: int
    end_ms: int
    collapsed: bool
    packed: bytes


def upload_key(upload: int, entity: bytes) -> bytes:
    """Where an upload's tiles of an entity are."""
    return UPLOAD + upload.to_bytes(4, "big") + entity


def pack_upload(tiles: list[UploadTile]) -> bytes:
    """All tiles of one entity as one value: how many, then column by column."""
    starts = np.asarray([each.start_ms for each in tiles], "<i8")
    ends = np.asarray([each.end_ms for each in tiles], "<i8")
    sizes = np.asarray([len(each.packed) for each in tiles], "<u4")
    collapsed = np.asarray([each.collapsed for each in tiles], np.uint8)
    columns = (starts.tobytes(), ends.tobytes(), sizes.tobytes(), collapsed.tobytes())
    return b"".join((_COUNT.pack(len(tiles)), *columns, *(each.packed for each in tiles)))


def index_bucket(lane: bytes, level: int, bucket_ms: int) -> bytes:
    """The prefix under which the tiles of this bucket that wait to be merged are listed."""
    return INDEX + lane + bytes((level,)) + instant(bucket_ms)


def pack_index(keys: list[bytes], grown: int) -> bytes:
    """An index row: tiles, and by how many bytes the commit that lists them let the head grow."""
    return _GROWN.pack(grown) + compiled.pack(keys)


def unpack_index(row: bytes, lane: bytes) -> tuple[list[bytes], int]:
    """The opposite of `pack_index`.

    Raises:
        UnreadableError: for bytes that are no index row.
    """
    if len(row) < _GROWN.size:
        raise damaged("the store is damaged: a list of tiles has no beginning")
    keys = compiled.unpack(row[_GROWN.size :], TILE, lane_middle(lane))
    if keys is None:
        raise damaged("the store is damaged: a list of tiles ends too early")
    return keys, _GROWN.unpack_from(row)[0]
