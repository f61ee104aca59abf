"""What a server calls: a request finds its route, and gets an answer or a refusal.

    head ──► route ──► key ──► body ──► Endpoint ──► reply
               │         └── 401, 403    └── 408, 413
               └── 404, 405

An `Application` is one of ASGI. A request for features that came whole may also be asked for at once: then
its answer is at hand when the call returns, unless something is to be waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from catenary.errors import CatenaryError, nearest
from catenary.web.access import Access, allows
from catenary.web.asked import Headers, is_arrow, wants_arrow, wishes
from catenary.web.endpoint import Call
from catenary.web.refusals import JSON, RefusedError, Reply, refusal_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from catenary.app.api_keys import ApiKey
    from catenary.web.counters import Counters
    from catenary.web.endpoint import Endpoint

    Get = Callable[["ApiKey | None"], Awaitable[Reply]]

Scope = MutableMapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log: Final = logging.getLogger(__name__)
OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What is answered without a key."""
CLOSE: Final = ((b"connection", b"close"),)
"""The header of an answer behind which the connection ends."""
BEGUN: Final = "catenary.begun"
"""Where a scope's state has the answer to a request that was begun before the server called."""


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        method: in capitals.
        path: with percent-encoding undone.
        query: as it came.
        headers: by their names.
    """

    method: str
    path: str
    query: bytes
    headers: Headers


class Page(NamedTuple):
    """What is asked with GET.

    Attributes:
        get: answers; told the key that was given.
        definition: whose it is; None if it is no definition's own.
        whole: whether it says something of all definitions, and is for keys that are for all.
    """

    get: Get
    definition: str | None = None
    whole: bool = False

    def is_for(self, key: ApiKey | None) -> bool:
        """Whether it is for a key, or for no key where none are asked for."""
        if self.whole and key is not None and key.definitions is not None:
            return False
        return self.definition is None or allows(key, self.definition)


class _GoneError(Exception):
    """The client has gone, in the middle of its request."""


class Application:
    """Answers requests.

    Args:
        endpoints: by path, what is asked with POST.
        gets: by path, what is asked with GET.
        access: who may ask; None for anybody.
        topics: that tokens may name.
        body_limit: bytes of a body.
        time_limit_s: that a request may take.
        counters: where refusals are counted; None if they are not.
        close: called when the worker ends.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        gets: Mapping[str, Page],
        access: Access | None,
        topics: frozenset[str],
        *,
        body_limit: int,
        time_limit_s: float,
        counters: Counters | None,
        close: Callable[[], None],
    ) -> None:
        self._endpoints = dict(endpoints)
        self._gets = dict(gets)
        self._access = access
        self._topics = topics
        self._body_limit = body_limit
        self.time_limit_s = time_limit_s
        self._counters = counters
        self.close = close

    def change(self, endpoints: Mapping[str, Endpoint], gets: Mapping[str, Page]) -> None:
        """Answer these from now on; requests that have begun end as they began."""
        self._endpoints, self._gets = dict(endpoints), dict(gets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        begun: Awaitable[Reply] | None = scope["state"].get(BEGUN)
        try:
            reply = await (self._received(scope, receive) if begun is None else begun)
        except _GoneError:
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.head()})
        await send({"type": "http.response.body", "body": reply.body})

    def at_once(self, request: Request, body: bytes) -> Reply | Awaitable[Reply] | None:
        """The answer to a request that is there as a whole.

        Returns:
            It, if nothing is to be waited for; else what gives it when it is awaited; None for a request
            that is not one for features, or too long a one: the server is to call.
        """
        try:
            endpoint = self._endpoint(request)
            if endpoint is None or len(body) > self._body_limit:
                return None
            found = endpoint.answer(self._call(request, time.monotonic()), body)
        except Exception as error:
            return self._refused(request, error)
        return found if isinstance(found, Reply) else self._awaited(request, found)

    async def _awaited(self, request: Request, found: Awaitable[Reply]) -> Reply:
        try:
            return await found
        except Exception as error:
            return self._refused(request, error)

    async def _received(self, scope: Scope, receive: Receive) -> Reply:
        """The answer to a request whose body is still to come.

        Raises:
            _GoneError: if it does not, since nobody waits for the answer any more.
        """
        began_s = time.monotonic()
        headers = Headers(scope["headers"])
        request = Request(scope["method"], scope["path"], scope["query_string"], headers)
        try:
            endpoint = self._endpoint(request)
            if endpoint is None:
                return await self._got(request)
            # What can be refused by its head is not read.
            call = self._call(request, began_s)
            found = endpoint.answer(call, await self._body(headers, receive))
            return found if isinstance(found, Reply) else await found
        except _GoneError:
            raise
        except Exception as error:
            return self._refused(request, error)

    def _endpoint(self, request: Request) -> Endpoint | None:
        """The endpoint that is asked, by who may; None if it is none."""
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return None
        if request.method != "POST":
            raise _not_allowed(request.method, request.path, "POST")
        if self._access is not None:
            self._access.check(request.headers.text(b"authorization"), endpoint.name)
        return endpoint

    def _call(self, request: Request, began_s: float) -> Call:
        """What a request's head asks of an endpoint."""
        headers = request.headers
        arrow = is_arrow(headers.text(b"content-type"))
        return Call(
            wishes(request.query, headers, self._topics),
            arrow,
            wants_arrow(headers.text(b"accept"), arrow),
            began_s,
            headers.text(b"traceparent"),
        )

    async def _got(self, request: Request) -> Reply:
        """What is asked with GET."""
        path, method, headers = request.path, request.method, request.headers
        key: ApiKey | None = None
        if self._access is not None and path not in OPEN:
            key = self._access.check(headers.text(b"authorization"))
        page = self._gets.get(path)
        if page is None:
            known = [each for each, page in self._gets.items() if page.is_for(key)]
            known += [each for each, of in self._endpoints.items() if allows(key, of.name)]
            raise RefusedError(
                404, f"there is no {path!r}", where="path", hint=nearest(path, known)
            )
        if method != "GET":
            raise _not_allowed(method, path, "GET")
        if not page.is_for(key):
            about = "all definitions" if page.definition is None else repr(page.definition)
            raise RefusedError(
                403,
                f"the API key is not for {about}",
                hint="it is for those that GET /v1/joins and /v1/groupbys list",
            )
        return await page.get(key)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The body, if it comes in time and is no longer than it may be."""
        length = headers.text(b"content-length")
        if length is not None:
            self._check_length(int(length))
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self.time_limit_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _GoneError
                    body += message["body"]
                    self._check_length(len(body))
                    more = message["more_body"]
        except TimeoutError:
            raise RefusedError(
                408,
                f"the body did not come within {self.time_limit_s:g} s",
                where="body",
                hint="send it at once",
                headers=CLOSE,
            ) from None
        return bytes(body)

    def _check_length(self, length: int) -> None:
        if length > self._body_limit:
            raise RefusedError(
                413,
                f"the body has {length:,} bytes or more, {self._body_limit:,} is the limit",
                where="body",
                hint="ask in several requests, or raise body_limit",
                headers=CLOSE,
            )

    def _refused(self, request: Request, error: Exception) -> Reply:
        """What is answered for an error."""
        if not isinstance(error, (RefusedError, CatenaryError)):
            _log.error("%s %s failed", request.method, request.path, exc_info=error)
        refusal = refusal_of(error)
        if self._counters is not None:
            self._counters.refused(refusal.status)
        return refusal.reply()


def json_reply(data: object, status: int = 200) -> Reply:
    """An object as an answer."""
    return Reply(status, JSON, msgspec.json.encode(data))


def fixed(data: object) -> Get:
    """What answers the same to all."""
    reply = json_reply(data)

    async def get(_: ApiKey | None) -> Reply:
        return reply

    return get


def scoped(data: Callable[[frozenset[str] | None], object]) -> Get:
    """What answers each key with what its scope is told; made once for each."""
    reply = cache(lambda scope: json_reply(data(scope)))
    reply(None)  # now rather than with the first request

    async def get(key: ApiKey | None) -> Reply:
        return reply(None if key is None else key.definitions)

    return get


def listed(field: str, names: list[str]) -> Get:
    """The names that a key is for."""

    async def get(key: ApiKey | None) -> Reply:
        return json_reply({field: [name for name in names if allows(key, name)]})

    return get


class Reads(NamedTuple):
    """Where pages are read that are read anew each time.

    Attributes:
        pool: threads of their own, so that a silent store holds up nothing but them.
        limit_s: that a page may take.
    """

    pool: Executor
    limit_s: float

    def page(
        self,
        work: Callable[[], Any],
        reply: Callable[[Any], Reply],
        late: Callable[[str], Reply] | None = None,
    ) -> Get:
        """What is read by `work`, and said as `reply` has it.

        Args:
            work: reads.
            reply: the answer to what was read.
            late: likewise, to the problem that it was not read in time; None for a refusal.
        """

        async def get(_: ApiKey | None) -> Reply:
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(self.limit_s):
                    return reply(await loop.run_in_executor(self.pool, work))
            except TimeoutError:
                problem = f"the store did not answer within {self.limit_s:g} s"
                if late is not None:
                    return late(problem)
                hint = "is its server up, and is it too busy?"
                raise RefusedError(503, problem, hint=hint) from None

        return get


def _not_allowed(method: str, path: str, wanted: str) -> RefusedError:
    return RefusedError(
        405,
        f"{path} is not asked with {method}",
        hint=f"use {wanted}",
        headers=((b"allow", wanted.encode()),),
    )
