"""How the story is told: colour and bars on a terminal, plain lines elsewhere.

What is said is the same in both; with `--json` one object follows as the last line.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from catenary.demo.bars import bars
from catenary.plan.printing import counted
from catenary.windows import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import TextIO

    from catenary.demo.compare import Comparison, Difference
    from catenary.demo.live import LiveStory
    from catenary.ports import Meter


class Teller:
    """Says lines on one stream, with style where the stream is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()

    def heading(self, text: str) -> None:
        """What is done next."""
        self._say(f"\n{text}", "bold cyan")

    def line(self, text: str = "") -> None:
        """A fact."""
        self._say(text, "")

    def good(self, text: str) -> None:
        """A fact to be glad of."""
        self._say(text, "bold green")

    def bad(self, text: str) -> None:
        """A fact that fails the run."""
        self._say(text, "bold red")

    def emit(self, facts: Mapping[str, object]) -> None:
        """One JSON object on a line of its own, never styled."""
        self._stream.write(json.dumps(facts) + "\n")
        self._stream.flush()

    def meter(self) -> AbstractContextManager[Meter]:
        """Bars for what goes on inside, one per table; nothing where there is no terminal."""
        return bars(self._stream)

    def _say(self, text: str, style: str) -> None:
        if not self._is_terminal:
            self._stream.write(text + "\n")
            self._stream.flush()
            return
        from rich.console import Console

        console = Console(file=self._stream)
        console.print(text, style=style, markup=False, highlight=not style, soft_wrap=True)


def tell_columns(teller: Teller, comparison: Comparison, carried: frozenset[str]) -> None:
    """A line per feature: its share of values that are not null, and whether it differs."""
    width = max(len(each.name) for each in comparison.columns)
    for each in comparison.columns:
        if each.name in carried:
            continue
        text = f"  {each.name:<{width}}  {each.valid_share:7.1%}"
        if each.differing:
            teller.bad(f"{text}  {each.differing:,} differ")
        else:
            teller.line(text)


def describe(difference: Difference, sides: tuple[str, str] = ("Catenary", "SQL")) -> str:
    """The first difference for people: column, row, instant, and what both sides say."""
    row = dict(difference.row)
    instant = row.pop("ts")
    assert isinstance(instant, int)
    key = ", ".join(f"{name}={value}" for name, value in row.items())
    return (
        f"first difference: column {difference.column}, key {key},"
        f" instant {format_instant(instant)} UTC:"
        f" {sides[0]} {difference.ours!r}, {sides[1]} {difference.theirs!r}"
    )


def tell_live(teller: Teller, story: LiveStory, carried: frozenset[str]) -> None:
    """What December came to: answers, statuses, speeds, waits."""
    teller.heading(f"{story.rows:,} departures, each asked about as of its minute")
    tell_columns(teller, story.answers, carried)
    teller.line()
    for name, pid in story.processes.items():
        teller.line(f"  stage {name:<18} process {pid}")
        for parent, each in story.waits[name].items():
            teller.line(
                f"    waited for {parent} {counted(int(each['times']), 'time')},"
                f" {each['ms']:,.0f} ms in all,"
                f" {each['longest_ms']:,.0f} ms at most"
            )
    share = {name: f"{many:,}" for name, many in sorted(story.statuses.items())}
    ms = story.freshness_ms
    p50, p99 = ms[len(ms) // 2], ms[len(ms) * 99 // 100]
    rate = story.events / story.stream_seconds
    lines = (
        f"{story.events:,} events in {story.stream_seconds:.1f} s: {rate:,.0f} events/s",
        f"statuses: {', '.join(f'{name} {many}' for name, many in share.items())}",
        f"from a batch's last append to its answer, behind all that was queued (events come as fast as"
        f" they can be appended): p50 {p50:,.0f} ms, p99 {p99:,.0f} ms",
        f"the hub was more than an hour ahead of {story.far_ahead:,} answers;"
        f" {story.before_end:,} were given before the stream ended",
        f"reads that merged closed tiles {story.closed:,}, head tiles {story.head:,}",
        f"uploads: {', '.join(story.uploads)}; the head is back to its horizon: {story.head_trails}",
    )
    for line in lines:
        teller.line(f"  {line}")
    teller.line()
    for what, found in (("answers", story.answers), ("latest values", story.latest)):
        text = f"{what}: {found.compared:,} values compared, {found.differing:,} differ"
        if found.first is None:
            teller.good(text)
        else:
            teller.bad(text)
            teller.bad(describe(found.first, ("the stream", "the backfill")))
    for failure in story.failures():
        teller.bad(f"failed: {failure}")
