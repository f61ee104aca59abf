"""Sorting rows by (key code, time): the order in which every window is a slice.

    codes, times ──survey──► rows per part, span of time, sorted already?
                 ──scatter─► one part per range of codes, packed as (code, time), rows kept in order
                 ──settle──► each part sorted in cache; times, rows and key starts written out

A part is small enough for the cache, so that the digit passes over it never leave it; rows that
arrive in time order need digits of the code alone. The sort is stable.

Read next: ``bounds.py`` (slices of the sorted rows).
"""

import cython
from cython.cimports.libc.string import memset

DIGIT = cython.declare(cython.int, 11)


def survey(
    codes: cython.const[cython.int][::1],
    times: cython.const[cython.longlong][::1],
    part_shift: cython.int,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    counts: cython.longlong[::1],
    span: cython.longlong[::1],
):
    """Count rows [first, end) per part `code >> part_shift`; rows with code -1 are left out.

    `span` receives least time, greatest time, 1 if times never step back, first and last time.
    """
    row: cython.Py_ssize_t
    code: cython.int
    at: cython.longlong
    least: cython.longlong = 9223372036854775807
    greatest: cython.longlong = -9223372036854775807 - 1
    previous: cython.longlong = greatest
    ordered: cython.longlong = 1
    opening: cython.longlong = 0
    seen: cython.bint = False
    with cython.nogil:
        for row in range(first, end):
            code = codes[row]
            if code < 0:
                continue
            at = times[row]
            if not seen:
                opening = at
                seen = True
            counts[code >> part_shift] += 1
            if at < least:
                least = at
            if at > greatest:
                greatest = at
            if at < previous:
                ordered = 0
            previous = at
    span[0] = least
    span[1] = greatest
    span[2] = ordered
    span[3] = opening
    span[4] = previous


def scatter(
    codes: cython.const[cython.int][::1],
    times: cython.const[cython.longlong][::1],
    part_shift: cython.int,
    time_bits: cython.int,
    least: cython.longlong,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    cursors: cython.longlong[::1],
    packed: cython.ulonglong[::1],
    rows: cython.int[::1],
):
    """Move rows [first, end) to their part, from `cursors[part]` on, packed as (code, time)."""
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    code: cython.int
    low: cython.int = (1 << part_shift) - 1
    with cython.nogil:
        for row in range(first, end):
            code = codes[row]
            if code < 0:
                continue
            at = cursors[code >> part_shift]
            cursors[code >> part_shift] = at + 1
            packed[at] = (cython.cast(cython.ulonglong, code & low) << time_bits) | (
                cython.cast(cython.ulonglong, times[row]) - cython.cast(cython.ulonglong, least)
            )
            rows[at] = cython.cast(cython.int, row)


def settle(
    packed: cython.ulonglong[::1],
    rows: cython.int[::1],
    spare_packed: cython.ulonglong[::1],
    spare_rows: cython.int[::1],
    part_starts: cython.const[cython.longlong][::1],
    first_part: cython.Py_ssize_t,
    end_part: cython.Py_ssize_t,
    first_bit: cython.int,
    end_bit: cython.int,
    part_shift: cython.int,
    time_bits: cython.int,
    least: cython.longlong,
    times: cython.longlong[::1],
    key_starts: cython.int[::1],
):
    """Sort parts [first_part, end_part) on bits [first_bit, end_bit) and write them out.

    `rows` then holds the sorted rows, `times` (which may share memory with `packed`) their times,
    `key_starts[c]` the first position of code c. The spares are as long as the longest part.
    """
    part: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    size: cython.Py_ssize_t
    i: cython.Py_ssize_t
    code: cython.Py_ssize_t
    keys: cython.Py_ssize_t = key_starts.shape[0] - 1
    code_end: cython.Py_ssize_t
    own: cython.Py_ssize_t
    mask: cython.ulonglong = (cython.cast(cython.ulonglong, 1) << time_bits) - 1
    with cython.nogil:
        for part in range(first_part, end_part):
            begin = part_starts[part]
            size = part_starts[part + 1] - begin
            if size > 1:
                _sort_digits(
                    cython.address(packed[begin]),
                    cython.address(rows[begin]),
                    cython.address(spare_packed[0]),
                    cython.address(spare_rows[0]),
                    size,
                    first_bit,
                    end_bit,
                )
            code = part << part_shift
            code_end = code + (cython.cast(cython.Py_ssize_t, 1) << part_shift)
            if code_end > keys:
                code_end = keys
            for i in range(begin, begin + size):
                own = (part << part_shift) + (
                    cython.cast(cython.Py_ssize_t, packed[i] >> time_bits) if time_bits < 64 else 0
                )
                while code <= own:
                    key_starts[code] = cython.cast(cython.int, i)
                    code += 1
                times[i] = cython.cast(cython.longlong, packed[i] & mask) + least
            while code < code_end:
                key_starts[code] = cython.cast(cython.int, begin + size)
                code += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _sort_digits(
    packed: cython.p_ulonglong,
    rows: cython.p_int,
    spare_packed: cython.p_ulonglong,
    spare_rows: cython.p_int,
    size: cython.Py_ssize_t,
    first_bit: cython.int,
    end_bit: cython.int,
) -> cython.void:
    """Least digit first; a digit on which all rows agree costs one look."""
    cursors: cython.Py_ssize_t[2048]
    from_packed: cython.p_ulonglong = packed
    from_rows: cython.p_int = rows
    to_packed: cython.p_ulonglong = spare_packed
    to_rows: cython.p_int = spare_rows
    swap_packed: cython.p_ulonglong
    swap_rows: cython.p_int
    bit: cython.int = first_bit
    width: cython.int
    mask: cython.ulonglong
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    total: cython.Py_ssize_t
    digit: cython.Py_ssize_t
    while bit < end_bit:
        width = end_bit - bit
        if width > DIGIT:
            width = DIGIT
        mask = (cython.cast(cython.ulonglong, 1) << width) - 1
        memset(cursors, 0, (mask + 1) * cython.sizeof(cython.Py_ssize_t))
        for i in range(size):
            cursors[(from_packed[i] >> bit) & mask] += 1
        if cursors[(from_packed[0] >> bit) & mask] < size:
            total = 0
            for digit in range(cython.cast(cython.Py_ssize_t, mask) + 1):
                at = cursors[digit]
                cursors[digit] = total
                total += at
            for i in range(size):
                digit = (from_packed[i] >> bit) & mask
                at = cursors[digit]
                cursors[digit] = at + 1
                to_packed[at] = from_packed[i]
                to_rows[at] = from_rows[i]
            swap_packed = from_packed
            from_packed = to_packed
            to_packed = swap_packed
            swap_rows = from_rows
            from_rows = to_rows
            to_rows = swap_rows
        bit += width
    if from_packed != packed:
        for i in range(size):
            packed[i] = from_packed[i]
            rows[i] = from_rows[i]
