"""One run: the steps of its plan in order, each node's missing days computed and written.

    plan.partitions ──► for each node, parents first: for each few days:
        left ──► parts (shared among the Joins of the run) ──► output rows ──► one file per day

A partition is written once all of its columns are there, so whatever stops a run leaves whole
partitions; the next run computes only what is missing.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.engines.embedded.alone import rows_alone
from catenary.engines.embedded.lower import steps
from catenary.engines.embedded.parts import Tally, read_part
from catenary.engines.embedded.scan import DAY, Aside, day_number
from catenary.engines.embedded.sources import Account, Sources
from catenary.errors import BackfillError, CatenaryError, DataError
from catenary.plan import partitions, partitions_for_reads, read_instants
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.ports import NodeReport, RunReport
from catenary.rows.columns import dates_of, day_texts
from catenary.rows.joins import joined, reads_of, renamed
from catenary.schema import Schema
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.plan import Step, Work
    from catenary.plan.nodes import Node, PartNode, ScanNode
    from catenary.ports import Job


def output_schema(node: Node) -> Schema:
    """The columns of a node's output table, without `ds`."""
    if isinstance(node, JoinNode):
        return node.schema
    keys = dict(node.keys)
    return Schema.of({**keys, **{name: t for name, t in node.schema.items() if name not in keys}})


def is_read(job: Job, node: Node) -> bool:
    """Whether another node of the plan reads its output."""
    group_bys = [each for each in job.plan.nodes if isinstance(each, GroupByNode)]
    joins = [each for each in job.plan.nodes if isinstance(each, JoinNode)]
    group_bys += [part.group_by for each in joins for part in each.parts]
    scans = [each.left for each in joins] + [s for each in group_bys for s in each.sources]
    return any(scan.parent is not None and scan.parent.name == node.name for scan in scans)


