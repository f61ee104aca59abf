"""Joins as of given instants, from the datasets of their parts. Fills `ports.Lookup`.

Every GroupBy that a call reads is read from one snapshot of its dataset, all rows at once, equal reads
once. A row whose derivation raises is found out and failed alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.definitions import Accuracy
from catenary.errors import CatenaryError, RunError
from catenary.ports import Looked, statuses
from catenary.rows.columns import dates_of, normal_column
from catenary.rows.derive import derived
from catenary.rows.joins import features_of, reads_of, renamed
from catenary.schema.arrow import to_arrow
from catenary.state.keys import entities
from catenary.state.layouts import dataset_name, layout_of
from catenary.state.reading import Read, read_snapshot, read_temporal

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.aggregate.layout import Layout
    from catenary.plan.nodes import GroupByNode, JoinNode
    from catenary.ports import Store


@dataclass
class Merged:
    """How many reads merged what, for those who watch.

    Attributes:
        closed: reads that merged closed tiles.
        head: reads that merged head tiles.
    """

    closed: int = 0
    head: int = 0


class StoreLookup:
    """Reads Joins and GroupBys from a store.

    Args:
        store: where the datasets are.
        on_snapshot_late: what a read of a snapshot gets that has not landed: `previous` or `null`
            (a stage that holds asks `ready` first).
    """

    def __init__(self, store: Store, *, on_snapshot_late: str = "previous") -> None:
        self.merged = Merged()
        self._store = store
        self._null_if_late = on_snapshot_late == "null"
        self._layouts: dict[str, Layout] = {}

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        """The Join's features for each row; see `ports.Lookup`."""
        left = _at(rows, at)
        bits = np.zeros(rows.num_rows, np.int64)
        parts: dict[str, np.ndarray] = {}
        columns: list[pa.Table] = []
        failed: dict[int, str] = {}
        for part in join.parts:
            found, status, wrong = self.group_by(part.group_by, reads_of(part, left))
            columns.append(renamed(part, found))
            name = part.group_by.name
            parts[name] = parts.get(name, 0) | status
            bits |= status
            failed |= wrong
        # What derivations of the Join see as `ts` is the row's own, whatever it was read as of.
        given = left.set_column(left.column_names.index("ts"), "ts", rows.column("ts"))

        def work(places: slice) -> pa.Table:
            some = [each.slice(places.start, places.stop - places.start) for each in columns]
            return features_of(join, given.slice(places.start, places.stop - places.start), some)

        features, wrong = _row_by_row(work, rows.num_rows)
        return Looked(features, bits, parts, failed | wrong)

    def group_by(
        self, node: GroupByNode, reads: pa.Table
    ) -> tuple[pa.Table, np.ndarray, dict[int, str]]:
        """A GroupBy's columns after derivations, statuses, and the rows that failed.

        Args:
            node: what is read.
            reads: its keys, `ts` and `ds`.
        """
        names = [name for name, _ in node.keys]
        keys = pa.table(
            {name: normal_column(reads.column(name), type_, name) for name, type_ in node.keys}
        )
        ts = reads.column("ts").to_numpy()
        codes, known = entities(keys)
        pairs, back = _distinct(codes, ts)
        read = self._read(node, known, codes[pairs], ts[pairs])
        columns, status = read.columns, read.status
        if len(pairs) != len(ts):
            columns, status = columns.take(pa.array(back)), status[back]
        if node.derivations is None:
            return columns, status, {}
        for name in names:
            columns = columns.append_column(name, keys.column(name))
        columns = columns.append_column("ts", reads.column("ts"))
        columns = columns.append_column("ds", reads.column("ds"))
        derivations = node.derivations

        def work(places: slice) -> pa.Table:
            return derived(derivations, columns.slice(places.start, places.stop - places.start))

        found, failed = _row_by_row(work, columns.num_rows)
        return found, status, failed

    def _read(
        self, node: GroupByNode, known: list[bytes], codes: np.ndarray, ts: np.ndarray
    ) -> Read:
        layout = self._layouts.get(node.fingerprint)
        if layout is None:
            layout = self._layouts[node.fingerprint] = layout_of(node)
        dataset = self._store.dataset(dataset_name(node))
        if dataset is None:
            return _nothing(node, len(ts))
        with dataset.snapshot() as snapshot:
            if is_snapshot(node):
                holds = node.sources[0].holds
                read = read_snapshot(layout, snapshot, known, codes, ts, holds=holds)
            else:
                read = read_temporal(layout, snapshot, known, codes, ts)
        self.merged.closed += read.closed
        self.merged.head += read.head
        if self._null_if_late and is_snapshot(node):
            late = (read.status & statuses.STALE_BATCH) != 0
            read = Read(_nulled(read.columns, late), read.status, read.uploads)
        base = list((node.features and [each.name for each in node.features]) or node.passthrough)
        return Read(read.columns.select(base), read.status, read.uploads, read.closed, read.head)


