"""A bell that every process may ring, and whoever waits wakes up.

    waiter:  open ─► look whether there is work ─► wait ─► look again ─► …
    ringer:  make the work visible ─► ring

A waiter is a Unix datagram socket, a file in the bell's folder; ringing sends one byte to each. Since
the socket is there before its owner looks, a ring between the look and the wait is kept for the wait.
A ring says "look again", not what there is: several may fall into one, and one may be for nothing.
Whoever finds a socket whose process has gone removes it. A process that may not write to a waiter's
socket cannot wake it, so waits across users are bounded, and followed by a look. With nobody waiting a ring is one `stat`.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from catenary.errors import StorageError
from catenary.wakes.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_UNBORN = ".opening-"
_UNBORN_KEPT_S = 60.0
_SPARE: Final = 4
_numbers = itertools.count()


class Bell:
    """The bell of a folder; the folder is made by the first waiter.

    Example:
        with bell.waiter() as waiter:
            while not there_is_work():
                waiter.wait(1.0)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._listing = Listing(self._folder)
        self._lock = threading.Lock()
        self._ringer: socket.socket | None = None
        self._handle = -1
        self._spare: list[Waiter] = []
        self._closed = False

    def ring(self) -> None:
        """Wake every waiter of every process; those who do not wait yet will not sleep then."""
        names = self._listing.names()
        if not names:
            return
        with self._lock:
            if not self._sending():
                return
            for name in names:
                if not name.startswith("."):
                    self._send(name)

    def _sending(self) -> bool:
        """Whether there is a folder to send to; opened once."""
        if self._ringer is None:
            try:
                self._handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            self._ringer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._ringer.setblocking(False)
        return True

    def _send(self, name: str) -> None:
        assert self._ringer is not None
        try:
            self._ringer.sendto(b"!", _short(self._handle, name))
        except BlockingIOError:
            return  # full of rings that its owner has not taken yet: it will wake
        except PermissionError:
            return  # another user's, who has to look now and then
        except FileNotFoundError:
            self._listing.forget()
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return
            if error.errno != errno.ECONNREFUSED:
                raise StorageError(
                    f"a waiter could not be woken: {error.strerror}",
                    where=f"{self._folder}/{name}",
                ) from error
            _remove(name, self._handle)
            self._listing.forget()

    def waiter(self) -> Waiter:
        """A new waiter; rings count from here on.

        Raises:
            StorageError: if its socket cannot be made.
        """
        try:
            os.makedirs(self._folder, exist_ok=True)
            return Waiter(self._folder)
        except OSError as error:
            raise StorageError(
                f"a waiter's socket cannot be made: {error.strerror}", where=self._folder
            ) from error

    @contextmanager
    def waiting(self) -> Generator[Waiter]:
        """A waiter on loan; rings count from here on.

        It stays open for the next one: a socket made for each wait would cost more than most waits
        last, and change the folder that every ringer looks at.

        Raises:
            StorageError: if its socket cannot be made.
        """
        waiter = self._unlent()
        try:
            waiter.clear()
            yield waiter
        finally:
            if self._closed or len(self._spare) >= _SPARE:
                waiter.close()
            else:
                self._spare.append(waiter)

    def _unlent(self) -> Waiter:
        """One that nobody has. What was open before a fork stays the other process's."""
        while True:
            try:
                waiter = self._spare.pop()
            except IndexError:
                return self.waiter()
            if waiter.process == os.getpid():
                return waiter

    def close(self) -> None:
        """Release the ringer's socket and the waiters that nobody has; no more are kept then."""
        self._closed = True
        while self._spare:
            self._spare.pop().close()
        with self._lock:
            if self._ringer is not None:
                self._ringer.close()
                os.close(self._handle)
                self._ringer = None
                self._handle = -1

    def __del__(self) -> None:
        if getattr(self, "_ringer", None) is not None:
            self.close()


class Waiter:
    """One who waits for a bell; for one thread at a time. Leaving its context removes its socket."""

    def __init__(self, folder: str) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.process = os.getpid()
        self._name = f"{self.process}-{next(_numbers)}-{os.urandom(4).hex()}"
        self._open = True
        unborn = _UNBORN + self._name
        try:
            # Renamed once it listens: a ringer that found it half-made would take it for a dead one.
            self._socket.bind(_short(self._handle, unborn))
            os.rename(unborn, self._name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
            _sweep(self._handle)
        except OSError:
            self.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the bell rings, or not at all if it rang since the last wait.

        Returns:
            False after the timeout.
        """
        try:
            self._socket.settimeout(max(timeout_s, 0.0))
            self._socket.recv(1)
        except (TimeoutError, BlockingIOError):
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Forget rings up to here; look for work after it, not before."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(1)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Stop listening; in a fork of the process whose it is, that one goes on."""
        if self._open:
            self._open = False
            self._socket.close()
            if self.process == os.getpid():
                for name in (self._name, _UNBORN + self._name):
                    _remove(name, self._handle)
            os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()


def _short(handle: int, name: str) -> str:
    """A socket's path through the open folder: a path of its own may be too long for a socket."""
    return f"/proc/self/fd/{handle}/{name}"


def _remove(name: str, handle: int) -> None:
    try:
        os.unlink(name, dir_fd=handle)
    except FileNotFoundError:
        return  # another process was quicker


def _sweep(handle: int) -> None:
    """Remove what waiters left that died while they opened."""
    for name in os.listdir(handle):
        if not name.startswith(_UNBORN):
            continue
        try:
            age = time.time() - os.stat(name, dir_fd=handle).st_mtime
        except FileNotFoundError:
            continue
        if age > _UNBORN_KEPT_S:
            _remove(name, handle)
