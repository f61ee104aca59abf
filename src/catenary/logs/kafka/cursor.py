"""What was fetched of one partition and not yet read: chunks, and how far the fetching has come."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from catenary.logs.kafka.messages import sizes
from catenary.ports.log import Records

if TYPE_CHECKING:
    from catenary.errors import LogError, UnreachableError


class _Chunk(NamedTuple):
    """Records that were fetched together, and the bytes of all up to each of them."""

    records: Records
    bytes: np.ndarray


class Cursor:
    """One partition, read onwards from an offset.

    Attributes:
        at: what a read continues from.
        next: what lies before it was fetched; past gaps.
        bytes: how many wait to be read.
        paused: whether fetching is held up.
        checked: whether what waits is known to be of the incarnation that was told.
        failed: why fetching cannot go on.
    """

    def __init__(self, at: int) -> None:
        self.at = self.next = at
        self.bytes = 0
        self.paused = False
        self.checked = True
        self.failed: LogError | UnreachableError | None = None
        self._chunks: deque[_Chunk] = deque()

    @property
    def has_more(self) -> bool:
        """Whether a read would come further."""
        return self.next > self.at

    def fetched(self, records: Records) -> None:
        """Take what follows; at least one."""
        grown = np.cumsum(sizes(records.keys) + sizes(records.values))
        self._chunks.append(_Chunk(records, grown))
        self.bytes += int(grown[-1])
        self.next = records.next_offset
        self.checked = False

    def ended(self, offset: int) -> None:
        """Nothing visible lies before an offset that was not fetched."""
        self.next = max(self.next, offset)

    def take(self, max_records: int, max_bytes: int) -> Records:
        """What is read next; at least one record, if any waits."""
        found: list[Records] = []
        records = many = 0
        while self._chunks and records < max_records and (many < max_bytes or not records):
            part = self._part(max_records - records, max_bytes - many)
            found.append(part.records)
            records += len(part.records)
            many += int(part.bytes[-1])
        self.bytes -= many
        self.at = found[-1].next_offset if self._chunks else self.next
        return _joined(found, self.at)

    def _part(self, max_records: int, max_bytes: int) -> _Chunk:
        """The first chunk, or as much of it as fits, at least one record; it is taken off."""
        chunk = self._chunks.popleft()
        held = len(chunk.records)
        fits = int(np.searchsorted(chunk.bytes, max_bytes, side="right"))
        many = min(held, max_records, max(1, fits))
        if many == held:
            return chunk
        records = chunk.records
        cut = int(records.offsets[many - 1]) + 1
        rest = Records(
            records.offsets[many:],
            records.keys.slice(many),
            records.values.slice(many),
            records.append_ms[many:],
            records.next_offset,
        )
        self._chunks.appendleft(_Chunk(rest, chunk.bytes[many:] - chunk.bytes[many - 1]))
        return _Chunk(records.until(cut), chunk.bytes[:many])


def _joined(parts: list[Records], next_offset: int) -> Records:
    if not parts:
        nothing = pa.array([], pa.large_binary())
        none = np.empty(0, np.int64)
        return Records(none, nothing, nothing, none, next_offset)
    if len(parts) == 1:
        one = parts[0]
        return Records(one.offsets, one.keys, one.values, one.append_ms, next_offset)
    return Records(
        np.concatenate([each.offsets for each in parts]),
        pa.concat_arrays([each.keys for each in parts]),
        pa.concat_arrays([each.values for each in parts]),
        np.concatenate([each.append_ms for each in parts]),
        next_offset,
    )
