"""A folder's names, listed again only when the folder may have changed."""

from __future__ import annotations

import os
import time

# A folder's time stamp moves with the kernel's tick. A listing taken that soon after the last change
# may have missed another one in the same tick, so it is not kept.
_SETTLED_NS = 100_000_000


class Listing:
    """The names in a folder, ascending; none if it is not there. Any thread may ask."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: tuple[int, tuple[str, ...]] = (-1, ())

    def names(self) -> tuple[str, ...]:
        """All names; hidden ones too."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return ()
        stamp, names = self._known
        if stamp == changed:
            return names
        now = time.time_ns()
        try:
            names = tuple(sorted(os.listdir(self._folder)))
        except FileNotFoundError:
            return ()
        if changed < now - _SETTLED_NS:
            self._known = (changed, names)
        return names

    def forget(self) -> None:
        """List anew at the next call."""
        self._known = (-1, ())
