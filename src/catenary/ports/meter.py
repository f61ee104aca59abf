"""What a run tells those who watch it: which table it is at, and how far it has come."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Receives progress. Methods are called from the run's own thread, in this order per table."""

    def begin(self, name: str, partitions: int) -> None:
        """Work on table `name` begins or goes on; `partitions` more are to be written."""
        ...

    def advance(self, name: str, partitions: int, rows: int) -> None:
        """So many more partitions, with so many rows, stand."""
        ...

    def end(self, name: str) -> None:
        """All that `begin` announced for this table stands."""
        ...


class SilentMeter:
    """A meter that nobody watches."""

    def begin(self, name: str, partitions: int) -> None:
        """Nothing to say."""

    def advance(self, name: str, partitions: int, rows: int) -> None:
        """Nothing to say."""

    def end(self, name: str) -> None:
        """Nothing to say."""
