"""Keys and values of many tiles as bytes objects, and entities as bytes: what a commit puts, without a loop in Python.

    key columns ──fixed, flags, texts──► entities, one behind the other
    entities, level, start ──tiles──► keys          statuses, partials ──values──► values
    keys ──pack──► an index row ──unpack──► keys ──runs──► where an entity's begin

What the bytes mean is said in ``state/keys.py`` and ``state/tiles.py``; a tile's key ends with its lane
(four bytes), level (one) and start (eight).
"""

import cython
from cython.cimports.cpython.bytes import (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cython.cimports.cpython.list import PyList_GET_ITEM
from cython.cimports.libc.string import memcmp, memcpy

_LANE = cython.declare(cython.Py_ssize_t, 4)
_TAIL = cython.declare(cython.Py_ssize_t, 9)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _put_ordered(out: cython.p_uchar, value: cython.longlong) -> cython.void:
    """Eight bytes that order as the integer does."""
    image: cython.ulonglong = cython.cast(cython.ulonglong, value) ^ (
        cython.cast(cython.ulonglong, 1) << 63
    )
    at: cython.int
    for at in range(8):
        out[at] = cython.cast(cython.uchar, (image >> (56 - 8 * at)) & 0xFF)


def fixed(
    values: cython.const[cython.longlong][::1],
    tag: cython.int,
    data: cython.uchar[::1],
    places: cython.longlong[::1],
):
    """Write a tag and eight ordered bytes per row at its place, and move the place behind them."""
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(values.shape[0]):
            data[places[row]] = cython.cast(cython.uchar, tag)
            _put_ordered(cython.address(data[places[row] + 1]), values[row])
            places[row] += 9


def flags(
    values: cython.const[cython.longlong][::1],
    tag: cython.int,
    data: cython.uchar[::1],
    places: cython.longlong[::1],
):
    """Write a tag and one byte per row at its place, and move the place behind them."""
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(values.shape[0]):
            data[places[row]] = cython.cast(cython.uchar, tag)
            data[places[row] + 1] = cython.cast(cython.uchar, values[row] != 0)
            places[row] += 2


def texts(
    offsets: cython.const[cython.longlong][::1],
    source: cython.const[cython.uchar][::1],
    tag: cython.int,
    data: cython.uchar[::1],
    places: cython.longlong[::1],
):
    """Write a tag, a length (7 bits a byte) and the bytes per row at its place, and move that."""
    row: cython.Py_ssize_t
    at: cython.longlong
    size: cython.longlong
    left: cython.longlong
    with cython.nogil:
        for row in range(offsets.shape[0] - 1):
            at = places[row]
            data[at] = cython.cast(cython.uchar, tag)
            at += 1
            size = offsets[row + 1] - offsets[row]
            left = size
            while left >= 0x80:
                data[at] = cython.cast(cython.uchar, (left & 0x7F) | 0x80)
                left >>= 7
                at += 1
            data[at] = cython.cast(cython.uchar, left)
            at += 1
            if size:
                memcpy(
                    cython.address(data[at]),
                    cython.address(source[offsets[row]]),
                    cython.cast(cython.size_t, size),
                )
            places[row] = at + size


def slices(
    data: cython.const[cython.uchar][::1], offsets: cython.const[cython.longlong][::1]
) -> list:
    """The pieces `data[offsets[i]:offsets[i + 1]]`, a bytes object each."""
    at: cython.Py_ssize_t
    found: list = []
    for at in range(offsets.shape[0] - 1):
        found.append(
            PyBytes_FromStringAndSize(
                cython.cast(cython.p_char, cython.address(data[0])) + offsets[at],
                offsets[at + 1] - offsets[at],
            )
        )
    return found


def tiles(
    prefix: bytes,
    entities: list,
    codes: cython.const[cython.int][::1],
    middle: bytes,
    levels: cython.const[cython.longlong][::1],
    starts: cython.const[cython.longlong][::1],
) -> list:
    """Keys of tiles: prefix, entity, middle, level, start."""
    row: cython.Py_ssize_t
    out: cython.p_char
    size: cython.Py_ssize_t
    found: list = []
    before: cython.Py_ssize_t = PyBytes_GET_SIZE(prefix)
    between: cython.Py_ssize_t = PyBytes_GET_SIZE(middle)
    for row in range(codes.shape[0]):
        entity = cython.cast(object, PyList_GET_ITEM(entities, codes[row]))
        size = PyBytes_GET_SIZE(entity)
        key = PyBytes_FromStringAndSize(cython.NULL, before + size + between + _TAIL)
        out = PyBytes_AS_STRING(key)
        memcpy(out, PyBytes_AS_STRING(prefix), before)
        out += before
        memcpy(out, PyBytes_AS_STRING(entity), size)
        out += size
        memcpy(out, PyBytes_AS_STRING(middle), between)
        out += between
        out[0] = cython.cast(cython.char, levels[row])
        _put_ordered(cython.cast(cython.p_uchar, out + 1), starts[row])
        found.append(key)
    return found


def values(
    statuses: cython.const[cython.longlong][::1],
    data: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
) -> list:
    """Values of tiles: a status (4 bytes, little-endian), then the partials."""
    row: cython.Py_ssize_t
    size: cython.Py_ssize_t
    at: cython.int
    out: cython.p_uchar
    found: list = []
    for row in range(statuses.shape[0]):
        size = offsets[row + 1] - offsets[row]
        value = PyBytes_FromStringAndSize(cython.NULL, size + 4)
        out = cython.cast(cython.p_uchar, PyBytes_AS_STRING(value))
        for at in range(4):
            out[at] = cython.cast(cython.uchar, (statuses[row] >> (8 * at)) & 0xFF)
        if size:
            memcpy(out + 4, cython.address(data[offsets[row]]), size)
        found.append(value)
    return found


def opened(values: list, statuses: cython.longlong[::1], offsets: cython.longlong[::1]):
    """The opposite of `values`: all partials, one behind the other.

    None if a value is too short to have a status.
    """
    row: cython.Py_ssize_t
    size: cython.Py_ssize_t
    total: cython.Py_ssize_t = 0
    source: cython.p_uchar
    for row in range(len(values)):
        size = PyBytes_GET_SIZE(cython.cast(object, PyList_GET_ITEM(values, row))) - 4
        if size < 0:
            return None
        offsets[row] = total
        total += size
    offsets[len(values)] = total
    data = PyBytes_FromStringAndSize(cython.NULL, total)
    for row in range(len(values)):
        source = cython.cast(
            cython.p_uchar,
            PyBytes_AS_STRING(cython.cast(object, PyList_GET_ITEM(values, row))),
        )
        statuses[row] = (
            cython.cast(cython.longlong, source[0])
            | (cython.cast(cython.longlong, source[1]) << 8)
            | (cython.cast(cython.longlong, source[2]) << 16)
            | (cython.cast(cython.longlong, source[3]) << 24)
        )
        memcpy(PyBytes_AS_STRING(data) + offsets[row], source + 4, offsets[row + 1] - offsets[row])
    return data


def pack(keys: list) -> bytes:
    """Keys of one lane's tiles without what they share: length (2 bytes), entity, level, start."""
    total: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t
    out: cython.p_uchar
    source: cython.p_char
    for key in keys:
        total += PyBytes_GET_SIZE(key) - 1 - _LANE + 2
    packed = PyBytes_FromStringAndSize(cython.NULL, total)
    out = cython.cast(cython.p_uchar, PyBytes_AS_STRING(packed))
    for key in keys:
        size = PyBytes_GET_SIZE(key) - 1 - _LANE - _TAIL
        source = PyBytes_AS_STRING(key)
        out[0] = cython.cast(cython.uchar, size >> 8)
        out[1] = cython.cast(cython.uchar, size & 0xFF)
        memcpy(out + 2, source + 1, size)
        memcpy(out + 2 + size, source + 1 + size + _LANE, _TAIL)
        out += 2 + size + _TAIL
    return packed


def unpack(packed: bytes, prefix: bytes, middle: bytes):
    """The opposite of `pack`: the keys, with their prefix of a byte and middle of four.

    None for bytes that `pack` never writes.
    """
    at: cython.Py_ssize_t = 0
    total: cython.Py_ssize_t = PyBytes_GET_SIZE(packed)
    size: cython.Py_ssize_t
    data: cython.p_uchar = cython.cast(cython.p_uchar, PyBytes_AS_STRING(packed))
    out: cython.p_char
    found: list = []
    while at < total:
        if total - at < 2 + _TAIL:
            return None
        size = (cython.cast(cython.Py_ssize_t, data[at]) << 8) | data[at + 1]
        at += 2
        if total - at < size + _TAIL:
            return None
        key = PyBytes_FromStringAndSize(cython.NULL, 1 + size + _LANE + _TAIL)
        out = PyBytes_AS_STRING(key)
        out[0] = PyBytes_AS_STRING(prefix)[0]
        memcpy(out + 1, data + at, size)
        memcpy(out + 1 + size, PyBytes_AS_STRING(middle), _LANE)
        memcpy(out + 1 + size + _LANE, data + at + size, _TAIL)
        at += size + _TAIL
        found.append(key)
    return found


def runs(keys: list, begins: cython.longlong[::1]) -> cython.Py_ssize_t:
    """Where the tiles of each entity and lane begin among sorted keys; how many there are."""
    row: cython.Py_ssize_t
    many: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = -1
    own: cython.Py_ssize_t
    before: cython.p_char = cython.NULL
    for row in range(len(keys)):
        key = cython.cast(object, PyList_GET_ITEM(keys, row))
        own = PyBytes_GET_SIZE(key) - _TAIL
        if own != size or memcmp(PyBytes_AS_STRING(key), before, own) != 0:
            begins[many] = row
            many += 1
        size = own
        before = PyBytes_AS_STRING(key)
    return many
