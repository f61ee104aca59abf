"""A stage that another copy took over, watched by the one that had it: it is not to be left to nobody."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from catenary.app.status import owners_of
from catenary.errors import UnreachableError

if TYPE_CHECKING:
    from catenary.app.live import Live
    from catenary.plan import GroupByNode

_LOOKED_EVERY_S: Final = 1.0
_SILENCE_S: Final = 60.0
"""A batch, or what is replayed for an upload, may take long, and its stage is silent meanwhile."""


class Lost:
    """Whether a stage that was lost may be taken again, because who took it has gone.

    Args:
        live: the project's live half.
        node: the stage.
        times: how often it was lost. Each time the silence that counts is twice as long, so that two
            processes do not take it from each other for ever while neither gets anything done.
    """

    def __init__(self, live: Live, node: GroupByNode, times: int) -> None:
        self._live = live
        self._node = node
        self._silence_s = _SILENCE_S * 2 ** (times - 1)
        self._since_s = self._looked_s = time.monotonic()

    def is_left(self) -> bool:
        """Whether the process that has its lanes has ended on this machine, or is silent for long.

        One whose lanes were removed is nobody's to take.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOKED_EVERY_S:
            return False
        self._looked_s = now_s
        with suppress(UnreachableError):
            owners = owners_of(self._live, self._node)
            return bool(owners) and all(
                each.ended or min(now_s - self._since_s, each.silent_ms / 1000) >= self._silence_s
                for each in owners
            )
        return False
