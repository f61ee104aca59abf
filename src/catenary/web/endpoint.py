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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from catenary.plan.fingerprints import fingerprint
from catenary.plan.nodes import JoinNode
from catenary.schema import Schema
from catenary.serve.requests import Asked
from catenary.web import forms
from catenary.web.asked import ARROW
from catenary.web.refusals import JSON, RefusedError, Reply, refusal_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
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

_ARROW: Final = ((b"content-type", ARROW.encode()),)


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
    """What the head of a request for features says.

    Attributes:
        wishes: as of when, and what must be reflected.
        arrow: whether the body is an Arrow stream rather than JSON.
        arrow_out: whether the answer is to be one.
        began_s: when the request began, by the monotonic clock.
        traceparent: of whoever asks; None if there is none.
    """

    wishes: Wishes
    arrow: bool
    arrow_out: bool
    began_s: float
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

    def answer(self, call: Call, body: bytes) -> Reply | Awaitable[Reply]:
        """The answer to a call with this body: at hand, or what it is awaited with.

        Raises:
            RefusedError: for a request that does not fit, and what comes too late; awaiting raises it, too.
            CatenaryError: of the fetcher.
        """
        began_s, began_ns = time.perf_counter(), time.time_ns()
        try:
            found = self._answer(call, body)
        except Exception as error:
            self._trace(call, began_ns, refusal_of(error).status)
            raise
        if isinstance(found, Reply):
            return self._told(found, call, began_s, began_ns)
        return self._awaited(found, call, began_s, began_ns)

    async def _awaited(
        self, found: Awaitable[Reply], call: Call, began_s: float, began_ns: int
    ) -> Reply:
        try:
            reply = await found
        except Exception as error:
            self._trace(call, began_ns, refusal_of(error).status)
            raise
        return self._told(reply, call, began_s, began_ns)

    def _told(self, reply: Reply, call: Call, began_s: float, began_ns: int) -> Reply:
        """The answer, counted and traced."""
        if self._shared.counters is not None:
            self._shared.counters.answered(self._place, time.perf_counter() - began_s)
        self._trace(call, began_ns, reply.status)
        return reply

    def _trace(self, call: Call, began_ns: int, code: int) -> None:
        if self._shared.spans is not None:
            self._shared.spans.fetched(self.name, began_ns, code, call.traceparent)

    def _answer(self, call: Call, body: bytes) -> Reply | Awaitable[Reply]:
        shared, wishes = self._shared, call.wishes
        rows = (
            forms.from_arrow(body)
            if call.arrow
            else forms.Rows(forms.from_json(body, self._columns))
        )
        many = len(rows.keys)
        if many > shared.batch_limit:
            raise RefusedError(
                422,
                f"{many:,} rows were asked for, {shared.batch_limit:,} is the limit",
                where="body",
                hint="ask in several requests, or raise batch_limit",
            )
        if many == 1 and not (call.arrow or call.arrow_out):
            (keys,) = rows.keys
            if shared.at_once and wishes.min_token is None:
                return self._one(keys, _instant(wishes))
            return self._later(lambda: self._one(keys, _instant(wishes)), call, shared.at_once)
        at = rows.at
        return self._later(
            lambda: self._many(rows.keys, _instant(wishes) if at is None else at, call.arrow_out),
            call,
            False,
        )

    async def _later(self, work: Callable[[], Reply], call: Call, here: bool) -> Reply:
        """What work comes to once the token is reflected: here, or in a thread."""
        shared, wishes = self._shared, call.wishes
        until_s = call.began_s + shared.time_limit_s
        if wishes.min_token is not None:
            left_s = until_s - time.monotonic()
            timeout_s = left_s if wishes.timeout_s is None else min(wishes.timeout_s, left_s)
            await shared.waiting.reflected(self.name, wishes.min_token, timeout_s)
        if here:
            return work()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(until_s - time.monotonic()):
                return await loop.run_in_executor(shared.pool, work)
        except TimeoutError:
            problem = f"the features of {self.name} were not read within {shared.time_limit_s:g} s"
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
            return Reply(200, _ARROW, forms.to_arrow(answer))
        rows = answer.each()
        given = keys.to_pylist() if isinstance(keys, pa.Table) else keys
        for row, each, ts in zip(rows, given, answer.at.tolist(), strict=True):
            self._log(row, each, ts)
        if arrow_out:
            return Reply(200, _ARROW, forms.to_arrow(answer))
        return self._json(rows, given, answer.token)

    def _json(self, rows: Sequence[Row], keys: Sequence[Mapping[str, Any]], token: Token) -> Reply:
        return Reply(200, JSON, forms.to_json(rows, keys, self._token(token), self._mend))

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


def _instant(wishes: Wishes) -> int:
    """As of when."""
    return time.time_ns() // 1_000_000 if wishes.at_ms is None else wishes.at_ms


def _column(name: str, type_: Type) -> dict[str, object]:
    return {"name": name, "type": str(type_)}


def _texts(*columns: Mapping[str, Type]) -> list[list[list[str]]]:
    return [[[name, str(type_)] for name, type_ in each.items()] for each in columns]
