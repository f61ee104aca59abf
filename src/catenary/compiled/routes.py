"""Which tiles each read merges: back from its instant, window by window.

    tiles by start:   … ▒▒▒▒▒▒▒▒ ▒▒▒▒ ▒▒▒▒ │▒▒▒▒ ▒▒ ▒▒ ▒▒│ read
                          block of 16      │ shorter     │
                      │ longer window ─────┴──────────── │

A tile belongs to a window if it starts in it and ends at or before the read. Where many reads fall on
many tiles of an entity, blocks of 16, 256, … of its tiles stand for them where they fit whole.
"""

import cython
from cython.cimports.catenary.compiled.partials import catenary_buffer, catenary_reserve
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset

FANOUT = cython.declare(cython.longlong, 16)
LEAST = cython.declare(cython.longlong, -9223372036854775807 - 1)
ANCIENT = cython.declare(cython.longlong, -4611686018427387904)


def reaches(
    offsets: cython.const[cython.longlong][::1],
    end: cython.const[cython.longlong][::1],
    reach: cython.longlong[::1],
):
    """The latest end of each tile and those before it of its entity."""
    entity: cython.Py_ssize_t
    tile: cython.Py_ssize_t
    latest: cython.longlong
    with cython.nogil:
        for entity in range(offsets.shape[0] - 1):
            latest = LEAST
            for tile in range(offsets[entity], offsets[entity + 1]):
                if end[tile] > latest:
                    latest = end[tile]
                reach[tile] = latest


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _push(nodes: cython.pointer(catenary_buffer), node: cython.longlong) -> cython.int:
    if catenary_reserve(nodes, 4):
        return -1
    cython.cast(cython.p_int, nodes.data + nodes.size)[0] = cython.cast(cython.int, node)
    nodes.size += 4
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _holds(
    taken: cython.pointer(catenary_buffer), first: cython.longlong, last: cython.longlong
) -> cython.int:
    """Whether a tile in [first, last] was taken already, out of its turn."""
    at: cython.longlong
    tile: cython.int
    for at in range(taken.size // 4):
        tile = cython.cast(cython.p_int, taken.data)[at]
        if first <= tile <= last:
            return 1
    return 0


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
    tiles: cython.longlong = start.shape[0]
    read: cython.Py_ssize_t
    rank: cython.Py_ssize_t
    other: cython.Py_ssize_t
    level: cython.Py_ssize_t
    first: cython.longlong
    low: cython.longlong
    high: cython.longlong
    at: cython.longlong
    back: cython.longlong
    size: cython.longlong
    block: cython.longlong
    instant: cython.longlong
    floor: cython.longlong
    hop: cython.longlong
    window: cython.int
    jump: cython.longlong
    chosen: cython.longlong = 0
    failed: cython.int = 0
    nodes: catenary_buffer
    taken: catenary_buffer
    memset(cython.address(nodes), 0, cython.sizeof(catenary_buffer))
    memset(cython.address(taken), 0, cython.sizeof(catenary_buffer))
    with cython.nogil:
        for read in range(entity.shape[0]):
            begins[read] = nodes.size // 4
            instant = ts[read]
            for rank in range(many):
                if windows[rank, 0] < 0 or instant < ANCIENT:
                    floors[rank] = LEAST
                else:
                    hop = windows[rank, 1]
                    floor = instant - windows[rank, 0]
                    size = floor % hop
                    if size < 0:
                        size += hop
                    floors[rank] = floor - size
                other = rank
                while other > 0 and floors[order[read, other - 1]] < floors[rank]:
                    order[read, other] = order[read, other - 1]
                    other -= 1
                order[read, other] = cython.cast(cython.int, rank)
            if entity[read] < 0:
                for rank in range(many):
                    cuts[read, rank] = nodes.size // 4
                continue
            first = offsets[entity[read]]
            low = first
            high = offsets[entity[read] + 1]
            while low < high:
                at = (low + high) // 2
                if start[at] < instant:
                    low = at + 1
                else:
                    high = at
            at = low - 1
            taken.size = 0
            for rank in range(many):
                window = order[read, rank]
                floor = floors[window]
                while at >= first and start[at] >= floor:
                    size = FANOUT
                    jump = 0
                    for level in range(levels.shape[1]):
                        block = levels[entity[read], level]
                        if block < 0 or (at - first + 1) % size:
                            break
                        block += (at - first + 1) // size - 1
                        if (
                            start[at - size + 1] < floor
                            or block_end[block] > instant
                            or _holds(cython.address(taken), at - size + 1, at)
                        ):
                            break
                        jump = size
                        chosen = block
                        size *= FANOUT
                    if jump:
                        failed |= _push(cython.address(nodes), tiles + chosen)
                        statuses[read] |= block_status[chosen]
                        at -= jump
                        continue
                    if end[at] <= instant and not _holds(cython.address(taken), at, at):
                        failed |= _push(cython.address(nodes), at)
                        statuses[read] |= status[at]
                    at -= 1
                back = at
                while floor > LEAST and back >= first and reach[back] > floor:
                    if end[back] > floor and end[back] <= instant:
                        if not collapsed[back]:
                            cut[read] = 1
                        elif not _holds(cython.address(taken), back, back):
                            failed |= _push(cython.address(nodes), back)
                            failed |= _push(cython.address(taken), back)
                            statuses[read] |= status[back]
                            stale[read] = 1
                    back -= 1
                cuts[read, rank] = nodes.size // 4
            if failed:
                break
    free(taken.data)
    if failed:
        free(nodes.data)
        raise MemoryError
    found = PyBytes_FromStringAndSize(cython.cast(cython.p_char, nodes.data), nodes.size)
    free(nodes.data)
    return found
