"""Which `ds` partitions a run computes: what is asked for, less what stands, and what that needs.

    targets [start, end] ──► days to compute ──► days to read ──► parents' days to compute ──► …

Walks from the targets to the tables. Exact, not cautious: for the days a node computes, a source is
read from the earliest window's floored start to the latest read, and `late_partitions` days more.

    left row of partition D:     D - late ≤ date(ts) ≤ D        (entities: ts is D+1 00:00)
    GroupBy alone, day D:        read at D+1 00:00
    snapshot accuracy:           every read floored to midnight
    entity snapshots:            the day before the read (with holds: the newest up to it)

A day that the rows' table lacks cannot be computed; it is reported. Nothing here reads a table.
Held to account by: ``tests/unit/plan/test_ranges.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.definitions import Accuracy
from catenary.errors import DefinitionError, MissingPartitionError
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.windows import DAY_MS, ds_of, ds_range, ds_start_ms, floor_ms, shift_ds

if TYPE_CHECKING:
    from catenary.plan.nodes import Node, Plan, ScanNode

Inputs = Callable[[str, str], Iterable[str]]
"""Existing days of a table, by its name and its partition column."""

Outputs = Callable[["Node"], Collection[str]]
"""Days of a node's output that stand, written with this very fingerprint."""


@dataclass(frozen=True)
class Reads:
    """The days of one source that a step reads.

    Attributes:
        table: the table, or the parent Join's name.
        days: those that exist (or will, of a parent), ascending.
        missing: days that should exist and do not: they count as empty, and the run says so.
    """

    table: str
    days: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What a run does for one node.

    Attributes:
        name: the node's.
        compute: the days to compute, ascending.
        standing: days that are needed and stand already.
        unavailable: days that were asked for and that the node's rows do not have.
        reads: what computing them reads, the left first.
    """

    name: str
    compute: tuple[str, ...]
    standing: tuple[str, ...]
    unavailable: tuple[str, ...]
    reads: tuple[Reads, ...]


@dataclass(frozen=True)
class Work:
    """The steps of a run, parents first; nodes of which nothing is needed are not among them."""

    steps: tuple[Step, ...]

    def step(self, name: str) -> Step | None:
        """The step of that node, if it has one."""
        return next((each for each in self.steps if each.name == name), None)


def partitions(
    plan: Plan,
    *,
    inputs: Inputs,
    outputs: Outputs,
    start: str | None = None,
    end: str | None = None,
    targets: Iterable[str] | None = None,
    force: bool = False,
    sparse: Callable[[str], bool] = lambda table: False,
) -> Work:
    """The days to compute of each node, so that the targets stand from `start` to `end`.

    Args:
        plan: what is planned.
        inputs: existing days of tables.
        outputs: standing days of outputs.
        start: first day of the targets; None for the first that their rows have.
        end: last day, included; None for the last that their rows have.
        targets: names; None for the plan's.
        force: compute the targets' days that stand, too.
        sparse: whether a day that a table lacks is one without rows, rather than missing.

    Raises:
        DefinitionError: if `start` comes after `end`.
        MissingPartitionError: if days were asked for and a target's rows have none of them.
    """
    if start is not None and end is not None and ds_start_ms(start) > ds_start_ms(end):
        problem = f"start={start} comes after end={end}"
        raise DefinitionError(problem, hint="both are days, and end is included")
    names = plan.targets if targets is None else tuple(targets)
    ranging = _Ranging(inputs, outputs, sparse)
    for name in names:
        ranging.ask(plan.node(name), start, end, force=force)
    return ranging.work(plan)


def partitions_for_reads(
    plan: Plan,
    node: Node,
    first_ms: int,
    last_ms: int,
    *,
    inputs: Inputs,
    outputs: Outputs,
    sparse: Callable[[str], bool] = lambda table: False,
) -> Work:
    """What parents must stand for `node` to be read at instants from `first_ms` to `last_ms`.

    For rows that a caller brings: the node's own left is not read, and `node` is no step.
    """
    ranging = _Ranging(inputs, outputs, sparse)
    parts = [node] if isinstance(node, GroupByNode) else [part.group_by for part in node.parts]
    for group_by in parts:
        ranging.reads(group_by, first_ms, last_ms)
    return ranging.work(plan)


def source_days(
    group_by: GroupByNode, source: ScanNode, first_ms: int, last_ms: int
) -> tuple[str | None, str]:
    """First and last partition of a source that reads from `first_ms` to `last_ms` may see.

    The source's own bounds apply. None as the first means from the beginning. For entities that
    hold, the newest snapshot at or before the first day is seen as well.
    """
    if group_by.accuracy is Accuracy.SNAPSHOT:
        first_ms, last_ms = floor_ms(first_ms, DAY_MS), floor_ms(last_ms, DAY_MS)
    # The last event that a read sees is a millisecond before it.
    last = ds_of(last_ms - 1)
    if source.is_snapshot:
        return _later(ds_of(first_ms - DAY_MS), source.start), _earlier(last, source.end)
    # A parent's row of entities has the end of its day as its time: it lies a day before that.
    before = 1 if source.left_is_entities else 0
    first = None
    if group_by.features and all(each.window_ms is not None for each in group_by.features):
        starts = [
            floor_ms(first_ms - (each.window_ms or 0), each.hop_ms or 1)
            for each in group_by.features
        ]
        first = ds_of(min(starts) - before * DAY_MS)
    last = shift_ds(last, source.late_partitions - before)
    return (source.start if first is None else _later(first, source.start)), _earlier(
        last, source.end
    )


class _Ranging:
    """Days wanted of each node, gathered from the targets downwards."""

    def __init__(self, inputs: Inputs, outputs: Outputs, sparse: Callable[[str], bool]) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._sparse = sparse
        self._compute: dict[str, set[str]] = {}
        self._standing: dict[str, set[str]] = {}
        self._unavailable: dict[str, set[str]] = {}
        self._existing: dict[tuple[str, str], tuple[str, ...]] = {}
        self._written: dict[str, frozenset[str]] = {}

    def ask(self, node: Node, start: str | None, end: str | None, *, force: bool) -> None:
        """Want a target's days."""
        there = self._available(node)
        if not there and start is None and end is None:
            return
        first = start or (there[0] if there else end)
        last = end or (there[-1] if there else start)
        assert first is not None
        assert last is not None
        asked = ds_range(first, last)
        found = set(there)
        wanted = [day for day in asked if day in found]
        if not wanted and (start is not None or end is not None):
            raise _nothing_there(node, asked or (first, last), there)
        self._unavailable.setdefault(node.name, set()).update(set(asked) - found)
        self._want(node, wanted, force=force)

    def reads(self, group_by: GroupByNode, first_ms: int, last_ms: int) -> list[Reads]:
        """What a GroupBy's sources give for these reads; wants the parents' days."""
        found: list[Reads] = []
        for source in group_by.sources:
            first, last = source_days(group_by, source, first_ms, last_ms)
            found.append(self._read(source, first, last))
        return found

    def work(self, plan: Plan) -> Work:
        """All that was wanted, as steps in the plan's order."""
        steps: list[Step] = []
        for node in plan.nodes:
            compute = tuple(sorted(self._compute.get(node.name, ())))
            standing = tuple(sorted(self._standing.get(node.name, set()) - set(compute)))
            unavailable = tuple(sorted(self._unavailable.get(node.name, ())))
            if compute or standing or unavailable:
                reads = tuple(self._step_reads(node, compute)) if compute else ()
                steps.append(Step(node.name, compute, standing, unavailable, reads))
        return Work(tuple(steps))

    def _want(self, node: Node, days: Iterable[str], *, force: bool = False) -> None:
        """Want days that the node can compute; what computing them needs is wanted in turn."""
        written = self._standing_days(node)
        wanted = set(days)
        kept = set() if force else wanted & written
        self._standing.setdefault(node.name, set()).update(kept)
        mine = self._compute.setdefault(node.name, set())
        fresh = wanted - kept - mine
        mine |= fresh
        if fresh:
            self._step_reads(node, tuple(sorted(fresh)))

    def _step_reads(self, node: Node, days: tuple[str, ...]) -> list[Reads]:
        instants = read_instants(node, days[0], days[-1])
        if isinstance(node, GroupByNode):
            return self.reads(node, *instants)
        found = [self._read_rows(node.left, days)]
        for part in node.parts:
            found += self.reads(part.group_by, *instants)
        return found

    def _read_rows(self, left: ScanNode, days: tuple[str, ...]) -> Reads:
        there = set(self._days(left))
        present = tuple(day for day in days if day in there)
        if left.parent is not None:
            self._want(left.parent, present)
        return Reads(left.table, present, tuple(day for day in days if day not in there))

    def _read(self, source: ScanNode, first: str | None, last: str) -> Reads:
        there = self._days(source)
        days = [day for day in there if (first is None or day >= first) and day <= last]
        if source.holds and first is not None and first not in days:
            days = [*[day for day in there if day < first][-1:], *days]
        if source.parent is not None:
            self._want(source.parent, days)
        return Reads(source.table, tuple(days), self._missing(source, there, first, last))

    def _missing(
        self, source: ScanNode, there: tuple[str, ...], first: str | None, last: str
    ) -> tuple[str, ...]:
        """Absent days after the source's first; late partitions may be yet to come."""
        if source.holds or self._sparse(source.table):
            return ()
        if not there:
            return () if first is None else ds_range(first, last)
        begin = there[0] if first is None else max(first, there[0])
        due = last if source.is_snapshot else shift_ds(last, -source.late_partitions)
        found = set(there)
        return tuple(day for day in ds_range(begin, due) if day not in found)

    def _days(self, source: ScanNode) -> tuple[str, ...]:
        """The days that a source has or can have, within its bounds."""
        if source.parent is not None:
            days = self._available(source.parent)
        else:
            key = (source.table, source.partition_column)
            if key not in self._existing:
                self._existing[key] = tuple(sorted(set(self._inputs(*key))))
            days = self._existing[key]
        return tuple(
            day
            for day in days
            if (source.start is None or day >= source.start)
            and (source.end is None or day <= source.end)
        )

    def _available(self, node: Node) -> tuple[str, ...]:
        """The days that a node can have: those of its rows, and those that stand."""
        days = self._days(node.left) if isinstance(node, JoinNode) else self._group_by_days(node)
        return tuple(sorted({*days, *self._standing_days(node)}))

    def _group_by_days(self, node: GroupByNode) -> tuple[str, ...]:
        """Of events, every day from the first to the last; of snapshots, those that exist."""
        each = [self._days(source) for source in node.sources]
        days = sorted({day for several in each for day in several})
        between = not node.sources[0].is_snapshot or any(source.holds for source in node.sources)
        return ds_range(days[0], days[-1]) if days and between else tuple(days)

    def _standing_days(self, node: Node) -> frozenset[str]:
        if node.name not in self._written:
            self._written[node.name] = frozenset(self._outputs(node))
        return self._written[node.name]


