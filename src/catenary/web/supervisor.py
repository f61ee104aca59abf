"""Processes that are kept running: whichever ends is replaced, until that is seen to be of no use."""

from __future__ import annotations

import logging
import signal
import time
from multiprocessing.connection import wait
from multiprocessing.resource_tracker import ensure_running
from typing import TYPE_CHECKING, Final

from catenary.app.ends import ENDS, WITHIN_S, Ends
from catenary.errors import RunError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess

_log: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.1


def keep(
    make: Callable[[], BaseProcess],
    many: int,
    answering: threading.Event,
    stopped: threading.Event,
    patience_s: float,
) -> None:
    """Keep so many processes running until told to stop; then end them, too.

    Args:
        make: a process that can be started.
        many: of them.
        answering: set once any of them does what it is for.
        stopped: set when all shall end.
        patience_s: how long they may take to end at SIGTERM before they are killed.

    Raises:
        RunError: if one ends before any answers, or several do within a minute.
    """
    ends = Ends()
    running: list[BaseProcess] = []
    try:
        for _ in range(many):
            running.append(_started(make))
        while not stopped.is_set():
            wait([each.sentinel for each in running], _LOOK_S)
            for place, each in enumerate(running):
                if each.is_alive() or stopped.is_set():
                    continue
                if not answering.is_set():
                    raise _useless(f"a worker ended with code {each.exitcode} as it began")
                if ends.too_many():
                    raise _useless(f"{ENDS} workers ended within {WITHIN_S:g} s")
                _log.warning("a worker ended with code %s; another takes its place", each.exitcode)
                running[place] = _started(make)
    finally:
        _end(running, patience_s)


def _started(make: Callable[[], BaseProcess]) -> BaseProcess:
    """A process that hears nothing of Ctrl-C, from its first import on: who runs it is told, and tells it."""
    found = make()
    ensure_running()  # which starts with the first process else, and lets the signal in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        found.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return found


def _useless(problem: str) -> RunError:
    return RunError(problem, hint="what it said on stderr has the reason")


def _end(running: Sequence[BaseProcess], patience_s: float) -> None:
    until_s = time.monotonic() + patience_s
    for each in running:
        each.terminate()
    for each in running:
        each.join(max(0.0, until_s - time.monotonic()))
        if each.is_alive():
            _log.warning("a worker did not end within %g s and was killed", patience_s)
            each.kill()
            each.join()
