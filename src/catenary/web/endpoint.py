"""One definition's features: a body with keys becomes a body with answers.

    body ──► rows ──► token waited for ──► one row: here ──────────────► JSON
                                      └──► many, or Arrow: a thread ──► JSON or Arrow

One row of a store on this machine is read at once, by the thread that also listens: that takes less than
handing it over would. All else is read by threads of a pool.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from catenary.errors import CatenaryError
from catenary.plan.fingerprints import fingerprint
from catenary.plan.nodes import JoinNode
from catenary.schema import Schema
from catenary.serve.requests import Asked
from catenary.web import forms
from catenary.web.asked import ARROW
from catenary.web.refusals import JSON, RefusedError, Reply, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from catenary.app.spans import Spans
    from catenary.plan.nodes import GroupByNode, Node
    from catenary.ports import Token
    from catenary.schema import Type
    from catenary.serve.answers import Row
    from catenary.serve.fetcher import Fetcher
    from catenary.web.asked import Wishes
    from catenary.web.counters import Counters
    from catenary.web.sampled import RequestLog
    from catenary.web.waiting import Waiting


@dataclass(frozen=True)
class Shared:
    """What the endpoints of a worker have in common.

    Attributes:
        fetcher: who answers.
        waiting: who waits for tokens.
        pool: threads that read what is not read at once.
        at_once: whether single rows are: the store is on this machine, and nothing is held for.
        batch_limit: rows that a request may ask for.
        time_limit_s: that it may take.
        counters: where answers are counted; None if they are not.
        requests: where sampled requests are logged; None if they are not.
        spans: where spans of fetches are sent; None for nowhere.
    """

    fetcher: Fetcher
    waiting: Waiting
    pool: Executor
    at_once: bool
    batch_limit: int
    time_limit_s: float
    counters: Counters | None = None
    requests: RequestLog | None = None
    spans: Spans | None = None


class Call(NamedTuple):
    """One request for features.

    Attributes:
        body: JSON, or an Arrow stream if `arrow` says so.
        wishes: as of when, and what must be reflected.
        arrow: the form of the body.
        arrow_out: the form of the answer.
        until_s: when the time is up, by the event loop's clock.
        traceparent: of whoever asks; None if there is none.
    """

    body: bytes
    wishes: Wishes
    arrow: bool
    arrow_out: bool
    until_s: float
    traceparent: str | None


@dataclass(frozen=True)
class About:
    """What is said of a definition to those who ask for it.

    Attributes:
        name: its name.
        asked: the columns of requests.
        features: the columns of answers.
        fingerprint: of all of these.
    """

    name: str
    asked: Asked
    features: Schema
    fingerprint: str

    def facts(self) -> dict[str, object]:
        """For programs."""
        needed = self.asked.needed
        return {
            "name": self.name,
            "keySchema": [
                {**_column(name, type_), "required": name in needed}
                for name, type_ in self.asked.types.items()
            ],
            "valueSchema": [_column(name, type_) for name, type_ in self.features.items()],
            "schemaHash": self.fingerprint,
        }


class Endpoint:
    """Answers requests for one definition.

    Args:
        node: a Join or a GroupBy.
        place: of its numbers among the counters.
        shared: with the others.
    """

    def __init__(self, node: Node, place: int, shared: Shared) -> None:
        self.name = node.name
        self.about = about(node)
        self._needed = self.about.asked.needed
        self._place = place
        self._shared = shared
        self._columns = forms.Columns.of(self.about.asked.types)
        self._mend = forms.Mend.of(self.about.features)
        self._token = forms.TokenText()

    def below(self) -> tuple[GroupByNode, ...]:
        """All GroupBys that are read for an answer."""
        return self._shared.fetcher.below(self.name)

    async def answer(self, call: Call) -> Reply:
        """The answer to a call.

        Raises:
            RefusedError: for a request that does not fit; what comes too late; a store that cannot be read.
        """
        if self._shared.spans is not None:
            return await self._traced(call, self._shared.spans)
        return await self._counted(call)

    async def _traced(self, call: Call, spans: Spans) -> Reply:
        began_ns, code = time.time_ns(), 500
        try:
            found = await self._counted(call)
            code = found.status
        except RefusedError as refused:
            code = refused.status
            raise
        finally:
            spans.fetched(self.name, began_ns, code, call.traceparent)
        return found

    async def _counted(self, call: Call) -> Reply:
        began_s = time.perf_counter()
        try:
            found = await self._answered(*call[:-1])
        except CatenaryError as error:
            raise refusal_of(error) from error
        if self._shared.counters is not None:
            self._shared.counters.answered(self._place, time.perf_counter() - began_s)
        return found

    async def _answered(
        self, body: bytes, wishes: Wishes, arrow: bool, arrow_out: bool, until_s: float
    ) -> Reply:
        shared = self._shared
        read = forms.from_arrow if arrow else self._from_json
        rows = read(body)
        many = len(rows.keys)
        if many > shared.batch_limit:
            raise RefusedError(
                422,
                f"{many:,} rows were asked for, {shared.batch_limit:,} is the limit",
                where="body",
                hint="ask in several requests, or raise batch_limit",
            )
        if wishes.min_token is not None:
            left_s = until_s - asyncio.get_running_loop().time()
            timeout_s = left_s if wishes.timeout_s is None else min(wishes.timeout_s, left_s)
            await shared.waiting.reflected(self.name, wishes.min_token, timeout_s)
        at = rows.at if rows.at is not None else wishes.at_ms
        if at is None:
            at = time.time_ns() // 1_000_000
        if many == 1 and not (arrow or arrow_out):
            (keys,) = rows.keys
            if shared.at_once:
                return self._one(keys, at)
            return await self._threaded(lambda: self._one(keys, at), until_s)
        return await self._threaded(lambda: self._many(rows.keys, at, arrow_out), until_s)

    def _from_json(self, body: bytes) -> forms.Rows:
        return forms.Rows(forms.from_json(body, self._columns))

    async def _threaded(self, work: Callable[[], Reply], until_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until_s):
                return await loop.run_in_executor(self._shared.pool, work)
        except TimeoutError:
            limit_s = self._shared.time_limit_s
            problem = f"the features of {self.name} were not read within {limit_s:g} s"
            hint = "ask for fewer rows, or raise time_limit_ms"
            raise RefusedError(504, problem, hint=hint) from None

    def _one(self, keys: Mapping[str, Any], at: Any) -> Reply:
        row = self._shared.fetcher.fetch(self.name, keys, at=at)
        self._count(row.bits)
        self._log(row, keys, at)
        return self._json([row], [keys], row.token)

    def _many(self, keys: Any, at: Any, arrow_out: bool) -> Reply:
        answer = self._shared.fetcher.fetch(self.name, keys, at=at)
        for bits in answer.bits.tolist():
            self._count(bits)
        if arrow_out and self._shared.requests is None:
            return Reply(200, [("content-type", ARROW)], forms.to_arrow(answer))
        rows = answer.each()
        given = keys.to_pylist() if isinstance(keys, pa.Table) else keys
        for row, each, ts in zip(rows, given, answer.at.tolist(), strict=True):
            self._log(row, each, ts)
        if arrow_out:
            return Reply(200, [("content-type", ARROW)], forms.to_arrow(answer))
        return self._json(rows, given, answer.token)

    def _json(self, rows: Sequence[Row], keys: Sequence[Mapping[str, Any]], token: Token) -> Reply:
        return Reply(200, [JSON], forms.to_json(rows, keys, self._token(token), self._mend))

    def _count(self, bits: int) -> None:
        if self._shared.counters is not None:
            self._shared.counters.row(self._place, bits)

    def _log(self, row: Row, keys: Mapping[str, Any], at_ms: int) -> None:
        if self._shared.requests is not None:
            schema = self.about.fingerprint
            self._shared.requests.offer(self.name, schema, self._needed, keys, at_ms, row)


def about(node: Node) -> About:
    """What is said of a definition."""
    asked, features = Asked.of(node), features_of(node)
    said = fingerprint("served", node.name, _texts(asked.types, features))
    return About(node.name, asked, features, said)


def features_of(node: Node) -> Schema:
    """The columns of a definition's answers."""
    if not isinstance(node, JoinNode):
        return node.schema
    if node.derivations is None:
        return node.base_schema
    return Schema.of({name: node.schema[name] for name in node.derivations.output})


def _column(name: str, type_: Type) -> dict[str, object]:
    return {"name": name, "type": str(type_)}


def _texts(*columns: Mapping[str, Type]) -> list[list[list[str]]]:
    return [[[name, str(type_)] for name, type_ in each.items()] for each in columns]
