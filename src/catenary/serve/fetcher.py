"""The fetcher: features for keys, as of now or any instant, by what must be reflected.

    fetch ──► wait for the token, if one is given ──► lookup ──► columns, a status per row

An answer never holds a null in disguise: a row that could not be answered says `error` with its
reason, one from before the retained history says so, and every other doubt has its name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import DataError, NotYetError, nearest
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.ports import Token
from catenary.serve.answers import Answer, Row
from catenary.serve.below import Below, Lack, topic_of
from catenary.serve.groups import HOLD
from catenary.serve.lookup import LookedUp, StoreLookup
from catenary.serve.readers import ClientReader
from catenary.serve.requests import Asked, in_form, instant, instants
from catenary.serve.single import SinglePath

if TYPE_CHECKING:
    from catenary.plan import Plan
    from catenary.ports import Store

__all__ = ["Answer", "ClientReader", "Fetcher", "Row"]


class Frame(Protocol):
    """Columns in Arrow's C form, as Polars and pandas frames give them."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


At = int | datetime | np.ndarray | Sequence[int] | Sequence[datetime] | None
Many = pa.Table | Frame | Sequence[Mapping[str, object]]
_PATIENCE_S: Final = 1.0
HORIZON_MS: Final = 600_000
LIMIT_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class _Target:
    """A definition that is asked for, with what is known of it once and for all."""

    node: JoinNode | GroupByNode
    asked: Asked
    below: Below
    single: SinglePath


