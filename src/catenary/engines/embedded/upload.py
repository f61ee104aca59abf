"""Batch partials of a GroupBy up to a cut-off: what an upload holds.

    rows before the cut-off ──► (entity, tile) ──► partials, entity by entity

A window's beginning slides as reads go on after the cut-off, so the first `tail_ms` of each window are
kept as tiles of its hop; what lies between is collapsed into one tile (semantics 6).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.engines.embedded.parts import (
    SNAPSHOT,
    Tally,
    collect,
    queries_of,
    refuse_several,
)
from catenary.engines.embedded.run import Run
from catenary.engines.embedded.sources import Account
from catenary.plan import source_days
from catenary.plan.stage import streamed_sources
from catenary.ports import UploadReport
from catenary.schema.arrow import to_arrow
from catenary.state import uploads
from catenary.state.keys import entities
from catenary.state.layouts import inputs_of, layout_of
from catenary.state.records import ANCIENT_MS
from catenary.state.tiles import UploadTile
from catenary.windows import ds_range, floor_ms, shift_ds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catenary.aggregate.layout import Layout
    from catenary.plan.nodes import GroupByNode
    from catenary.ports import Dataset, Job


@dataclass(frozen=True)
class Cuts:
    """The tiles of an upload.

    Attributes:
        bounds: ascending instants; tile i is `[bounds[i], bounds[i + 1])`, the last one ends at the
            cut-off.
        collapsed: for each tile whether a window may begin inside it.
    """

    bounds: np.ndarray
    collapsed: np.ndarray


def cuts(layout: Layout, cutoff_ms: int, tail_ms: int | None) -> Cuts:
    """Which tiles an upload keeps.

    Args:
        layout: of the GroupBy.
        cutoff_ms: where the upload ends.
        tail_ms: how much of each window's beginning is kept at its hop; None for all of it.
    """
    kept: set[int] = {cutoff_ms}
    spans: list[tuple[int, int]] = []
    for each in layout.features:
        if each.window_ms is None:
            kept.add(ANCIENT_MS)
            continue
        assert each.hop_ms is not None, "a window has a hop"
        first = floor_ms(cutoff_ms - each.window_ms, each.hop_ms)
        last = cutoff_ms if tail_ms is None else min(cutoff_ms, first + tail_ms)
        kept.update(range(first, last + 1, each.hop_ms))
        spans.append((first, each.hop_ms))
    if layout.passthrough:
        kept.add(ANCIENT_MS)
    bounds = np.asarray(sorted(each for each in kept if each <= cutoff_ms), np.int64)
    collapsed = [
        any(_begins_inside(start, end, first, hop) for first, hop in spans)
        for start, end in pairwise(bounds.tolist())
    ]
    return Cuts(bounds, np.asarray(collapsed, bool))


def _begins_inside(start: int, end: int, first: int, hop: int) -> bool:
    """Whether a window whose beginnings are `first`, `first + hop`, … may begin inside a tile."""
    following = max(first, floor_ms(start, hop) + hop) if start > ANCIENT_MS else first
    return start < following < end


def upload(
    job: Job,
    node: GroupByNode,
    cutoff_ms: int,
    dataset: Dataset,
    *,
    frontier: Mapping[str, int] | None,
    tail_ms: int | None,
) -> UploadReport:
    """Write a GroupBy's batch partials into its dataset, and let reads find them.

    Args:
        job: tables, outputs and limits; its range is not used. Parents are computed as far as they
            are needed.
        node: the GroupBy.
        cutoff_ms: a UTC midnight; events strictly before it are in.
        dataset: the GroupBy's.
        frontier: see `state.uploads.begin`.
        tail_ms: see `cuts`.
    """
    begun = time.perf_counter()
    account = Account()
    with Run(job) as run:
        run.prepare(node, cutoff_ms, cutoff_ms)
        missing = _missing(run, node, cutoff_ms)
        made = uploads.begin(dataset, node.fingerprint, cutoff_ms, frontier)
        uploads.clean(dataset)
        counted = _Counted()
        batches = _entities(run, node, cutoff_ms, tail_ms, account, counted)
        many = uploads.load(dataset, made, batches)
    landed = uploads.land(
        dataset,
        made,
        entities=many,
        reached_ms=_reached(node, counted.reached_ms),
        now_ms=time.time_ns() // 1_000_000,
    )
    if landed.state == "active":
        uploads.clean(dataset)
    return UploadReport(
        name=node.name,
        cutoff_ms=cutoff_ms,
        state=landed.state,
        entities=many,
        tiles=counted.tiles,
        rows=counted.rows,
        null_times=sum(account.null_times.values()),
        null_keys=counted.null_keys,
        misplaced=sum(account.misplaced.values()),
        unlikely=dict(account.unlikely),
        missing=missing,
        seconds=time.perf_counter() - begun,
    )


def _missing(run: Run, node: GroupByNode, cutoff_ms: int) -> dict[str, tuple[str, ...]]:
    """By table the days that a read at the cut-off needs and that are not there: they count as empty.

    Late partitions of the last day may be yet to come, and a table may begin when it will.
    """
    found: dict[str, tuple[str, ...]] = {}
    for scan in node.sources:
        table = scan.root
        there = run.sources.days(scan)
        first, last = source_days(node, scan, cutoff_ms, cutoff_ms)
        due = last if scan.is_snapshot else shift_ds(last, -scan.late_partitions)
        if scan.holds:
            lacking = () if any(ds <= due for ds in there) else (due,)
        elif run.sources.sparse(table.table) and not scan.is_snapshot:
            lacking = ()
        else:
            begin = min(due, there[0]) if there else due
            wanted = ds_range(begin if first is None else max(first, begin), due)
            lacking = tuple(sorted(set(wanted) - set(there)))
        if lacking:
            found[scan.table] = lacking
    return found


def _reached(node: GroupByNode, by_source: Mapping[int, int]) -> int:
    """The event time that the tables of all streamed sources have reached."""
    streamed = (by_source.get(number, ANCIENT_MS) for number, _, _ in streamed_sources(node))
    return min(streamed, default=ANCIENT_MS)


@dataclass
class _Counted:
    """What was folded."""

    rows: int = 0
    tiles: int = 0
    null_keys: int = 0
    reached_ms: Mapping[int, int] = field(default_factory=dict[int, int])


def _entities(
    run: Run,
    node: GroupByNode,
    cutoff_ms: int,
    tail_ms: int | None,
    account: Account,
    counted: _Counted,
) -> Iterator[tuple[bytes, list[UploadTile]]]:
    """Each entity's tiles, bucket of keys by bucket of keys."""
    tally = Tally()
    layout = layout_of(node)
    held = cuts(layout, cutoff_ms, tail_ms)
    for rows in counting(run, node, cutoff_ms, account, tally):
        yield from _folded(node, layout, held, rows, counted)
    counted.null_keys = sum(tally.null_keys.values())
    counted.reached_ms = tally.reached_ms


