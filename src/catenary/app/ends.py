"""How often what is kept running may end before starting it again is seen to be of no use."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

ENDS: Final = 5
WITHIN_S: Final = 60.0


class Ends:
    """Ends of processes that are started again: five within a minute are too many."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=ENDS)

    def too_many(self) -> bool:
        """Note one more; whether to give up."""
        self._seen.append(time.monotonic())
        return len(self._seen) == ENDS and self._seen[-1] - self._seen[0] < WITHIN_S
