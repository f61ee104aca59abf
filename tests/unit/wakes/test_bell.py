"""The bell: no ring is lost, whoever waits and wherever; the dead do not stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from catenary.errors import StorageError
from catenary.wakes import Bell, Listing

if TYPE_CHECKING:
    from pathlib import Path

LONG_S = 20.0

OTHER = """
import sys
from pathlib import Path
from catenary.wakes import Bell
with Bell(Path(sys.argv[1])).waiter() as waiter:
    print("waiting", flush=True)
    while waiter.wait(20.0):
        print("woken", flush=True)
"""


@pytest.fixture
def other(tmp_path: Path):
    """A process that waits and says so each time it wakes."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path / "bell")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def test_a_ring_wakes_a_waiter_of_another_process(tmp_path: Path, other: subprocess.Popen) -> None:
    bell = Bell(tmp_path / "bell")
    for _ in range(3):
        bell.ring()
        assert other.stdout.readline() == "woken\n"


def test_a_ring_wakes_every_waiter(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    woken: list[bool] = []
    waiters = [bell.waiter() for _ in range(5)]
    threads = [
        threading.Thread(target=lambda each=each: woken.append(each.wait(LONG_S)))
        for each in waiters
    ]
    for thread in threads:
        thread.start()
    bell.ring()
    for thread in threads:
        thread.join()
    assert woken == [True] * 5
    for waiter in waiters:
        waiter.close()


def test_a_ring_between_the_look_and_the_wait_is_kept(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiter() as waiter:
        bell.ring()
        started = time.monotonic()
        assert waiter.wait(LONG_S)
        assert time.monotonic() - started < 1
        assert not waiter.wait(0)


def test_no_ring_is_lost_while_waiters_come_and_go(tmp_path: Path) -> None:
    """Each round, a waiter opens while another thread makes work and rings."""
    ringer, sleeper = Bell(tmp_path), Bell(tmp_path)
    for _ in range(300):
        work = threading.Event()

        def make(work: threading.Event = work) -> None:
            work.set()
            ringer.ring()

        thread = threading.Thread(target=make)
        thread.start()
        with sleeper.waiter() as waiter:
            while not work.is_set():
                assert waiter.wait(LONG_S)
        thread.join()


def test_many_rings_fall_into_one_and_never_block(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiter() as waiter:
        for _ in range(5000):
            bell.ring()
        assert waiter.wait(0)
        assert not waiter.wait(0.01)


def test_cleared_rings_are_forgotten(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiter() as waiter:
        bell.ring()
        waiter.clear()
        assert not waiter.wait(0)


def test_a_wait_ends_without_a_ring(tmp_path: Path) -> None:
    with Bell(tmp_path).waiter() as waiter:
        started = time.monotonic()
        assert not waiter.wait(0.05)
        assert time.monotonic() - started >= 0.04


def test_the_sockets_of_dead_processes_are_removed(tmp_path: Path, other: subprocess.Popen) -> None:
    folder = tmp_path / "bell"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert len(os.listdir(folder)) == 1
    Bell(folder).ring()
    assert os.listdir(folder) == []


def test_what_a_waiter_left_that_died_while_it_opened_is_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".opening-1", tmp_path / ".opening-2"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    with Bell(tmp_path).waiter():
        assert not old.exists()
        assert young.exists()


def test_a_waiter_leaves_nothing_behind(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiter():
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []
    bell.ring()


def test_a_folder_with_a_long_path_has_a_bell(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["x" * 100] * 5)
    bell = Bell(folder)
    bell.ring()
    with bell.waiter() as waiter:
        bell.ring()
        assert waiter.wait(LONG_S)


def test_a_bell_rings_again_after_it_was_closed(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiter() as waiter:
        bell.ring()
        bell.close()
        waiter.clear()
        bell.ring()
        assert waiter.wait(LONG_S)


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="waiter's socket cannot be made") as caught:
        Bell(tmp_path / "file" / "bell").waiter()
    assert caught.value.where == str(tmp_path / "file" / "bell")


def test_ringing_for_nobody_costs_microseconds(tmp_path: Path) -> None:
    for bell in (Bell(tmp_path), Bell(tmp_path / "none")):
        time.sleep(0.15)
        bell.ring()
        started = time.perf_counter()
        for _ in range(1000):
            bell.ring()
        assert (time.perf_counter() - started) / 1000 < 100e-6


def test_a_listing_notices_every_change_at_once(tmp_path: Path) -> None:
    listing = Listing(str(tmp_path / "folder"))
    assert listing.names() == ()
    (tmp_path / "folder").mkdir()
    names: list[str] = []
    for each in range(300):
        (tmp_path / "folder" / f"{each:03}").touch()
        names.append(f"{each:03}")
        assert listing.names() == tuple(names)
    time.sleep(0.15)
    assert listing.names() == tuple(names)
    (tmp_path / "folder" / "000").unlink()
    assert listing.names() == tuple(names[1:])


def test_a_waiter_on_loan_is_lent_again_and_has_forgotten_the_rings_between(
    tmp_path: Path,
) -> None:
    bell = Bell(tmp_path)
    with bell.waiting() as first:
        bell.ring()
        assert first.wait(0)
    bell.ring()
    with bell.waiting() as second:
        assert second is first
        assert not second.wait(0)
        bell.ring()
        assert second.wait(0)


def test_waiters_on_loan_are_no_ones_but_the_borrowers(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiting() as first, bell.waiting() as second:
        assert first is not second
        bell.ring()
        assert first.wait(0)
        assert second.wait(0)


def test_a_closed_bell_keeps_no_waiters(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiting():
        pass
    assert len(os.listdir(tmp_path)) == 1
    with bell.waiting():
        bell.close()
    assert os.listdir(tmp_path) == []


def test_a_fork_has_waiters_of_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    with bell.waiting() as mine:
        pass
    child = os.fork()
    if not child:
        with bell.waiting() as other:
            bell.ring()
            heard = other is not mine and other.wait(0)
        mine.close()
        bell.close()
        os._exit(0 if heard else 1)
    assert os.waitpid(child, 0)[1] == 0
    with bell.waiting() as again:
        assert again is mine
        bell.ring()
        assert again.wait(0)
