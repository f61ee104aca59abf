"""What every verb says and how: lines for people, one object for programs, bars on a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from catenary.ports import SilentMeter

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from rich.progress import Progress, TaskID

    from catenary.ports import Meter

from contextlib import contextmanager


def say(text: str) -> None:
    """A line, or lines, for people on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def emit(data: Mapping[str, object]) -> None:
    """One JSON object on a line of its own on stdout."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")


@contextmanager
def watched() -> Generator[Meter]:
    """A meter for long work: a bar per table while stderr is a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield SilentMeter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("partitions, {task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield BarMeter(progress)


class BarMeter:
    """A meter that moves one bar per table."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._rows: dict[str, int] = {}

    def begin(self, name: str, partitions: int) -> None:
        """Show a bar for the table, or make the one that is there longer."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=0, rows=0)
            self._rows[name] = 0
        bar = self._bars[name]
        task = next(each for each in self._progress.tasks if each.id == bar)
        self._progress.update(bar, total=(task.total or 0) + partitions)

    def advance(self, name: str, partitions: int, rows: int) -> None:
        """Move the table's bar."""
        self._rows[name] += rows
        self._progress.update(self._bars[name], advance=partitions, rows=self._rows[name])

    def end(self, name: str) -> None:
        """Stop the table's clock."""
        self._progress.stop_task(self._bars[name])
