"""The fetcher: features for keys, as of now or any instant, by what must be reflected.

    fetch ──► wait for the token, if one is given ──► lookup ──► columns, a status per row

An answer never holds a null in disguise: a row that could not be answered says `error` with its
reason, one from before the retained history says so, and every other doubt has its name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pyarrow as pa

from catenary.errors import DataError, NotYetError, nearest
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.plan.stage import streamed_sources
from catenary.ports import Looked, SourcePartition, Token, statuses
from catenary.rows.columns import dates_of, normal_column
from catenary.schema.arrow import to_arrow
from catenary.serve.lookup import StoreLookup
from catenary.serve.readers import ClientReader
from catenary.state.layouts import dataset_name
from catenary.state.records import frontier, lanes_of

if TYPE_CHECKING:
    from catenary.plan import Plan
    from catenary.ports import Store
    from catenary.schema import Type

Requests = pa.Table | Mapping[str, object] | Sequence[Mapping[str, object]]
At = int | datetime | np.ndarray | Sequence[int] | None
_PATIENCE_S: Final = 1.0


@dataclass(frozen=True)
class Answer:
    """What many requests got.

    Attributes:
        columns: the features, one row per request, in the requests' order.
        bits: int64, the statuses of each row (`ports.statuses`).
        parts: the same per part, by GroupBy.
        reasons: row to why it has no answer.
        token: the positions that every row reflects.
    """

    columns: pa.Table
    bits: np.ndarray
    parts: Mapping[str, np.ndarray]
    reasons: Mapping[int, str]
    token: Token

    @property
    def status(self) -> list[str]:
        """The worst status of each row."""
        return [statuses.worst(each) for each in self.bits.tolist()]

    @property
    def statuses(self) -> list[dict[str, str]]:
        """Each row's worst status per part."""
        return [
            {name: statuses.worst(int(bits[row])) for name, bits in self.parts.items()}
            for row in range(len(self.bits))
        ]

    def rows(self) -> list[dict[str, object]]:
        """The features as Python values, a mapping per row."""
        return cast("list[dict[str, object]]", self.columns.to_pylist(maps_as_pydicts="strict"))


class Row(dict[str, Any]):
    """What one request got: features by name, with what the answer says of itself.

    Attributes:
        status: the worst status.
        statuses: the worst status per part.
        reason: why there is no answer; None if there is one.
        token: the positions that it reflects.
    """

    def __init__(
        self,
        features: Mapping[str, object],
        status: str,
        by_part: Mapping[str, str],
        reason: str | None,
        token: Token,
    ) -> None:
        super().__init__(features)
        self.status = status
        self.statuses = by_part
        self.reason = reason
        self.token = token


