"""One worker: its application, answered by uvicorn on a socket of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import closing
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

from uvicorn import Config, Server

from catenary.errors import CatenaryError
from catenary.web.addresses import shared
from catenary.web.protocol import KEEP_S, Protocol
from catenary.web.selector import WatchfulSelector
from catenary.web.worker import load

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from catenary.web.application import Application
    from catenary.web.worker import Order

_log: Final = logging.getLogger(__name__)
END_S: Final = 10
"""How long requests may take to end once the worker is told to."""
LAST_S: Final = 1.0
"""How long a client may take for one request more, with whose answer it is told that it was the last."""
_LOOK_S: Final = 0.02


def run(order: Order, host: str, port: int) -> None:
    """Answer at an address until told to stop (SIGTERM), in a process that was started for this."""
    # uvicorn ends well at SIGTERM, and raises it again when it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        with closing(load(order)) as application, shared(host, port) as listening:
            _answer(application, listening, order.spin_us / 1e6)
    except CatenaryError as error:
        _log.error("a worker cannot begin: %s", error)
        sys.exit(1)


class Worker(Server):
    """Uvicorn's server, which loses no request when it ends.

        told to end ──► accept who has come ──► listen no more ──► last answers ──► close what is idle

    A client that keeps its connection open hears of the end with an answer, so that it sends nothing into a
    connection that is being closed, unless it is silent for longer than `LAST_S`.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; as uvicorn's."""
        loop = asyncio.get_running_loop()
        come = [each for listening in sockets or () for each in _accepted(listening)]
        for each in self.servers:
            each.close()
        for each in come:
            await loop.connect_accepted_socket(self._protocol, each)
        connections = self.server_state.connections
        until_s = loop.time() + LAST_S
        await asyncio.sleep(_LOOK_S)  # until those are met whom the loop has just accepted
        while connections and loop.time() < until_s:
            for each in list(connections):
                assert isinstance(each, Protocol)
                each.last()
            await asyncio.sleep(_LOOK_S)
        await super().shutdown(sockets)

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state)


def configuration(application: Application) -> Config:
    """How uvicorn runs an application."""
    return Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_S,
        timeout_graceful_shutdown=END_S,
        timeout_notify=0,
    )


def _answer(application: Application, listening: socket.socket, spin_s: float) -> None:
    config = configuration(application)
    server = Worker(config)

    async def look() -> None:
        now_s = asyncio.get_running_loop().time()
        for each in list(server.server_state.connections):
            assert isinstance(each, Protocol)
            each.look(now_s)

    config.callback_notify = look  # each second
    loop = partial(asyncio.SelectorEventLoop, WatchfulSelector(spin_s))
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(server.serve([listening]))


def _accepted(listening: socket.socket) -> Iterator[socket.socket]:
    """The clients that have come and were not met yet: whoever closes the socket turns them away."""
    while True:
        try:
            found, _ = listening.accept()
        except BlockingIOError:
            return
        found.setblocking(False)
        yield found


def _follow_parent() -> None:
    """End with the parent, even if that is killed."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
