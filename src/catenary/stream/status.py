"""What a stage says of itself: counts, rates and waits, for `status`, metrics and the page."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.state.records import Lane
    from catenary.stream.pipeline import Enriched


@dataclass
class Status:
    """One stage since it was started.

    Attributes:
        stage: the GroupBy's name.
        batches, rows: committed so far.
        dead_letters: rows and records set aside.
        null_keys: rows that belong to no key.
        waits: how often parents were waited for.
        waited_s: for how long, together; `longest_wait_s` the longest.
        waiting_for: what is being waited for, in words; empty if nothing is.
        edges: (parent, status) to how many rows were enriched with it.
        began_s: by the monotonic clock.
    """

    stage: str
    batches: int = 0
    rows: int = 0
    dead_letters: int = 0
    null_keys: int = 0
    waits: int = 0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    waiting_for: str = ""
    edges: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    began_s: float = field(default_factory=time.monotonic)

    def waited(self, seconds: float) -> None:
        """Parents were waited for."""
        self.waits += 1
        self.waited_s += seconds
        self.longest_wait_s = max(self.longest_wait_s, seconds)
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
            self.edges.update(each.statuses)

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
            "waits": self.waits,
            "waited_ms": round(self.waited_s * 1000, 1),
            "longest_wait_ms": round(self.longest_wait_s * 1000, 1),
            "waiting_for": self.waiting_for,
            "edges": {
                f"{parent}:{status}": many for (parent, status), many in sorted(self.edges.items())
            },
        }
