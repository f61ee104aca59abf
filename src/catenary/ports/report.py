"""What a run did: per table the partitions, the rows, and the rows that did not count.

Nothing that does not count is silent: rows without a time (7), without a key (8), in a
partition too far from their day (4), and sums out of range (14) are counted here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from catenary.plan.printing import counted
from catenary.windows import format_instant, unlikely

if TYPE_CHECKING:
    from collections.abc import Mapping


_SHOWN: Final = 5


@dataclass(frozen=True)
class NodeReport:
    """What became of one table in a run.

    Attributes:
        name: the Join or GroupBy.
        table: where it was written; empty if it was not (a frame was asked for).
        written: partitions computed and written, ascending.
        skipped: partitions of the asked range that stood already.
        rows: rows written.
        null_times: rows of sources without a time, which do not count.
        null_keys: rows of sources without a key, which belong to nobody.
        misplaced: rows in a partition too far from their day, which do not count.
        unlikely: column of a source to its first time, where all that was read can hardly be milliseconds.
        overflows: column to the number of values out of range, which are null.
        unavailable: partitions that were asked for and that its rows do not have.
        missing: table to the days that were read as empty, because the table lacks them.
        lacking: days for whose sake readers still find the version before this one, since this one
            lacks them.
        seconds: time spent on it.
    """

    name: str
    table: str = ""
    written: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    rows: int = 0
    null_times: int = 0
    null_keys: int = 0
    misplaced: int = 0
    unlikely: Mapping[str, int] = field(default_factory=dict[str, int])
    overflows: Mapping[str, int] = field(default_factory=dict[str, int])
    unavailable: tuple[str, ...] = ()
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    lacking: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        text = f"{self.name}: {counted(len(self.written), 'partition')} written, {counted(self.rows, 'row')}"
        if self.skipped:
            text += f", {len(self.skipped)} stood already"
        text += f", {self.seconds:.1f} s"
        aside = [
            f"{counted(count, 'source row')} {what}"
            for count, what in (
                (self.null_times, "without a time"),
                (self.null_keys, "without a key"),
                (self.misplaced, "too far from their partition's day"),
            )
            if count
        ]
        aside += [
            f"{counted(count, 'overflow')} in {name}" for name, count in self.overflows.items()
        ]
        lines = [text]
        if aside:
            lines.append("did not count: " + ", ".join(aside))
        lines += [unlikely(name, first) for name, first in self.unlikely.items()]
        if self.unavailable:
            lines.append(f"not computed, its rows lack these days: {_few(self.unavailable)}")
        lines += [
            f"read as empty, {table} lacks: {_few(days)}" for table, days in self.missing.items()
        ]
        if self.lacking:
            lines.append(
                f"readers find the version before until these stand, too: {_few(self.lacking)}"
            )
        return "\n  ".join(lines)


def _few(days: tuple[str, ...]) -> str:
    """Days as text, the first few of many."""
    shown = ", ".join(days[:_SHOWN])
    return shown if len(days) <= _SHOWN else f"{shown} and {len(days) - _SHOWN} more"


@dataclass(frozen=True)
class UploadReport:
    """What an upload of one GroupBy did.

    Attributes:
        name: the GroupBy.
        cutoff_ms: events strictly before it are in.
        state: `active`: it is read; `landed`: once the stage has settled what came late.
        entities, tiles, rows: what it holds, and how many rows were folded into it.
        null_times: rows of sources without a time, which do not count.
        null_keys: rows of sources without a key, which belong to nobody.
        misplaced: rows in a partition too far from their day, which do not count.
        unlikely: column of a source to its first time, where all that was read can hardly be milliseconds.
        unjoined: a stream began after its cut-off, and nobody said which of the stream's records the
            tables hold: what lies between is not known, and reads of now, which need it, are refused.
        unnamed: partitions with records that the frontier does not name: all of these count besides.
        early: datasets of stages that had enriched rows with this GroupBy before its first upload: such
            rows go on saying `missing_upload`.
        missing: by table the days that were needed and are not there; they count as empty.
        seconds: time spent.
    """

    name: str
    cutoff_ms: int
    state: str
    entities: int
    tiles: int
    rows: int
    null_times: int = 0
    null_keys: int = 0
    misplaced: int = 0
    unlikely: dict[str, int] = field(default_factory=dict[str, int])
    unjoined: bool = False
    unnamed: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    seconds: float = 0.0

    def facts(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)

    def __str__(self) -> str:
        text = (
            f"{self.name}: {counted(self.entities, 'entity', 'entities')},"
            f" {counted(self.tiles, 'tile')} of {counted(self.rows, 'row')}"
            f" up to {format_instant(self.cutoff_ms)}, {self.seconds:.1f} s"
        )
        aside = self.null_times + self.null_keys + self.misplaced
        if aside:
            text += (
                f"\n  did not count: {counted(aside, 'source row')} without a time or a key, or too far from"
                " their partition's day"
            )
        for name, first in self.unlikely.items():
            text += f"\n  {unlikely(name, first)}"
        for table, days in self.missing.items():
            text += f"\n  read as empty, {table} lacks: {_few(days)}"
        if self.unjoined:
            text += (
                "\n  reads of now are refused: a stream began later, and what lies between is not known;"
                " upload with --frontier: '' if the tables hold none of the stream's records, else the"
                " token of the last that they hold"
            )
        if self.unnamed:
            text += (
                f"\n  taken from their beginning, as the frontier does not name them: {_few(self.unnamed)};"
                " what the tables hold of these counts twice: then upload again with their positions, too"
            )
        for name in self.early:
            text += (
                f"\n  rows that {name.rpartition('@')[0]} enriched before this upload say missing_upload for"
                f" good; to enrich them anew, `catenary remove --current {name}`, upload it and stream it"
            )
        if self.state != "active":
            text += "\n  it is read once a stage that runs has settled what came late"
        return text


@dataclass(frozen=True)
class RunReport:
    """What a whole run did; its text has a line or two per table.

    Attributes:
        nodes: in the order in which they were begun.
        seconds: of the whole run.
    """

    nodes: tuple[NodeReport, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows written, of all tables."""
        return sum(each.rows for each in self.nodes)

    def node(self, name: str) -> NodeReport:
        """The report of one table; it must be part of the run."""
        return next(each for each in self.nodes if each.name == name)

    def __str__(self) -> str:
        return "\n".join(
            [*map(str, self.nodes), f"{counted(self.rows, 'row')} in {self.seconds:.1f} s"]
        )
