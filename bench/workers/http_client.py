"""A plain HTTP client for measuring servers: connections kept open, one request under way on each."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD_ENDS = b"\r\n\r\n"
_AT_ONCE = 1 << 16


class Asked(NamedTuple):
    """Seconds from the first request to the last answer; of each request; the answers' bodies, in no order."""

    seconds: float
    each_s: list[float]
    bodies: list[bytes]


def requests(port: int, target: str, bodies: Sequence[bytes]) -> list[bytes]:
    """POST requests for a target, each as it is sent."""
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return [f"{head}Content-Length: {len(each)}\r\n\r\n".encode() + each for each in bodies]


def ask(port: int, asked: Sequence[bytes], connections: int) -> Asked:
    """Send all requests over so many connections of the loopback.

    Raises:
        RuntimeError: for an answer that is no success.
    """
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for each in held:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begun = time.perf_counter()
    each_s, bodies = _alone(held[0], asked) if connections == 1 else _together(held, asked)
    seconds = time.perf_counter() - begun
    for each in held:
        each.close()
    return Asked(seconds, each_s, bodies)


def _alone(held: socket.socket, asked: Sequence[bytes]) -> tuple[list[float], list[bytes]]:
    """One after the other; nothing but the calls that send and receive is timed."""
    each_s: list[float] = []
    bodies: list[bytes] = []
    for request in asked:
        begun = time.perf_counter()
        held.sendall(request)
        received = held.recv(_AT_ONCE)
        ended = time.perf_counter()
        while (body := _body(received)) is None:
            received += held.recv(_AT_ONCE)
            ended = time.perf_counter()
        each_s.append(ended - begun)
        bodies.append(body)
    return each_s, bodies


def _together(
    held: Sequence[socket.socket], asked: Sequence[bytes]
) -> tuple[list[float], list[bytes]]:
    """One request under way on each."""
    each_s: list[float] = []
    bodies: list[bytes] = []
    left = iter(asked)
    with DefaultSelector() as selector:

        def send(connection: socket.socket) -> None:
            request = next(left, None)
            if request is None:
                selector.unregister(connection)
                return
            selector.modify(connection, EVENT_READ, _Waited(time.perf_counter()))
            connection.sendall(request)

        for each in held:
            selector.register(each, EVENT_READ)
            send(each)
        while selector.get_map():
            for key, _ in selector.select():
                connection: Any = key.fileobj
                key.data.received += connection.recv(_AT_ONCE)
                body = _body(key.data.received)
                if body is not None:
                    each_s.append(time.perf_counter() - key.data.since_s)
                    bodies.append(body)
                    send(connection)
    return each_s, bodies


@dataclass
class _Waited:
    """An answer that is waited for since a moment, as far as it has come."""

    since_s: float
    received: bytes = b""


def _body(received: bytes) -> bytes | None:
    """The body, once all of it is there."""
    head, ended, body = received.partition(_HEAD_ENDS)
    if not ended:
        return None
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received[:500].decode(errors="replace"))
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    return body if len(body) >= int(lowered[at:].split(b"\r\n", 1)[0]) else None


def await_listening(port: int, patience_s: float = 60.0) -> None:
    """Until somebody listens on a port of the loopback.

    Raises:
        OSError: if nobody does in time.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)
