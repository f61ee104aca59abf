"""A client that follows a topic at its own pace, and holds the heads that it still reads."""

from __future__ import annotations

import time
from operator import index
from typing import TYPE_CHECKING, Final, Self

from catenary.errors import DataError
from catenary.state.records import (
    NOWHERE_MS,
    PASSED,
    READERS_KEY,
    Passed,
    Reader,
    Readers,
    expired,
    lanes_of,
    pack,
    readers_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.ports import Dataset

_TELL_S: Final = 0.05
_LONGEST_S: Final = 366 * 86_400


class ClientReader:
    """Holds the head floors of some stages while it is open.

    Stages write under the condition that the readers are those they have read: what they commit after
    the registration respects it. Progress is written down at most every 50 ms, unless it is large.

    Args:
        name: of the reader; another of the same name is replaced.
        datasets: of the stages that it reads.
        from_ms: the earliest instant that it will ask for.
        ttl_s: it is forgotten so long after it was last heard of.
        step_ms: progress that is written down at once.

    Attributes:
        from_ms_held: from where it really holds: later than asked if a floor had risen already.

    Raises:
        DataError: for a name, an instant or a time to live that is none.
    """

    def __init__(
        self,
        name: str,
        datasets: Sequence[Dataset],
        *,
        from_ms: int,
        ttl_s: float,
        step_ms: int = 60_000,
    ) -> None:
        if not str(name).isprintable() or not name:
            raise DataError(f"a reader needs a name to be known by, not name={name!r}")
        if not 0 < ttl_s <= _LONGEST_S:  # so that NaN is refused, too
            hint = f"seconds, above 0 and up to {_LONGEST_S:,}"
            raise DataError(f"reader {name!r} cannot live for ttl_s={ttl_s!r}", hint=hint)
        self._name = name
        self._key = PASSED + str(name).encode()
        self._datasets = tuple(datasets)
        self._passed_ms = self._told_ms = self._instant("from_ms", from_ms)
        self.from_ms_held = self._passed_ms
        self._ttl_ms = round(ttl_s * 1000)
        self._step_ms = step_ms
        self._told_s = 0.0
        self._open = False

    def __enter__(self) -> Self:
        for dataset in self._datasets:
            self._change(dataset, registered=True)
            with dataset.snapshot() as snapshot:
                floors = [lane.floor_ms for lane in lanes_of(snapshot).values()]
            self.from_ms_held = max([self.from_ms_held, *floors])
        self._open, self._told_s = True, time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hold nothing any more."""
        if self._open:
            self._open = False
            for dataset in self._datasets:
                self._change(dataset, registered=False)

    def passed(self, ms: int) -> None:
        """It will not ask for an instant before `ms` again, and is alive.

        Raises:
            DataError: if that is no instant.
        """
        self._passed_ms = max(self._passed_ms, self._instant("ms", ms))
        waited_s = time.monotonic() - self._told_s
        moved = self._passed_ms - self._told_ms
        alive = waited_s * 4000 > self._ttl_ms
        if self._open and ((moved and waited_s >= _TELL_S) or moved > self._step_ms or alive):
            self._tell()

    def _instant(self, what: str, ms: object) -> int:
        """An instant as it is written down: stages read it, and stop at what is none."""
        try:
            found = index(ms)  # pyright: ignore[reportArgumentType] - whatever was given
        except TypeError:
            problem = f"reader {self._name!r} was given {what}={ms!r}"
            hint = "instants are whole milliseconds since the epoch, UTC"
            raise DataError(problem, hint=hint) from None
        if abs(found) >= NOWHERE_MS:
            problem = f"reader {self._name!r} was given {what}={ms!r}, which is no instant"
            raise DataError(problem, hint="milliseconds since the epoch, UTC")
        return found

    def _tell(self) -> None:
        for dataset in self._datasets:
            while True:
                with dataset.snapshot() as snapshot:
                    held, before = readers_of(snapshot)
                if self._name not in held.held:  # its time was over, and it was left out
                    self._change(dataset, registered=True)
                    break
                told = pack(Passed(self._passed_ms, _now_ms() + self._ttl_ms))
                if dataset.commit({READERS_KEY: before}, [(self._key, told)]):
                    break
        self._told_s, self._told_ms = time.monotonic(), self._passed_ms

    def _change(self, dataset: Dataset, *, registered: bool) -> None:
        """Be among the dataset's readers, or not."""
        while True:
            with dataset.snapshot() as snapshot:
                held, before = readers_of(snapshot)
                gone = {self._name, *expired(held, snapshot, _now_ms())}
            after = {name: each for name, each in held.held.items() if name not in gone}
            puts: list[tuple[bytes, bytes]] = []
            deletes = [PASSED + name.encode() for name in gone]
            if registered:
                until = _now_ms() + self._ttl_ms
                after[self._name] = Reader(self._name, False, self._passed_ms, until)
                puts = [(self._key, pack(Passed(self._passed_ms, until)))]
                deletes.remove(self._key)
            puts.append((READERS_KEY, pack(Readers(after))))
            if dataset.commit({READERS_KEY: before}, puts, deletes):
                return


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
