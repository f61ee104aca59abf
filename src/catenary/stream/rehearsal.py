"""A stage that shows what it would do, and writes nothing: no lane, no head, no dead letter.

    take ──► [ read ──► enrich ──► show ]…

It begins where the stage's lanes are, or would, and goes on from there in memory. Parents are read as
they are just then: a batch that would wait for them says so, and goes on.

Held to account by: ``tests/unit/cli/test_group_by_streaming.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from catenary.ports import statuses
from catenary.state.records import FORMAT_KEY, READERS_KEY, UPLOADS_KEY, lanes_of, pack
from catenary.stream.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.plan.nodes import GroupByNode
    from catenary.plan.settings import ChainSettings
    from catenary.ports import Dataset, Log, SourcePartition, Store
    from catenary.stream.lanes import Input
    from catenary.stream.pipeline import Enriched
    from catenary.stream.stage import Reads
    from catenary.stream.waiting import Parents


class Rehearsal(Stage):
    """One GroupBy's stream, shown.

    Args:
        node, inputs, parents, log, settings, tabled: as of `Lanes`.
        scratch: a store that is thrown away, with what `copied` has put there.
        show: told of each step, and shown the rows that came out of it.
    """

    def __init__(
        self,
        node: GroupByNode,
        inputs: Sequence[Input],
        parents: Parents,
        log: Log,
        scratch: Store,
        settings: ChainSettings,
        *,
        tabled: bool,
        show: Callable[[str, pa.Table], None],
    ) -> None:
        super().__init__(node, inputs, parents, log, scratch, settings, tabled=tabled)
        self._show = show

    def wait(self, cut: dict[SourcePartition, int], stopped: Callable[[], bool]) -> int | None:
        """What the parents lack is told, not waited for."""
        lacking = self._parents.lacking(cut)
        if lacking:
            told = {"parent": [str(each) for each in lacking]}
            self._show("parents that would be waited for", pa.table(told))
        return statuses.LATE_PARENT if lacking else statuses.OK

    def commit(self, reads: Reads, enriched: Sequence[Enriched]) -> None:
        """Show what would be set aside, and go on; what would be aggregated was shown as it was made."""
        before = dict(self._lanes)
        for (read, records), each in zip(reads.lanes, enriched, strict=True):
            if each.letters:
                told = [
                    {
                        "record": f"{x.topic}/{x.partition}:{x.offset}",
                        "step": x.step,
                        "reason": x.reason,
                    }
                    for x in each.letters
                ]
                self._show("set aside", pa.Table.from_pylist(told))
            lane = before[read.id.key]
            rows = lane.rows + each.batch.rows.num_rows
            self._lanes[read.id.key] = replace(lane, position=records.next_offset, rows=rows)
        self.status.committed(before, self._lanes, enriched)

    def tend(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """There is nothing to tend."""
        return False


def copied(dataset: Dataset, scratch: Dataset) -> None:
    """Put what a stage begins with into another dataset: where its lanes and its uploads are."""
    with dataset.snapshot() as snapshot:
        records = {key: snapshot.get(key) for key in (FORMAT_KEY, READERS_KEY, UPLOADS_KEY)}
        lanes = {lane.id.record: pack(lane) for lane in lanes_of(snapshot).values()}
    held = {key: data for key, data in records.items() if data is not None}
    scratch.commit({}, sorted({**held, **lanes}.items()))
