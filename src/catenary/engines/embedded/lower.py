"""A plan's days: which partitions of which tables a partition of an output is computed from.

Pure arithmetic over days; nothing is read. Reads of a Join's partition D lie in
`[D - late, D + 1)`, so a source with windows that reach back `r` is read over the partitions

    day(D - late - r)  …  D + late of the source

since a row may lie up to `late` partitions after its own day. (semantics 1, 4 and 23)
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.windows import DAY_MS, shift_ds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.plan.nodes import Node, Plan, ScanNode


@dataclass(frozen=True)
class Input:
    """One source that a node reads.

    Attributes:
        before: how many days before the output's partition are read; None for all.
        after: how many days after it.
    """

    scan: ScanNode
    before: int | None
    after: int

    def days(self, first: str, last: str, existing: Sequence[str]) -> tuple[str, ...]:
        """Of `existing` (ascending), the days read for output partitions `first` to `last`."""
        begin = 0
        if self.before is not None:
            begin = bisect_left(existing, shift_ds(first, -self.before))
        end = bisect_right(existing, shift_ds(last, self.after))
        return tuple(existing[begin:end])


def bounded(scan: ScanNode, days: Sequence[str]) -> tuple[str, ...]:
    """The days within the source's own bounds."""
    return tuple(
        ds
        for ds in days
        if (scan.start is None or scan.start <= ds) and (scan.end is None or ds <= scan.end)
    )


def source_input(group_by: GroupByNode, scan: ScanNode, *, late: int) -> Input:
    """How far a GroupBy's source is read for rows that lie up to `late` days after their own."""
    if scan.kind == "entities":
        return Input(scan, None if scan.holds else late + 1, 0)
    if group_by.reach_ms is None:
        return Input(scan, None, scan.late_partitions)
    # A parent's row of entities has the end of its day as its time: one more day back.
    back = -(-group_by.reach_ms // DAY_MS) + late + (1 if scan.left_is_entities else 0)
    return Input(scan, back, scan.late_partitions)


def inputs(node: Node) -> tuple[Input, ...]:
    """Everything that a node reads, a Join's left first."""
    if isinstance(node, GroupByNode):
        return tuple(source_input(node, scan, late=0) for scan in node.sources)
    left = Input(node.left, 0, 0)
    of_parts = {
        id(scan): source_input(part.group_by, scan, late=node.left.late_partitions)
        for part in node.parts
        for scan in part.group_by.sources
    }
    return (left, *of_parts.values())


class Calendar:
    """Which days exist, are needed and stand, for all tables of one plan.

    Args:
        existing: source table to its partitions, ascending.
        written: node name to its partitions that stand and their tokens.
    """

    def __init__(
        self,
        plan: Plan,
        existing: Mapping[tuple[str, str], Sequence[str]],
        written: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.plan = plan
        self._existing = existing
        self._written = written
        self._tokens: dict[tuple[str, str], str] = {}
        self._available: dict[str, tuple[str, ...]] = {}

    def scan_days(self, scan: ScanNode) -> tuple[str, ...]:
        """The days of a source that exist, or that its parent can be computed for."""
        if scan.parent is not None:
            return bounded(scan, self.available(scan.parent))
        return bounded(scan, self._existing[scan.table, scan.partition_column])

    def available(self, node: Node) -> tuple[str, ...]:
        """The days that a node can be computed for: those of its left, or of any of its sources."""
        if node.name not in self._available:
            scans = (node.left,) if isinstance(node, JoinNode) else node.sources
            days = sorted({ds for scan in scans for ds in self.scan_days(scan)})
            self._available[node.name] = tuple(days)
        return self._available[node.name]

    def needed(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """The days of every Join that the wanted days of some nodes need, those days included."""
        days: dict[str, set[str]] = {name: set(each) for name, each in wanted.items()}
        for node in reversed(self.plan.nodes):
            if not days.get(node.name):
                continue
            first, last = min(days[node.name]), max(days[node.name])
            for each in inputs(node):
                if each.scan.parent is not None:
                    read = each.days(first, last, self.scan_days(each.scan))
                    days.setdefault(each.scan.parent.name, set()).update(read)
        return {node.name: tuple(sorted(days.get(node.name, ()))) for node in self.plan.nodes}

    def stands(self, node: Node, ds: str) -> bool:
        """Whether a partition was written from the very input partitions that exist now."""
        return self._written.get(node.name, {}).get(ds) == self.token(node, ds)

    def token(self, node: Node, ds: str) -> str:
        """What a partition is computed from, as a short digest: input partitions, parents' tokens."""
        key = (node.name, ds)
        if key not in self._tokens:
            digest = hashlib.blake2b(digest_size=12)
            for each in inputs(node):
                read = each.days(ds, ds, self.scan_days(each.scan))
                parent = each.scan.parent
                if parent is not None:
                    read = tuple(self.token(parent, day) for day in read)
                digest.update(f"{each.scan.table}|{','.join(read)};".encode())
            self._tokens[key] = digest.hexdigest()
        return self._tokens[key]


@dataclass(frozen=True)
class Steps:
    """Days in the order in which they are computed, a few at a time."""

    days: tuple[str, ...]
    step_days: int | None

    @cached_property
    def steps(self) -> tuple[tuple[str, ...], ...]:
        """The days of each step."""
        size = self.step_days or max(1, len(self.days))
        return tuple(self.days[at : at + size] for at in range(0, len(self.days), size))
