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

    from catenary.web.application import Application
    from catenary.web.worker import Order

_log: Final = logging.getLogger(__name__)
END_S: Final = 10
"""How long requests may take to end once the worker is told to."""


def run(order: Order, host: str, port: int) -> None:
    """Answer at an address until told to stop (SIGTERM), in a process that was started for this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and tells us
    # uvicorn ends well at SIGTERM, and raises it again when it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        with closing(load(order)) as application, shared(host, port) as listening:
            _answer(application, listening, order.spin_us / 1e6)
    except CatenaryError as error:
        _log.error("a worker cannot begin: %s", error)
        sys.exit(1)


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
    server = Server(config)

    async def look() -> None:
        now_s = asyncio.get_running_loop().time()
        for each in list(server.server_state.connections):
            assert isinstance(each, Protocol)
            each.look(now_s)

    config.callback_notify = look  # each second
    loop = partial(asyncio.SelectorEventLoop, WatchfulSelector(spin_s))
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(server.serve([listening]))


def _follow_parent() -> None:
    """End with the parent, even if that is killed."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
