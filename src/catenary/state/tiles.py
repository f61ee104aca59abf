"""Keys and values of tiles: where the tiles of an entity lie, and how many are written at once.

An entity's tiles lie together, so that a read is one range: its lanes' tiles, then late tiles by upload.
A value is the statuses of the rows folded into it (4 bytes), then their packed partials.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

TILE: Final = b"t"
INDEX: Final = b"i"
UPLOAD: Final = b"U"
OF_LANE: Final = b"\x00"
OF_UPLOAD: Final = b"\x01"
_BIAS: Final = 1 << 63
_STATUS: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<I")
STATUS_BYTES: Final = _STATUS.size
LANE_SUFFIX: Final = 13
"""Bytes after the entity: kind, lane, level, start."""
LATE_SUFFIX: Final = 17
"""Bytes after the entity: kind, upload, lane, level, start."""


def instant(ms: int) -> bytes:
    """Eight bytes that order as instants do."""
    return (ms + _BIAS).to_bytes(8, "big")


def instants(ms: np.ndarray) -> list[bytes]:
    """`instant` of many."""
    data = (ms.astype(np.int64).view(np.uint64) + np.uint64(_BIAS)).astype(">u8").tobytes()
    return [data[at : at + 8] for at in range(0, len(data), 8)]


def instant_of(data: bytes) -> int:
    """The opposite of `instant`."""
    return int.from_bytes(data, "big") - _BIAS


def lane_tile(entity: bytes, lane: bytes, level: int, start: bytes) -> bytes:
    """The key of a lane's tile."""
    return TILE + entity + OF_LANE + lane + bytes((level,)) + start


def late_tile(entity: bytes, upload: int, lane: bytes, level: int, start: bytes) -> bytes:
    """The key of a late tile."""
    return TILE + entity + OF_UPLOAD + upload.to_bytes(4, "big") + lane + bytes((level,)) + start


def value(status: int, packed: bytes) -> bytes:
    """A tile's value."""
    return _STATUS.pack(status) + packed


def status_of(data: bytes) -> int:
    """The statuses in a tile's value."""
    found: int = _STATUS.unpack_from(data)[0]
    return found


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
    """The prefix under which the entities with tiles of this level in this bucket are listed."""
    return INDEX + lane + bytes((level,)) + instant(bucket_ms)


def pack_entities(entities: list[bytes]) -> bytes:
    """Entities, one behind the other."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in entities)


def unpack_entities(data: bytes) -> Iterator[bytes]:
    """The opposite of `pack_entities`."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        yield data[at + 2 : at + 2 + size]
        at += 2 + size
