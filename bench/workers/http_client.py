"""A plain HTTP client for measuring servers: connections kept open, one request under way on each."""

from __future__ import annotations

import socket
import time
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD_ENDS = b"\r\n\r\n"


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
    selector = DefaultSelector()
    left, bodies, each_s = iter(asked), [], []
    begun = time.perf_counter()
    under_way = 0
    for _ in range(connections):
        held = socket.create_connection(("127.0.0.1", port))
        held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(held, EVENT_READ)
        request = next(left, None)
        if request is not None:
            under_way += 1
            held.sendall(request)
            selector.modify(held, EVENT_READ, [time.perf_counter(), b""])
    while under_way:
        for key, _ in selector.select():
            held, state = key.fileobj, key.data
            state[1] += held.recv(1 << 16)
            body = _body(state[1])
            if body is None:
                continue
            now = time.perf_counter()
            each_s.append(now - state[0])
            bodies.append(body)
            request = next(left, None)
            if request is None:
                under_way -= 1
            else:
                state[:] = now, b""
                held.sendall(request)
    seconds = time.perf_counter() - begun
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    selector.close()
    return Asked(seconds, each_s, bodies)


def _body(received: bytes) -> bytes | None:
    """The body, once all of it is there."""
    head, _, body = received.partition(_HEAD_ENDS)
    if not _:
        return None
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received[:500].decode(errors="replace"))
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    return body if len(body) >= int(lowered[at:].split(b"\r\n", 1)[0]) else None


def await_listening(port: int, patience_s: float = 60.0) -> None:
    """Until somebody listens on a port of the loopback."""
    until = time.monotonic() + patience_s
    for _ in count():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
