"""Clients that follow a world at their own pace, and hold the heads that they still read.

    open ──► pass, read, say that one is alive … ──► close, or fall silent until the time to live is over

Clocks are the world's own, so that a minute passes when the world says so. Not here: what a client's
reads must be; `judging` says it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from catenary.serve.fetcher import ClientReader, Fetcher

_BEHIND: Final = (0, MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS)
_TICKS: Final = (1, 1, 60, 400)
_TTLS: Final = (1_000, 10_000, 100_000)


class Clock:
    """The wall clock and the monotonic one of whoever decides on a time to live, or to wait."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def ms(self) -> int:
        """Milliseconds since 1970."""
        return self.now_ms

    def time_ns(self) -> int:
        """As `time.time_ns`."""
        return self.now_ms * 1_000_000

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.now_ms / 1000

    def tick(self) -> bool:
        """A millisecond passes while a stage waits, which goes on waiting."""
        self.now_ms += 1
        return False

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Be the clock of readers, and of the stages that ask whether they live and how long to wait."""
        with (
            patch("catenary.stream.tending.time", self),
            patch("catenary.serve.readers.time", self),
            patch("catenary.stream.lanes.now_ms", self.ms),
            patch("catenary.stream.stage.now_ms", self.ms),
            patch("catenary.stream.tending.now_ms", self.ms),
        ):
            yield


@dataclass
class Client:
    """One that is open.

    Attributes:
        reader: the real one.
        kept_from: from where everything could be read when it opened.
        passed_ms: it asks for nothing before.
        ttl_ms: its time to live.
        heard_ms: when it last said that it is alive, by the world's clock.
        silent: whether it never will again.
    """

    reader: ClientReader
    kept_from: int
    passed_ms: int
    ttl_ms: int
    heard_ms: int
    silent: bool = False

    @property
    def held_ms(self) -> int:
        """From where it may rely on the head."""
        return max(self.passed_ms, self.reader.from_ms_held)


class Clients:
    """All clients of a world, one or two at a time.

    Attributes:
        open: those that may rely on the heads that they hold.
        lapsed: those whose time to live is over, or may be.
    """

    def __init__(self, rng: Random, clock: Clock) -> None:
        self.open: list[Client] = []
        self.lapsed: list[Client] = []
        self._rng = rng
        self._clock = clock
        self._opened = 0

    def act(self, fetcher: Fetcher, now: int, kept_from: Callable[[], int]) -> None:
        """Some time passes; one opens, moves, closes, or is not heard of any more."""
        rng, clock = self._rng, self._clock
        clock.now_ms += rng.choice(_TICKS)
        if len(self.open) < 2 and rng.random() < 0.03:
            self.open.append(self._new(fetcher, now, kept_from()))
        for client in list(self.open):
            unheard_ms = clock.now_ms - client.heard_ms
            if client.silent:
                # What it last said may have gone unwritten for a quarter of its time to live.
                if unheard_ms > client.ttl_ms * 3 // 4:
                    self.open.remove(client)
                    self.lapsed.append(client)
            elif rng.random() < 0.01:
                client.reader.close()
                self.open.remove(client)
            elif rng.random() < 0.1:
                left = max(0, now - client.passed_ms)
                self.passed(client, client.passed_ms + rng.choice([0, left // 9, left // 2, left]))
            elif unheard_ms > client.ttl_ms // 3:
                self.passed(client, client.passed_ms)
            client.silent |= rng.random() < 0.005

    def passed(self, client: Client, ms: int) -> None:
        """It moves, and is alive."""
        client.reader.passed(ms)
        self.moved(client, ms)

    def moved(self, client: Client, ms: int) -> None:
        """What it fetched has told the reader that it moved."""
        client.passed_ms = max(client.passed_ms, ms)
        client.heard_ms = self._clock.now_ms

    def end(self) -> None:
        """The open ones close; the lapsed ones are given the rest of their time."""
        for client in self.open:
            client.reader.close()
        self.open.clear()
        self._clock.now_ms += max(_TTLS)

    def _new(self, fetcher: Fetcher, now: int, kept_from: int) -> Client:
        rng = self._rng
        self._opened += 1
        from_ms, ttl_ms = now - rng.choice(_BEHIND), rng.choice(_TTLS)
        reader = fetcher.reader(
            f"client {self._opened}", "top", from_ms=from_ms, ttl_s=ttl_ms / 1000
        )
        return Client(reader.__enter__(), kept_from, from_ms, ttl_ms, self._clock.now_ms)
