"""A GroupBy by itself: for each day every key that has a value, as of the day's end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.engines.embedded.parts import answer, collect, queries_of
from catenary.engines.embedded.scan import DAY, day_number
from catenary.rows.columns import day_texts
from catenary.rows.derive import derived
from catenary.schema.arrow import to_arrow
from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.engines.embedded.parts import Reader, Tally
    from catenary.plan.nodes import GroupByNode

_READS_AT_ONCE: Final = 1 << 20
_SEEN: Final = "__seen_"


def rows_alone(
    group_by: GroupByNode, days: Sequence[str], reader: Reader, tally: Tally
) -> dict[str, pa.Table]:
    """For each day its output rows, sorted by key: the keys, then the GroupBy's columns.

    Args:
        group_by: what is computed.
        days: ascending.
        reader: what it reads with.
        tally: takes what was counted.
    """
    keys = [name for name, _ in group_by.keys]
    wanted = queries_of(group_by, _reads(group_by, _no_keys(group_by), days), reader)
    events = collect(group_by, wanted, reader, tally)
    try:
        buckets = (rows for _, rows in events.buckets()) if events.spilled else [events.whole()]
        found = [each for rows in buckets for each in _answers(group_by, rows, days, reader, tally)]
    finally:
        events.close()
    rows = pa.concat_tables(found).sort_by([(name, "ascending") for name in (DAY, *keys)])
    numbers = rows.column(DAY).to_numpy()
    output = _output(group_by, rows)
    starts = np.searchsorted(numbers, [day_number(ds) for ds in days])
    ends = np.searchsorted(numbers, [day_number(ds) for ds in days], side="right")
    return {
        ds: output.slice(start, end - start)
        for ds, start, end in zip(days, starts, ends, strict=True)
    }


def _answers(
    group_by: GroupByNode, events: pa.Table, days: Sequence[str], reader: Reader, tally: Tally
) -> Iterator[pa.Table]:
    """The rows that have a value, some days at a time, with `ts`, `DAY`, keys and base columns."""
    keys = [name for name, _ in group_by.keys]
    distinct = events.select(keys).group_by(keys, use_threads=False).aggregate([])
    together = max(1, _READS_AT_ONCE // max(1, distinct.num_rows))
    watched = _watching(group_by)
    for at in range(0, len(days), together):
        reads = _reads(group_by, distinct, days[at : at + together])
        values = answer(watched, events, queries_of(group_by, reads, reader), tally)
        seen = [name for name in values.column_names if name.startswith(_SEEN)]
        plain = [name for name in values.column_names if name not in seen]
        deciding = (
            seen + [each.name for each in group_by.features if each.default is None]
            if group_by.features
            else plain
        )
        has_value = np.zeros(values.num_rows, bool)
        for name in deciding:
            has_value |= values.column(name).is_valid().to_numpy()
        both = {name: reads.column(name) for name in reads.column_names}
        both |= {name: values.column(name) for name in plain}
        yield pa.table(both).filter(pa.array(has_value))


def _watching(group_by: GroupByNode) -> GroupByNode:
    """The GroupBy with a feature beside each that has a default, to tell whether it has a value."""
    watched = tuple(
        replace(each, name=f"{_SEEN}{at}", default=None)
        for at, each in enumerate(group_by.features)
        if each.default is not None
    )
    return replace(group_by, features=(*group_by.features, *watched)) if watched else group_by


def _reads(group_by: GroupByNode, keys: pa.Table, days: Sequence[str]) -> pa.Table:
    """Every key at every day's end."""
    numbers = np.array([day_number(ds) for ds in days], np.int64)
    each_day = np.repeat(numbers, keys.num_rows)
    each_key = pa.array(np.tile(np.arange(keys.num_rows), len(days)))
    columns = {name: keys.column(name).take(each_key) for name, _ in group_by.keys}
    columns["ts"] = pa.chunked_array([pa.array((each_day + 1) * DAY_MS, pa.int64())])
    columns[DAY] = pa.chunked_array([pa.array(each_day, pa.int64())])
    return pa.table(columns)


def _output(group_by: GroupByNode, rows: pa.Table) -> pa.Table:
    """Keys and the columns that a reader sees."""
    keys = [name for name, _ in group_by.keys]
    if group_by.derivations is None:
        return rows.select([*keys, *group_by.schema])
    given = rows.append_column("ds", day_texts(rows.column(DAY).to_numpy()))
    columns = derived(group_by.derivations, given)
    names = [name for name in group_by.schema if name not in keys]
    return pa.table(
        [*(rows.column(name) for name in keys), *(columns.column(name) for name in names)],
        names=[*keys, *names],
    )


def _no_keys(group_by: GroupByNode) -> pa.Table:
    """One null key, to ask which snapshots the days want."""
    return pa.table({name: pa.nulls(1, to_arrow(type_)) for name, type_ in group_by.keys})