class Run:
    """A job under way. Use it as a context: it holds the output tables' locks."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.sources = Sources(job)
        self._open = ExitStack()
        self._parts: dict[tuple[str, str], pa.Table] = {}
        self._wanted: Counter[tuple[str, str]] = Counter()
        self._done: dict[str, set[str]] = {}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def claim(self, nodes: Sequence[Node]) -> None:
        """Open the output tables of these nodes; in the order of names, as every run does."""
        for node in sorted(nodes, key=lambda each: each.name):
            context = self.job.outputs.open(node.name, node.fingerprint, output_schema(node))
            self.sources.outputs[node.name] = self._open.enter_context(context)

    def current(self, node: Node) -> set[str]:
        """The days of a node's output that need not be computed again."""
        output = self.sources.outputs.get(node.name)
        return set() if output is None else self.sources.calendar.current(node, output.written())

    def asked(self) -> Work:
        """The days to compute for the job's targets."""
        job = self.job
        return partitions(
            job.plan,
            inputs=self.sources.existing,
            outputs=self.current,
            start=job.start,
            end=job.end,
            force=job.force,
            sparse=self.sources.sparse,
        )

    def prepare(self, node: Node, first_ms: int, last_ms: int) -> RunReport:
        """Compute and write what reads of a node at these instants need of its parents."""
        job = self.job
        self.claim([each for each in job.plan.nodes if is_read(job, each)])
        work = partitions_for_reads(
            job.plan,
            node,
            first_ms,
            last_ms,
            inputs=self.sources.existing,
            outputs=self.current,
            sparse=self.sources.sparse,
        )
        return self.carry_out(work)

    def carry_out(self, work: Work) -> RunReport:
        """Compute and write all steps.

        Raises:
            BackfillError: if it stopped midway.
        """
        begun = time.perf_counter()
        for step in work.steps:
            node = self.job.plan.node(step.name)
            if isinstance(node, JoinNode):
                self._wanted.update(
                    (part.fingerprint, ds) for part in node.parts for ds in step.compute
                )
        reports = [self._step(step, work) for step in work.steps]
        # All at the end, so that a reader finds no table without those that it is chained on.
        published = tuple(replace(each, lacking=self._publish(each.name)) for each in reports)
        return RunReport(published, time.perf_counter() - begun)

    def _publish(self, name: str) -> tuple[str, ...]:
        possible = self.sources.calendar.possible(self.job.plan.node(name))
        return self.sources.outputs[name].publish(possible)

    def _step(self, step: Step, work: Work) -> NodeReport:
        begun = time.perf_counter()
        node, account = self.job.plan.node(step.name), Account()
        rows = 0
        self.job.meter.begin(node.name, len(step.compute))
        try:
            for days, output in self._whole_days(node, step.compute, account):
                rows += self._write(node, days, output)
        except CatenaryError as error:
            raise self._stopped(error, node, step, work) from error
        self.job.meter.end(node.name)
        return NodeReport(
            node.name,
            node.name,
            step.compute,
            step.standing,
            rows,
            null_times=sum(account.null_times.values()),
            null_keys=sum(account.null_keys.values()),
            misplaced=sum(account.misplaced.values()),
            unlikely=dict(account.unlikely),
            overflows=dict(account.overflows),
            unavailable=step.unavailable,
            missing={each.table: each.missing for each in step.reads if each.missing},
            seconds=time.perf_counter() - begun,
        )

    def _whole_days(
        self, node: Node, days: Sequence[str], account: Account
    ) -> Iterator[tuple[Sequence[str], dict[str, pa.Table]]]:
        """Like `_outputs`, but rows that cannot be read stop only the days that read them.

        Days are computed together; where that fails they are halved, so that the days before the
        first that fails are written, and it is known which one that is.
        """
        given = 0
        try:
            for some, output in self._outputs(node, days, account):
                yield some, output
                given += len(some)
        except DataError:
            left = days[given:]
            if len(left) <= 1:
                raise
            middle = len(left) // 2
            yield from self._whole_days(node, left[:middle], account)
            yield from self._whole_days(node, left[middle:], account)

    def _outputs(
        self, node: Node, days: Sequence[str], account: Account
    ) -> Iterator[tuple[Sequence[str], dict[str, pa.Table]]]:
        """Some days at a time, and the output rows of each."""
        if isinstance(node, GroupByNode):
            for some in steps(days, self.job.limits.step_days):
                tally = Tally()
                reader = self.sources.reader(node, *read_instants(node, some[0], some[-1]), account)
                yield some, rows_alone(node, some, reader, tally)
                account.take_part(node, tally)
            return
        for some, left in self._left(node, days, account):
            parts = [self._part(node, part, some, left, account) for part in node.parts]
            output = joined(node, left, parts)
            spans = _spans(left, some)
            yield some, {ds: output.slice(*spans[ds]) for ds in some}

    def _left(
        self, node: JoinNode, days: Sequence[str], account: Account
    ) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
        """The left's rows, as many days together as a step and the memory allow."""
        limits = self.job.limits
        budget = None if limits.memory_bytes is None else limits.memory_bytes // 8
        aside = Aside()
        for some in steps(days, limits.step_days):
            held: list[pa.Table] = []
            together: list[str] = []
            for few in steps(some, None if budget is None else 1):
                together += few
                held += self.sources.left(node.left, few, aside)
                if budget is not None and sum(each.nbytes for each in held) > budget:
                    yield tuple(together), _joined_rows(node, held)
                    held, together = [], []
            if together:
                yield tuple(together), _joined_rows(node, held)
        account.take(node.left.fingerprint, aside)

    def _part(
        self,
        node: JoinNode,
        part: PartNode,
        days: Sequence[str],
        left: pa.Table,
        account: Account,
    ) -> pa.Table:
        """A part's columns for the left's rows; what another Join of the run needs too is kept."""
        keys = [(part.fingerprint, ds) for ds in days]
        if all(key in self._parts for key in keys):
            columns = pa.concat_tables([self._parts[key] for key in keys])
        else:
            tally = Tally()
            instants = read_instants(node, days[0], days[-1])
            reader = self.sources.reader(part.group_by, *instants, account)
            reads = reads_of(part, left)
            columns = read_part(part.group_by, reads, reader, tally, node.shift_ms)
            account.take_part(part.group_by, tally)
            for ds, span in _spans(left, days).items():
                self._parts[part.fingerprint, ds] = columns.slice(*span)
        for key in keys:
            self._wanted[key] -= 1
            if self._wanted[key] <= 0:
                del self._parts[key]
        return renamed(part, columns)

    def _write(self, node: Node, days: Sequence[str], output: dict[str, pa.Table]) -> int:
        """Write each day, a few at once; those that stand are told as they do."""
        table, calendar = self.sources.outputs[node.name], self.sources.calendar

        def write(ds: str) -> int:
            table.write(ds, output[ds], inputs=calendar.token(node, ds))
            return output[ds].num_rows

        for ds in days:
            calendar.token(node, ds)
        total = 0
        with ThreadPoolExecutor(2 * self.job.limits.threads) as pool:
            waiting = {ds: pool.submit(write, ds) for ds in days}
            try:
                for ds, each in waiting.items():
                    rows = each.result()
                    total += rows
                    self._done.setdefault(node.name, set()).add(ds)
                    self.job.meter.advance(node.name, 1, rows)
            finally:
                for each in waiting.values():
                    each.cancel()
        return total

    def _stopped(self, error: CatenaryError, node: Node, step: Step, work: Work) -> BackfillError:
        """What went wrong, what stands, and how to go on."""
        missing = self._still_missing(node, step)
        whole = len(step.compute) - len(missing)
        stopped = f" at ds={missing[0]}" if missing else ""
        problem = f"backfill of {node.name!r} stopped{stopped}: {error.problem}"
        stands = f"{whole} of {len(step.compute)} partitions of this run stand"
        cause = f"{error.hint}; " if error.hint else ""
        hint = f"{cause}{stands}; go on with: {self._resume(work)}"
        return BackfillError(problem, where=error.where, hint=hint)

    def _still_missing(self, node: Node, step: Step) -> list[str]:
        """The step's days that the next run has to compute."""
        done = self._done.get(node.name, set())
        if not self.job.force:
            done = done | self.current(node)
        return [ds for ds in step.compute if ds not in done]

    def _resume(self, work: Work) -> str:
        """What computes the rest, and only that."""
        asked = self._range(work)
        if asked is None:
            return "the same call, once that is mended"
        first, last = asked
        if self.job.force:
            # Days that this run wrote are not to be computed a third time.
            mine = [step for step in work.steps if step.name in self.job.plan.targets]
            left = [
                ds
                for step in mine
                for ds in self._still_missing(self.job.plan.node(step.name), step)
            ]
            first = min(left, default=first)
        if self.job.command is None:
            return f"the same call, start={first!r}, end={last!r}"
        force = ("--force",) if self.job.force else ()
        words = (*self.job.command, *self.job.plan.targets, "--start", first, "--end", last, *force)
        return shlex.join(words)

    def _range(self, work: Work) -> tuple[str, str] | None:
        """The range that the targets were asked for; None where rows were brought instead of days."""
        days = [
            ds
            for step in work.steps
            if step.name in self.job.plan.targets
            for ds in (*step.compute, *step.standing)
        ]
        if not days:
            return None
        return (self.job.start or min(days)), (self.job.end or max(days))


