"""Which tiles each read merges: back from its instant, window by window.

    tiles by start:   … ▒▒▒▒▒▒▒▒ ▒▒▒▒ ▒▒▒▒ │▒▒▒▒ ▒▒ ▒▒ ▒▒│ read
                          block of 16      │ shorter     │
                      │ longer window ─────┴──────────── │

A tile belongs to a window if it starts in it and ends at or before the read. Where many reads fall on
many tiles of an entity, blocks of 16, 256, … of its tiles stand for them where they fit whole.

Read next: ``routes.h`` (one read).
"""

import cython
from cython.cimports.catenary.compiled.partials import catenary_buffer, content_of
from cython.cimports.catenary.compiled.routes import (
    catenary_blocks,
    catenary_end_read,
    catenary_order_windows,
    catenary_reaches,
    catenary_route,
    catenary_route_read,
    catenary_tiles,
)
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset

LATEST = cython.declare(cython.longlong, 9223372036854775807)


def reaches(
    offsets: cython.const[cython.longlong][::1],
    end: cython.const[cython.longlong][::1],
    reach: cython.longlong[::1],
):
    """The latest end of each tile and those before it of its entity."""
    entity: cython.Py_ssize_t
    with cython.nogil:
        for entity in range(offsets.shape[0] - 1):
            catenary_reaches(
                cython.address(end[0]),
                offsets[entity],
                offsets[entity + 1],
                cython.address(reach[0]),
            )


def ends(
    offsets: cython.const[cython.longlong][::1],
    start: cython.const[cython.longlong][::1],
    end: cython.const[cython.longlong][::1],
    level: cython.const[cython.longlong][::1],
    reach: cython.const[cython.longlong][::1],
    entity: cython.const[cython.int][::1],
    firsts: cython.longlong[:, ::1],
    ts: cython.longlong[::1],
):
    """Move each read's instant to the start of the tile that it falls in, until it falls in none.

    A tile that begins before an instant and ends after it cannot be taken apart.

    Args:
        offsets: where each entity's tiles begin; they are sorted by start.
        start: of the tiles.
        end: of the tiles.
        level: of the tiles; 0 for the head's.
        reach: the latest end of each tile and those before it of its entity.
        entity: of each read; -1 for none.
        firsts: int64[entities, 2], room.
        ts: the instants.

    Returns:
        How many reads come after a closed tile or an upload's, and after a head tile.
    """
    read: cython.Py_ssize_t
    at: cython.Py_ssize_t
    tile: cython.Py_ssize_t
    head: cython.Py_ssize_t
    own: cython.Py_ssize_t
    closed: cython.longlong = 0
    heads: cython.longlong = 0
    with cython.nogil:
        for at in range(offsets.shape[0] - 1):
            firsts[at, 0] = LATEST
            firsts[at, 1] = LATEST
            for tile in range(offsets[at], offsets[at + 1]):
                head = level[tile] == 0
                if end[tile] < firsts[at, head]:
                    firsts[at, head] = end[tile]
        for read in range(entity.shape[0]):
            own = entity[read]
            if own < 0:
                continue
            ts[read] = catenary_end_read(
                cython.address(start[0]),
                cython.address(end[0]),
                cython.address(reach[0]),
                offsets[own],
                offsets[own + 1],
                ts[read],
            )
            closed += ts[read] >= firsts[own, 0]
            heads += ts[read] >= firsts[own, 1]
    return closed, heads


def route(
    windows: cython.const[cython.longlong][:, ::1],
    start: cython.const[cython.longlong][::1],
    end: cython.const[cython.longlong][::1],
    status: cython.const[cython.longlong][::1],
    collapsed: cython.const[cython.uchar][::1],
    reach: cython.const[cython.longlong][::1],
    offsets: cython.const[cython.longlong][::1],
    entity: cython.const[cython.int][::1],
    ts: cython.const[cython.longlong][::1],
    levels: cython.const[cython.longlong][:, ::1],
    block_end: cython.const[cython.longlong][::1],
    block_status: cython.const[cython.longlong][::1],
    floors: cython.longlong[::1],
    begins: cython.longlong[::1],
    order: cython.int[:, ::1],
    cuts: cython.longlong[:, ::1],
    statuses: cython.longlong[::1],
    stale: cython.uchar[::1],
    cut: cython.uchar[::1],
):
    """The tiles of all reads.

    A window is (length, hop), of length -1 for all of the past; a read of entity -1 has no tiles. `levels`
    says by entity where its blocks of each level start among all, -1 for none; `block_end` and
    `block_status` are the latest end and all statuses of each. `floors` is room for a number per window.
    Received are: where each read's tiles begin; its windows in `order`, the latest start first, and where
    the tiles of each end (`cuts`); the `statuses` of all its tiles; whether a collapsed tile (`stale`) or
    another (`cut`) lies across a window's start.

    Returns:
        The nodes as bytes of int32: tiles, and blocks counted on from them.
    """
    many: cython.Py_ssize_t = windows.shape[0]
    read: cython.Py_ssize_t
    rank: cython.Py_ssize_t
    own: cython.Py_ssize_t
    failed: cython.int = 0
    tiles: catenary_tiles
    blocks: catenary_blocks
    found: catenary_route
    nodes: catenary_buffer
    taken: catenary_buffer
    memset(cython.address(nodes), 0, cython.sizeof(catenary_buffer))
    memset(cython.address(taken), 0, cython.sizeof(catenary_buffer))
    tiles.start = cython.address(start[0])
    tiles.end = cython.address(end[0])
    tiles.status = cython.address(status[0])
    tiles.reach = cython.address(reach[0])
    tiles.collapsed = cython.address(collapsed[0])
    tiles.many = start.shape[0]
    blocks.end = cython.address(block_end[0])
    blocks.status = cython.address(block_status[0])
    blocks.depth = levels.shape[1]
    found.floors = cython.address(floors[0])
    with cython.nogil:
        for read in range(entity.shape[0]):
            begins[read] = nodes.size // 4
            found.order = cython.address(order[read, 0])
            found.cuts = cython.address(cuts[read, 0])
            found.status = 0
            found.stale = 0
            found.cut = 0
            catenary_order_windows(
                cython.address(windows[0, 0]), many, ts[read], cython.address(found)
            )
            own = entity[read]
            if own < 0:
                for rank in range(many):
                    cuts[read, rank] = begins[read]
                continue
            blocks.levels = cython.address(levels[own, 0])
            failed = catenary_route_read(
                many,
                cython.address(tiles),
                cython.address(blocks),
                offsets[own],
                offsets[own + 1],
                ts[read],
                cython.address(found),
                cython.address(nodes),
                cython.address(taken),
            )
            if failed:
                break
            statuses[read] = found.status
            stale[read] = found.stale != 0
            cut[read] = found.cut != 0
    free(taken.data)
    if failed:
        free(nodes.data)
        raise MemoryError
    return content_of(cython.address(nodes))
