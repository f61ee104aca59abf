"""Which tiles each read merges: found once, for all accumulators.

    a read's windows, the shortest first:   t ──────────────────── newest tile
        tiles back to its start ──► its cut: what lies before the cut is merged for it
        and on, further back    ──► the next window's cut

A tile is merged once per read, since a shorter window's tiles are the first of a longer one's. A
collapsed tile that a window's start lies in is merged for that window, and lies in every longer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from catenary.aggregate.tiles import Tiles
    from catenary.aggregate.tiling.program import Window

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Routes:
    """The tiles of each read.

    Attributes:
        nodes: int32, the tiles of all reads, newest first.
        begins: int64[reads], where each read's tiles begin.
        cuts: int64[reads, windows], where the tiles of each window end.
        status: int64[reads], of all tiles together.
        stale: bool[reads], a collapsed tile reached before a window.
        cut: bool[reads], a tile that is not collapsed did.
    """

    nodes: Array
    begins: Array
    cuts: Array
    status: Array
    stale: Array
    cut: Array


def route(
    windows: tuple[Window, ...], tiles: Tiles, offsets: Array, entity: Array, ts: Array
) -> Routes:
    """The tiles of each read; a null key (entity -1) has none."""
    reads, nodes = len(ts), list[int]()
    routes = Routes(
        np.zeros(0, np.int32),
        np.zeros(reads, np.int64),
        np.zeros((reads, len(windows)), np.int64),
        np.zeros(reads, np.int64),
        np.zeros(reads, bool),
        np.zeros(reads, bool),
    )
    for read in range(reads):
        routes.begins[read] = len(nodes)
        if entity[read] >= 0:
            own = slice(*offsets[entity[read] : entity[read] + 2])
            _route(windows, tiles, own, int(ts[read]), read, nodes, routes)
        else:
            routes.cuts[read] = len(nodes)
    return Routes(
        np.array(nodes, np.int32),
        routes.begins,
        routes.cuts,
        routes.status,
        routes.stale,
        routes.cut,
    )


def _route(
    windows: tuple[Window, ...],
    tiles: Tiles,
    own: slice,
    ts: int,
    read: int,
    nodes: list[int],
    routes: Routes,
) -> None:
    left = [at for at in range(own.start, own.stop) if tiles.end[at] <= ts]
    floors = [
        (None if w is None else (ts - w) // (h or 1) * (h or 1), at)
        for at, (w, h) in enumerate(windows)
    ]
    for floor, window in sorted(floors, key=lambda each: (each[0] is None, -(each[0] or 0))):
        kept: list[int] = []
        for at in reversed(left):
            inside = floor is None or tiles.start[at] >= floor
            straddles = not inside and tiles.end[at] > floor
            if inside or (straddles and tiles.collapsed[at]):
                nodes.append(at)
                routes.status[read] |= tiles.status[at]
                routes.stale[read] |= straddles
            else:
                kept.append(at)
                routes.cut[read] |= straddles
        left = kept[::-1]
        routes.cuts[read, window] = len(nodes)
