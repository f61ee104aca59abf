"""When the time is up for those who wait for a client: one look at all of them, now and then.

A timer for each request would cost it more than parsing does; so they are held, in the order in which they
began and so of their ends, and whoever is at the front for too long is cancelled.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_LOOK_S: Final = 0.05


class Deadlines:
    """Ends what a client does not go on with. All deadlines lie equally far ahead.

    Args:
        limit_s: how far.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._held: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()
        self._looking: asyncio.TimerHandle | None = None

    @contextmanager
    def within(self, began_s: float) -> Generator[None]:
        """What is awaited inside may take until the limit after `began_s`, by the loop's clock.

        Raises:
            TimeoutError: if it takes longer, at most a look's time later.
        """
        task = asyncio.current_task()
        assert task is not None, "requests are tasks"
        self._held[task] = began_s + self._limit_s
        if self._looking is None:
            self._look()
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._over:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._held.pop(task, None)
            self._over.discard(task)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for task, until_s in list(self._held.items()):
            if until_s > now_s:
                break
            del self._held[task]
            self._over.add(task)
            task.cancel()
        self._looking = loop.call_later(_LOOK_S, self._look) if self._held else None
