"""Tiles in columns: rows to packed partials, and packed partials merged.

    order_groups ──► fold ──► packed ──► merge ──► packed

What one partial does stands in ``partials.h``; here are the loops over groups and tiles. An
accumulator of another form than those there is stepped over, and its bytes, which the caller made, are
copied in (`given`). Damaged bytes end a loop; `failure` then says which tile and which accumulator.

Read next: ``answers.py`` (what reads of tiles come to).
"""

import cython
from cython.cimports.catenary.compiled.partials import (
    CATENARY_FORMAT,
    CATENARY_OTHER,
    catenary_append,
    catenary_buffer,
    catenary_column,
    catenary_emit,
    catenary_enter_row,
    catenary_put,
    catenary_release,
    catenary_reserve,
    catenary_reset,
    catenary_spec,
    catenary_state,
    catenary_states,
    catenary_take_size,
    catenary_text_at,
    catenary_walk,
)
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memcpy, memset

specs_type = cython.typedef(cython.pointer(catenary_spec))
columns_type = cython.typedef(cython.pointer(catenary_column))


def order_groups(
    groups: cython.const[cython.int][::1],
    starts: cython.longlong[::1],
    order: cython.int[::1],
):
    """The rows by their group, in their order; `starts` must be 0 and ends as where each group starts.

    Rows of group -1 are left out, as are groups from `len(starts) - 1` on.
    """
    many: cython.Py_ssize_t = starts.shape[0] - 1
    row: cython.Py_ssize_t
    group: cython.Py_ssize_t
    total: cython.longlong = 0
    size: cython.longlong
    with cython.nogil:
        for row in range(groups.shape[0]):
            group = groups[row]
            if 0 <= group < many:
                starts[group] += 1
        for group in range(many + 1):
            size = starts[group]
            starts[group] = total
            total += size
        for row in range(groups.shape[0]):
            group = groups[row]
            if 0 <= group < many:
                order[starts[group]] = cython.cast(cython.int, row)
                starts[group] += 1
        for group in range(many, 0, -1):
            starts[group] = starts[group - 1]
        starts[0] = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _emit(
    specs: specs_type,
    states: cython.pointer(catenary_state),
    given: columns_type,
    many: cython.Py_ssize_t,
    group: cython.Py_ssize_t,
    out: cython.pointer(catenary_buffer),
) -> cython.int:
    """The packed bytes of a group; -1 without memory."""
    at: cython.Py_ssize_t
    size: cython.longlong = 0
    text: cython.pointer(cython.const[cython.uchar]) = cython.NULL
    end: cython.p_uchar
    if catenary_reserve(out, 1):
        return -1
    out.data[out.size] = CATENARY_FORMAT
    out.size += 1
    for at in range(many):
        if specs[at].form != CATENARY_OTHER:
            if catenary_emit(specs + at, states + at, out):
                return -1
            continue
        catenary_text_at(given + at, group, cython.address(text), cython.address(size))
        if catenary_reserve(out, size + 10):
            return -1
        end = catenary_put(out.data + out.size, cython.cast(cython.ulonglong, size))
        memcpy(end, text, cython.cast(cython.size_t, size))
        out.size = end - out.data + size
    return 0


@cython.cfunc
def content_of(out: cython.pointer(catenary_buffer)) -> bytes:
    """The buffer's content; the buffer is free again."""
    data: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, out.data), out.size)
    free(out.data)
    out.data = cython.NULL
    return data