def _joined_rows(node: JoinNode, held: list[pa.Table]) -> pa.Table:
    """The left's rows with the `ds` that derivations see."""
    if not held:
        columns = schema_to_arrow(node.left.schema)
        columns = columns.append(pa.field("ts", pa.int64())).append(pa.field(DAY, pa.int32()))
        held = [columns.empty_table()]
    return _with_ds(pa.concat_tables(held), node.left)


def _spans(left: pa.Table, days: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Offset and length of each partition's rows; the left's rows lie in the order of days."""
    held = left.column(DAY).to_numpy()
    wanted = np.array([day_number(ds) for ds in days], held.dtype)
    starts = np.searchsorted(held, wanted)
    counts = np.searchsorted(held, wanted, side="right") - starts
    return {
        ds: (start, count)
        for ds, start, count in zip(days, starts.tolist(), counts.tolist(), strict=True)
    }


def _with_ds(left: pa.Table, scan: ScanNode) -> pa.Table:
    """The left's rows with the `ds` that derivations see.

    It is the UTC date of `ts`; rows that come from entities keep their partition (semantics 4).
    """
    if scan.kind == "entities" or scan.left_is_entities:
        return left.append_column("ds", day_texts(left.column(DAY).to_numpy().astype(np.int64)))
    return left.append_column("ds", dates_of(left.column("ts")))