class Fetcher:
    """Reads the features of a plan's Joins and GroupBys from a store.

    Args:
        plan: whose names are known.
        store: where the datasets are.
        on_snapshot_late: what a snapshot that has not landed is answered with: the `previous` one,
            `null`, or nothing before it has (`hold`, within the timeout).
        clock: the wall clock, in milliseconds: what `at=None` means.
        topic: a topic's name in tokens, from its address.
        horizon_ms: how far head floors trail; readers tell of their progress in a tenth of it.
        limit_bytes: memory that the features of one answer may take; None for any.
        beyond: says of a token that was not reached where its topics end before it; empty if nowhere.

    Example:
        row = fetcher.fetch("flight_risk", {"carrier": "UA", "origin": "EWR", "tailnum": "N24211"})
        row["hub_pressure_pressure_average_3h"], row.status
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        on_snapshot_late: str = "previous",
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        topic: Callable[[str], str] = topic_of,
        horizon_ms: int = HORIZON_MS,
        limit_bytes: int | None = LIMIT_BYTES,
        beyond: Callable[[Token], str] = lambda _: "",
    ) -> None:
        self._beyond = beyond
        self.lookup = StoreLookup(store, on_snapshot_late=on_snapshot_late, limit_bytes=limit_bytes)
        self._store = store
        self._clock = clock
        self._topic = topic
        self._late = on_snapshot_late
        self._horizon_ms = horizon_ms
        self._nodes = {each.name: each for each in plan.nodes}
        self._targets: dict[str, _Target] = {}

    @overload
    def fetch(  # pyright: ignore[reportOverlappingOverload] - Arrow's tables have no types
        self,
        name: str | JoinNode | GroupByNode,
        requests: Mapping[str, object],
        *,
        at: At = None,
        min_token: Token | str | None = None,
        timeout_s: float = 10.0,
        reader: ClientReader | None = None,
    ) -> Row: ...

    @overload
    def fetch(
        self,
        name: str | JoinNode | GroupByNode,
        requests: Many,
        *,
        at: At = None,
        min_token: Token | str | None = None,
        timeout_s: float = 10.0,
        reader: ClientReader | None = None,
    ) -> Answer: ...

    def fetch(
        self,
        name: str | JoinNode | GroupByNode,
        requests: Mapping[str, object] | Many,
        *,
        at: At = None,
        min_token: Token | str | None = None,
        timeout_s: float = 10.0,
        reader: ClientReader | None = None,
    ) -> Row | Answer:
        """Features for one request or many.

        Args:
            name: a Join or a GroupBy.
            requests: a mapping gets a `Row`; a sequence of them, an Arrow table or a frame (Polars,
                pandas) an `Answer`. Keys, and the left's columns that derivations use.
            at: an instant for all, or one per request; None for now. Events strictly before count.
            min_token: the answer reflects it, through all stages; it is waited for. Also as text.
            timeout_s: how long.
            reader: is told that everything before the earliest of these instants has been asked for.

        Raises:
            DataError: for an unknown name, a missing column, a value of another type, or more requests
                than `limit_bytes` has an answer to.
            NotYetError: if the token was not reflected in time.
        """
        target = self._target(name)
        until = time.monotonic() + timeout_s
        wanted = Token.parse(min_token) if isinstance(min_token, str) else min_token
        if isinstance(requests, Mapping):
            found = self._fetch_one(target, requests, at, wanted, until, timeout_s)
            if found is not None:
                row, ts = found
                if reader is not None:
                    reader.passed(ts)
                return row
        rows = target.asked.rows([requests] if isinstance(requests, Mapping) else in_form(requests))
        when = instants(at, rows.num_rows, self._clock())
        token = self._reflected(target, wanted, until, timeout_s)
        if self._late == HOLD:
            self._wait_for_snapshots(target, when, until)
        answer = _answer(target, self._look(target, rows, when), rows, when, token)
        if reader is not None and len(when):
            reader.passed(int(when.min()))
        return answer.row(0) if isinstance(requests, Mapping) else answer

    async def afetch(
        self,
        name: str | JoinNode | GroupByNode,
        requests: Mapping[str, object] | Many,
        *,
        at: At = None,
        min_token: Token | str | None = None,
        timeout_s: float = 10.0,
        reader: ClientReader | None = None,
    ) -> Any:
        """`fetch` without holding up the event loop; it waits and reads in a thread."""
        return await asyncio.to_thread(
            self.fetch,
            name,
            requests,  # pyright: ignore[reportArgumentType] - either form, as in fetch
            at=at,
            min_token=min_token,
            timeout_s=timeout_s,
            reader=reader,
        )

    def reader(
        self, name: str, join: str | JoinNode | GroupByNode, *, from_ms: int, ttl_s: float = 60.0
    ) -> ClientReader:
        """Hold the heads of every stage below a definition, for a client that follows at its pace.

        Args:
            name: the reader's; another of the same name is replaced.
            join: what it will fetch.
            from_ms: the earliest instant that it will ask for.
            ttl_s: it is forgotten so long after it was last heard of.
        """
        return ClientReader(
            name,
            self._target(join).below.datasets(),
            from_ms=from_ms,
            ttl_s=ttl_s,
            step_ms=self._horizon_ms // 10,
        )

    def below(self, name: str) -> tuple[GroupByNode, ...]:
        """All GroupBys that a definition reads, transitively, parents first.

        Raises:
            DataError: if there is no definition of that name.
        """
        return self._target(name).below.nodes

    def wait(self, name: str, token: Token | str, timeout_s: float) -> Token:
        """Wait until everything below a definition reflects a token.

        Returns:
            The positions that are reflected by then.

        Raises:
            NotYetError: after the timeout; names the stage, and what it lacks.
        """
        until = time.monotonic() + timeout_s
        wanted = Token.parse(token) if isinstance(token, str) else token
        return self._reflected(self._target(name), wanted, until, timeout_s)

    def lacking(self, name: str, token: Token) -> str | None:
        """What a definition does not reflect of a token as of now, in words; None if it reflects all."""
        target = self._target(name)
        reached, _ = target.below.frontiers(self._store.version())
        return _words(target.below.lacking(token, reached))

    def overdue(self, name: str, token: Token, timeout_s: float) -> NotYetError | None:
        """What to say once a token has been waited for so long; None if all is reflected by now."""
        lacking = self.lacking(name, token)
        if lacking is None:
            return None
        return self._not_yet(self._target(name), token, timeout_s, lacking)

    def _not_yet(
        self, target: _Target, token: Token, timeout_s: float, lacking: str
    ) -> NotYetError:
        problem = f"{target.node.name} does not reflect the token after {timeout_s:g} s: {lacking}"
        beyond = self._beyond(token)
        if beyond:
            hint = f"{beyond}: nothing that far was published; is the token of another log?"
        else:
            hint = "`catenary status` shows whether the stage runs, and how far it lags"
        return NotYetError(problem, hint=hint)

    def _target(self, name: str | JoinNode | GroupByNode) -> _Target:
        key = name if isinstance(name, str) else name.name
        found = self._targets.get(key)
        if found is None:
            node = self._nodes.get(key)
            if node is None:
                raise DataError(f"no definition is named {key!r}", hint=nearest(key, self._nodes))
            below = Below(node, self._store, self._topic)
            single = SinglePath(node, self.lookup, self._late)
            made = _Target(node, Asked.of(node), below, single)
            found = self._targets.setdefault(key, made)
        return found

    def _fetch_one(
        self,
        target: _Target,
        request: Mapping[str, object],
        at: At,
        min_token: Token | None,
        until: float,
        timeout_s: float,
    ) -> tuple[Row, int] | None:
        """A row and its instant, without tables; None where the lookup is to answer."""
        if self._late == HOLD or not target.asked.is_plain:
            return None
        if not (at is None or isinstance(at, (int, datetime))):
            return None
        given = target.asked.one(request)
        ts = self._clock() if at is None else instant(at)
        token = self._reflected(target, min_token, until, timeout_s)
        found = target.single.row(given, ts)
        if found is None:
            return None
        for name in target.asked.fills:
            if given.get(name) is not None:
                found.values[name] = given[name]
        return Row(found.values, found.bits, found.parts, found.reason, token), ts

    def _look(self, target: _Target, left: pa.Table, at: np.ndarray) -> LookedUp:
        if isinstance(target.node, JoinNode):
            return self.lookup.join(target.node, left, at)
        return self.lookup.group_by(target.node, left, at)

    def _ready(self, node: JoinNode | GroupByNode, at: np.ndarray) -> bool:
        if isinstance(node, JoinNode):
            return self.lookup.ready(node, at)
        return self.lookup.groups_ready((node,), at)

    def _reflected(
        self, target: _Target, wanted: Token | None, until: float, timeout_s: float
    ) -> Token:
        """The positions that a read from now on reflects, once they are at least those wanted."""
        while True:
            version = self._store.version()
            reached, token = target.below.frontiers(version)
            lacking = [] if wanted is None else target.below.lacking(wanted, reached)
            if not lacking:
                return token
            left = until - time.monotonic()
            if left <= 0:
                assert wanted is not None, "nothing else lacks"
                raise self._not_yet(target, wanted, timeout_s, str(_words(lacking)))
            # Each of them has to come on, so it is enough to hear of the last in the chain.
            self._store.wait(version, min(left, _PATIENCE_S), dataset=lacking[-1].dataset)

    def _wait_for_snapshots(self, target: _Target, at: np.ndarray, until: float) -> None:
        """Wait while a snapshot is late; the read itself says which one, after the timeout."""
        while True:
            version = self._store.version()
            if self._ready(target.node, at):
                return
            left = until - time.monotonic()
            if left <= 0:
                return
            self._store.wait(version, min(left, _PATIENCE_S))


def _words(lacking: list[Lack]) -> str | None:
    if not lacking:
        return None
    return f"{lacking[0].words} (and {len(lacking) - 1} more)" if lacking[1:] else lacking[0].words


def _answer(
    target: _Target, looked: LookedUp, rows: pa.Table, at: np.ndarray, token: Token
) -> Answer:
    columns = looked.columns
    for name in target.asked.fills:
        if name in rows.column_names:
            # What the request knows stands; the derivation fills what it does not (semantics 19).
            place = columns.column_names.index(name)
            filled = pc.coalesce(rows.column(name), columns.column(name))
            columns = columns.set_column(place, name, filled)
    return Answer(columns, looked.status, looked.parts, looked.reasons, token, at)