def fold(
    specs: cython.const[cython.int][:, ::1],
    columns: cython.const[cython.longlong][:, ::1],
    order: cython.const[cython.int][::1],
    starts: cython.const[cython.longlong][::1],
    times: cython.const[cython.longlong][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    sizes: cython.longlong[::1],
):
    """Packed partials of groups [first, end), one after the other, and the size of each.

    Args:
        specs: one `catenary_spec` per accumulator.
        columns: one `catenary_column` each: of its rows, or of the groups' bytes for another form.
        order: the rows by group.
        starts: where each group starts in it.
        times: of the rows.
        first: the first group.
        end: the group after the last.
        sizes: receives the groups' sizes.
    """
    many: cython.Py_ssize_t = specs.shape[0]
    group: cython.Py_ssize_t
    at: cython.Py_ssize_t
    position: cython.Py_ssize_t
    row: cython.longlong
    failed: cython.int = 0
    before: cython.longlong
    out: catenary_buffer
    spec: specs_type = cython.cast(specs_type, cython.address(specs[0, 0]))
    column: columns_type = cython.cast(columns_type, cython.address(columns[0, 0]))
    states: cython.pointer(catenary_state) = catenary_states(spec, many)
    memset(cython.address(out), 0, cython.sizeof(catenary_buffer))
    if states == cython.NULL:
        raise MemoryError
    with cython.nogil:
        for group in range(first, end):
            before = out.size
            if starts[group] < starts[group + 1]:
                for at in range(many):
                    if spec[at].form == CATENARY_OTHER:
                        continue
                    catenary_reset(spec + at, states + at)
                    for position in range(starts[group], starts[group + 1]):
                        row = order[position]
                        failed |= catenary_enter_row(
                            spec + at, states + at, column + at, row, times[row]
                        )
                failed |= _emit(spec, states, column, many, group, cython.address(out))
            if failed:
                break
            sizes[group] = out.size - before
    catenary_release(states, many)
    if failed:
        free(out.data)
        raise MemoryError
    return content_of(cython.address(out))


def merge(
    specs: cython.const[cython.int][:, ::1],
    given: cython.const[cython.longlong][:, ::1],
    data: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
    begins: cython.const[cython.longlong][::1],
    ends: cython.const[cython.longlong][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    sizes: cython.longlong[::1],
    failure: cython.longlong[::1],
):
    """Packed partials of groups [first, end) of tiles [begins, ends), and the size of each.

    A group of one tile that is not empty is that tile.
    """
    many: cython.Py_ssize_t = specs.shape[0]
    group: cython.Py_ssize_t
    tile: cython.Py_ssize_t
    only: cython.Py_ssize_t
    filled: cython.Py_ssize_t
    at: cython.Py_ssize_t
    failed: cython.longlong = 0
    before: cython.longlong
    out: catenary_buffer
    spec: specs_type = cython.cast(specs_type, cython.address(specs[0, 0]))
    states: cython.pointer(catenary_state) = catenary_states(spec, many)
    memset(cython.address(out), 0, cython.sizeof(catenary_buffer))
    if states == cython.NULL:
        raise MemoryError
    with cython.nogil:
        for group in range(first, end):
            before = out.size
            filled = 0
            only = 0
            for tile in range(begins[group], ends[group]):
                if offsets[tile] < offsets[tile + 1]:
                    filled += 1
                    only = tile
            if filled == 1:
                if catenary_append(
                    cython.address(out),
                    cython.address(data[offsets[only]]),
                    offsets[only + 1] - offsets[only],
                ):
                    failed = -many - 2
                    break
            elif filled > 1:
                for at in range(many):
                    catenary_reset(spec + at, states + at)
                for tile in range(begins[group], ends[group]):
                    failed = catenary_walk(
                        spec,
                        many,
                        states,
                        cython.address(data[offsets[tile]]),
                        offsets[tile + 1] - offsets[tile],
                        cython.NULL,
                        0,
                    )
                    if failed:
                        failure[0] = tile
                        failure[1] = -1 - failed
                        break
                if failed:
                    break
                if _emit(
                    spec,
                    states,
                    cython.cast(columns_type, cython.address(given[0, 0])),
                    many,
                    group,
                    cython.address(out),
                ):
                    failed = -many - 2
                    break
            sizes[group] = out.size - before
    catenary_release(states, many)
    if failed:
        free(out.data)
        if failed == -many - 2:
            raise MemoryError
        return None
    return content_of(cython.address(out))


def pieces(
    data: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
    accumulator: cython.Py_ssize_t,
    begins: cython.longlong[::1],
    ends: cython.longlong[::1],
):
    """Where one accumulator's bytes lie in each tile; nowhere in a tile that is empty.

    Returns:
        The first tile that is damaged, or -1.
    """
    tile: cython.Py_ssize_t
    at: cython.Py_ssize_t
    size: cython.longlong = 0
    here: cython.pointer(cython.const[cython.uchar])
    end: cython.pointer(cython.const[cython.uchar])
    failed: cython.Py_ssize_t = -1
    with cython.nogil:
        for tile in range(begins.shape[0]):
            begins[tile] = ends[tile] = offsets[tile]
            if offsets[tile] == offsets[tile + 1]:
                continue
            here = cython.address(data[offsets[tile]])
            end = here + (offsets[tile + 1] - offsets[tile])
            if here[0] != CATENARY_FORMAT:
                failed = tile
                break
            here += 1
            for at in range(accumulator + 1):
                if at > 0:
                    here += size
                if catenary_take_size(cython.address(here), end, cython.address(size)):
                    failed = tile
                    break
            if failed >= 0:
                break
            begins[tile] = offsets[tile + 1] - (end - here)
            ends[tile] = begins[tile] + size
    return failed