def is_snapshot(node: GroupByNode) -> bool:
    """Whether a GroupBy is read as of midnight."""
    return node.accuracy is Accuracy.SNAPSHOT or node.sources[0].is_snapshot


def _at(rows: pa.Table, at: np.ndarray) -> pa.Table:
    """The rows with the instants at which they read, and their dates."""
    ts = pa.chunked_array([pa.array(at, pa.int64())])
    if "ds" not in rows.column_names:
        rows = rows.append_column("ds", dates_of(rows.column("ts")))
    return rows.set_column(rows.column_names.index("ts"), "ts", ts)


def _distinct(codes: np.ndarray, ts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that read something of their own, and for each row its place among them."""
    order = np.lexsort((ts, codes))
    first = np.ones(len(order), bool)
    first[1:] = (codes[order[1:]] != codes[order[:-1]]) | (ts[order[1:]] != ts[order[:-1]])
    back = np.empty(len(order), np.int64)
    back[order] = np.cumsum(first) - 1
    return order[first], back


def _row_by_row(work: Callable[[slice], pa.Table], rows: int) -> tuple[pa.Table, dict[int, str]]:
    """The work over all rows; where it raises, over halves, down to the rows that are to blame."""
    failed: dict[int, str] = {}

    def attempt(first: int, last: int) -> list[Any]:
        try:
            return [work(slice(first, last))]
        except RunError:
            raise
        except Exception as error:
            if last == first:
                raise
            if last - first == 1:
                problem = error.problem if isinstance(error, CatenaryError) else str(error)
                failed[first] = f"{type(error).__name__}: {problem}"
                return [1]
            middle = (first + last) // 2
            return [*attempt(first, middle), *attempt(middle, last)]

    pieces = attempt(0, rows)
    if not failed:
        return pa.concat_tables(pieces) if len(pieces) > 1 else pieces[0], failed
    schema = next((each.schema for each in pieces if isinstance(each, pa.Table)), None)
    schema = work(slice(0, 0)).schema if schema is None else schema
    blank = pa.table({each.name: pa.nulls(1, each.type) for each in schema}, schema=schema)
    return pa.concat_tables([blank if each == 1 else each for each in pieces]), failed


def _nothing(node: GroupByNode, rows: int) -> Read:
    """What is read where nothing was ever uploaded or streamed."""
    names = [each.name for each in node.features] or list(node.passthrough)
    columns = {name: pa.nulls(rows, to_arrow(node.base_schema[name])) for name in names}
    return Read(
        pa.table(columns),
        np.full(rows, statuses.MISSING_UPLOAD, np.int64),
        np.zeros(rows, np.int64),
    )


def _nulled(columns: pa.Table, rows: np.ndarray) -> pa.Table:
    if not rows.any():
        return columns
    return columns.take(pa.array(np.arange(len(rows), dtype=np.int64), mask=rows))
