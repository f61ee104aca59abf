"""The embedded engine's entry: what it can do, a backfill, and features for given rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catenary.engines.embedded.events import events
from catenary.engines.embedded.parts import Tally, read_part
from catenary.engines.embedded.run import Run, is_read
from catenary.engines.embedded.sources import Account
from catenary.engines.embedded.upload import upload
from catenary.plan.nodes import GroupByNode
from catenary.ports import Capabilities, NodeReport, RunReport
from catenary.rows.columns import day_texts, int64_values, normal_column
from catenary.rows.joins import joined, reads_of, renamed
from catenary.schema import BIGINT
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.plan.nodes import Node
    from catenary.ports import Dataset, Job, UploadReport


class EmbeddedEngine:
    """Runs plans in this process."""

    capabilities = Capabilities(batch=True, stream=False)

    def backfill(self, job: Job) -> RunReport:
        """Write the missing partitions of the targets, and of the parents that they need."""
        targets = set(job.plan.targets)
        with Run(job) as run:
            run.claim([n for n in job.plan.nodes if n.name in targets or is_read(job, n)])
            return run.carry_out(run.asked())

    def features(self, job: Job, node: Node, rows: pa.Table) -> tuple[pa.Table, RunReport]:
        """The rows' columns, then the features of `node` for them, in their order."""
        begun = time.perf_counter()
        at = rows.column_names.index("ts")
        rows = rows.set_column(at, "ts", normal_column(rows.column("ts"), BIGINT, "ts"))
        extremes = pc.min_max(rows.column("ts"))
        first, last = extremes["min"].as_py() or 0, extremes["max"].as_py() or 0
        if not isinstance(node, GroupByNode):
            first, last = first + node.shift_ms, last + node.shift_ms
        with Run(job) as run:
            report = run.prepare(node, first, last)
            account = Account()
            output = _answered(run, node, rows, first, last, account)
        mine = NodeReport(
            node.name,
            rows=output.num_rows,
            null_times=sum(account.null_times.values()),
            null_keys=sum(account.null_keys.values()),
            misplaced=sum(account.misplaced.values()),
            unlikely=dict(account.unlikely),
            overflows=dict(account.overflows),
            seconds=time.perf_counter() - begun - report.seconds,
        )
        return output, RunReport((*report.nodes, mine), time.perf_counter() - begun)

    def events(self, job: Job, node: GroupByNode, entity: bytes, at_ms: int) -> pa.Table:
        """The rows of one entity that a read as of an instant may count, by time."""
        return events(job, node, entity, at_ms)

    def upload(
        self,
        job: Job,
        node: GroupByNode,
        cutoff_ms: int,
        dataset: Dataset,
        *,
        frontier: Mapping[str, int] | None,
        tail_ms: int | None,
    ) -> UploadReport:
        """A GroupBy's batch partials up to a cut-off, in its dataset."""
        return upload(job, node, cutoff_ms, dataset, frontier=frontier, tail_ms=tail_ms)


def _answered(
    run: Run, node: Node, rows: pa.Table, first: int, last: int, account: Account
) -> pa.Table:
    times, nulls = int64_values(rows.column("ts"))
    left = rows.drop_columns(["ds"]) if "ds" in rows.column_names else rows
    left = left.append_column("ds", day_texts(times // DAY_MS, nulls))
    if isinstance(node, GroupByNode):
        tally = Tally()
        reader = run.sources.reader(node, first, last, account)
        columns = read_part(
            node, left.select([*(k for k, _ in node.keys), "ts", "ds"]), reader, tally
        )
        account.take_part(node, tally)
        features = {name: columns.column(name) for name in node.schema}
    else:
        parts: list[pa.Table] = []
        for part in node.parts:
            tally = Tally()
            reader = run.sources.reader(part.group_by, first, last, account)
            reads = reads_of(part, left)
            found = read_part(part.group_by, reads, reader, tally, node.shift_ms)
            account.take_part(part.group_by, tally)
            parts.append(renamed(part, found))
        whole = joined(node, left, parts, carried=())
        features = {name: whole.column(name) for name in whole.column_names}
    output = {name: rows.column(name) for name in rows.column_names}
    for name, column in features.items():
        held = output.get(name)
        output[name] = column if held is None else pc.coalesce(held, column)
    return pa.table(output)
