"""One GroupBy read for many rows: its sources' rows and the reads, put before the kernel.

    sources ──► rows with a key ──┐
                                  ├──► kernel (whole, or bucket by bucket) ──► derivations
    reads (key, instant) ─────────┘

The instant of a snapshot is the midnight before. Entities are matched by the snapshot that is
wanted, as if it were one more key column. (semantics 3, 4, 8 and 11)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.aggregate import kernel
from catenary.definitions import Accuracy
from catenary.engines.embedded.scan import DAY
from catenary.engines.embedded.spill import BUCKETS, Collector, bucket_numbers
from catenary.errors import DataError
from catenary.rows.columns import (
    floored_to_day,
    int64_column,
    int64_values,
    normal_column,
)
from catenary.rows.derive import derived
from catenary.schema.arrow import to_arrow
from catenary.windows import DAY_MS, ds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary.plan.nodes import GroupByNode, ScanNode
    from catenary.ports import Limits
    from catenary.schema import Type

SNAPSHOT: Final = "__snapshot"
"""The extra key of entities: the day of the snapshot that holds a row, or that a read wants."""


@dataclass
class Tally:
    """What a part counted meanwhile."""

    null_keys: Counter[int] = field(default_factory=Counter[int])
    overflows: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Reader:
    """What a part reads with.

    Attributes:
        rows: the rows of a source that may count, in chunks; see `scan_right`.
        snapshots: the days of an entity source's snapshots that exist, since the epoch, ascending.
        limits: of memory and threads.
    """

    rows: Callable[[ScanNode], Iterator[pa.Table]]
    snapshots: Callable[[ScanNode], np.ndarray]
    limits: Limits


def read_part(
    group_by: GroupByNode, reads: pa.Table, reader: Reader, tally: Tally, shift_ms: int = 0
) -> pa.Table:
    """The GroupBy's columns as of each read, in the reads' order, derivations included.

    Args:
        group_by: what is read.
        reader: what it reads with.
        tally: takes what was counted.
        reads: the keys under the GroupBy's names, `ts`, and `ds` for derivations.
        shift_ms: each read is as of so much later than its `ts`; derivations see that as it is.
    """
    base = base_columns(group_by, _shifted(reads, shift_ms), reader, tally)
    if group_by.derivations is None:
        return base
    for name in (*(key for key, _ in group_by.keys), "ts", "ds"):
        base = base.append_column(name, reads.column(name))
    return derived(group_by.derivations, base)


def _shifted(reads: pa.Table, shift_ms: int) -> pa.Table:
    if not shift_ms:
        return reads
    at = pc.add(reads.column("ts"), shift_ms)
    return reads.set_column(reads.column_names.index("ts"), "ts", at)


def base_columns(group_by: GroupByNode, reads: pa.Table, reader: Reader, tally: Tally) -> pa.Table:
    """The columns before derivations."""
    queries = queries_of(group_by, reads, reader)
    with_rows = collect(group_by, queries, reader, tally)
    try:
        return folded(group_by, with_rows, queries, tally)
    finally:
        with_rows.close()


def queries_of(group_by: GroupByNode, reads: pa.Table, reader: Reader) -> pa.Table:
    """The keys in their types, the instant that is read at and, of entities, the snapshot wanted."""
    columns = {name: _key_column(reads.column(name), name, type_) for name, type_ in group_by.keys}
    at = reads.column("ts")
    if group_by.accuracy is Accuracy.SNAPSHOT:
        at = pa.chunked_array([floored_to_day(at)])
    columns["ts"] = at
    if _of_entities(group_by):
        values, nulls = int64_values(at)
        wanted = values // DAY_MS - 1
        if len(group_by.sources) == 1 and group_by.sources[0].holds:
            wanted = newest_at(reader.snapshots(group_by.sources[0]), wanted)
        columns[SNAPSHOT] = int64_column(wanted, nulls)
    return pa.table(columns)


def newest_at(snapshots: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each wanted day the newest snapshot at or before it; a day nobody has where there is none."""
    if len(snapshots) == 0:
        return np.full(len(wanted), np.iinfo(np.int32).min, np.int64)
    at = np.searchsorted(snapshots, wanted, side="right") - 1
    found = snapshots[np.maximum(at, 0)].astype(np.int64)
    return np.where(at >= 0, found, np.iinfo(np.int32).min)


