"""How a worker waits: awake for a moment after each request, then asleep.

    something came ──► handled ──► looked for more, again and again, for spin_us ──► asleep until something comes

Who asks one thing after the other sends the next request some ten microseconds after an answer. To be woken
for it would take the worker a fifth of the whole time that such a client waits. It costs at most `spin_us` of a
processor for each request, and nothing where the next one is there already.
"""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey


class WatchfulSelector(selectors.DefaultSelector):
    """Looks on for a while once something has come.

    Args:
        spin_s: how long.
    """

    def __init__(self, spin_s: float) -> None:
        super().__init__()
        self._spin_s = spin_s
        self._awake = False

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What is there to be done; as `selectors.BaseSelector.select`."""
        if self._awake and (timeout is None or timeout > 0):
            until_s = time.perf_counter() + self._spin_s
            while time.perf_counter() < until_s:
                if found := super().select(0):
                    return found
        found = super().select(timeout)
        self._awake = bool(found)
        return found
