"""The tiles of many entities from a store's rows: walked, parsed and sorted, no object kept per tile.

    bounds, per entity:   lane 0, level 0 [….) lane 0, level 1 [….) … late tiles of the upload [….)
    walk(key) ──► rows ──► tiles within the bounds, beside those of the upload's value ──► columns

A row that lies before the next bound is passed by seeking it; an entity without rows costs one comparison.

Read next: ``ranges.h`` (what keys and values hold), ``catenary/state/held.py``.
Held to account by: ``tests/unit/serve/test_lookup.py``, ``tests/property/test_fixed_worlds.py``.
"""

import cython
from cython.cimports.catenary.compiled.ranges import (
    RANGES_BOUND,
    RANGES_LANE,
    catenary_compare_keys,
    catenary_end_entity,
    catenary_gathered,
    catenary_lane_bound,
    catenary_late_bound,
    catenary_leave_room,
    catenary_span,
    catenary_take_room,
    catenary_take_row,
    catenary_take_upload,
    catenary_tile,
)
from cython.cimports.cpython.bytes import (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cython.cimports.libc.string import memcmp

COLUMNS = cython.declare(cython.Py_ssize_t, 6)

tiles_type = cython.typedef(cython.pointer(catenary_tile))
numbers_type = cython.typedef(cython.pointer(cython.longlong))


@cython.cfunc
@cython.exceptval(check=False)
def _compare(key: cython.p_char, size: cython.Py_ssize_t, other: bytes) -> cython.int:
    return catenary_compare_keys(key, size, PyBytes_AS_STRING(other), PyBytes_GET_SIZE(other))


@cython.cfunc
def _columns(found: cython.pointer(catenary_gathered)) -> tuple:
    """The tiles' columns, where their partials begin and end, and these."""
    many: cython.Py_ssize_t = found.tiles.size // cython.sizeof(catenary_tile)
    tile: tiles_type = cython.cast(tiles_type, found.tiles.data)
    columns: bytes = PyBytes_FromStringAndSize(cython.NULL, COLUMNS * many * 8)
    places: bytes = PyBytes_FromStringAndSize(cython.NULL, (many + 1) * 8)
    out: numbers_type = cython.cast(numbers_type, PyBytes_AS_STRING(columns))
    place: numbers_type = cython.cast(numbers_type, PyBytes_AS_STRING(places))
    at: cython.Py_ssize_t
    for at in range(many):
        out[at] = tile[at].start
        out[many + at] = tile[at].end
        out[2 * many + at] = tile[at].level
        out[3 * many + at] = tile[at].status
        out[4 * many + at] = tile[at].collapsed
        out[5 * many + at] = tile[at].upload
        place[at] = tile[at].place
    place[many] = found.data.size
    data: bytes = PyBytes_FromStringAndSize(
        cython.cast(cython.p_char, found.data.data), found.data.size
    )
    return columns, places, data


@cython.ccall
def bounds_of(
    lanes: list,
    sizes: cython.const[cython.longlong][::1],
    since: cython.longlong,
    until: cython.longlong,
    upload: cython.longlong,
    cutoff: cython.longlong,
) -> list:
    """Which rows of an entity matter to reads, as (start, end) of what follows it in their keys, ascending.

    Args:
        lanes: their bytes, ascending.
        sizes: the tiles' lengths by level.
        since: milliseconds; tiles that end at or before it do not matter.
        until: milliseconds; those that begin at or after it do not.
        upload: the id of the upload whose late tiles matter; -1 for none.
        cutoff: milliseconds; the lanes' tiles before it are the upload's.
    """
    found: list = []
    start: cython.uchar[13]
    end: cython.uchar[13]
    lane: bytes
    level: cython.Py_ssize_t
    first: cython.longlong
    for lane in lanes:
        for level in range(sizes.shape[0]):
            first = since - sizes[level] + 1
            if first < cutoff:
                first = cutoff
            catenary_lane_bound(start, PyBytes_AS_STRING(lane), level, first)
            catenary_lane_bound(end, PyBytes_AS_STRING(lane), level, until)
            found.append(
                (
                    PyBytes_FromStringAndSize(cython.cast(cython.p_char, start), RANGES_LANE),
                    PyBytes_FromStringAndSize(cython.cast(cython.p_char, end), RANGES_LANE),
                )
            )
    if upload >= 0:
        catenary_late_bound(start, upload)
        catenary_late_bound(end, upload + 1)
        found.append(
            (
                PyBytes_FromStringAndSize(cython.cast(cython.p_char, start), RANGES_BOUND),
                PyBytes_FromStringAndSize(cython.cast(cython.p_char, end), RANGES_BOUND),
            )
        )
    return found


@cython.cfunc
@cython.exceptval(-3, check=False)
def gather_into(
    found: cython.pointer(catenary_gathered),
    span: cython.pointer(cython.const[catenary_span]),
    walk,
    prefixes: list,
    bounds: list,
    uploaded: list,
    offsets: cython.p_longlong,
) -> cython.int:
    """`gather` into what was taken as room: 0, -1 for damaged bytes, -2 without memory."""
    entity: cython.Py_ssize_t
    at: cython.Py_ssize_t
    many: cython.Py_ssize_t = len(bounds)
    skip: cython.Py_ssize_t
    failed: cython.int = 0
    ended: cython.bint = many == 0
    key: bytes = b""
    value: bytes
    prefix: bytes
    wanted: bytes
    row: tuple = None
    rows: object = None
    for entity in range(len(prefixes)):
        offsets[entity] = found.tiles.size // cython.sizeof(catenary_tile)
        prefix = prefixes[entity]
        skip = PyBytes_GET_SIZE(prefix)
        at = 0
        if not ended:
            wanted = prefix + cython.cast(bytes, bounds[0][0])
            if row is None or _compare(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), wanted) < 0:
                rows = walk(wanted)
                row = next(rows, None)
        while row is not None:
            key = row[0]
            if PyBytes_GET_SIZE(key) <= skip:
                break
            if memcmp(PyBytes_AS_STRING(key), PyBytes_AS_STRING(prefix), skip):
                break
            while (
                at < many
                and _compare(
                    PyBytes_AS_STRING(key) + skip, PyBytes_GET_SIZE(key) - skip, bounds[at][1]
                )
                >= 0
            ):
                at += 1
            if at == many:
                break
            wanted = bounds[at][0]
            if _compare(PyBytes_AS_STRING(key) + skip, PyBytes_GET_SIZE(key) - skip, wanted) < 0:
                rows = walk(prefix + wanted)
                row = next(rows, None)
                continue
            value = row[1]
            failed = catenary_take_row(
                found,
                span,
                PyBytes_AS_STRING(key) + skip,
                PyBytes_GET_SIZE(key) - skip,
                PyBytes_AS_STRING(value),
                PyBytes_GET_SIZE(value),
            )
            if failed:
                break
            row = next(rows, None)
        ended = ended or row is None
        if not failed and uploaded and uploaded[entity] is not None:
            value = uploaded[entity]
            failed = catenary_take_upload(
                found,
                span,
                PyBytes_AS_STRING(value),
                PyBytes_GET_SIZE(value),
            )
        if not failed:
            failed = catenary_end_entity(found)
        if failed:
            break
    if failed:
        return failed
    offsets[len(prefixes)] = found.tiles.size // cython.sizeof(catenary_tile)
    return 0