def key_names(group_by: GroupByNode) -> list[str]:
    """The kernel's key columns."""
    names = [name for name, _ in group_by.keys]
    return [*names, SNAPSHOT] if _of_entities(group_by) else names


def collect(group_by: GroupByNode, queries: pa.Table, reader: Reader, tally: Tally) -> Collector:
    """The rows of all sources that have a key, with the columns that the kernel needs."""
    limits = reader.limits
    budget = None if limits.memory_bytes is None else limits.memory_bytes // 8
    collector = Collector([name for name, _ in group_by.keys], budget, limits.spill_dir)
    try:
        for scan in group_by.sources:
            for rows in reader.rows(scan):
                keyed = _keyed(group_by, rows, tally)
                for each in _by_snapshot(group_by, scan, keyed, queries, reader):
                    collector.add(each)
    except BaseException:
        collector.close()
        raise
    if collector.rows == 0:
        collector.add(_no_rows(group_by))
    return collector


def _keyed(group_by: GroupByNode, rows: pa.Table, tally: Tally) -> pa.Table:
    """The needed columns of the rows that have a key."""
    keys = [name for name, _ in group_by.keys]
    nulls = [rows.column(name) for name in keys if rows.column(name).null_count]
    if nulls:
        lost = nulls[0].is_null()
        for each in nulls[1:]:
            lost = pc.or_(lost, each.is_null())
        tally.null_keys.update(rows.filter(lost).column(DAY).to_pylist())
        rows = rows.filter(pc.invert(lost))
    columns = {name: _key_column(rows.column(name), name, type_) for name, type_ in group_by.keys}
    for name in (*_inputs(group_by), "ts", DAY):
        columns.setdefault(name, rows.column(name))
    return pa.table(columns)


def _by_snapshot(
    group_by: GroupByNode, scan: ScanNode, rows: pa.Table, queries: pa.Table, reader: Reader
) -> Iterator[pa.Table]:
    """Of entities, the rows under the snapshot for which they are read; others as they are."""
    if not _of_entities(group_by):
        yield rows.drop_columns([DAY])
        return
    if scan.time is not None and not group_by.features:
        # A row that is dated after its snapshot's end is not known yet.
        ends = (rows.column(DAY).to_numpy().astype(np.int64) + 1) * DAY_MS
        rows = rows.filter(pa.array(rows.column("ts").to_numpy() < ends))
    days = rows.column(DAY)
    rows = rows.drop_columns([DAY])
    if scan.time is None or not group_by.features:
        # All rows of a snapshot are of one time, before every read.
        earliest = pc.min(queries.column("ts")).as_py()
        before = pa.repeat(pa.scalar((earliest or 0) - 1, pa.int64()), rows.num_rows)
        rows = rows.set_column(rows.column_names.index("ts"), "ts", before)
    if len(group_by.sources) == 1 or not scan.holds:
        yield rows.append_column(SNAPSHOT, days.cast(pa.int64()))
        return
    # Several sources, one of which holds: its snapshot stands under each day that reads it.
    wanted = np.array(pc.unique(queries.column(SNAPSHOT)).drop_null().to_pylist(), np.int64)
    for day, held in zip(wanted, newest_at(reader.snapshots(scan), wanted), strict=True):
        of_day = rows.filter(pc.equal(days, int(held)))
        if of_day.num_rows:
            number = pa.repeat(pa.scalar(int(day), pa.int64()), of_day.num_rows)
            yield of_day.append_column(SNAPSHOT, number)


def folded(group_by: GroupByNode, events: Collector, queries: pa.Table, tally: Tally) -> pa.Table:
    """The kernel's answer to every query, whole or bucket by bucket."""
    if not events.spilled:
        return answer(group_by, events.whole(), queries, tally)
    numbers = bucket_numbers(queries, [name for name, _ in group_by.keys])
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(BUCKETS + 1))
    answers: dict[int, pa.Table] = {}
    for bucket, rows in events.buckets():
        mine = pa.array(order[ends[bucket] : ends[bucket + 1]])
        answers[bucket] = answer(group_by, rows, queries.take(mine), tally)
        del rows
    for bucket in range(BUCKETS):
        if bucket not in answers:
            mine = pa.array(order[ends[bucket] : ends[bucket + 1]])
            answers[bucket] = answer(group_by, _no_rows(group_by), queries.take(mine), tally)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return _in_order([answers.pop(bucket) for bucket in range(BUCKETS)], pa.array(back))


