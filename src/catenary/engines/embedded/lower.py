"""What a partition is computed from: the days of every source, and a token that says so.

Pure arithmetic over days; nothing is read. Which days a run computes is the plan's to say
(`plan.partitions`); here stands which input days each of them reads, so that a partition that was
written before a late one of its inputs landed is known to be provisional. (semantics 4 and 23)
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from catenary.plan import read_instants, source_days
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.windows import ds_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catenary.plan.nodes import Node, ScanNode


def days_read(
    group_by: GroupByNode, scan: ScanNode, existing: Sequence[str], first_ms: int, last_ms: int
) -> tuple[str, ...]:
    """Of the existing days (ascending), those that reads between two instants may see."""
    first, last = source_days(group_by, scan, first_ms, last_ms)
    begin = 0 if first is None else bisect_left(existing, first)
    if scan.holds and begin > 0 and existing[begin : begin + 1] != [first]:
        begin -= 1
    return tuple(existing[begin : bisect_right(existing, last)])


def steps(days: Sequence[str], step_days: int | None) -> Iterator[tuple[str, ...]]:
    """The days a few at a time, or all at once."""
    size = step_days or max(1, len(days))
    for at in range(0, len(days), size):
        yield tuple(days[at : at + size])


class Calendar:
    """The days of every source, and the token of every partition.

    Args:
        existing: the days of a table, by its name and partition column.
    """

    def __init__(self, existing: Callable[[str, str], Sequence[str]]) -> None:
        self._existing = existing
        self._tokens: dict[tuple[str, str], str] = {}
        self._days: dict[str, tuple[str, ...]] = {}

    def days(self, scan: ScanNode) -> tuple[str, ...]:
        """The days that a source has, or that its parent can be computed for, within its bounds."""
        if scan.fingerprint not in self._days:
            if scan.parent is not None:
                days: Sequence[str] = self.days(scan.parent.left)
            else:
                days = self._existing(scan.table, scan.partition_column)
            self._days[scan.fingerprint] = tuple(
                ds
                for ds in days
                if (scan.start is None or ds >= scan.start) and (scan.end is None or ds <= scan.end)
            )
        return self._days[scan.fingerprint]

    def possible(self, node: Node) -> tuple[str, ...]:
        """The days that the node can have: those of its left, or all that its sources span."""
        if isinstance(node, JoinNode):
            return self.days(node.left)
        days = [ds for scan in node.sources for ds in self.days(scan)]
        return ds_range(min(days), max(days)) if days else ()

    def token(self, node: Node, ds: str) -> str:
        """A digest of the input days of one partition; of parents, of their tokens."""
        key = (node.name, ds)
        if key not in self._tokens:
            digest = hashlib.blake2b(digest_size=12)
            for scan, days in self._inputs(node, ds):
                if scan.parent is not None:
                    days = [self.token(scan.parent, day) for day in days]
                digest.update(f"{scan.table}|{','.join(days)};".encode())
            self._tokens[key] = digest.hexdigest()
        return self._tokens[key]

    def current(self, node: Node, written: Mapping[str, str]) -> set[str]:
        """Of the partitions that stand, those written from the very input days that exist now."""
        return {ds for ds, token in written.items() if token == self.token(node, ds)}

    def _inputs(self, node: Node, ds: str) -> Iterator[tuple[ScanNode, Sequence[str]]]:
        if isinstance(node, JoinNode):
            yield node.left, [ds]
            group_bys = [part.group_by for part in node.parts]
        else:
            group_bys = [node]
        first_ms, last_ms = read_instants(node, ds, ds)
        for group_by in group_bys:
            for scan in group_by.sources:
                yield scan, days_read(group_by, scan, self.days(scan), first_ms, last_ms)
