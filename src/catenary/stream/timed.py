"""A lookup that answers in time, or says that it did not.

Held to account by: ``tests/unit/stream/test_pacing.py``.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from catenary.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from catenary.plan.nodes import JoinNode
    from catenary.ports import Looked, Lookup


class SlowParentsError(RunError):
    """Parents did not answer within `timeout_millis`, however often they were asked."""


class TimedLookup:
    """A lookup each of whose answers may take so long.

    Args:
        lookup: what answers.
        timeout_ms: how long each time.
        tries: how often it is asked.
    """

    def __init__(self, lookup: Lookup, timeout_ms: int, tries: int) -> None:
        self._lookup = lookup
        self._timeout_ms = timeout_ms
        self._tries = tries

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        """As the lookup's.

        Raises:
            SlowParentsError: if none of the tries was answered in time.
            RunError: as the lookup does.
        """
        for _ in range(self._tries):
            found = self._within(join, rows, at)
            if found is not None:
                return found
        times = "once" if self._tries == 1 else f"{self._tries} times"
        raise SlowParentsError(
            f"the parts of {join.name} did not answer within {self._timeout_ms} ms, asked {times}",
            hint="see whether the store can be reached; timeout_millis=0 waits as long as it takes",
        )

    def _within(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked | None:
        """The answer; None if it did not come in time. Whoever still works on it is left alone."""
        answers: queue.SimpleQueue[Looked | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._lookup.join(join, rows, at))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=ask, name=f"{join.name} asked", daemon=True).start()
        try:
            found = answers.get(timeout=self._timeout_ms / 1000)
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found
