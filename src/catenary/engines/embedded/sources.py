"""Where a run finds its tables, and the account of rows that do not count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.engines.embedded.lower import Calendar, days_read
from catenary.engines.embedded.parts import Reader, Tally
from catenary.engines.embedded.scan import Aside, day_number, scan_left, scan_right

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.plan.nodes import GroupByNode, ScanNode
    from catenary.ports import Job, OutputTable, Table


_KEPT_BYTES: Final = 512 << 20


@dataclass
class Account:
    """What one node did not count; a row that several steps read is counted once."""

    null_times: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    misplaced: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    null_keys: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    overflows: Counter[str] = field(default_factory=Counter[str])
    unlikely: dict[str, int] = field(default_factory=dict[str, int])

    def take(self, source: str, aside: Aside) -> None:
        """Note what a scan did not count, or doubted."""
        self.unlikely.update(aside.unlikely)
        for ours, theirs in (
            (self.null_times, aside.null_times),
            (self.misplaced, aside.misplaced),
        ):
            for day, count in theirs.items():
                ours[source, day] = count

    def take_part(self, group_by: GroupByNode, tally: Tally) -> None:
        """Note what a part counted."""
        for day, count in tally.null_keys.items():
            self.null_keys[group_by.fingerprint, day] = count
        for name, count in tally.overflows.items():
            self.overflows[f"{group_by.name}.{name}"] += count


class Scans:
    """Rows that were read once in a run and are read again, by another Join or part.

    Args:
        budget: bytes to keep; what came first stays, since lefts of one run come in turn.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._kept: dict[tuple[str, str, tuple[str, ...]], tuple[list[pa.Table], Aside]] = {}

    def rows(
        self, side: str, scan: ScanNode, table: Table, days: Sequence[str], aside: Aside
    ) -> Iterator[pa.Table]:
        """What `scan_left` or `scan_right` gives, as `side` says."""
        key = (side, scan.fingerprint, tuple(days))
        if key not in self._kept:
            yield from self._read(key, scan, table, days, aside)
            return
        rows, counted = self._kept[key]
        aside.null_times.update(counted.null_times)
        aside.misplaced.update(counted.misplaced)
        aside.unlikely.update(counted.unlikely)
        yield from rows

    def _read(
        self,
        key: tuple[str, str, tuple[str, ...]],
        scan: ScanNode,
        table: Table,
        days: Sequence[str],
        aside: Aside,
    ) -> Iterator[pa.Table]:
        """Read, and keep what was read if all of it fits."""
        counted, held, size = Aside(), list[pa.Table](), 0
        read = scan_left if key[0] == "left" else scan_right
        for rows in read(scan, table, days, counted):
            size += rows.nbytes
            if size <= self._left:
                held.append(rows)
            else:
                held.clear()
            yield rows
        aside.null_times.update(counted.null_times)
        aside.misplaced.update(counted.misplaced)
        aside.unlikely.update(counted.unlikely)
        if size <= self._left:
            self._left -= size
            self._kept[key] = (held, counted)


class Sources:
    """The tables of a run: sources, and the outputs of parents."""

    def __init__(self, job: Job) -> None:
        self._job = job
        limit = job.limits.memory_bytes
        self._scans = Scans(_KEPT_BYTES if limit is None else min(_KEPT_BYTES, limit // 16))
        self._tables: dict[tuple[str, str], Table] = {}
        self._days: dict[tuple[str, str], tuple[str, ...]] = {}
        self.outputs: dict[str, OutputTable] = {}
        self.calendar = Calendar(self.existing)

    def table(self, name: str, partition_column: str) -> Table:
        """A source table."""
        key = (name, partition_column)
        if key not in self._tables:
            found = self._job.tables.table(name, partition_column=partition_column)
            self._tables[key] = found
        return self._tables[key]

    def existing(self, name: str, partition_column: str) -> tuple[str, ...]:
        """A source table's days, as they were when the run first asked."""
        key = (name, partition_column)
        if key not in self._days:
            self._days[key] = self.table(name, partition_column).partitions()
        return self._days[key]

    def sparse(self, name: str) -> bool:
        """Whether a day that the table lacks is one without rows."""
        return any(table.sparse for (held, _), table in self._tables.items() if held == name)

    def of(self, scan: ScanNode) -> Table:
        """What a scan reads."""
        if scan.parent is not None:
            return self.outputs[scan.parent.name]
        return self.table(scan.table, scan.partition_column)

    def days(self, scan: ScanNode) -> list[str]:
        """The days that a scan can read now."""
        days = self.calendar.days(scan)
        if scan.parent is None:
            return list(days)
        there = set(self.outputs[scan.parent.name].partitions())
        return [ds for ds in days if ds in there]

    def left(self, scan: ScanNode, days: Sequence[str], aside: Aside) -> Iterator[pa.Table]:
        """The rows of a Join's left."""
        return self._scans.rows("left", scan, self.of(scan), days, aside)

    def reader(
        self, group_by: GroupByNode, first_ms: int, last_ms: int, account: Account
    ) -> Reader:
        """What a GroupBy reads with, for reads between two instants."""

        def rows(scan: ScanNode) -> Iterator[pa.Table]:
            days = days_read(group_by, scan, self.days(scan), first_ms, last_ms)
            aside = Aside()
            yield from self._scans.rows("right", scan, self.of(scan), days, aside)
            account.take(scan.fingerprint, aside)

        def snapshots(scan: ScanNode) -> np.ndarray:
            return _numbers(self.days(scan))

        return Reader(rows, snapshots, self._job.limits)


def _numbers(days: Sequence[str]) -> np.ndarray:
    return np.array([day_number(ds) for ds in days], np.int64)