def gather(
    walk,
    prefixes: list,
    bounds: list,
    sizes: cython.const[cython.longlong][::1],
    since: cython.longlong,
    until: cython.longlong,
    uploaded: list,
    offsets: cython.longlong[::1],
):
    """The tiles of entities that end after `since` and begin before `until`.

    Args:
        walk: gives the rows of a store from a key on, ascending.
        prefixes: where each entity's rows are, ascending; none begins with another.
        bounds: (start, end) of what follows the prefix, ascending: only rows within are read.
        sizes: the tiles' lengths by level.
        since: milliseconds.
        until: milliseconds.
        uploaded: for each entity an upload's value, or None; empty if there is no upload.
        offsets: receives where each entity's tiles begin, and where the last one's end.

    Returns:
        The bytes of int64[6, tiles] (start, end, level, status, collapsed, upload: see `state.held`), of
        int64[tiles + 1] (where the partials begin), and of the partials; None for damaged bytes. Each
        entity's tiles are sorted by start and end.
    """
    found: catenary_gathered
    span: catenary_span
    failed: cython.int
    span.sizes = cython.address(sizes[0])
    span.levels = sizes.shape[0]
    span.since = since
    span.until = until
    catenary_take_room(cython.address(found))
    try:
        failed = gather_into(
            cython.address(found),
            cython.address(span),
            walk,
            prefixes,
            bounds,
            uploaded,
            cython.address(offsets[0]),
        )
        if failed == -2:
            raise MemoryError
        return None if failed else _columns(cython.address(found))
    finally:
        catenary_leave_room(cython.address(found))
