"""A worker looks on for a while after something has come, and sleeps when nothing follows."""

from __future__ import annotations

import selectors
import socket
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from catenary.web.selector import WatchfulSelector

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIN_S = 5.0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The timeout of each look, on a clock that goes on by a second whenever it is asked."""
    found: list[float | None] = []
    look = selectors.DefaultSelector.select

    def select(self: selectors.DefaultSelector, timeout: float | None = None):
        found.append(timeout)
        return look(self, timeout)

    seconds = count()
    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(seconds)))
    return found


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, WatchfulSelector, socket.socket]]:
    near, far = socket.socketpair()
    with near, far, WatchfulSelector(SPIN_S) as selector:
        selector.register(near, selectors.EVENT_READ)
        yield near, selector, far


def test_it_looks_on_only_after_something_has_come(
    looks: list[float | None], ends: tuple[socket.socket, WatchfulSelector, socket.socket]
) -> None:
    near, selector, far = ends
    assert selector.select(0.01) == []
    assert looks == [0.01], "nothing has come: it sleeps at once"
    far.sendall(b"a")
    assert [key.fileobj for key, _ in selector.select(0.01)] == [near]
    assert near.recv(8) == b"a"
    looks.clear()
    assert selector.select(0.01) == []
    assert looks == [0, 0, 0, 0, 0.01], "for five seconds it looks, then it sleeps"
    looks.clear()
    assert selector.select(0.01) == []
    assert looks == [0.01]


def test_what_comes_while_it_looks_is_there_at_once_and_it_looks_on(
    looks: list[float | None], ends: tuple[socket.socket, WatchfulSelector, socket.socket]
) -> None:
    near, selector, far = ends
    for _ in range(3):
        far.sendall(b"a")
        assert [key.fileobj for key, _ in selector.select()] == [near]
        assert near.recv(8) == b"a"
    assert looks == [None, 0, 0]


def test_a_loop_that_has_work_of_its_own_looks_once(
    looks: list[float | None], ends: tuple[socket.socket, WatchfulSelector, socket.socket]
) -> None:
    _, selector, far = ends
    far.sendall(b"a")
    assert selector.select()
    assert selector.select(0)
    assert looks == [None, 0]
