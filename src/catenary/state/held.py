"""The tiles of many entities as columns: parsed from keys and values all at once.

    rows of ranges ──► owner, start, end, level, status, packed ──► filtered, laid together, sorted

What a read costs is bounded by how many tiles lie in its entities' ranges, so no object is made per
tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.state import tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Upload

OWN: Final = -1
"""In `Held.of_upload`: a tile of an upload itself. 0: of a lane; else the upload it is late to."""
_TAIL: Final = 9
_SEEKS: Final = 512
_BIAS: Final = np.uint64(1 << 63)


@dataclass(frozen=True)
class Held:
    """Tiles, in columns.

    Attributes:
        owner: int64, which entity.
        start, end: int64 milliseconds.
        level: int64, the place of its size in the layout's; of an upload's tiles -1.
        status: int64, of the rows folded in.
        collapsed: whether it is an upload's tile that is longer than a window's hop.
        of_upload: int64; see `OWN`.
        packed: partials.
    """

    owner: np.ndarray
    start: np.ndarray
    end: np.ndarray
    level: np.ndarray
    status: np.ndarray
    collapsed: np.ndarray
    of_upload: np.ndarray
    packed: pa.LargeBinaryArray

    def __len__(self) -> int:
        return len(self.owner)

    def where(self, wanted: np.ndarray) -> Held:
        """The tiles of a mask, in their order."""
        return self if wanted.all() else self._taken(np.flatnonzero(wanted))

    def and_(self, other: Held) -> Held:
        """Both."""
        if not len(other):
            return self
        return Held(
            *(
                np.concatenate([mine, theirs])
                for mine, theirs in zip(self._columns(), other._columns(), strict=True)
            ),
            packed=pa.concat_arrays([self.packed, other.packed]),
        )

    def sorted(self) -> Held:
        """By owner, start and end."""
        if len(self) < 2 or _is_sorted(self.owner, self.start, self.end):
            return self
        return self._taken(np.lexsort((self.end, self.start, self.owner)))

    def for_kernel(self) -> kernel.Tiles:
        """As the kernel takes them."""
        return kernel.Tiles(
            start=self.start,
            end=self.end,
            status=self.status,
            collapsed=self.collapsed,
            packed=self.packed,
        )

    def _columns(self) -> tuple[np.ndarray, ...]:
        return (
            self.owner,
            self.start,
            self.end,
            self.level,
            self.status,
            self.collapsed,
            self.of_upload,
        )

    def _taken(self, rows: np.ndarray) -> Held:
        return Held(
            *(column[rows] for column in self._columns()), packed=self.packed.take(pa.array(rows))
        )


_EMPTY: Final = np.empty(0, np.int64)
NONE: Final = Held(
    _EMPTY,
    _EMPTY,
    _EMPTY,
    _EMPTY,
    _EMPTY,
    np.empty(0, bool),
    _EMPTY,
    pa.array([], pa.large_binary()),
)
"""No tiles."""


@dataclass(frozen=True)
class Span:
    """Which of the lanes' tiles matter.

    Attributes:
        lanes: the lanes that there are.
        since_ms: tiles that end at or before it do not.
        until_ms: tiles that begin at or after it do not.
    """

    lanes: Sequence[bytes]
    since_ms: int
    until_ms: int


def of_ranges(
    layout: Layout, snapshot: Snapshot, entities: Sequence[bytes], span: Span | None = None
) -> Held:
    """The tiles of lanes, and late tiles, of these entities.

    Few entities may have many tiles, before and after the span; many have few. So with few the span
    is sought in each lane and level, with many all is read and what lies outside is left.
    """
    prefixes = [tiles.TILE + each for each in entities]
    levels = range(len(layout.sizes_ms))
    if span is not None and len(entities) * len(span.lanes) * len(levels) <= _SEEKS:
        found = sought(layout, snapshot, prefixes, span)
    else:
        found = snapshot.scan_many(prefixes)
    counts = np.fromiter(map(len, found), np.int64, len(found))
    rows = list(chain.from_iterable(found))
    count = len(rows)
    if not count:
        return NONE
    keys, values = zip(*rows, strict=True)
    owner = np.repeat(np.arange(len(found)), counts)
    tails = np.frombuffer(b"".join([key[-_TAIL:] for key in keys]), np.uint8).reshape(count, _TAIL)
    level = tails[:, 0].astype(np.int64)
    start = np.ascontiguousarray(tails[:, 1:]).view(">u8")[:, 0].astype(np.uint64) ^ _BIAS
    start = start.view(np.int64)
    skips = np.fromiter(map(len, prefixes), np.int64, len(prefixes))[owner]
    is_late = np.fromiter(map(len, keys), np.int64, count) - skips == tiles.LATE_SUFFIX
    of_upload = np.zeros(count, np.int64)
    for at in np.flatnonzero(is_late).tolist():
        key, skip = keys[at], int(skips[at])
        of_upload[at] = int.from_bytes(key[skip + 1 : skip + 5], "big")
    status, packed = _values(values)
    sizes = np.asarray(layout.sizes_ms, np.int64)
    return Held(
        owner, start, start + sizes[level], level, status, np.zeros(count, bool), of_upload, packed
    )


def sought(
    layout: Layout, snapshot: Snapshot, prefixes: Sequence[bytes], span: Span
) -> list[list[tuple[bytes, bytes]]]:
    """For each entity the rows that begin within the span, and its late tiles."""
    bounds = [(tiles.OF_UPLOAD, tiles.AFTER_UPLOADS)]
    for lane in span.lanes:
        for level, size in enumerate(layout.sizes_ms):
            of_level = tiles.OF_LANE + lane + bytes((level,))
            first = tiles.instant(span.since_ms - size + 1)
            bounds.append((of_level + first, of_level + tiles.instant(span.until_ms)))
    bounds.sort()
    spans = [(prefix + start, prefix + end) for prefix in prefixes for start, end in bounds]
    found = snapshot.scan_spans(spans)
    many = len(bounds)
    return [list(chain.from_iterable(found[at : at + many])) for at in range(0, len(found), many)]


def of_upload(snapshot: Snapshot, upload: Upload, entities: Sequence[bytes]) -> Held:
    """An upload's own tiles of these entities."""
    found = snapshot.get_many([tiles.upload_key(upload.id, each) for each in entities])
    parts = [
        (code, *tiles.upload_columns(data)) for code, data in enumerate(found) if data is not None
    ]
    if not parts:
        return NONE
    counts = [len(start) for _, start, _, _, _, _ in parts]
    count = sum(counts)
    sizes = np.concatenate([part[4] for part in parts]).astype(np.int64)
    return Held(
        owner=np.repeat(np.asarray([part[0] for part in parts], np.int64), counts),
        start=np.concatenate([part[1] for part in parts]),
        end=np.concatenate([part[2] for part in parts]),
        level=np.full(count, -1, np.int64),
        status=np.zeros(count, np.int64),
        collapsed=np.concatenate([part[3] for part in parts]).astype(bool),
        of_upload=np.full(count, OWN, np.int64),
        packed=_binary(sizes, b"".join([part[5] for part in parts])),
    )


def _values(values: Sequence[bytes]) -> tuple[np.ndarray, pa.LargeBinaryArray]:
    """Statuses and partials, taken apart."""
    head = tiles.STATUS_BYTES
    whole = np.frombuffer(b"".join(values), np.uint8)
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    begins = np.cumsum(sizes) - sizes
    places = (begins[:, None] + np.arange(head)).ravel()
    status = whole[places].view("<u4").astype(np.int64)
    kept = np.ones(len(whole), bool)
    kept[places] = False
    return status, _binary(sizes - head, whole[kept].tobytes())


def _binary(sizes: np.ndarray, data: bytes) -> pa.LargeBinaryArray:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    found: Any = pa.Array.from_buffers(pa.large_binary(), len(sizes), buffers)
    return found


def _is_sorted(owner: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    same = owner[1:] == owner[:-1]
    later = (start[1:] > start[:-1]) | ((start[1:] == start[:-1]) & (end[1:] >= end[:-1]))
    return bool(((owner[1:] > owner[:-1]) | (same & later)).all())
