"""Workers that start in milliseconds: a process that has imported everything forks one per order.

    test ──order, pipe──► nursery ──fork──► worker: opens log and store itself, runs a stage
         ◄─pid, then how it ended──┘           └─► one byte per phase into the pipe, `.` or `!error`

The nursery itself opens neither log nor store and starts no thread, so a worker inherits nothing but
imported modules. What is killed here is killed by SIGKILL, by the test or by the worker itself. Not
here: which moment is drawn, and what must be right afterwards.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.property.places import Places

PHASES: Final = ("read", "decode", "wait", "enrich", "fold", "transaction", "after")
ENDED: Final = b"."
FAILED: Final = b"!"
_ROOT: Final = Path(__file__).resolve().parents[2]
_LARGEST: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
_WARM: Final = """
confluent_kafka redis catenary.aggregate catenary.app.live catenary.codecs catenary.engines.embedded catenary.expressions
catenary.logs.embedded catenary.logs.kafka catenary.plan.stage catenary.serve.lookup
catenary.stores.lmdb catenary.stores.redis
catenary.stream.build polars pyarrow.compute
"""


@dataclass(frozen=True)
class Order:
    """What a worker is to do.

    Attributes:
        folder: with `log` and `store` in it, unless they are on servers.
        spec: the StageSpec's bytes, as hexadecimal text.
        siblings: likewise, of the stages that may be chained on it.
        finish: whether it ends once nothing is queued.
        phase, nth: where it kills or stops itself: on the nth entry into that phase.
        signal: with what; 0 to go on.
        kafka, redis, world: as in `Places`.
    """

    folder: str
    spec: str
    siblings: tuple[str, ...] = ()
    finish: bool = False
    phase: str = ""
    nth: int = 0
    signal: int = 0
    kafka: str = ""
    redis: str = ""
    world: str = ""


class Worker:
    """A forked worker, as the test sees it.

    Attributes:
        pid: its process.
        heard: the phases that it announced, in order.
        error: what ended it, if that was an error.
    """

    def __init__(self, nursery: Nursery, pid: int, pipe: int) -> None:
        self.pid = pid
        self.pipe = pipe
        self.heard: list[str] = []
        self.error = ""
        self.gone = False
        self._nursery = nursery
        self._tail = b""
        self._code: int | None = None

    def listen(self) -> list[str]:
        """What it announced since; waits for at least one announcement or its end."""
        data = os.read(self.pipe, 4096)
        if not data:
            self.gone = True
            os.close(self.pipe)
            if self._tail.startswith(FAILED):
                self.error = self._tail[1:].decode()
            return []
        self._tail += data
        new: list[str] = []
        while self._tail and self._tail[:1] not in (FAILED, ENDED):
            new.append(PHASES[self._tail[0] - ord("0")])
            self._tail = self._tail[1:]
        self.heard += new
        return new

    def signal(self, number: int) -> None:
        """Send it a signal. It is not reaped before `end`, so the process is still this one."""
        os.kill(self.pid, number)

    def end(self) -> int:
        """Wait until it is gone; it may be asked again.

        Returns:
            Its exit code; minus the signal that ended it.
        """
        while not self.gone:
            self.listen()
        if self._code is None:
            self._code = self._nursery.reap(self.pid)
        return self._code


class Nursery:
    """Starts workers; a context manager."""

    def __init__(self) -> None:
        mine, theirs = socket.socketpair()
        self._socket = mine
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
            )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        assert self._process.wait(30) == 0

    def start(self, order: Order) -> Worker:
        """A worker that begins at once."""
        reading, writing = os.pipe()
        try:
            text = json.dumps(asdict(order)).encode()
            head = len(text).to_bytes(4, "big")
            socket.send_fds(self._socket, [head], [writing])
            self._socket.sendall(text)
        finally:
            os.close(writing)
        return Worker(self, self._number(), reading)

    def reap(self, pid: int) -> int:
        """How a worker ended."""
        self._socket.sendall(b"\0\0\0\0" + pid.to_bytes(8, "big"))
        return self._number()

    def _number(self) -> int:
        data = self._socket.recv(8, socket.MSG_WAITALL)
        assert len(data) == 8, "the nursery is gone"
        return int.from_bytes(data, "big", signed=True)


def _attend(door: socket.socket) -> None:
    """Take orders until the test is gone."""
    while True:
        head, pipes, _, _ = socket.recv_fds(door, 4, 1)
        if not head:
            return
        size = int.from_bytes(head, "big")
        if size == 0:
            pid = int.from_bytes(door.recv(8, socket.MSG_WAITALL), "big")
            _, status = os.waitpid(pid, 0)
            number = os.waitstatus_to_exitcode(status)
        else:
            assert size < _LARGEST
            order = json.loads(door.recv(size, socket.MSG_WAITALL))
            number = os.fork()
            if number == 0:
                door.close()
                _die_with_the_nursery()
                _work(Order(**order), pipes[0])
            os.close(pipes[0])
        door.sendall(number.to_bytes(8, "big", signed=True))


def _die_with_the_nursery() -> None:
    """Leave no worker behind when the test itself is stopped (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _work(order: Order, pipe: int) -> None:
    """Run the stage in this fresh process, and leave."""
    try:
        _run(order, pipe)
        os.write(pipe, ENDED)
        os._exit(0)
    except BaseException as error:
        os.write(pipe, FAILED + f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(1)


def _run(order: Order, pipe: int) -> None:
    from catenary.app.live import open_stage
    from catenary.plan.stage import StageSpec

    seen: dict[str, int] = {}

    def phase(name: str) -> None:
        os.write(pipe, b"%d" % PHASES.index(name))
        seen[name] = seen.get(name, 0) + 1
        if order.signal and name == order.phase and seen[name] == order.nth:
            os.kill(os.getpid(), order.signal)

    folder = Path(order.folder)
    places = Places(order.kafka, order.redis, order.world)
    log, store = places.log(folder / "log"), places.store(folder / "store")
    nodes: list[Any] = [StageSpec.decode(bytes.fromhex(each)).node() for each in order.siblings]
    spec = StageSpec.decode(bytes.fromhex(order.spec))
    stage = open_stage(spec, log, store, nodes, phase=phase)
    stage.run(lambda: False, lambda: order.finish)


def main() -> None:
    """Be the nursery."""
    from importlib import import_module

    for name in _WARM.split():
        import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the test is told, and closes the door
    with socket.socket(fileno=int(sys.argv[1])) as door:
        _attend(door)


if __name__ == "__main__":
    main()
