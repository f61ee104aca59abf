"""Every error a user can meet, in one tree.

    CatenaryError
    ├── DefinitionError (ValueError)      a definition contradicts itself or the schema it reads
    │   ├── ExpressionError               an expression does not parse, or its types do not fit
    │   └── CycleError                    definitions that read each other
    ├── UnsupportedError                  asked for what is not there; names the nearest alternative
    ├── SettingsError (ValueError)        a setting is unknown or has the wrong type
    ├── DataError                         rows or tables are not as declared
    │   ├── MissingTableError             no such table
    │   ├── MissingPartitionError         a table lacks a `ds` partition that is needed
    │   ├── SchemaMismatchError           a table's columns changed or have other types
    │   └── UnreadableError               a file is damaged or of another format
    └── RunError                          a run could not go on
        ├── BusyError                     another run is writing the same table
        ├── FencedError                   another copy of a stage has taken a lane over
        ├── LogError                      a topic is not there or not as asked
        │   └── PositionError             a stored position means nothing in the log (any more)
        ├── UnreachableError              a server (a broker, a store's) does not answer; it is waited for
        ├── NotYetError                   an answer does not reflect what it must, in time
        ├── StorageError                  the disk or a store's server refused (full, read-only, …)
        └── BackfillError                 a backfill stopped; says what stands and where to resume

A message has three parts: what was expected and what came, where it was written, what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BackfillError",
    "BusyError",
    "CatenaryError",
    "CycleError",
    "DataError",
    "DefinitionError",
    "ExpressionError",
    "FencedError",
    "LogError",
    "MissingPartitionError",
    "MissingTableError",
    "NotYetError",
    "PositionError",
    "RunError",
    "SchemaMismatchError",
    "SettingsError",
    "StorageError",
    "UnreachableError",
    "UnreadableError",
    "UnsupportedError",
    "nearest",
]


class CatenaryError(Exception):
    """Base of all errors that Catenary raises on purpose.

    Args:
        problem: what was expected and what came, as `name=value` where that helps.
        where: the place that caused it: `file:line` of a definition, a table, a partition.
        hint: what to do.

    >>> print(DefinitionError("hop 7m does not divide 1h", where="f.py:31", hint="use 5m"))
    hop 7m does not divide 1h
      at f.py:31
      hint: use 5m
    """

    def __init__(self, problem: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.hint = hint
        lines = [problem]
        if where:
            lines.append(f"  at {where}")
        if hint:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))


class DefinitionError(CatenaryError, ValueError):
    """A definition contradicts itself or the schema it reads."""


class ExpressionError(DefinitionError):
    """An expression does not parse, names an unknown column, or its types do not fit."""


class CycleError(DefinitionError):
    """Definitions that read each other; the message prints the cycle."""


class UnsupportedError(CatenaryError):
    """Something that is not there (yet, or on this engine); the hint names the nearest that is."""


class SettingsError(CatenaryError, ValueError):
    """A setting is unknown, or its value has the wrong type or range."""


class DataError(CatenaryError):
    """Rows or tables that are not as they were declared."""


class MissingTableError(DataError):
    """A table that a definition names does not exist."""


class MissingPartitionError(DataError):
    """A table lacks a `ds` partition that the run needs."""


class SchemaMismatchError(DataError):
    """A table's columns are missing, changed midway, or have other types than planned."""


class UnreadableError(DataError):
    """A file is damaged, truncated or not of the format that its name claims."""


class RunError(CatenaryError):
    """A run that could not go on; nothing that was finished before is lost."""


class BusyError(RunError):
    """Another run is writing the same table."""


class FencedError(RunError):
    """Another copy of a stage has taken a lane over; this one stops."""


class LogError(RunError):
    """A topic is not there, or not as asked."""


class PositionError(LogError):
    """A stored position lies beyond a log's end, before its start, or in another incarnation."""


class UnreachableError(RunError):
    """A log's broker or a store's server does not answer, or not in time.

    A stage goes on once it is back; others are told.
    """


class NotYetError(RunError):
    """An answer that must reflect a token did not come to reflect it in time."""


class StorageError(RunError):
    """The disk, or the server of a store, refused: it is full, read-only, or failing."""


class BackfillError(RunError):
    """A backfill stopped; the message says which partitions stand and how to resume."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the closest known one, else the list of all.

    >>> nearest("amont", ["amount", "ts"])
    "did you mean 'amount'?"
    >>> nearest("zzz", ["amount", "ts"])
    'known: amount, ts'
    >>> nearest("zzz", [])
    'there are none yet'
    """
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(names) if names else "there are none yet"
