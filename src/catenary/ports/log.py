"""Logs: ordered, partitioned, durable sequences of records.

    append ──► durable ──► visible to readers of every process ──► read in batches, waiters woken

Offsets count from 0 per source partition and never shift; gaps (records that are not for readers)
are allowed, so the position after a batch is told by the batch. A log has an *incarnation* per source
partition, raised whenever recovery cuts a tail: a position of another incarnation means nothing.

Read next: ``catenary/logs/embedded`` (segment files in a folder), ``catenary/logs/kafka``.
Held to account by: ``catenary.testing.logs``, which every log inherits; ``tests/unit/logs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    import pyarrow as pa

    from catenary.ports.token import SourcePartition, Token


@dataclass(frozen=True)
class Records:
    """Records of one source partition in order, as buffers: no object per record.

    Attributes:
        offsets: int64, ascending, perhaps with gaps.
        keys: null where a record has none.
        values: null for a record without a value.
        append_ms: int64, when each was appended; below 0 where the log does not tell.
        next_offset: the position after the batch, past gaps.
    """

    offsets: np.ndarray
    keys: pa.LargeBinaryArray
    values: pa.LargeBinaryArray
    append_ms: np.ndarray
    next_offset: int

    def until(self, end: int) -> Records:
        """Those before an offset."""
        if self.next_offset <= end:
            return self
        many = int(self.offsets.searchsorted(end))
        return Records(
            self.offsets[:many],
            self.keys.slice(0, many),
            self.values.slice(0, many),
            self.append_ms[:many],
            end,
        )

    def __len__(self) -> int:
        return len(self.offsets)


class Membership(Protocol):
    """A share of some topics' partitions, which a group of copies divides among its members."""

    def assigned(self) -> tuple[int, frozenset[SourcePartition]]:
        """How often this share has changed so far, 0 before the first time; and what it is now.

        For a moment another member may think that a partition is its own, too: epochs decide.
        """
        ...

    def close(self) -> None:
        """Leave the group; the others divide what was assigned here."""
        ...


class Log(Protocol):
    """A set of topics. Any method may be called from several threads.

    Every method raises UnreachableError if the log is a server's and that does not answer in time.
    """

    def create(self, topic: str, *, partitions: int = 1) -> None:
        """Make the topic; nothing happens if it is there with as many partitions.

        Raises:
            LogError: if it is there with another number.
        """
        ...

    def topics(self) -> tuple[str, ...]:
        """Names of all topics, ascending."""
        ...

    def partitions(self, topic: str) -> tuple[SourcePartition, ...]:
        """The topic's partitions, ascending; as of now, where a log lets them grow.

        Raises:
            LogError: if there is no such topic; names the nearest one.
        """
        ...

    def append(
        self,
        topic: str,
        values: Sequence[bytes] | pa.LargeBinaryArray,
        *,
        keys: Sequence[bytes | None] | pa.LargeBinaryArray | None = None,
        partition: int = 0,
    ) -> Token:
        """Append records to one partition; returns once they are durable and visible.

        Calls of several threads share one sync, or one request. Where a log lets only one process at
        a time append to a partition, the others are refused.

        Raises:
            BusyError: if another process is the partition's only writer.
            StorageError: if the disk refuses; nothing of this call is visible then.
            LogError: if there is no such partition; or if a server refuses a record or does not
                answer: how much of this call is visible is not known then.
        """
        ...

    def read(
        self, place: SourcePartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Records:
        """Visible records from `offset` on; empty at the end. At least one if there is any.

        Raises:
            PositionError: if `offset` lies beyond the end, or before what is retained; or if the
                topic is not the one whose incarnation was last told here.
            UnreadableError: if a segment is damaged; names the file and the byte.
        """
        ...

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """Visible end offsets, asked of the log itself: what is appended and durable."""
        ...

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """The oldest offsets that are retained."""
        ...

    def incarnation(self, place: SourcePartition) -> int:
        """Another number for another sequence: after recovery cut a tail, or of a topic made anew."""
        ...

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        """Sleep until a partition has more than its position here; False after the timeout."""
        ...

    def join(self, group: str, topics: Collection[str]) -> Membership:
        """Become a member of a group that divides the topics' partitions.

        Raises:
            UnsupportedError: if this log has no groups.
        """
        ...

    def close(self) -> None:
        """Release files, locks and connections."""
        ...