def read_instants(node: Node, first: str, last: str) -> tuple[int, int]:
    """The first and the last instant at which rows of these partitions may read.

    Entities, and GroupBys alone, read at the end of their day.
    """
    start, end = ds_start_ms(first), ds_start_ms(last) + DAY_MS
    if isinstance(node, GroupByNode):
        return start + DAY_MS, end
    start, end = start + node.shift_ms, end + node.shift_ms
    if node.left.at_day_end:
        return start + DAY_MS, end
    return start - node.left.late_partitions * DAY_MS, end - 1


def _nothing_there(
    node: Node, asked: tuple[str, ...], there: tuple[str, ...]
) -> MissingPartitionError:
    rows = node.left if isinstance(node, JoinNode) else node.sources[0]
    span = asked[0] if asked[0] == asked[-1] else f"{asked[0]} to {asked[-1]}"
    problem = f"{node.name!r}: its rows in {rows.table!r} have no partition from {span}"
    has = f"it has {there[0]} to {there[-1]}" if there else "it has none at all"
    return MissingPartitionError(problem, where=rows.where, hint=has)


def _later(day: str, bound: str | None) -> str:
    return day if bound is None else max(day, bound)


def _earlier(day: str, bound: str | None) -> str:
    return day if bound is None else min(day, bound)
