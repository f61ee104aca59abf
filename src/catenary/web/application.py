"""What a server calls: a request finds its route, and gets an answer or a refusal.

    scope ──► route ──► key ──► body ──► Endpoint ──► reply
                │         └── 401, 403    └── 408, 413
                └── 404, 405

RSGI is Granian's own interface: a coroutine per request, and one call that sends the whole answer. Under
it a request costs half of what it does under Starlette.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec
from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # pyright: ignore[reportPrivateImportUsage] - it is their only public place

from catenary.errors import nearest
from catenary.web.access import Access, allows
from catenary.web.asked import is_arrow, wants_arrow, wishes
from catenary.web.deadlines import Deadlines
from catenary.web.endpoint import Call
from catenary.web.refusals import JSON, RefusedError, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from catenary.app.api_keys import ApiKey
    from catenary.web.counters import Counters
    from catenary.web.endpoint import Endpoint

    Get = Callable[["ApiKey | None"], Awaitable[Reply]]

_log: Final = logging.getLogger(__name__)
OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What is answered without a key."""


class Application:
    """Answers requests.

    Args:
        endpoints: by path, what is asked with POST.
        gets: by path, what is asked with GET; told the key that was given.
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
        gets: Mapping[str, Get],
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
        self._time_limit_s = time_limit_s
        self._deadlines = Deadlines(time_limit_s)
        self._counters = counters
        self._close = close

    def change(self, endpoints: Mapping[str, Endpoint], gets: Mapping[str, Get]) -> None:
        """Answer these from now on; requests that have begun end as they began."""
        self._endpoints, self._gets = dict(endpoints), dict(gets)

    async def __call__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """One request."""
        try:
            reply = await self._reply(scope, proto)
        except RefusedError as refusal:
            reply = self._refused(refusal)
        except (ProtocolClosed, ProtocolError):
            return  # the client has gone, in the middle of its request
        except Exception:
            _log.exception("%s %s failed", scope.method, scope.path)
            problem = "the service made a mistake; its log says more"
            reply = self._refused(RefusedError(500, problem, kind="InternalError"))
        proto.response_bytes(reply.status, reply.headers, reply.body)

    def __rsgi_del__(self, _: asyncio.AbstractEventLoop) -> None:
        """The worker ends."""
        self._close()

    async def _reply(self, scope: Scope, proto: HTTPProtocol) -> Reply:
        path, method = scope.path, scope.method
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            path = unquote(path)
            endpoint = self._endpoints.get(path)
            if endpoint is None:
                return await self._got(path, method, scope)
        if method != "POST":
            raise _not_allowed(method, path, "POST")
        headers = scope.headers
        if self._access is not None:
            self._access.check(headers.get("authorization"), endpoint.name)
        arrow = is_arrow(headers.get("content-type"))
        began_s = asyncio.get_running_loop().time()
        body = await self._body(headers.get("content-length"), proto, began_s)
        call = Call(
            body,
            wishes(scope.query_string, headers, self._topics),
            arrow,
            wants_arrow(headers.get("accept"), arrow),
            began_s + self._time_limit_s,
            headers.get("traceparent"),
        )
        return await endpoint.answer(call)

    async def _got(self, path: str, method: str, scope: Scope) -> Reply:
        """What is asked with GET."""
        key: ApiKey | None = None
        if self._access is not None and path not in OPEN:
            key = self._access.check(scope.headers.get("authorization"))
        get = self._gets.get(path)
        if get is None:
            known = [*self._gets, *self._endpoints] if key is None else list(self._gets)
            raise RefusedError(
                404, f"there is no {path!r}", where="path", hint=nearest(path, known)
            )
        if method != "GET":
            raise _not_allowed(method, path, "GET")
        return await get(key)

    async def _body(self, length: str | None, proto: HTTPProtocol, began_s: float) -> bytes:
        """The body, if it comes in time and is no longer than it may be."""
        try:
            with self._deadlines.within(began_s):
                if length is not None:
                    self._check_length(int(length))
                    return await proto()
                chunks = bytearray()
                async for chunk in proto:
                    chunks += chunk
                    self._check_length(len(chunks))
                return bytes(chunks)
        except TimeoutError:
            raise RefusedError(
                408,
                f"the body did not come within {self._time_limit_s:g} s",
                where="body",
                hint="send it at once",
                headers=(("connection", "close"),),
            ) from None

    def _check_length(self, length: int) -> None:
        if length > self._body_limit:
            raise RefusedError(
                413,
                f"the body has {length:,} bytes or more, {self._body_limit:,} is the limit",
                where="body",
                hint="ask in several requests, or raise body_limit",
                headers=(("connection", "close"),),
            )

    def _refused(self, refusal: RefusedError) -> Reply:
        if self._counters is not None:
            self._counters.refused(refusal.status)
        return refusal.reply()


def json_reply(data: object, status: int = 200) -> Reply:
    """An object as an answer."""
    return Reply(status, [JSON], msgspec.json.encode(data))


def fixed(data: object) -> Get:
    """What answers the same to all."""
    reply = json_reply(data)

    async def get(_: ApiKey | None) -> Reply:
        return reply

    return get


def scoped(name: str, data: object) -> Get:
    """What answers the same to all whose key is for a definition."""
    reply = json_reply(data)

    async def get(key: ApiKey | None) -> Reply:
        if not allows(key, name):
            raise RefusedError(403, f"the API key is not for {name!r}")
        return reply

    return get


def listed(field: str, names: list[str]) -> Get:
    """The names that a key is for."""

    async def get(key: ApiKey | None) -> Reply:
        return json_reply({field: [name for name in names if allows(key, name)]})

    return get


def read(work: Callable[[], Any], reply: Callable[[Any], Reply]) -> Get:
    """What is read anew each time, in a thread, and said as `reply` has it."""

    async def get(_: ApiKey | None) -> Reply:
        return reply(await asyncio.to_thread(work))

    return get


def _not_allowed(method: str, path: str, wanted: str) -> RefusedError:
    return RefusedError(
        405,
        f"{path} is not asked with {method}",
        hint=f"use {wanted}",
        headers=(("allow", wanted),),
    )
