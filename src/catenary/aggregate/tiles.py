"""Tiles: partials of stretches of time, folded from rows, merged with one another, read as features.

    rows, groups ──fold──► packed ◄──merge── packed      a packed value holds a layout's partials
                              │
    tiles of entities, reads ─┴─answer──► columns        what `kernel.aggregate` gives over the rows

To the last bit the kernel's answers over the same rows, however they are cut into tiles and in
whatever order those are merged (semantics 13 and 14), if no window begins or ends inside a tile;
`answer` says of each read whether one did. Where tiles lie and when they merge is ``state``'s.

Read next: ``layout.py`` (what a tile holds), ``tiling/packing.py`` (its bytes), ``tiling/routes.py``
(which tiles a read merges).
Held to account by: ``tests/property/test_tiles.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from catenary.aggregate.layout import Accumulator, Layout
from catenary.aggregate.tiling import folding, merging, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    Array = np.ndarray[Any, Any]

__all__ = [
    "ANCIENT_MS",
    "Accumulator",
    "Answers",
    "Layout",
    "OneAnswer",
    "Tiles",
    "answer",
    "answer_one",
    "answer_row",
    "fold",
    "merge",
]

ANCIENT_MS: Final = -(1 << 62)
"""Where a tile of all the past starts."""


@dataclass(frozen=True)
class Tiles:
    """Tiles of many entities, those of one together and sorted by (start, end).

    Attributes:
        start, end: int64[n], the tile covers start <= ts < end.
        status: int64[n], the statuses of its rows.
        collapsed: bool[n], it is included whole where a window starts inside.
        packed: the partials.
    """

    start: Array
    end: Array
    status: Array
    collapsed: Array
    packed: pa.LargeBinaryArray

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Answers:
    """What reads come to, a row each.

    Attributes:
        columns: a column per feature, or per passthrough column; defaults filled in (semantics 10).
        status: int64[reads], the statuses of all tiles that any window used.
        seen: bool[reads], whether any value counted.
        overflow: bool[reads], whether a feature lacks an integer sum that does not fit 64 bits.
        stale: bool[reads], whether a collapsed tile reached before a window's start.
        cut: bool[reads], whether another tile did: it is left out, and the answer lacks its rows.
    """

    columns: pa.Table
    status: Array
    seen: Array
    overflow: Array
    stale: Array
    cut: Array


class OneAnswer(NamedTuple):
    """What a single read comes to; fields as in `Answers`, the columns as Python values."""

    values: Sequence[object]
    status: int
    seen: bool
    overflow: bool
    stale: bool
    cut: bool


def fold(
    layout: Layout, rows: pa.Table, groups: Array, count: int, *, time: str = "ts"
) -> pa.LargeBinaryArray:
    """Packed partials, one per group.

    Args:
        layout: what is folded.
        rows: with its columns.
        groups: int32[rows], the group of each row; -1: in none.
        count: how many groups there are; one without rows gives empty bytes.
        time: the column of instants; rows without one are in no group.

    Raises:
        DataError: for a column that is missing or of a type that does not fit.
    """
    return folding.fold(layout.program, rows, groups, count, time)


def merge(layout: Layout, packed: pa.LargeBinaryArray, offsets: Array) -> pa.LargeBinaryArray:
    """The packed partials of groups of packed partials.

    Args:
        layout: what they hold.
        packed: the tiles of all groups.
        offsets: int64[groups + 1]; group g is packed[offsets[g]:offsets[g + 1]].

    Raises:
        DataError: for bytes that are not this layout's.
    """
    return merging.merge(layout.program, packed, offsets)


def answer(layout: Layout, tiles: Tiles, offsets: Array, entity: Array, ts: Array) -> Answers:
    """The features of reads.

    A window [lo, ts) merges the tiles with start >= lo and end <= ts.

    Args:
        layout: what the tiles hold, and what is read.
        tiles: of all entities.
        offsets: int64[entities + 1] into the tiles.
        entity: int32[reads]; -1 for a null key, which gives nulls and no defaults.
        ts: int64[reads], the instants.

    Raises:
        DataError: for bytes that are not this layout's.
    """
    return Answers(*reading.answer(layout.program, tiles, offsets, entity, ts))


def answer_row(layout: Layout, tiles: Tiles, ts: int) -> tuple[object, ...]:
    """The features of one read of the entity whose tiles these are, as Python values.

    Raises:
        DataError: for bytes that are not this layout's.
    """
    return reading.answer_row(layout.program, tiles, ts)


def answer_one(layout: Layout, tiles: Tiles, ts: int) -> OneAnswer:
    """`answer_row` with what `answer` says of the read.

    Raises:
        DataError: for bytes that are not this layout's.
    """
    return OneAnswer(*reading.answer_one(layout.program, tiles, ts))
