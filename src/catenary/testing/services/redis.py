"""A Redis server of one's own: started, stopped, killed and started again on what it had written.

    with RedisServer(folder) as server:
        store = RedisStore(server.address())
        server.kill()
        server.start()

It listens on the loopback interface only, under a port that was free, and keeps everything in its folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from catenary.errors import UnsupportedError
from catenary.testing.services.ports import HOST, free_ports

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS: Final = ("redis-server", "valkey-server")
_STARTS_S: Final = 30.0
_LOOK_S: Final = 0.01


def program() -> str:
    """Where the server's program is.

    Raises:
        UnsupportedError: if there is none on this machine.
    """
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise UnsupportedError(
            "there is no redis-server on this machine",
            hint="apt-get install redis-server, or scripts/setup.sh dev, which does so",
        )
    return found


class RedisServer:
    """One server.

    Args:
        folder: where it writes; made if it is not there.
        appendfsync: `always` or `everysec`, what it writes survives; empty: nothing is written.
        options: more of its configuration, by name.
    """

    def __init__(self, folder: Path, *, appendfsync: str = "always", **options: str) -> None:
        assert appendfsync in ("always", "everysec", ""), "the server knows others, tests do not"
        self._folder = folder
        self._options = {name.replace("_", "-"): each for name, each in options.items()}
        self._options |= {"save": "", "appendonly": "yes" if appendfsync else "no"}
        if appendfsync:
            self._options["appendfsync"] = appendfsync
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def address(self, prefix: str = "", password: str = "") -> str:
        """What `store=` says."""
        user = f":{quote(password, safe='')}@" if password else ""
        query = f"?prefix={quote(prefix, safe='')}" if prefix else ""
        return f"redis://{user}{HOST}:{self.port}/0{query}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it was started"
        return self._process.pid

    def start(self) -> None:
        """Start it on what its folder holds, and wait until it answers."""
        assert self._process is None, "it runs already"
        self._folder.mkdir(parents=True, exist_ok=True)
        options = {"bind": HOST, "port": str(self.port), "dir": str(self._folder), **self._options}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([program(), *words], stdout=log, stderr=log)
        until = time.monotonic() + _STARTS_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                text = (self._folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"redis-server does not start: {text[-2000:]}")
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Let it end in order; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it at once."""
        assert self._process is not None, "it was started"
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Hold it up (SIGSTOP): connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def flush(self) -> None:
        """Remove all that it holds."""
        reply = self.command("FLUSHALL")
        assert reply.startswith(b"+OK"), reply

    def command(self, *words: str) -> bytes:
        """The first bytes of what it says to a command."""
        with socket.create_connection((HOST, self.port), timeout=_STARTS_S) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
