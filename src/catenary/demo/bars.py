"""Bars for long work, one per table, on a stream that is a terminal; nothing on any other.

The story shows them on stdout, the command's own verbs on stderr.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from catenary.ports import SilentMeter

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TextIO

    from rich.progress import Progress, TaskID

    from catenary.ports import Meter


@contextmanager
def bars(stream: TextIO) -> Generator[Meter]:
    """A meter for what goes on inside."""
    if not stream.isatty():
        yield SilentMeter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield Bars(progress)


class Bars:
    """A meter that moves one bar per table."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def begin(self, name: str, partitions: int) -> None:
        """Show a bar for the table, or make its bar longer."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=0, rows=0)
        self._totals[name] = self._totals.get(name, 0) + partitions
        self._progress.update(self._tasks[name], total=self._totals[name])

    def advance(self, name: str, partitions: int, rows: int) -> None:
        """Move the table's bar."""
        self._rows[name] = self._rows.get(name, 0) + rows
        self._progress.update(self._tasks[name], advance=partitions, rows=self._rows[name])

    def end(self, name: str) -> None:
        """Stop the table's clock."""
        self._progress.stop_task(self._tasks[name])