def counting(
    run: Run, node: GroupByNode, at_ms: int, account: Account, tally: Tally
) -> Iterator[pa.Table]:
    """The rows that may count for reads at an instant, bucket of keys by bucket of keys.

    With the keys, the inputs of the accumulators and `ts`; later rows may be among them.
    """
    reader = run.sources.reader(node, at_ms, at_ms, account)
    queries = queries_of(node, _one_read(node, at_ms), reader)
    rows = collect(node, queries, reader, tally)
    try:
        found = (each for _, each in rows.buckets()) if rows.spilled else [rows.whole()]
        for some in found:
            yield _of_wanted_snapshot(node, some, queries)
    finally:
        rows.close()


def _of_wanted_snapshot(node: GroupByNode, rows: pa.Table, queries: pa.Table) -> pa.Table:
    """Of entities, the rows of the snapshot that is uploaded; of events, all."""
    if SNAPSHOT not in rows.column_names:
        return rows
    wanted = queries.column(SNAPSHOT)[0].as_py()
    rows = rows.filter(pa.array(rows.column(SNAPSHOT).to_numpy() == wanted))
    if not node.features and node.latest_by is None:
        refuse_several(node, rows, queries)
    return rows


def _folded(
    node: GroupByNode, layout: Layout, held: Cuts, rows: pa.Table, counted: _Counted
) -> Iterator[tuple[bytes, list[UploadTile]]]:
    ts = rows.column("ts").to_numpy()
    place = np.searchsorted(held.bounds, ts, side="right") - 1
    inside = (place >= 0) & (ts < held.bounds[-1])
    codes, known = entities(rows.select([name for name, _ in node.keys]))
    inside &= codes >= 0
    wide = len(held.bounds)
    number = np.where(inside, codes.astype(np.int64) * wide + place, -1)
    distinct, groups = np.unique(number, return_inverse=True)
    if len(distinct) and distinct[0] == -1:
        distinct, groups = distinct[1:], groups - 1
    names = [*dict.fromkeys((*inputs_of(node), "ts"))]
    packed = kernel.fold(layout, rows.select(names), groups.astype(np.int32), len(distinct))
    counted.rows += int(inside.sum())
    counted.tiles += len(distinct)
    texts = packed.to_pylist()
    owners, places = distinct // wide, distinct % wide
    ends = np.searchsorted(owners, np.arange(len(known)), side="right")
    first = 0
    for code, last in enumerate(ends.tolist()):
        if last > first:
            yield (
                known[code],
                [
                    UploadTile(
                        int(held.bounds[at]),
                        int(held.bounds[at + 1]),
                        bool(held.collapsed[at]),
                        text,
                    )
                    for at, text in zip(places[first:last].tolist(), texts[first:last], strict=True)
                ],
            )
        first = last


def _one_read(node: GroupByNode, cutoff_ms: int) -> pa.Table:
    """A read of no key at the cut-off: which snapshot it wants is asked by it."""
    columns: dict[str, Sequence[object] | pa.Array] = {
        name: pa.nulls(1, to_arrow(type_)) for name, type_ in node.keys
    }
    return pa.table({**columns, "ts": pa.array([cutoff_ms], pa.int64())})
