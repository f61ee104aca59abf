"""What is counted of fetches: plain numbers in memory that all workers share.

    worker 0 ──► its own row ──┐
    worker 1 ──► its own row ──┴──► sums ──► the page of metrics, whichever worker is asked

Counting is adding to a number in a mapped file, a fraction of a microsecond; nothing is locked, since a
row has one writer. A worker takes a row that no living process has, so that one which is started in
another's place goes on from its numbers.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.errors import RunError
from catenary.ports import statuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOUNDS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the latency histogram; beyond the last lies everything."""
REFUSALS: Final = (400, 401, 403, 404, 405, 408, 413, 415, 422, 500, 503, 504)
STATUS_NAMES: Final = ("ok", *statuses.NAMES.values())
LOGGED, UNLOGGED = "logged", "unlogged"
_OTHER: Final = (LOGGED, UNLOGGED)

_SUM: Final = len(BOUNDS_S) + 1
_STATUS: Final = _SUM + 1
_WIDTH: Final = _STATUS + len(STATUS_NAMES)
_WORD: Final = 8


class Totals(NamedTuple):
    """Sums over all workers of what one definition was asked.

    Attributes:
        buckets: answers by latency, one more than there are bounds.
        seconds: of all answers together.
        rows: by status, rows that were answered.
    """

    buckets: list[int]
    seconds: float
    rows: dict[str, int]


class Counters:
    """The numbers of all workers; one row is this one's.

    Args:
        path: the file, as `make` made it.
        names: of the definitions, the same in all workers.
        rows: how many workers there may be.

    Raises:
        RunError: if every row has a living owner.
    """

    def __init__(self, path: Path, names: Sequence[str], rows: int) -> None:
        self._names = tuple(names)
        self._width = _width(len(self._names))
        self._rows = rows
        self._file = os.open(path, os.O_RDWR)
        map_ = mmap.mmap(self._file, rows * self._width * _WORD)
        self._all = memoryview(map_).cast("Q")
        self.worker = self._taken()
        self._own = self._all[self.worker * self._width :][: self._width]
        self._fixed = len(self._names) * _WIDTH

    @staticmethod
    def make(path: Path, names: Sequence[str], rows: int) -> None:
        """An empty file for so many workers."""
        with path.open("wb") as file:
            file.truncate(rows * _width(len(names)) * _WORD)

    def answered(self, place: int, seconds: float) -> None:
        """An answer of the definition at this place among the names."""
        base, own = place * _WIDTH, self._own
        own[base + bisect_left(BOUNDS_S, seconds)] += 1
        own[base + _SUM] += int(seconds * 1e9)

    def row(self, place: int, bits: int) -> None:
        """A row of an answer, of these statuses: its worst is counted."""
        self._own[place * _WIDTH + _STATUS + bits.bit_length()] += 1

    def refused(self, status: int) -> None:
        """A request that was refused."""
        self._own[self._fixed + REFUSALS.index(status)] += 1

    def requests(self, kind: str, many: int) -> None:
        """So many sampled requests were logged, or could not be."""
        self._own[self._fixed + len(REFUSALS) + _OTHER.index(kind)] += many

    def totals(self, name: str) -> Totals:
        """The sums of one definition."""
        base = self._names.index(name) * _WIDTH
        sums = [self._sum(base + at) for at in range(_WIDTH)]
        rows = dict(zip(STATUS_NAMES, sums[_STATUS:], strict=True))
        return Totals(sums[:_SUM], sums[_SUM] / 1e9, rows)

    def refusals(self) -> dict[int, int]:
        """The sums of refusals by status."""
        return {status: self._sum(self._fixed + at) for at, status in enumerate(REFUSALS)}

    def logged(self) -> dict[str, int]:
        """The sums of sampled requests that were logged, and that could not be."""
        first = self._fixed + len(REFUSALS)
        return {kind: self._sum(first + at) for at, kind in enumerate(_OTHER)}

    def _sum(self, at: int) -> int:
        return sum(self._all[row * self._width + at] for row in range(self._rows))

    def _taken(self) -> int:
        """The first row that nobody has; it is ours for as long as this process lives."""
        for row in range(self._rows):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            return row
        raise RunError(f"{self._rows} workers are running already", hint="end them first")


def _width(names: int) -> int:
    return names * _WIDTH + len(REFUSALS) + len(_OTHER)
