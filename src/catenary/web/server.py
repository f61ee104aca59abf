"""Granian's processes: one that listens to signals, and workers that answer.

Each worker has its own socket of the same address, among which the kernel shares connections; workers
are started afresh (spawn), since neither a store nor Arrow's threads survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from catenary.app.api_keys import check_scopes
from catenary.app.extras import needed
from catenary.app.log_lines import configuration
from catenary.app.spans import Spans
from catenary.errors import LogError, SettingsError
from catenary.plan.printing import counted

try:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server
except ImportError as error:
    raise needed("serve", "`catenary serve`", error) from error

from catenary.web.access import Access
from catenary.web.counters import Counters
from catenary.web.worker import load, served

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from catenary.app.live import Live
    from catenary.web.worker import Order

_HEADER_BYTES: Final = 64 * 1024
_HEADER_MS: Final = 10_000
_CONNECTIONS: Final = 4096
_ROWS: Final = 16
_END_S: Final = 10
_LOOK_S: Final = 0.02


def serve(order: Order, listening: Callable[[str], None]) -> None:
    """Serve until told to stop (SIGTERM or SIGINT); called in the process's main thread.

    Args:
        order: what is served; its counters are made here.
        listening: told the address once a worker answers.

    Raises:
        SettingsError: for an address that cannot be had, keys that are not there, scopes that name what
            is not served, or a request log that cannot be written.
        UnsupportedError: if a library is not installed that the settings ask for.
        UnreachableError: if the store's server is away.
        SystemExit: if workers end again and again.
    """
    live = order.live()
    settings = live.project.settings
    names = [node.name for node in served(live)]
    check_scopes(settings.api_keys, live.project.definitions)
    Access(settings.api_keys, os.environ)
    _try(live)
    rows = max(_ROWS, 2 * settings.workers)
    _make_request_log(live, rows)
    live.close()
    with (
        TemporaryDirectory(prefix="catenary-serve-") as folder,
        _held(settings.host, settings.port) as port,
    ):
        path = Path(folder) / "counters"
        Counters.make(path, names, rows)
        multiprocessing.set_start_method("spawn", force=True)
        server = Server(
            "catenary",
            address=settings.host,
            port=port,
            interface=Interfaces.RSGI,
            workers=settings.workers,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=_HEADER_MS, max_buffer_size=_HEADER_BYTES
            ),
            websockets=False,
            backpressure=_CONNECTIONS,
            log_level=LogLevels.warning,
            log_dictconfig=configuration(order.log_format),
            respawn_failed_workers=True,
            workers_kill_timeout=_END_S,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        told = partial(listening, f"http://{host}:{port}")
        ended = threading.Event()
        looking = threading.Thread(
            target=_look, args=(settings.host, port, told, ended), daemon=True
        )
        looking.start()
        try:
            order = replace(order, counters=path, rows=rows)
            server.serve(target_loader=partial(load, order), wrap_loader=False)
        finally:
            ended.set()
            looking.join()


def _try(live: Live) -> None:
    """Meet here what would end each worker: a library that is missing, a store that lets nobody in."""
    traces = live.project.settings.traces
    if traces:
        Spans(traces, "catenary serve").close()
    live.store.datasets()


def _make_request_log(live: Live, partitions: int) -> None:
    """Make the topic, if it is named and not there yet."""
    settings = live.project.settings
    topic = settings.request_log
    if not topic:
        return
    try:
        there = len(live.log.partitions(topic))
    except LogError:
        live.log.create(topic, partitions=partitions)
        return
    if there < partitions:
        raise SettingsError(
            f"request_log={topic!r} has {counted(there, 'partition')}, {partitions} are needed",
            hint="each worker writes one of its own; name another topic, which is made as it must be",
        )


@contextmanager
def _held(host: str, port: int) -> Generator[int]:
    """The port, which nobody else has, kept while in the context; any that is free for 0."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family)) as alone:
            # Workers share the port, and whoever else had it would share it, too.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            found = int(alone.getsockname()[1])
        with closing(socket.socket(family)) as shared:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind((host, found))
            yield found
    except OSError as error:
        problem = f"{host}:{port} cannot be listened at: {error.strerror or error}"
        raise SettingsError(problem, hint="give another --port; 0 takes any") from error


def _look(host: str, port: int, told: Callable[[], None], ended: threading.Event) -> None:
    """Tell once somebody listens."""
    while not ended.is_set():
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            told()
            return
