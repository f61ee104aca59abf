"""The rows of one key behind a value, from the tables: for explaining a value, not for computing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.engines.embedded.parts import Tally
from catenary.engines.embedded.run import Run
from catenary.engines.embedded.sources import Account
from catenary.engines.embedded.upload import counting
from catenary.state.keys import entities
from catenary.state.layouts import inputs_of

if TYPE_CHECKING:
    from catenary.plan.nodes import GroupByNode
    from catenary.ports import Job


def events(job: Job, node: GroupByNode, entity: bytes, at_ms: int) -> pa.Table:
    """The rows of one entity that a read as of an instant may count, by time.

    Args:
        job: its range is not used; parents are computed as far as they are needed.
        node: the GroupBy.
        entity: its key's bytes.
        at_ms: rows strictly before it.

    Returns:
        The accumulators' inputs and `ts`.
    """
    names = [*dict.fromkeys((*inputs_of(node), "ts"))]
    found: list[pa.Table] = []
    with Run(job) as run:
        run.prepare(node, at_ms, at_ms)
        for rows in counting(run, node, at_ms, Account(), Tally()):
            codes, known = entities(rows.select([name for name, _ in node.keys]))
            code = known.index(entity) if entity in known else -2
            mine = rows.filter(pa.array(codes == np.int32(code))).select(names)
            found.append(mine.filter(pc.less(mine.column("ts"), at_ms)))
    return pa.concat_tables(found).sort_by("ts")
