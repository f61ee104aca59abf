"""The port that workers share: nobody else's, and told once somebody listens at it."""

from __future__ import annotations

import socket
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import SettingsError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

_LOOK_S: Final = 0.02


@contextmanager
def held(host: str, port: int) -> Generator[int]:
    """The port, which nobody else has, kept while in the context; any that is free for 0.

    Raises:
        SettingsError: if it cannot be had.
    """
    try:
        family, address = _resolved(host, port)
        with closing(socket.socket(family)) as alone:
            # Workers share the port, and whoever else had it would share it, too.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            found = int(alone.getsockname()[1])
        with shared(host, found):
            yield found
    except OSError as error:
        problem = f"{host}:{port} cannot be listened at: {error.strerror or error}"
        raise SettingsError(problem, hint="give another --port; 0 takes any") from error


@contextmanager
def shared(host: str, port: int) -> Generator[socket.socket]:
    """A socket of the address beside those of other processes, among which connections are shared."""
    family, address = _resolved(host, port)
    with closing(socket.socket(family)) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(address)
        yield found


def await_listening(host: str, port: int, told: Callable[[], None], ended: threading.Event) -> None:
    """Tell once somebody listens, unless it is over before."""
    while not ended.is_set():
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            told()
            return


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, address
