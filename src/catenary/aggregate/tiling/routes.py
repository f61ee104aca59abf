"""Which tiles each read merges: found once, for all accumulators.

    a read's windows, the shortest first:   t ──────────────────── newest tile
        tiles back to its start ──► its cut: what lies before the cut is merged for it
        and on, further back    ──► the next window's cut

A tile is merged once per read, since a shorter window's tiles are the first of a longer one's. A
collapsed tile that a window's start lies in is merged for that window, and lies in every longer one.

Where many reads fall on an entity of many tiles, its tiles are merged once in blocks of 16, of 256 and
so on; a read takes the largest that fit, so that its work grows with the logarithm of the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate.tiling.columns import Packed
from catenary.aggregate.tiling.merging import merge_ranges
from catenary.compiled import routes as compiled

if TYPE_CHECKING:
    from catenary.aggregate.tiles import Tiles
    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]

FANOUT: Final = 16
"""Tiles of a block, and blocks of the next larger one."""

_MANY_TILES: Final = 48
_MANY_READS: Final = 8


@dataclass(frozen=True, eq=False)
class Routes:
    """The tiles of each read.

    Attributes:
        nodes: int32, the tiles of all reads, newest first; blocks count on from the tiles.
        begins: int64[reads], where each read's tiles begin.
        order: int32[reads, windows], the windows, the latest start first.
        cuts: int64[reads, windows], where the tiles of each of them end.
        status: int64[reads], of all tiles together.
        stale: bool[reads], a collapsed tile reached before a window.
        cut: bool[reads], a tile that is not collapsed did.
        blocks: the blocks' partials.
    """

    nodes: Array
    begins: Array
    order: Array
    cuts: Array
    status: Array
    stale: Array
    cut: Array
    blocks: Packed


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Merged tiles of hot entities.

    Attributes:
        levels: int64[entities, levels], where each entity's blocks start among all; -1 for none.
        end: int64[blocks], the latest end of their tiles.
        status: int64[blocks].
        packed: their partials.
    """

    levels: Array
    end: Array
    status: Array
    packed: Packed


_NO_BLOCKS: Final = _Blocks(
    np.zeros((0, 0), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), Packed.none()
)


def route(
    program: Program, tiles: Tiles, packed: Packed, offsets: Array, entity: Array, ts: Array
) -> Routes:
    """The tiles of each read; a null key (entity -1) has none."""
    reads, windows = len(ts), len(program.windows)
    end = np.ascontiguousarray(tiles.end, np.int64)
    status = np.ascontiguousarray(tiles.status, np.int64)
    reach = np.empty(len(tiles), np.int64)
    compiled.reaches(offsets, end, reach)
    blocks = _blocks(program, packed, end, status, offsets, entity)
    begins, order = np.zeros(reads, np.int64), np.zeros((reads, windows), np.int32)
    cuts, statuses = np.zeros((reads, windows), np.int64), np.zeros(reads, np.int64)
    stale, cut = np.zeros(reads, np.uint8), np.zeros(reads, np.uint8)
    nodes = compiled.route(
        program.windows,
        np.ascontiguousarray(tiles.start, np.int64),
        end,
        status,
        np.ascontiguousarray(tiles.collapsed, bool).view(np.uint8),
        reach,
        offsets,
        entity,
        ts,
        blocks.levels,
        blocks.end,
        blocks.status,
        np.zeros(windows, np.int64),
        begins,
        order,
        cuts,
        statuses,
        stale,
        cut,
    )
    return Routes(
        np.frombuffer(nodes, np.int32),
        begins,
        order,
        cuts,
        statuses,
        stale.view(bool),
        cut.view(bool),
        blocks.packed,
    )


def _blocks(
    program: Program, packed: Packed, end: Array, status: Array, offsets: Array, entity: Array
) -> _Blocks:
    """Blocks of the entities for which they are worth it."""
    if len(entity) < _MANY_READS or len(end) < _MANY_TILES:
        return _NO_BLOCKS
    sizes = np.diff(offsets)
    reads = np.bincount(entity[entity >= 0], minlength=len(sizes))
    hot = np.flatnonzero((sizes >= _MANY_TILES) & (reads >= _MANY_READS))
    if not len(hot):
        return _NO_BLOCKS
    levels: list[Array] = []
    ends: list[Array] = []
    statuses: list[Array] = []
    merged: list[pa.LargeBinaryArray] = []
    total = 0
    firsts, many, source = offsets[hot], sizes[hot], packed
    while int((many := many // FANOUT).sum()):
        # The blocks of each entity one after the other, and the first thing that each is made of.
        base = np.cumsum(many) - many
        within = np.arange(int(many.sum())) - np.repeat(base, many)
        begins = np.repeat(firsts, many) + within * FANOUT
        merged.append(merge_ranges(program, source, begins, begins + FANOUT))
        own = begins[:, None] + np.arange(FANOUT)
        end, status = end[own].max(axis=1), np.bitwise_or.reduce(status[own], axis=1)
        ends.append(end)
        statuses.append(status)
        level = np.full(len(sizes), -1, np.int64)
        level[hot] = np.where(many > 0, total + base, -1)
        levels.append(level)
        total += len(begins)
        firsts, source = base, Packed.of(merged[-1])
    return _Blocks(
        np.stack(levels, axis=1),
        np.concatenate(ends),
        np.concatenate(statuses),
        Packed.of(pa.concat_arrays(merged)),
    )
