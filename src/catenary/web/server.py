"""The processes of `catenary serve`: one that listens to signals, and workers that answer.

Each worker has its own socket of the same address, among which the kernel shares connections; workers
are started afresh (spawn), since neither a store nor Arrow's threads survive a fork.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from catenary.app.api_keys import check_scopes
from catenary.app.extras import needed
from catenary.app.log_lines import configure
from catenary.app.spans import Spans
from catenary.errors import LogError, SettingsError
from catenary.plan.printing import counted
from catenary.web.access import Access
from catenary.web.addresses import await_listening, held
from catenary.web.counters import Counters
from catenary.web.supervisor import keep
from catenary.web.worker import served

try:
    from catenary.web.listener import END_S, run
except ImportError as error:
    raise needed("serve", "`catenary serve`", error) from error

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.app.live import Live
    from catenary.web.worker import Order

_ROWS: Final = 16
_MORE_S: Final = 5


def serve(order: Order, listening: Callable[[str], None], stopped: threading.Event) -> None:
    """Serve until told to stop.

    Args:
        order: what is served; its counters are made here.
        listening: told the address once a worker answers.
        stopped: set when it shall end.

    Raises:
        SettingsError: for an address that cannot be had, keys that are not there, scopes that name what
            is not served, or a request log that cannot be written.
        UnsupportedError: if a library is not installed that the settings ask for.
        UnreachableError: if the store's server is away.
        RunError: if workers end again and again.
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
    configure(order.log_format)
    with (
        TemporaryDirectory(prefix="catenary-serve-") as folder,
        held(settings.host, settings.port) as port,
    ):
        path = Path(folder) / "counters"
        Counters.make(path, names, rows)
        order = replace(order, counters=path, rows=rows, spin_us=settings.spin_us)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        answering, ended = threading.Event(), threading.Event()

        def told() -> None:
            answering.set()
            listening(f"http://{host}:{port}")

        looking = threading.Thread(
            target=await_listening, args=(settings.host, port, told, ended), daemon=True
        )
        looking.start()
        make = partial(
            get_context("spawn").Process,
            name="worker",
            target=run,
            args=(order, settings.host, port),
        )
        try:
            keep(make, settings.workers, answering, stopped, END_S + _MORE_S)
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
