"""A connection without sockets: what a client sends is given to the protocol, read by read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from uvicorn.server import ServerState

from catenary.web.listener import configuration
from catenary.web.protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.web.application import Application


class Answer(NamedTuple):
    """One answer as it was received."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire(asyncio.Transport):
    """What a protocol writes to, and what it does to the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = self.aborted = self.paused = False
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    @property
    def text(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)

    def answers(self) -> list[Answer]:
        """All that was written, taken apart; HEAD is not understood."""
        found: list[Answer] = []
        rest = self.text
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers.get("content-length", 0))
            assert len(rest) >= length
            found.append(Answer(int(first.split(" ")[1]), headers, rest[:length]))
            rest = rest[length:]
        return found


class Client:
    """One client of an application."""

    def __init__(self, application: Application, runner: asyncio.Runner, **shared: Any) -> None:
        self.wire = Wire()
        self._runner = runner
        state: ServerState = shared.get("state") or ServerState()
        self.protocol = Protocol(
            config=configuration(application),
            server_state=state,
            app_state={},
            _loop=runner.get_loop(),
        )
        runner.run(self._call(lambda: self.protocol.connection_made(self.wire)))

    def send(self, *reads: bytes) -> None:
        """What the server reads, piece by piece."""
        for each in reads:
            self._runner.run(self._call(lambda each=each: self.protocol.data_received(each)))

    def settle(self) -> list[Answer]:
        """All answers, once every request that is whole has its own."""
        self._runner.run(self._settled())
        return self.wire.answers()

    def begun(self) -> bytes:
        """What was written once all that was sent has begun."""
        self._runner.run(asyncio.sleep(0.05))
        return self.wire.text

    def end(self) -> bool:
        """The client sends no more; whether the connection stays open for answers."""
        return self.protocol.eof_received()

    def after(self, seconds: float) -> None:
        """So much later, the server looks at its connections."""
        self.protocol.look(self._runner.get_loop().time() + seconds)

    @staticmethod
    async def _call(work: Any) -> None:
        work()

    async def _settled(self) -> None:
        async with asyncio.timeout(20):
            while any(not each.done() for each in self.protocol.tasks):
                await asyncio.wait(self.protocol.tasks)


def request(
    target: str,
    body: bytes,
    headers: Sequence[tuple[str, str]] = (),
    *,
    method: str = "POST",
    version: str = "1.1",
) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {target} HTTP/{version}", "Host: here"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