def _in_order(answers: list[pa.Table], order: pa.Array) -> pa.Table:
    """The buckets' answers, one below the other, in another order.

    Column by column, each let go before the next: answers to many reads are as large as what was
    spilled, and a second copy of them all would not fit.
    """
    names = answers[0].column_names
    columns: list[pa.ChunkedArray] = []
    for _ in names:
        chunks = [chunk for each in answers for chunk in each.column(0).chunks]
        whole = pa.chunked_array(chunks, type=answers[0].column(0).type).combine_chunks()
        answers = [each.remove_column(0) for each in answers]
        del chunks
        taken = whole.take(order)
        columns.append(taken if isinstance(taken, pa.ChunkedArray) else pa.chunked_array([taken]))
        del whole, taken
    pa.default_memory_pool().release_unused()
    return pa.table(columns, names=names)


def answer(group_by: GroupByNode, events: pa.Table, queries: pa.Table, tally: Tally) -> pa.Table:
    """The kernel's answer to queries whose rows are all in memory."""
    keys = key_names(group_by)
    if group_by.features:
        result = kernel.aggregate(events, queries, keys=keys, features=group_by.features)
        tally.overflows.update(result.overflows)
        return result.columns
    chosen = [group_by.latest_by] if group_by.latest_by is not None else []
    if _of_entities(group_by) and not chosen:
        refuse_several(group_by, events, queries)
    columns = [*chosen, *(name for name in group_by.passthrough if name not in chosen)]
    found = kernel.latest(events, queries, keys=keys, columns=columns)
    return found.select(list(group_by.passthrough))


def refuse_several(group_by: GroupByNode, events: pa.Table, queries: pa.Table) -> None:
    """A part never fans rows out (semantics 11).

    Raises:
        DataError: if a snapshot that is read has several rows of one key.
    """
    keys = key_names(group_by)
    counts = events.select(keys).group_by(keys, use_threads=False).aggregate([([], "count_all")])
    several = counts.filter(pc.greater(counts.column("count_all"), 1))
    wanted = pc.unique(queries.column(SNAPSHOT))
    several = several.filter(pc.is_in(several.column(SNAPSHOT), value_set=wanted))
    if several.num_rows:
        first = several.slice(0, 1).to_pylist()[0]
        key = ", ".join(f"{name}={first[name]!r}" for name in keys if name != SNAPSHOT)
        day = ds_of(first[SNAPSHOT] * DAY_MS)
        problem = f"{group_by.name} has {first['count_all']} rows for {key} on ds={day}"
        hint = "say latest_by= which column chooses among them"
        raise DataError(problem, where=group_by.where, hint=hint)


def _key_column(column: pa.ChunkedArray, name: str, type_: Type) -> pa.ChunkedArray:
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    return normal_column(column, type_, name)


def _inputs(group_by: GroupByNode) -> list[str]:
    """The columns that are folded or passed through."""
    if not group_by.features:
        chosen = [group_by.latest_by] if group_by.latest_by is not None else []
        return [*group_by.passthrough, *chosen]
    names = [name for each in group_by.features for name in (each.input, each.bucket) if name]
    return list(dict.fromkeys(names))


def _no_rows(group_by: GroupByNode) -> pa.Table:
    """An empty table with the columns that the kernel expects."""
    source = group_by.sources[0]
    types = {name: to_arrow(type_) for name, type_ in group_by.keys}
    for name in _inputs(group_by):
        types.setdefault(name, pa.int64() if name == "ts" else to_arrow(source.schema[name]))
    types["ts"] = pa.int64()
    if _of_entities(group_by):
        types[SNAPSHOT] = pa.int64()
    return pa.schema(list(types.items())).empty_table()


def _of_entities(group_by: GroupByNode) -> bool:
    return group_by.sources[0].kind == "entities"
