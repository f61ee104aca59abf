"""Dead letters: records and rows that were set aside, with the reason, kept until they are replayed.

They are committed with the positions that pass them, so none is lost and none is there twice.

    open ──► replayed, and gone
      ▲│
      │▼
    dismissed: kept, with when and why; not tried again

What was dismissed may have been published anew as it should have been, so a replay would count it twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from catenary.state.records import LaneId, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary.ports import Dataset, Snapshot
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
        dismissed_ms: when somebody dismissed it, by the wall clock; 0 while it is open.
        note: what they said of it.
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
    dismissed_ms: int = 0
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a replay tries it, and figures count it."""
        return not self.dismissed_ms

    @property
    def place(self) -> str:
        """Its record, as people name it."""
        return f"{self.topic}/{self.partition}:{self.offset}"

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


def dismiss(
    dataset: Dataset, wanted: Callable[[Letter], bool], *, at_ms: int, note: str = ""
) -> list[Letter]:
    """Dismiss open letters, also beside a running copy; what they say stays.

    Args:
        dataset: whose they are.
        wanted: which of them.
        at_ms: when, by the wall clock.
        note: why, for whoever looks at them later.

    Returns:
        Those that were dismissed.
    """
    return _changed(
        dataset,
        lambda each: each.is_open and wanted(each),
        lambda each: replace(each, dismissed_ms=at_ms, note=note),
    )


def reopen(dataset: Dataset, wanted: Callable[[Letter], bool]) -> list[Letter]:
    """Open letters again that were dismissed; those that were."""
    return _changed(
        dataset,
        lambda each: not each.is_open and wanted(each),
        lambda each: replace(each, dismissed_ms=0, note=""),
    )


def _changed(
    dataset: Dataset, wanted: Callable[[Letter], bool], change: Callable[[Letter], Letter]
) -> list[Letter]:
    """Letters after a change; one that is gone by then, since it was replayed, is none of them."""
    with dataset.snapshot() as snapshot:
        found = [each for each in letters_of(snapshot) if wanted(each)]
    changed = ((each, change(each)) for each in found)
    return [
        after
        for before, after in changed
        if dataset.commit({before.store_key: before.pack()}, [(after.store_key, after.pack())])
    ]
