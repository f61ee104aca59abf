"""Dead letters: records and rows that were set aside, with the reason, kept until they are replayed.

They are committed with the positions that pass them, so none is lost and none is there twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from catenary.state.records import LaneId, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.ports import Snapshot
    from catenary.state.records import Lane

PREFIX: Final = b"d"


@dataclass(frozen=True)
class Letter:
    """What was set aside, and why.

    Attributes:
        topic, partition, offset: where it came from.
        source: which of the GroupBy's sources read it.
        step: what failed: `decode`, `query`, `time`, `enrich` or `late_parent`.
        reason: in words.
        key, value: the record as it was.
        at_ms: when, by the wall clock.
        append_ms: when the record was appended; -1 if the log does not tell.
    """

    topic: str
    partition: int
    offset: int
    source: int
    step: str
    reason: str
    key: bytes | None
    value: bytes | None
    at_ms: int
    append_ms: int = -1

    @property
    def store_key(self) -> bytes:
        """Where it is kept."""
        lane = LaneId(self.source, self.partition).key
        return PREFIX + lane + self.offset.to_bytes(8, "big")

    def facts(self) -> dict[str, object]:
        """For programs; bytes as text, whatever they are."""
        text = {
            name: None if data is None else data.decode(errors="backslashreplace")
            for name, data in (("key", self.key), ("value", self.value))
        }
        return {**asdict(self), **text}

    def pack(self) -> bytes:
        """Its bytes."""
        return pack(self)


def letters_of(snapshot: Snapshot, lane: Lane | None = None) -> Iterator[Letter]:
    """All dead letters of a dataset, or of one lane, in the order of their offsets."""
    prefix = PREFIX if lane is None else PREFIX + lane.id.key
    for _, data in snapshot.scan(prefix):
        yield unpack(data, Letter)
