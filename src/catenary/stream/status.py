"""What a stage says of itself: counts, rates and waits, for `status`, metrics and the page."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.ports import SourcePartition
    from catenary.state.records import Lane
    from catenary.stream.pipeline import Enriched

_TOLD_EVERY_S: Final = 0.5


@dataclass
class Waits:
    """How often one parent was waited for, for how long together, and at the most."""

    times: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One more time."""
        self.times += 1
        self.seconds += seconds
        self.longest_s = max(self.longest_s, seconds)


@dataclass
class Status:
    """One stage since it was started.

    Attributes:
        stage: the GroupBy's name.
        batches, rows: committed so far.
        dead_letters: rows and records set aside.
        null_keys: rows that belong to no key.
        remarks: what was doubtful about rows that were folded all the same, in words by column:
            the first of each.
        places: the source partitions whose lanes it has by now.
        waits: by parent.
        waiting_for: what is being waited for, in words; empty if nothing is.
        taken_over: by whom its lanes were, in words; empty while it has them.
        edges: (parent, status) to how many rows were enriched with it.
        began_s: by the monotonic clock.
        told_s: when all this was last written down for others.
    """

    stage: str
    batches: int = 0
    rows: int = 0
    dead_letters: int = 0
    null_keys: int = 0
    remarks: dict[str, str] = field(default_factory=dict[str, str])
    places: tuple[SourcePartition, ...] = ()
    waits: dict[str, Waits] = field(default_factory=dict[str, Waits])
    waiting_for: str = ""
    taken_over: str = ""
    edges: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    began_s: float = field(default_factory=time.monotonic)
    told_s: float = 0.0

    def waited(self, seconds: Mapping[str, float]) -> None:
        """Parents were waited for, each for so long."""
        for parent, each in seconds.items():
            self.waits.setdefault(parent, Waits()).add(each)
        self.waiting_for = ""

    def committed(
        self,
        before: Mapping[bytes, Lane],
        after: Mapping[bytes, Lane],
        enriched: Sequence[Enriched],
    ) -> None:
        """A batch was committed."""
        self.batches += 1
        self.rows += sum(lane.rows - before[key].rows for key, lane in after.items())
        for each in enriched:
            self.dead_letters += len(each.letters)
            self.null_keys += each.null_keys
            self.remarks = each.remarks | self.remarks
            self.edges.update(each.statuses)

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to tell others again."""
        return now_s - self.told_s >= _TOLD_EVERY_S

    def facts(self) -> dict[str, object]:
        """For programs."""
        seconds = max(time.monotonic() - self.began_s, 1e-9)
        return {
            "stage": self.stage,
            "batches": self.batches,
            "rows": self.rows,
            "rows_per_second": round(self.rows / seconds),
            "dead_letters": self.dead_letters,
            "null_keys": self.null_keys,
            "remarks": list(self.remarks.values()),
            "places": [str(place) for place in self.places],
            "waits": {
                parent: {
                    "times": each.times,
                    "ms": round(each.seconds * 1000, 1),
                    "longest_ms": round(each.longest_s * 1000, 1),
                }
                for parent, each in sorted(self.waits.items())
            },
            "waiting_for": self.waiting_for,
            "taken_over": self.taken_over,
            "edges": {
                f"{parent}:{status}": many for (parent, status), many in sorted(self.edges.items())
            },
            "memory_peak_bytes": _memory_peak_bytes(),
        }


def _memory_peak_bytes() -> int:
    """The most memory that this process has had; stages that share it share the number."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
