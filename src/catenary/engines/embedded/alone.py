"""A GroupBy by itself: for each day every key that has a value, as of the day's end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.engines.embedded.columns import day_texts
from catenary.engines.embedded.derive import derived
from catenary.engines.embedded.parts import Tally, collect, folded, queries_of
from catenary.engines.embedded.scan import DAY, day_number
from catenary.engines.embedded.spill import Collector
from catenary.schema.arrow import to_arrow
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.plan.nodes import GroupByNode
    from catenary.engines.embedded.parts import Reader

_READS_AT_ONCE: Final = 1 << 20
_SEEN: Final = "__seen_"


def rows_alone(
    group_by: GroupByNode, days: Sequence[str], reader: Reader, tally: Tally
) -> dict[str, pa.Table]:
    """For each day its output rows, sorted by key: the keys, then the GroupBy's columns."""
    ends = _reads(group_by, _no_keys(group_by), days[-1:])
    events = collect(group_by, queries_of(group_by, ends, reader), reader, tally)
    try:
        if not events.spilled:
            buckets: Iterator[pa.Table] = iter([events.whole()])
        else:
            buckets = (rows for _, rows in events.buckets())
        found = [
            answer
            for rows in buckets
            for some in _chunks(days, rows.num_rows)
            for answer in _answers(group_by, rows, some, reader, tally)
        ]
    finally:
        events.close()
    return _by_day(group_by, pa.concat_tables(found), days)
