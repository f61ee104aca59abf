"""Time that is spent on purpose, because a setting of Chronon's says so; none of it makes a value right.

    batch_interval_millis   from one batch to the next
    query_delay_ms          from an event's time to its enrichment
    lag_mode=fixed          before every enrichment

Waiting for facts is `waiting`'s.

Held to account by: ``tests/unit/stream/test_pacing.py``.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.plan.settings import ChainSettings

_LOOK_S: Final = 0.05


class Pace:
    """When the next batch may begin.

    Args:
        interval_s: from one beginning to the next, at least.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due_s = -math.inf

    def began(self, at_s: float) -> None:
        """A batch began then."""
        self._due_s = at_s + self._interval_s

    def left_s(self, now_s: float) -> float:
        """How long it is until the next may; 0 or less if it may now."""
        return self._due_s - now_s


def delay_ms(times: Sequence[np.ndarray], now_ms: int, settings: ChainSettings) -> int:
    """How much longer a batch is to wait until it is `query_delay_ms` old.

    Args:
        times: event times of the rows of each lane; each lane is as old as the row at
            `time_percentile` of its times. One without rows, or from ahead of now, waits for nothing.
        now_ms: the wall clock's.
        settings: of the chain.

    Returns:
        What the lane needs that needs most.
    """
    wanted = settings.query_delay_ms
    ages = [now_ms - _at(each, settings.time_percentile) for each in times if len(each)]
    return max((wanted - age for age in ages if 0 <= age < wanted), default=0)


def slept(duration_ms: int, stopped: Callable[[], bool]) -> bool:
    """Sleep so long; False if it was cut short because the stage was stopped."""
    until = time.monotonic() + duration_ms / 1000
    while (left := until - time.monotonic()) > 0:
        if stopped():
            return False
        time.sleep(min(left, _LOOK_S))
    return True


def _at(times: np.ndarray, percentile: float) -> int:
    place = math.ceil((len(times) - 1) * percentile)
    return int(np.partition(times, place)[place])
