"""Splitting a loop over ranges among threads: the compiled loops hold no lock.

Two threads at most per call of the kernel: engines run several calls at once where there are more
cores. Small loops stay in the caller's thread, where starting another would cost more than it saves.
"""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

R = TypeVar("R")

WORTH_SPLITTING: Final = 200_000
"""Rows below which a loop is not split."""

_THREADS: Final = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


def ranges(n: int, *, step: int = 1) -> list[tuple[int, int]]:
    """`[0, n)` cut at multiples of `step` into even ranges, as many as are worth a thread; never none.

    >>> ranges(10)
    [(0, 10)]
    """
    parts = _THREADS if n >= WORTH_SPLITTING else 1
    cuts = [*(n * part // parts // step * step for part in range(parts)), n]
    return list(pairwise(cuts))


def key_ranges(starts: Any, other_starts: Any) -> list[tuple[int, int]]:
    """Ranges of keys with about equal numbers of rows in both tables together.

    Args:
        starts: int32[keys + 1], where each key's events start.
        other_starts: int32[keys + 1], where each key's queries start.
    """
    keys = len(starts) - 1
    rows = int(starts[-1]) + int(other_starts[-1])
    if rows < WORTH_SPLITTING or keys < 2 or _THREADS < 2:
        return [(0, keys)]
    low, high = 0, keys
    while low < high:
        middle = (low + high) // 2
        if 2 * (int(starts[middle]) + int(other_starts[middle])) < rows:
            low = middle + 1
        else:
            high = middle
    return [(0, low), (low, keys)] if 0 < low < keys else [(0, keys)]


def each(parts: Sequence[tuple[int, int]], work: Callable[[int, int], R]) -> list[R]:
    """`work(first, end)` of every range, at the same time; results in the ranges' order.

    An exception in any of them is raised here, once all have ended.
    """
    if len(parts) == 1:
        return [work(*parts[0])]
    results: list[R | None] = [None] * len(parts)
    failures: list[BaseException] = []

    def run(at: int) -> None:
        try:
            results[at] = work(*parts[at])
        except BaseException as failure:  # handed to the caller's thread
            failures.append(failure)

    others = [threading.Thread(target=run, args=(at,)) for at in range(1, len(parts))]
    for other in others:
        other.start()
    run(0)
    for other in others:
        other.join()
    if failures:
        raise failures[0]
    return results  # pyright: ignore[reportReturnType]  # every slot was filled
