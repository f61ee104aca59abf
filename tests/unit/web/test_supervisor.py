"""Processes are kept running until it is seen that this is of no use."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from catenary.app.ends import ENDS
from catenary.errors import RunError
from catenary.web.supervisor import keep

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

_spawn = multiprocessing.get_context("spawn")
SLEEPS = partial(_spawn.Process, target=time.sleep, args=(60,))
ENDING = partial(_spawn.Process, target=os._exit, args=(3,))


def made(kinds: list[Callable[[], BaseProcess]]) -> tuple[list[Any], Callable[[], BaseProcess]]:
    """Makes processes of these kinds, the last again and again; and where they are noted."""
    found: list[Any] = []

    def make() -> BaseProcess:
        found.append(kinds[min(len(found), len(kinds) - 1)]())
        return found[-1]

    return found, make


def event(*, is_set: bool) -> threading.Event:
    found = threading.Event()
    if is_set:
        found.set()
    return found


def test_a_process_that_ends_is_replaced_and_all_end_together() -> None:
    found, make = made([SLEEPS])
    stopped = threading.Event()

    def kill_one() -> None:
        while len(found) < 2 or not found[1].pid:
            time.sleep(0.01)
        os.kill(found[0].pid, signal.SIGKILL)
        while len(found) < 3 or not found[2].pid:
            time.sleep(0.01)
        stopped.set()

    killing = threading.Thread(target=kill_one)
    killing.start()
    keep(make, 2, event(is_set=True), stopped, 20)
    killing.join()
    assert [each.exitcode for each in found] == [-signal.SIGKILL, -signal.SIGTERM, -signal.SIGTERM]


def test_a_process_that_ends_before_any_answers_is_not_tried_again() -> None:
    found, make = made([ENDING])
    with pytest.raises(RunError, match="a worker ended with code 3 as it began"):
        keep(make, 1, event(is_set=False), threading.Event(), 20)
    assert len(found) == 1


def test_processes_that_end_again_and_again_are_given_up_and_the_others_ended() -> None:
    found, make = made([SLEEPS, ENDING])
    with pytest.raises(RunError, match=f"{ENDS} workers ended within 60 s"):
        keep(make, 2, event(is_set=True), threading.Event(), 20)
    assert [each.exitcode for each in found] == [-signal.SIGTERM, *[3] * ENDS]


def test_a_process_that_does_not_end_is_killed() -> None:
    # A process that is stopped does not hear of SIGTERM.
    found, make = made([SLEEPS])
    stopped = threading.Event()

    def hold_up() -> None:
        while not (found and found[0].pid):
            time.sleep(0.01)
        os.kill(found[0].pid, signal.SIGSTOP)
        stopped.set()

    holding = threading.Thread(target=hold_up)
    holding.start()
    keep(make, 1, event(is_set=True), stopped, 0.2)
    holding.join()
    assert [each.exitcode for each in found] == [-signal.SIGKILL]


def test_processes_hear_nothing_of_ctrl_c_from_their_first_import_on() -> None:
    found, make = made([SLEEPS])
    stopped = threading.Event()

    def interrupt() -> None:
        while not (found and found[0].pid):
            time.sleep(0.001)
        for _ in range(50):
            os.kill(found[0].pid, signal.SIGINT)
            time.sleep(0.01)
        stopped.set()

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    keep(make, 1, event(is_set=True), stopped, 20)
    interrupting.join()
    assert [each.exitcode for each in found] == [-signal.SIGTERM]
