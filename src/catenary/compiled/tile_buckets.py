"""Maps from buckets to partials, opened into entries and closed again.

    maps ──open_buckets──► entries ──wrap──► tiles of one partial ──(partials.py)──► close_buckets ──► maps

Each entry's partial is then folded, merged and read as any other.
"""

import cython
from cython.cimports.catenary.compiled.partials import (
    CATENARY_FORMAT,
    CATENARY_TEXT,
    catenary_append,
    catenary_buffer,
    catenary_column,
    catenary_put,
    catenary_put_value,
    catenary_reserve,
    catenary_take,
    catenary_take_size,
    catenary_take_value,
    catenary_text_at,
)
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset

columns_type = cython.typedef(cython.pointer(catenary_column))


@cython.cfunc
def _taken(out: cython.pointer(catenary_buffer)) -> bytes:
    """The buffer's content; the buffer is free again."""
    data: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, out.data), out.size)
    free(out.data)
    out.data = cython.NULL
    return data


def open_buckets(
    data: cython.const[cython.uchar][::1],
    begins: cython.const[cython.longlong][::1],
    ends: cython.const[cython.longlong][::1],
    kind: cython.int,
    firsts: cython.longlong[::1],
    values: cython.longlong[::1],
    lengths: cython.longlong[::1],
    partial_begins: cython.longlong[::1],
    partial_ends: cython.longlong[::1],
):
    """The entries of maps from buckets to partials: first, into `firsts`, how many, then what they are.

    Called with no room in `values` it only counts; `firsts[t]` is then where the entries of map t start. An
    entry's partial lies with its length before it, as in a tile.

    Returns:
        The first map that is damaged, or -1.
    """
    counting: cython.bint = values.shape[0] == 0
    at: cython.Py_ssize_t
    entry: cython.longlong = 0
    many: cython.ulonglong = 0
    size: cython.longlong = 0
    text: cython.pointer(cython.const[cython.uchar])
    here: cython.pointer(cython.const[cython.uchar])
    end: cython.pointer(cython.const[cython.uchar])
    failed: cython.Py_ssize_t = -1
    with cython.nogil:
        for at in range(begins.shape[0]):
            if counting:
                firsts[at] = entry
            if begins[at] == ends[at]:
                continue
            here = cython.address(data[begins[at]])
            end = here + (ends[at] - begins[at])
            if here[0] != kind:
                failed = at
                break
            here += 1
            if catenary_take(cython.address(here), end, cython.address(many)) or many > (
                cython.cast(cython.ulonglong, end - here)
            ):
                failed = at
                break
            if counting:
                entry += many
                continue
            text = here
            while many > 0:
                if catenary_take_value(
                    cython.address(here),
                    end,
                    kind,
                    cython.address(values[entry]),
                    cython.address(text),
                    cython.address(lengths[entry]),
                ):
                    failed = at
                    break
                if kind >= CATENARY_TEXT:
                    values[entry] = cython.cast(cython.longlong, cython.cast(cython.size_t, text))
                partial_begins[entry] = ends[at] - (end - here)
                if catenary_take_size(cython.address(here), end, cython.address(size)):
                    failed = at
                    break
                here += size
                partial_ends[entry] = ends[at] - (end - here)
                entry += 1
                many -= 1
            if failed >= 0:
                break
            if here != end:
                failed = at
                break
        if counting:
            firsts[begins.shape[0]] = entry
    return failed


def wrap(
    data: cython.const[cython.uchar][::1],
    begins: cython.const[cython.longlong][::1],
    ends: cython.const[cython.longlong][::1],
    order: cython.const[cython.int][::1],
    offsets: cython.longlong[::1],
):
    """Partials with their lengths before them as tiles of their own, in the given order."""
    at: cython.Py_ssize_t
    failed: cython.int = 0
    out: catenary_buffer
    memset(cython.address(out), 0, cython.sizeof(catenary_buffer))
    with cython.nogil:
        for at in range(order.shape[0]):
            offsets[at] = out.size
            failed |= catenary_reserve(cython.address(out), 1)
            if failed:
                break
            out.data[out.size] = CATENARY_FORMAT
            out.size += 1
            failed |= catenary_append(
                cython.address(out),
                cython.address(data[begins[order[at]]]),
                ends[order[at]] - begins[order[at]],
            )
        offsets[order.shape[0]] = out.size
    if failed:
        free(out.data)
        raise MemoryError
    return _taken(cython.address(out))


def close_buckets(
    labels: cython.const[cython.longlong][:, ::1],
    kind: cython.int,
    codes: cython.const[cython.int][::1],
    data: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
    firsts: cython.const[cython.longlong][::1],
    starts: cython.longlong[::1],
):
    """Maps from buckets to partials, one per group of tiles that hold a single partial each.

    `labels` is the column of the buckets' values, `codes` each tile's bucket in it, ascending within a
    group; `firsts` says where each group's tiles start. A partial that is empty is left out; a map of none
    has no bytes. `starts` receives where each map starts.
    """
    column: columns_type = cython.cast(columns_type, cython.address(labels[0, 0]))
    group: cython.Py_ssize_t
    at: cython.Py_ssize_t
    many: cython.longlong
    size: cython.longlong = 0
    image: cython.longlong
    text: cython.pointer(cython.const[cython.uchar]) = cython.NULL
    here: cython.p_uchar
    failed: cython.int = 0
    out: catenary_buffer
    memset(cython.address(out), 0, cython.sizeof(catenary_buffer))
    with cython.nogil:
        for group in range(firsts.shape[0] - 1):
            starts[group] = out.size
            many = 0
            for at in range(firsts[group], firsts[group + 1]):
                many += offsets[at + 1] - offsets[at] > 2
            if many == 0:
                continue
            if catenary_reserve(cython.address(out), 12):
                failed = 1
                break
            out.data[out.size] = cython.cast(cython.uchar, kind)
            here = catenary_put(out.data + out.size + 1, cython.cast(cython.ulonglong, many))
            out.size = here - out.data
            for at in range(firsts[group], firsts[group + 1]):
                if offsets[at + 1] - offsets[at] <= 2:
                    continue
                image = 0
                size = 0
                if column.values != cython.NULL:
                    image = column.values[codes[at]]
                else:
                    catenary_text_at(column, codes[at], cython.address(text), cython.address(size))
                if catenary_reserve(cython.address(out), size + 12):
                    failed = 1
                    break
                here = catenary_put_value(out.data + out.size, kind, image, text, size)
                out.size = here - out.data
                failed |= catenary_append(
                    cython.address(out),
                    cython.address(data[offsets[at] + 1]),
                    offsets[at + 1] - offsets[at] - 1,
                )
            if failed:
                break
        starts[firsts.shape[0] - 1] = out.size
    if failed:
        free(out.data)
        raise MemoryError
    return _taken(cython.address(out))
