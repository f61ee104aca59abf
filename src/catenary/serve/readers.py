"""A client that follows a topic at its own pace, and holds the heads that it still reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from catenary.state.records import (
    PASSED,
    READERS_KEY,
    Passed,
    Reader,
    Readers,
    lanes_of,
    pack,
    readers_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.ports import Dataset

_TELL_S: Final = 0.05


class ClientReader:
    """Holds the head floors of some stages while it is open.

    Args:
        name: of the reader; another of the same name is replaced.
        datasets: of the stages that it reads.
        from_ms: the earliest instant that it will ask for.
        ttl_s: it is forgotten so long after it was last heard of.

    Attributes:
        held_from_ms: from where it really holds: later than asked if a floor had risen already.
    """

    def __init__(
        self, name: str, datasets: Sequence[Dataset], *, from_ms: int, ttl_s: float
    ) -> None:
        self._name = name
        self._datasets = tuple(datasets)
        self._passed_ms = from_ms
        self._ttl_ms = round(ttl_s * 1000)
        self._told_s = 0.0
        self._told_ms = from_ms
        self.held_from_ms = from_ms

    def __enter__(self) -> Self:
        until = time.time_ns() // 1_000_000 + self._ttl_ms
        mine = Reader(self._name, child=False, from_ms=self._passed_ms, until_ms=until)
        for dataset in self._datasets:
            self._change(dataset, mine)
            with dataset.snapshot() as snapshot:
                floors = [lane.floor_ms for lane in lanes_of(snapshot).values()]
            self.held_from_ms = max(self.held_from_ms, *floors) if floors else self.held_from_ms
        self._tell()
        return self

    def __exit__(self, *_: object) -> None:
        for dataset in self._datasets:
            self._change(dataset, None)

    def passed(self, ms: int) -> None:
        """It will not ask for an instant before `ms` again; written down a few times a second."""
        self._passed_ms = max(self._passed_ms, ms)
        if time.monotonic() - self._told_s >= _TELL_S and self._passed_ms > self._told_ms:
            self._tell()

    def _tell(self) -> None:
        until = time.time_ns() // 1_000_000 + self._ttl_ms
        told = pack(Passed(self._passed_ms, until))
        for dataset in self._datasets:
            dataset.commit({}, [(PASSED + self._name.encode(), told)])
        self._told_s, self._told_ms = time.monotonic(), self._passed_ms

    def _change(self, dataset: Dataset, mine: Reader | None) -> None:
        """Register, or with None deregister."""
        while True:
            with dataset.snapshot() as snapshot:
                held, before = readers_of(snapshot)
            others = {name: each for name, each in held.held.items() if name != self._name}
            after = others if mine is None else {**others, self._name: mine}
            deletes = [PASSED + self._name.encode()] if mine is None else []
            if dataset.commit(
                {READERS_KEY: before}, [(READERS_KEY, pack(Readers(after)))], deletes
            ):
                return
