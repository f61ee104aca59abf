"""One GroupBy read from its dataset: entities, what the tiles say, derivations, and every doubt.

    keys, instants ──► entities ──► equal reads merged ──► state.reading ──► derivations
                                                              │
                            snapshot too late? refused? ──────┘

Nothing here waits; `lookup.py` and `fetcher.py` decide what a late snapshot means to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.definitions import Accuracy
from catenary.errors import DataError
from catenary.ports import statuses
from catenary.rows.derive import derived
from catenary.schema.arrow import schema_to_arrow
from catenary.serve.guard import guarded, nulls, without
from catenary.state.ahead import Ahead, Reads, views
from catenary.state.keys import entities
from catenary.state.layouts import dataset_name, layout_of
from catenary.state.reading import Read, read_snapshot, read_temporal
from catenary.state.records import check_format, uploads_of
from catenary.windows import DAY_MS, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from contextlib import AbstractContextManager

    from catenary.plan.nodes import Derivations, GroupByNode
    from catenary.ports import Snapshot, Store

Brought = Mapping[str, "Snapshot"]
"""Datasets that lie elsewhere, as of now and as far as they are going to be read; without those that are not there."""
PREVIOUS: Final = "previous"
NULL: Final = "null"
HOLD: Final = "hold"
_FIRST: Final = 1_024
"""Reads of which nothing is known yet, at once."""
_SHARES: Final = 8
"""Reads at once take about so small a part of the limit."""


@dataclass(frozen=True)
class Found:
    """One GroupBy's columns for many reads.

    Attributes:
        columns: after its derivations.
        status: int64 per read.
        failed: row to the reason why it has no answer.
        refused: row to what a refused read would have needed.
        closed, head: how many reads merged closed tiles, and head tiles.
    """

    columns: pa.Table
    status: np.ndarray
    failed: dict[int, str] = field(default_factory=dict[int, str])
    refused: dict[int, str] = field(default_factory=dict[int, str])
    closed: int = 0
    head: int = 0


class Budget:
    """How much memory the features of one answer may take.

    Args:
        limit_bytes: at most; None for any.
        rows: of the answer.
    """

    def __init__(self, limit_bytes: int | None, rows: int) -> None:
        self._limit = limit_bytes
        self._rows = rows
        self._taken = 0

    def take(self, more: int, name: str) -> None:
        """Count columns of a GroupBy that are there, or are about to be.

        Raises:
            DataError: if they are more than may be; says how to ask for less.
        """
        self._taken += more
        if self._limit is not None and self._taken > self._limit:
            raise DataError(
                f"the answer to {self._rows:,} requests takes more than"
                f" fetch_limit={self._limit:,} bytes: {name} has come to {self._taken:,}",
                hint="ask for fewer at a time, or for narrower windows; or raise the limit",
            )

    def at_once(self, rows: int, done: int, taken: int) -> int:
        """How many reads to make next, so that they do not go far beyond the limit.

        Args:
            rows: that are left.
            done: reads of this GroupBy so far, which took so many bytes.
            taken: those.
        """
        if self._limit is None:
            return rows
        if not done:
            return min(rows, _FIRST)
        each = max(1, taken // done)
        return min(rows, max(_FIRST, self._limit // (_SHARES * each)))


def together(groups: Sequence[Group]) -> list[tuple[Group, list[int]]]:
    """Each GroupBy once, with its places: all parts of a Join that read it are read from one snapshot."""
    places: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group.dataset, []).append(place)
    return [(groups[each[0]], each) for each in places.values()]


def bring(
    store: Store, groups: Iterable[tuple[Group, Callable[[], Iterable[bytes]]]]
) -> Brought | None:
    """What is going to be read of GroupBys, in one round trip; None of a store that is near.

    Args:
        store: where they lie.
        groups: with what gives the entities that are going to be read, no others.
    """
    if not store.is_remote:
        return None
    return views(store, {each.dataset: Reads(each.ahead, known()) for each, known in groups})


class Group:
    """One GroupBy, and where it lies.

    Args:
        node: the GroupBy.
        store: holds its dataset.
    """

    def __init__(self, node: GroupByNode, store: Store) -> None:
        self.node = node
        self.keys = tuple(name for name, _ in node.keys)
        self.dataset = dataset_name(node)
        self._store = store
        self.ahead = Ahead()
        self.is_snapshot = node.accuracy is Accuracy.SNAPSHOT or node.sources[0].is_snapshot
        self.holds = self.is_snapshot and all(each.holds for each in node.sources)
        self.refusals = statuses.BEFORE_RETENTION
        if self.is_snapshot:
            self.refusals |= statuses.MISSING_UPLOAD

    @cached_property
    def layout(self) -> Any:
        """What its tiles hold."""
        return layout_of(self.node)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What is read of them, in order."""
        return tuple(each.name for each in self.node.features) or self.layout.passthrough

    @cached_property
    def nothing(self) -> dict[str, object]:
        """A row of nulls, after derivations."""
        return {**dict.fromkeys(self.node.schema)}

    @cached_property
    def no_values(self) -> dict[str, object]:
        """A row of nulls, before derivations."""
        return {**dict.fromkeys(self.node.base_schema)}

    @cached_property
    def is_whole(self) -> bool:
        """Whether what is read are the columns before derivations, in their order."""
        return self.columns == tuple(self.node.base_schema)

    @cached_property
    def _is_narrow(self) -> bool:
        """Whether what is read takes a few bytes a row, whatever the values."""
        types = self.node.base_schema.values()
        return not any(each.is_nested or each.name in ("string", "binary") for each in types)

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the columns that a reader sees."""
        return schema_to_arrow(self.node.schema)

    @contextmanager
    def snapshot(self, brought: Brought | None) -> Generator[Snapshot | None]:
        """The dataset as of now; None if it is not there yet.

        Args:
            brought: what `bring` says, told of all that is going to be read of it.

        Raises:
            UnreadableError: if another release or another definition wrote it.
        """
        with self.opened(brought) as snapshot:
            if snapshot is not None:
                self.check(snapshot)
            yield snapshot

    def opened(self, brought: Brought | None) -> AbstractContextManager[Snapshot | None]:
        """The dataset, before it is checked; see `snapshot`."""
        if brought is not None:
            return nullcontext(brought.get(self.dataset))
        dataset = self._store.dataset(self.dataset)
        return nullcontext(None) if dataset is None else dataset.snapshot()

    def check(self, snapshot: Snapshot) -> None:
        """See that it is this definition's.

        Raises:
            UnreadableError: if another release or another definition wrote it.
        """
        check_format(snapshot, self.node.fingerprint, self.node.name)

    def late(self, snapshot: Snapshot | None, at: np.ndarray) -> np.ndarray:
        """Which reads want a snapshot that has not landed (protocol 8)."""
        if not self.is_snapshot:
            return np.zeros(len(at), bool)
        if snapshot is None:
            return np.ones(len(at), bool)
        active = uploads_of(snapshot)[0].active
        if not active:
            return np.ones(len(at), bool)
        if self.holds:
            return np.zeros(len(at), bool)
        return at // DAY_MS * DAY_MS > active[-1].cutoff_ms

    def is_late(self, snapshot: Snapshot | None, ts: int) -> bool:
        """`late`, of one read."""
        return self.is_snapshot and bool(self.late(snapshot, np.array([ts], np.int64))[0])

    def read(
        self,
        snapshot: Snapshot | None,
        keys: pa.Table,
        at: np.ndarray,
        late: str,
        times: Callable[[], pa.Table],
        budget: Budget,
    ) -> Found:
        """The GroupBy's columns.

        Args:
            snapshot: from `snapshot`.
            keys: the key columns, in the keys' order.
            at: int64 milliseconds, per row.
            late: `previous` or `null`: what a snapshot that has not landed is answered with.
            times: gives `ts` and `ds`, for derivations.
            budget: of the answer.

        Raises:
            DataError: if they take more memory than the answer may.
        """
        codes, known = entities(keys)
        lost = codes < 0
        if snapshot is None:
            status = np.where(lost, statuses.MISSING, statuses.MISSING_UPLOAD)
            return Found(nulls(self.schema, len(at)), status.astype(np.int64))
        read = self._distinct(snapshot, known, codes, at, budget)
        status = read.status
        refused = self._refused(snapshot, read.own, at, late) & ~lost
        status[lost] = statuses.MISSING
        base = without(read.columns, refused)
        base = base if self.is_whole else base.select(list(self.node.base_schema))
        if self.node.derivations is None:
            columns, failed = base, dict[int, str]()
        else:
            columns, failed = self._derived(self.node.derivations, base, keys, times())
            columns = without(columns, refused)
        if failed:
            status[list(failed)] |= statuses.ERROR
        too_old = np.flatnonzero(np.where(lost, 0, read.own) & statuses.BEFORE_RETENTION)
        lacking = {row: self.lacking(int(at[row])) for row in too_old.tolist()}
        return Found(columns, status, failed, lacking, read.closed, read.head)

    def _distinct(
        self,
        snapshot: Snapshot,
        known: list[bytes],
        codes: np.ndarray,
        at: np.ndarray,
        budget: Budget,
    ) -> Read:
        """What the tiles say; equal reads are made once."""
        if len(known) == len(at):  # each read is of another entity
            return self._within(snapshot, known, codes, at, budget)
        order = np.lexsort((at, codes))
        same = (np.diff(codes[order]) == 0) & (np.diff(at[order]) == 0)
        if not same.any():
            return self._within(snapshot, known, codes, at, budget)
        first = np.append(True, ~same)
        back = np.empty(len(at), np.int64)
        back[order] = np.cumsum(first) - 1
        chosen = order[first]
        read = self._within(snapshot, known, codes[chosen], at[chosen], budget)
        # Each takes as much again as it is asked for again: about as much as the others do.
        repeated = len(back) - len(chosen)
        budget.take(read.columns.nbytes * repeated // len(chosen), self.node.name)
        columns = read.columns.take(pa.array(back))
        return Read(columns, read.status[back], read.own[back], read.closed, read.head)

    def _within(
        self,
        snapshot: Snapshot,
        known: list[bytes],
        codes: np.ndarray,
        at: np.ndarray,
        budget: Budget,
    ) -> Read:
        """All reads, some at a time where they may take much memory."""
        if self._is_narrow or len(at) <= _FIRST:
            read = self._read(snapshot, known, codes, at)
            budget.take(read.columns.nbytes, self.node.name)
            return read
        found: list[Read] = []
        done = taken = 0
        while done < len(at):
            some = slice(done, done + budget.at_once(len(at) - done, done, taken))
            read = self._read(snapshot, *_only(known, codes[some]), at[some])
            budget.take(read.columns.nbytes, self.node.name)
            found.append(read)
            done, taken = min(some.stop, len(at)), taken + read.columns.nbytes
        return Read(
            pa.concat_tables([each.columns for each in found]).combine_chunks(),
            np.concatenate([each.status for each in found]),
            np.concatenate([each.own for each in found]),
            sum(each.closed for each in found),
            sum(each.head for each in found),
        )

    def _read(
        self, snapshot: Snapshot, known: list[bytes], codes: np.ndarray, at: np.ndarray
    ) -> Read:
        if self.is_snapshot:
            return read_snapshot(self.layout, snapshot, known, codes, at, holds=self.holds)
        return read_temporal(self.layout, snapshot, known, codes, at)

    def _refused(
        self, snapshot: Snapshot, own: np.ndarray, at: np.ndarray, late: str
    ) -> np.ndarray:
        """Which reads have no values, whatever defaults say."""
        refused = (own & self.refusals) != 0
        if late == NULL:
            refused |= self.late(snapshot, at)
        return refused

    def _derived(
        self, derivations: Derivations, base: pa.Table, keys: pa.Table, times: pa.Table
    ) -> tuple[pa.Table, dict[int, str]]:
        columns = [*base.columns, *keys.columns, *times.columns]
        rows = pa.table(columns, names=[*base.column_names, *self.keys, *times.column_names])
        return guarded(
            lambda first, many: derived(derivations, rows.slice(first, many)),
            rows.num_rows,
            self.schema,
            self.node.name,
        )

    def lacking(self, at_ms: int) -> str:
        """What a read before the retained history would have needed."""
        cutoff = at_ms // DAY_MS * DAY_MS
        return (
            f"{self.node.name}: {format_instant(at_ms)} lies before the retained history;"
            f" an upload as of {format_instant(cutoff)[:10]} 00:00 or earlier would be needed"
        )


def _only(known: list[bytes], codes: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """The entities that these reads are of, and the reads' places among them; -1 stays."""
    used, own = np.unique(codes, return_inverse=True)
    lost = int(len(used) > 0 and used[0] < 0)
    return [known[each] for each in used[lost:].tolist()], (own - lost).astype(np.int32)