class Fetcher:
    """Reads the features of a plan's Joins and GroupBys from a store.

    Args:
        plan: whose names are known.
        store: where the datasets are.
        on_snapshot_late: `previous` or `null`; see `StoreLookup`.

    Example:
        row = fetcher.fetch("flight_risk", {"carrier": "UA", "origin": "EWR", "tailnum": "N24211"})
        row["hub_pressure_pressure_average_3h"], row.status
    """

    def __init__(self, plan: Plan, store: Store, *, on_snapshot_late: str = "previous") -> None:
        self._plan = plan
        self._store = store
        self.lookup = StoreLookup(store, on_snapshot_late=on_snapshot_late)
        self._below: dict[str, tuple[GroupByNode, ...]] = {}

    def fetch(
        self,
        name: str,
        requests: Requests,
        *,
        at: At = None,
        min_token: Token | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        """Features for one request or many.

        Args:
            name: a Join or a GroupBy.
            requests: a mapping gets a `Row`; a sequence of them or an Arrow table an `Answer`. Keys,
                and the left's columns that derivations use.
            at: an instant for all, or one per request; None for now. Events strictly before count.
            min_token: the answer reflects it, through all stages; it is waited for.
            timeout_s: how long.

        Raises:
            DataError: for an unknown name, a missing column, or a value of another type.
            NotYetError: if the token was not reflected in time.
        """
        if isinstance(requests, Mapping):
            answer = self._fetch(name, [requests], at, min_token, timeout_s)
            return Row(
                answer.rows()[0],
                answer.status[0],
                answer.statuses[0],
                answer.reasons.get(0),
                answer.token,
            )
        return self._fetch(name, requests, at, min_token, timeout_s)

    async def afetch(
        self,
        name: str,
        requests: Requests,
        *,
        at: At = None,
        min_token: Token | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        """`fetch` without holding up the event loop."""
        return await asyncio.to_thread(
            self.fetch, name, requests, at=at, min_token=min_token, timeout_s=timeout_s
        )

    def reader(self, name: str, join: str, *, from_ms: int, ttl_s: float) -> ClientReader:
        """Hold the heads of every stage below a definition, for a client that follows at its pace.

        Args:
            name: the reader's.
            join: what it will fetch.
            from_ms: the earliest instant that it will ask for.
            ttl_s: it is forgotten so long after it was last heard of.
        """
        datasets = [
            found
            for node in self.below(join)
            if streamed_sources(node)
            and (found := self._store.dataset(dataset_name(node), create=True)) is not None
        ]
        return ClientReader(name, datasets, from_ms=from_ms, ttl_s=ttl_s)

    def below(self, name: str) -> tuple[GroupByNode, ...]:
        """All GroupBys that a definition reads, transitively, parents first.

        Raises:
            DataError: if there is no definition of that name.
        """
        if name not in self._below:
            known = [each.name for each in self._plan.nodes]
            if name not in known:
                raise DataError(f"no definition is named {name!r}", hint=nearest(name, known))
            found: dict[str, GroupByNode] = {}
            _descend(self._plan.node(name), found)
            self._below[name] = tuple(found.values())
        return self._below[name]

    def wait(self, name: str, token: Token, timeout_s: float) -> Token:
        """Wait until everything below a definition reflects a token.

        Returns:
            The positions that are reflected by then.

        Raises:
            NotYetError: after the timeout; names the stage, and what it lacks.
        """
        until = time.monotonic() + timeout_s
        while True:
            version = self._store.version()
            reached = {node.name: self._frontier(node) for node in self.below(name)}
            lacking = [
                f"{stage} is at {have.get(place, 'no position')} of {place}, {wanted} is asked"
                for stage, have in reached.items()
                for place, wanted in token.positions.items()
                if self._follows(name, stage, place.topic) and have.get(place, -1) < wanted
            ]
            if not lacking:
                return _least(reached.values())
            left = until - time.monotonic()
            if left <= 0:
                raise NotYetError(
                    f"{name} does not reflect the token after {timeout_s:g} s: {lacking[0]}",
                    hint="`catenary status` shows whether the stage runs, and how far it lags",
                )
            self._store.wait(version, min(left, _PATIENCE_S))

    def _fetch(
        self, name: str, requests: Any, at: At, min_token: Token | None, timeout_s: float
    ) -> Answer:
        below = self.below(name)
        if min_token is not None:
            token = self.wait(name, min_token, timeout_s)
        else:
            token = _least([self._frontier(node) for node in below])
        node = self._plan.node(name)
        rows = _left(node, requests, at)
        instants = rows.column("ts").to_numpy()
        if isinstance(node, JoinNode):
            looked = self.lookup.join(node, rows, instants)
        else:
            columns, status, failed = self.lookup.group_by(node, rows)
            looked = Looked(columns, status, {node.name: status}, failed)
        bits = looked.status.copy()
        bits[list(looked.failed)] |= statuses.ERROR
        return Answer(looked.columns, bits, looked.parts, looked.failed, token)

    def _frontier(self, node: GroupByNode) -> dict[SourcePartition, int]:
        if not streamed_sources(node):
            return {}
        dataset = self._store.dataset(dataset_name(node))
        if dataset is None:
            return {}
        with dataset.snapshot() as snapshot:
            return frontier(lanes_of(snapshot))

    def _follows(self, name: str, stage: str, topic: str) -> bool:
        """Whether a stage reads a topic: by its address's end, as tokens name topics."""
        node = next(each for each in self.below(name) if each.name == stage)
        return any(
            address.partition("?")[0].rstrip("/").endswith(topic)
            for _, _, address in streamed_sources(node)
        )


def _descend(node: JoinNode | GroupByNode, found: dict[str, GroupByNode]) -> None:
    if isinstance(node, GroupByNode):
        for scan in node.sources:
            if scan.parent is not None:
                _descend(scan.parent, found)
        found.setdefault(node.fingerprint, node)
        return
    if node.left.parent is not None:
        _descend(node.left.parent, found)
    for part in node.parts:
        _descend(part.group_by, found)


def _least(frontiers: Any) -> Token:
    """The positions that all stages have reached."""
    found: dict[SourcePartition, int] = {}
    for each in frontiers:
        for place, offset in each.items():
            found[place] = min(offset, found.get(place, offset))
    return Token(found)


def _left(node: JoinNode | GroupByNode, requests: Any, at: At) -> pa.Table:
    """The requests as a Join's left rows, or a GroupBy's keys, with `ts` and `ds`."""
    types = dict(node.keys) if isinstance(node, GroupByNode) else dict(node.left.schema.items())
    needed = _needed(node)
    table = requests if isinstance(requests, pa.Table) else _tabled(requests, types, node.name)
    columns: dict[str, pa.ChunkedArray] = {}
    for name, type_ in types.items():
        if name in table.column_names:
            columns[name] = normal_column(table.column(name), type_, name)
        elif name in needed:
            raise DataError(
                f"{node.name} needs {name!r} in a request",
                hint=f"given: {', '.join(table.column_names) or 'nothing'}",
            )
        else:
            columns[name] = pa.chunked_array([pa.nulls(table.num_rows, to_arrow(type_))])
    ts = pa.chunked_array([_instants(at, table.num_rows)])
    columns["ts"] = ts
    columns["ds"] = pa.chunked_array([dates_of(ts)])
    return pa.table(columns)


def _needed(node: JoinNode | GroupByNode) -> set[str]:
    """What a request must hold: keys, and the left's columns that derivations read."""
    if isinstance(node, GroupByNode):
        return {name for name, _ in node.keys}
    found = {name for part in node.parts for name in part.left_keys}
    left = {name for name, _ in node.left.selects}
    if node.derivations is not None:
        for step in node.derivations.steps:
            found |= {name for name in step.expression.inputs if name in left} - set(
                node.base_schema
            )
    return found


def _tabled(requests: Any, types: Mapping[str, Type], name: str) -> pa.Table:
    """Mappings as columns.

    Raises:
        DataError: for a column that is not known, or a value of another type.
    """
    for request in requests:
        for column in request:
            if column not in types:
                raise DataError(f"{name} has no column {column!r}", hint=nearest(column, types))
    given = [column for column in types if any(column in request for request in requests)]
    columns: dict[str, pa.Array] = {}
    for column in given:
        values = [request.get(column) for request in requests]
        try:
            columns[column] = pa.array(values, to_arrow(types[column]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise DataError(
                f"a request's {column!r} is not {types[column]}: {error}", where=name
            ) from error
    return pa.table(columns) if columns else pa.table({"_": pa.nulls(len(requests))})


def _instants(at: At, rows: int) -> pa.Array:
    """An instant per request, in milliseconds."""
    if at is None:
        at = time.time_ns() // 1_000_000
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise DataError("at= has no time zone", hint="use datetime(…, tzinfo=UTC)")
        at = round(at.timestamp() * 1000)
    if isinstance(at, int):
        return pa.array(np.full(rows, at, np.int64))
    many = np.asarray(at, np.int64)
    if len(many) != rows:
        raise DataError(f"at= has {len(many)} instants for {rows} requests")
    return pa.array(many)
