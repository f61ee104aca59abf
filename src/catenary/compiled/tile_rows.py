"""Whole rows as partials of the latest row, and the columns of those that came out.

columns ──rows──► a partial per row ──(partials.py)──► the latest ──open_rows──► columns ──texts──► …
"""

import cython
from cython.cimports.catenary.compiled.partials import (
    CATENARY_NULL,
    catenary_buffer,
    catenary_column,
    catenary_emit_row,
    catenary_open_row,
)
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memcpy, memset

columns_type = cython.typedef(cython.pointer(catenary_column))


@cython.cfunc
def _taken(out: cython.pointer(catenary_buffer)) -> bytes:
    """The buffer's content; the buffer is free again."""
    data: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, out.data), out.size)
    free(out.data)
    out.data = cython.NULL
    return data


def rows(
    columns: cython.const[cython.longlong][:, ::1],
    kinds: cython.const[cython.int][::1],
    tag: cython.int,
    times: cython.const[cython.longlong][::1],
    offsets: cython.longlong[::1],
):
    """Every row as the partial of itself, and where each begins.

    A column of arrays, maps or structs holds their content as bytes.
    """
    row: cython.Py_ssize_t
    failed: cython.int = 0
    out: catenary_buffer
    memset(cython.address(out), 0, cython.sizeof(catenary_buffer))
    with cython.nogil:
        for row in range(times.shape[0]):
            offsets[row] = out.size
            failed |= catenary_emit_row(
                cython.cast(columns_type, cython.address(columns[0, 0])),
                cython.cast(cython.p_int, cython.address(kinds[0])),
                kinds.shape[0],
                tag,
                row,
                times[row],
                cython.address(out),
            )
        offsets[times.shape[0]] = out.size
    if failed:
        free(out.data)
        raise MemoryError
    return _taken(cython.address(out))


def open_rows(
    places: cython.const[cython.longlong][::1],
    sizes: cython.const[cython.longlong][::1],
    found: cython.const[cython.uchar][::1],
    kinds: cython.const[cython.int][::1],
    values: cython.longlong[:, ::1],
    lengths: cython.longlong[:, ::1],
    said: cython.uchar[:, ::1],
):
    """The columns of rows, as `read` gives results; nulls where there is no row.

    Returns:
        The first that is damaged, or -1.
    """
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    failed: cython.Py_ssize_t = -1
    with cython.nogil:
        for row in range(places.shape[0]):
            if not found[row]:
                for at in range(kinds.shape[0]):
                    said[at, row] = cython.cast(cython.uchar, CATENARY_NULL)
            elif catenary_open_row(
                cython.cast(cython.p_uchar, cython.cast(cython.size_t, places[row])),
                sizes[row],
                cython.cast(cython.p_int, cython.address(kinds[0])),
                kinds.shape[0],
                places.shape[0],
                cython.address(values[0, row]),
                cython.address(lengths[0, row]),
                cython.address(said[0, row]),
            ):
                failed = row
                break
    return failed


def texts(
    places: cython.const[cython.longlong][::1],
    sizes: cython.const[cython.longlong][::1],
    found: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
    data: cython.uchar[::1],
):
    """Copy the texts that lie at places of memory to `data`, from `offsets` on."""
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(places.shape[0]):
            if found[row] and sizes[row]:
                memcpy(
                    cython.address(data[offsets[row]]),
                    cython.cast(cython.p_char, cython.cast(cython.size_t, places[row])),
                    cython.cast(cython.size_t, sizes[row]),
                )
