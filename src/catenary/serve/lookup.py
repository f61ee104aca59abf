"""Joins read from stores, as of given instants: what stages enrich with, and what a fetch answers.

    rows, instants ──► each GroupBy, from one snapshot ──► joined names ──► the Join's derivations

Equal reads are merged, and a derivation that raises costs no other row its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.errors import NotYetError
from catenary.ports import Looked, statuses
from catenary.rows.columns import dates_of
from catenary.rows.joins import features_of, reads_dates, renamed
from catenary.schema.arrow import schema_to_arrow
from catenary.serve.groups import HOLD, NULL, PREVIOUS, Budget, Found, Group, bring, together
from catenary.serve.guard import guarded, without
from catenary.state.keys import entities
from catenary.windows import DAY_MS, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catenary.plan.nodes import GroupByNode, JoinNode
    from catenary.ports import Store
    from catenary.serve.groups import Brought

_TIMES: Final = ["ts", "ds"]


@dataclass(frozen=True)
class LookedUp(Looked):
    """What a Join knew, and what could not be answered.

    Attributes:
        refused: row to what a read before the retained history would have needed.
    """

    refused: dict[int, str]

    @property
    def reasons(self) -> dict[int, str]:
        """Row to why it has no answer, or which history it would need."""
        return {**self.refused, **self.failed}


@dataclass
class Merged:
    """How many reads merged what, for those who watch.

    Attributes:
        closed: reads that merged closed tiles.
        head: reads that merged head tiles.
    """

    closed: int = 0
    head: int = 0

    def add(self, found: Found) -> None:
        """Count another read of many rows."""
        self.closed += found.closed
        self.head += found.head


class StoreLookup:
    """Reads Joins from a store. Fulfils `ports.Lookup`.

    Args:
        store: where the GroupBys' datasets are.
        on_snapshot_late: what a snapshot that has not landed is answered with: the `previous` one,
            `null`, or nothing yet (`hold`): then `join` raises `NotYetError`, unless `ready`.
        shift_ms: added to every instant that is read at.
        limit_bytes: that an answer's features may take; None for any.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_snapshot_late: str = PREVIOUS,
        shift_ms: int = 0,
        limit_bytes: int | None = None,
    ) -> None:
        assert on_snapshot_late in (PREVIOUS, NULL, HOLD), "settings check it"
        self._store = store
        self._late = on_snapshot_late
        self._shift_ms = shift_ms
        self._limit_bytes = limit_bytes
        self.merged = Merged()
        self._groups: dict[str, Group] = {}
        self._schemas: dict[str, pa.Schema] = {}

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> LookedUp:
        """The Join's features for each row.

        Args:
            join: whose parts are read.
            rows: the left's columns; `ts` and `ds` are those of `at` if they are not among them.
            at: int64 milliseconds, per row; events strictly before it count, or, of a Join that reads
                earlier, before what it reads as of.

        Raises:
            NotYetError: under `hold`, if a snapshot has not landed.
            DataError: if the features take more memory than an answer's may.
            RunError: if a store cannot be reached; never for the sake of one row.
        """
        left = timed(rows, at) if reads_dates(join) else rows
        wanted = at + self._shift_ms + join.shift_ms
        parts = self._parts(join, left, wanted, lambda: timed(rows, at).select(_TIMES))
        columns = [renamed(part, parts[at].columns) for at, part in enumerate(join.parts)]
        features, failed = self._features(join, left, columns)
        status = np.zeros(len(at), np.int64)
        by_name: dict[str, np.ndarray] = {}
        refused: dict[int, str] = {}
        for part, found in zip(join.parts, parts, strict=True):
            name = part.group_by.name
            by_name[name] = found.status | by_name.get(name, np.int64(0))
            status |= found.status
            failed = {**failed, **found.failed}
            refused = {**found.refused, **refused}
        if failed:
            lost = np.zeros(len(at), bool)
            lost[list(failed)] = True
            status[lost] |= statuses.ERROR
            # A row has an answer or none: the others' columns are null, too, and are to say why.
            by_name = {
                name: bits | np.where(lost, statuses.ERROR, 0) for name, bits in by_name.items()
            }
            features = without(features, lost)
        return LookedUp(features, status, by_name, failed, refused)

    def group_by(self, node: GroupByNode, keys: pa.Table, at: np.ndarray) -> LookedUp:
        """One GroupBy's columns after its derivations.

        Args:
            node: the GroupBy.
            keys: its key columns.
            at: int64 milliseconds, per row.

        Raises:
            NotYetError: under `hold`, if a snapshot has not landed.
            DataError: if the features take more memory than an answer's may.
        """
        group = self.group(node)
        own = keys.select(list(group.keys))
        with group.snapshot(self.bring([(group, lambda: entities(own)[1])])) as snapshot:
            wanted = at + self._shift_ms
            if self._late == HOLD:
                _hold(group, wanted, group.late(snapshot, wanted))
            found = group.read(
                snapshot,
                own,
                wanted,
                self._late,
                lambda: timed(keys, at).select(_TIMES),
                Budget(self._limit_bytes, len(at)),
            )
        self.merged.add(found)
        parts = {node.name: found.status}
        return LookedUp(found.columns, found.status, parts, found.failed, found.refused)

    def ready(self, join: JoinNode, at: np.ndarray) -> bool:
        """Whether all snapshots that reads at these instants want have landed (protocol 8)."""
        return self.groups_ready({part.group_by for part in join.parts}, at + join.shift_ms)

    def groups_ready(self, nodes: Iterable[GroupByNode], at: np.ndarray) -> bool:
        """`ready`, of GroupBys."""
        groups = [group for node in nodes if (group := self.group(node)).is_snapshot]
        brought = self.bring((each, tuple) for each in groups)
        for group in groups:
            with group.snapshot(brought) as snapshot:
                if group.late(snapshot, at + self._shift_ms).any():
                    return False
        return True

    def bring(
        self, groups: Iterable[tuple[Group, Callable[[], Iterable[bytes]]]]
    ) -> Brought | None:
        """What is going to be read of GroupBys; see `groups.bring`."""
        return bring(self._store, groups)

    def group(self, node: GroupByNode) -> Group:
        """The GroupBy as it is read; made once."""
        found = self._groups.get(node.fingerprint)
        if found is None:
            found = self._groups.setdefault(node.fingerprint, Group(node, self._store))
        return found

    def _features(
        self, join: JoinNode, left: pa.Table, columns: list[pa.Table]
    ) -> tuple[pa.Table, dict[int, str]]:
        """The Join's features, with nulls where a derivation raises, and the reasons."""
        if join.derivations is None:
            return features_of(join, left, columns), {}
        return guarded(
            lambda first, many: features_of(
                join, left.slice(first, many), [each.slice(first, many) for each in columns]
            ),
            left.num_rows,
            self._schema(join),
            join.name,
        )

    def _parts(
        self, join: JoinNode, left: pa.Table, at: np.ndarray, times: Callable[[], pa.Table]
    ) -> list[Found]:
        """Each part's columns; all parts of one GroupBy from one snapshot."""
        found: dict[int, Found] = {}
        budget = Budget(self._limit_bytes, len(at))
        keys = [left.select(list(part.left_keys)) for part in join.parts]
        groups = together([self.group(part.group_by) for part in join.parts])
        brought = self.bring(
            (group, partial(_entities, [keys[each] for each in places])) for group, places in groups
        )
        for group, places in groups:
            with group.snapshot(brought) as snapshot:
                if self._late == HOLD:
                    _hold(group, at, group.late(snapshot, at))
                for place in places:
                    own = keys[place]
                    found[place] = group.read(snapshot, own, at, self._late, times, budget)
                    self.merged.add(found[place])
        return [found[place] for place in range(len(join.parts))]

    def _schema(self, join: JoinNode) -> pa.Schema:
        """Of the Join's features, as `features_of` gives them."""
        found = self._schemas.get(join.fingerprint)
        if found is None:
            names = join.base_schema if join.derivations is None else join.derivations.output
            types = {**join.schema, **join.base_schema}
            if join.derivations is not None:
                types |= {each.name: each.expression.type for each in join.derivations.steps}
            whole = type(join.schema).of({name: types[name] for name in names})
            found = self._schemas.setdefault(join.fingerprint, schema_to_arrow(whole))
        return found


def _entities(keys: Iterable[pa.Table]) -> list[bytes]:
    """The entities of all these keys."""
    return [each for some in keys for each in entities(some)[1]]


def timed(rows: pa.Table, at: np.ndarray) -> pa.Table:
    """The rows with `ts` and `ds`; those of the instants where they are not there."""
    names = rows.column_names
    if "ts" not in names:
        rows = rows.append_column("ts", pa.array(at, pa.int64()))
    if "ds" not in names:
        rows = rows.append_column("ds", dates_of(rows.column("ts")))
    return rows


def _hold(group: Group, at: np.ndarray, late: np.ndarray) -> None:
    if late.any():
        wanted = int(at[late].max()) // DAY_MS * DAY_MS
        raise NotYetError(
            f"{group.node.name} has no snapshot as of {format_instant(wanted)} yet",
            hint="upload it; on_snapshot_late=previous answers with the one before",
        )
