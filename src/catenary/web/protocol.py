"""One connection: uvicorn's protocol, with a shorter way for requests that come in one piece.

    read ──► a request for features, whole ──► Application.at_once ──► answer, one write
      └────► all else ──► uvicorn: scope, task, Application(scope, receive, send)

The shorter way costs a third of the other, in which an answer is a task of its own. It is for a request that
nothing else on the connection waits for and after which the connection stays open; as soon as one is not of
this kind, or the read ends before it does, uvicorn takes it from the beginning.

uvicorn leaves three things to proxies, which are seen to here: how long a client may be silent, how many
bytes a head may have, and how many connections there may be.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from catenary.web.application import BEGUN, CLOSE, Request
from catenary.web.asked import Headers
from catenary.web.refusals import RefusedError, Reply

if TYPE_CHECKING:
    import asyncio

    from catenary.web.application import Application

KEEP_S: Final = 75
"""How long a client may leave a connection idle, or an answer unread."""
HEAD_S: Final = 10
"""How long it may take for a request's head."""
HEAD_BYTES: Final = 64 * 1024
CONNECTIONS: Final = 4096
"""Of one worker."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    app: Application

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._held: bytes | None = None
        """The body, so far, of a request that uvicorn does not know of; None without one."""
        self._may_hold = False
        self._named = Headers()
        self._unread = 0
        """Bytes that came since a head, a piece of a body or a message was complete."""
        self._until_s = 0.0
        """When the client must have gone on, by the loop's clock."""
        self._unsent = 0
        """Bytes of answers that the client had not taken when it was last looked at."""
        self._refusal: Reply | None = None
        """What is said last to a client that sent what is no request; nothing is read any more."""
        self._last = False
        """Whether the next answer is the last."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client has come."""
        super().connection_made(transport)
        self._wait(KEEP_S)
        if len(self.connections) > CONNECTIONS:
            transport.close()

    def look(self, now_s: float) -> None:
        """End the connection if its client has been silent for too long; called now and then."""
        if now_s <= self._until_s:
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:  # it takes its answer, if slowly
            self._unsent = unsent
            self._wait(KEEP_S)
        else:
            self.transport.abort()

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride] - as asyncio has it
        """The client sends no more; what it has asked is answered, unless it broke off."""
        if not self._is_busy() or self.cycle.more_body:
            return False
        self.shutdown()
        return not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """A piece of requests: one, as a rule."""
        assert self.parser is not None, "a connection that is lost reads nothing"
        if self._refusal is not None:
            return
        self._unread += len(data)
        self._may_hold = True
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            (end,) = upgrade.args
            self._decline(self.parser.get_method(), data[end:])
        except HttpParserError as error:
            cause = error.__context__  # what a callback raised
            self._refuse(cause if isinstance(cause, RefusedError) else _no_http("this is no HTTP"))
        if self._held is not None:
            self._let_go()
        if self._unread > HEAD_BYTES and self._refusal is None:
            self._refuse(_too_long())

    def _refuse(self, error: RefusedError) -> None:
        """End the connection with a refusal, behind what was asked before and is not answered yet."""
        if self.transport.is_closing():
            return
        self._refusal = error.reply()
        waits = self._is_busy()
        if waits and self.cycle.more_body:  # it is this one's body that is wrong
            waits = bool(self.pipeline)
            if waits:
                self.pipeline.popleft()
        if not waits:
            self._end(self._refusal)

    def _end(self, refusal: Reply) -> None:
        self._send(refusal)
        self.transport.close()

    def last(self) -> None:
        """End the connection with the next answer, which says so: the server is about to end."""
        self._last = True
        if self._is_busy():
            self.cycle.keep_alive = False

    def _decline(self, method: bytes, rest: bytes) -> None:
        """Go on in this protocol with a client that offers another, as Java's offers HTTP/2.

        The parser would drop the body, so one that does not hear of the offer takes its place.
        """
        head = [method, b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += (name, b": ", value, b"\r\n")
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.data_received(b"".join((*head, b"\r\n", rest)))

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if not self._is_busy():
            self._wait(HEAD_S)

    def on_headers_complete(self) -> None:
        """A head is there."""
        if self._unread > HEAD_BYTES and _size(self.url, self.headers) > HEAD_BYTES:
            raise _too_long()  # the parser gives up
        assert self.parser is not None, "it is what calls"
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _no_http("this is no proxy")
            return
        self._unread = 0
        named = Headers(self.headers)
        if b"transfer-encoding" in named:
            _check_encoding(self.headers)
        self.headers = []  # what comes behind a body is no part of the head
        if self._may_hold and self._is_simple():
            self._may_hold = False  # one of each read, so that no client holds others up with many
            self._held, self._named = b"", named
            return
        self._start()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._unread = 0
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._unread = 0
        if self._held is None:
            assert self.parser is not None, "it is what calls"
            if not self.parser.should_upgrade():
                super().on_message_complete()
            return
        found = self.app.at_once(self._request(), self._held)
        if isinstance(found, Reply):
            self._held = None
            self._send(found)
            return
        if found is not None:
            self.scope.setdefault("state", {})[BEGUN] = found
        self._let_go()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Uvicorn has sent an answer."""
        refusal, closing = self._refusal, self.transport.is_closing()
        if refusal is not None and not (self.pipeline or closing):
            self._end(refusal)
        super().on_response_complete()
        self._wait(self._answer_s() if self._is_busy() else KEEP_S)

    def _is_busy(self) -> bool:
        """Whether uvicorn has a request that is not answered yet."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _is_simple(self) -> bool:
        """Whether nothing is under way, and the connection stays as it is after an answer."""
        parser = self.parser
        assert parser is not None, "it is what calls"
        return (
            parser.get_method() == b"POST"
            and not self._last
            and not self._is_busy()
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
        )

    def _request(self) -> Request:
        path, query = _target(self.url)
        return Request("POST", path, query, self._named)

    def _start(self) -> None:
        """Let uvicorn begin with the request whose head is there."""
        self._wait(self._answer_s())
        super().on_headers_complete()
        if self._last:
            self.cycle.keep_alive = False

    def _let_go(self) -> None:
        """Let uvicorn begin with the request that was held."""
        body, self._held = self._held, None
        if not self.transport.is_closing():
            self._start()
            if body:
                super().on_body(body)

    def _send(self, reply: Reply) -> None:
        parts = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.head()):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", reply.body)
        self.transport.write(b"".join(parts))
        self._wait(KEEP_S)

    def _answer_s(self) -> float:
        """Within how long an answer is there, and taken."""
        return self.app.time_limit_s + KEEP_S

    def _wait(self, seconds: float) -> None:
        self._until_s = self.loop.time() + seconds


@lru_cache(maxsize=256)
def _target(url: bytes) -> tuple[str, bytes]:
    """Path and query of a URL, as uvicorn takes them apart; clients ask for the same again and again."""
    found = parse_url(url)
    return unquote(found.path.decode("ascii")), found.query or b""


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers)


def _check_encoding(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a body that is encoded, which the parser would hand on as it came.

    Raises:
        RefusedError: 501.
    """
    given = [value for name, value in headers if name == b"transfer-encoding"]
    if [each.strip().lower() for each in given] != [b"chunked"]:
        told = b", ".join(given).decode("latin-1")
        raise RefusedError(
            501,
            f"a body that comes as {told!r} is not read",
            where="header Transfer-Encoding",
            hint="send it chunked, or with its length",
            headers=CLOSE,
        )


def _too_long() -> RefusedError:
    return _no_http("the head of the request is too long")


def _no_http(problem: str) -> RefusedError:
    return RefusedError(400, problem, headers=CLOSE)
