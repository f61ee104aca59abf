"""Dense codes of key values: equal values get equal numbers 0, 1, 2, …, in order of first sight.

    queries' values ──insert──► table ◄──look up── events' values
                       │                    │
                       ▼                    ▼
                  codes 0 … n-1        codes, or -1 where no query has the value

The tables are open-addressing arrays that the caller made; their length is a power of two. An
insert stops when the table is half full and says how far it came; the caller brings a larger one.

Read next: ``order.py`` (sorts by these codes).
"""

import cython
from cython.cimports.catenary.compiled.hashing import (
    catenary_hash_bytes,
    catenary_mix,
    catenary_prefetch,
    catenary_same_bytes,
)

offset_type = cython.fused_type(cython.int, cython.longlong)


def insert_integers(
    values: cython.const[cython.longlong][::1],
    slots: cython.longlong[::1],
    slot_codes: cython.int[::1],
    codes: cython.int[::1],
    start: cython.Py_ssize_t,
    known: cython.int,
):
    """Code values from row `start` on; `slot_codes` is -1 where a slot is free.

    Returns:
        The row that was reached, and the number of codes known by then.
    """
    n: cython.Py_ssize_t = values.shape[0]
    mask: cython.ulonglong = slots.shape[0] - 1
    limit: cython.Py_ssize_t = slots.shape[0] // 2
    at: cython.ulonglong
    value: cython.longlong
    row: cython.Py_ssize_t = start
    with cython.nogil:
        while row < n and known < limit:
            value = values[row]
            at = catenary_mix(cython.cast(cython.ulonglong, value)) & mask
            while slot_codes[at] >= 0 and slots[at] != value:
                at = (at + 1) & mask
            if slot_codes[at] < 0:
                slots[at] = value
                slot_codes[at] = known
                known += 1
            codes[row] = slot_codes[at]
            row += 1
    return row, known


def look_up_integers(
    values: cython.const[cython.longlong][::1],
    slots: cython.longlong[::1],
    slot_codes: cython.int[::1],
    codes: cython.int[::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
):
    """Codes of rows [first, end); -1 for a value that was never inserted."""
    mask: cython.ulonglong = slots.shape[0] - 1
    at: cython.ulonglong
    value: cython.longlong
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(first, end):
            value = values[row]
            at = catenary_mix(cython.cast(cython.ulonglong, value)) & mask
            while slot_codes[at] >= 0 and slots[at] != value:
                at = (at + 1) & mask
            codes[row] = slot_codes[at]


def insert_near(
    values: cython.const[cython.longlong][::1],
    least: cython.longlong,
    table: cython.int[::1],
    codes: cython.int[::1],
):
    """As `insert_integers` for values that lie close together: `table[value - least]`.

    Returns:
        The number of codes.
    """
    n: cython.Py_ssize_t = values.shape[0]
    at: cython.Py_ssize_t
    row: cython.Py_ssize_t
    known: cython.int = 0
    with cython.nogil:
        for row in range(n):
            at = values[row] - least
            if table[at] < 0:
                table[at] = known
                known += 1
            codes[row] = table[at]
    return known


def look_up_near(
    values: cython.const[cython.longlong][::1],
    least: cython.longlong,
    table: cython.int[::1],
    codes: cython.int[::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
):
    """Codes of rows [first, end) from the table of `insert_near`."""
    greatest: cython.longlong = least + (table.shape[0] - 1)
    value: cython.longlong
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(first, end):
            value = values[row]
            if value < least or value > greatest:
                codes[row] = -1
            else:
                codes[row] = table[value - least]


def insert_bytes(
    offsets: cython.const[offset_type][::1],
    data: cython.const[cython.uchar][::1],
    hashes: cython.ulonglong[::1],
    slot_codes: cython.int[::1],
    owners: cython.int[::1],
    codes: cython.int[::1],
    start: cython.Py_ssize_t,
    known: cython.int,
):
    """Code byte strings from row `start` on; `owners[code]` becomes the first row with the value.

    Row i's bytes are `data[offsets[i]:offsets[i + 1]]`; `hashes` stands beside `slot_codes`.

    Returns:
        The row that was reached, and the number of codes known by then.
    """
    n: cython.Py_ssize_t = offsets.shape[0] - 1
    mask: cython.ulonglong = slot_codes.shape[0] - 1
    limit: cython.Py_ssize_t = slot_codes.shape[0] // 2
    at: cython.ulonglong
    hash_: cython.ulonglong
    length: cython.longlong
    code: cython.int
    other: cython.longlong
    row: cython.Py_ssize_t = start
    with cython.nogil:
        while row < n and known < limit:
            length = offsets[row + 1] - offsets[row]
            hash_ = catenary_hash_bytes(cython.address(data[offsets[row]]), length)
            at = hash_ & mask
            while True:
                code = slot_codes[at]
                if code < 0:
                    code = known
                    slot_codes[at] = code
                    hashes[at] = hash_
                    owners[code] = cython.cast(cython.int, row)
                    known += 1
                    break
                if hashes[at] == hash_:
                    other = owners[code]
                    if offsets[other + 1] - offsets[other] == length and catenary_same_bytes(
                        cython.address(data[offsets[other]]),
                        cython.address(data[offsets[row]]),
                        length,
                    ):
                        break
                at = (at + 1) & mask
            codes[row] = code
            row += 1
    return row, known


def look_up_bytes(
    offsets: cython.const[offset_type][::1],
    data: cython.const[cython.uchar][::1],
    known_offsets: cython.const[cython.longlong][::1],
    known: cython.const[cython.uchar][::1],
    hashes: cython.ulonglong[::1],
    slot_codes: cython.int[::1],
    codes: cython.int[::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
):
    """Codes of rows [first, end); -1 for bytes that were never inserted.

    The value of code c is `known[known_offsets[c]:known_offsets[c + 1]]`. Rows are hashed a block
    ahead of the look-ups, so that their slots are on the way from memory by then.
    """
    mask: cython.ulonglong = slot_codes.shape[0] - 1
    block: cython.ulonglong[64]
    at: cython.ulonglong
    hash_: cython.ulonglong
    length: cython.longlong
    begin: cython.longlong
    code: cython.int
    row: cython.Py_ssize_t
    start: cython.Py_ssize_t = first
    stop: cython.Py_ssize_t
    with cython.nogil:
        while start < end:
            stop = start + 64
            if stop > end:
                stop = end
            for row in range(start, stop):
                hash_ = catenary_hash_bytes(
                    cython.address(data[offsets[row]]), offsets[row + 1] - offsets[row]
                )
                block[row - start] = hash_
                catenary_prefetch(cython.address(slot_codes[hash_ & mask]))
                catenary_prefetch(cython.address(hashes[hash_ & mask]))
            for row in range(start, stop):
                code = slot_codes[block[row - start] & mask]
                if code >= 0:
                    catenary_prefetch(cython.address(known_offsets[code]))
            for row in range(start, stop):
                length = offsets[row + 1] - offsets[row]
                hash_ = block[row - start]
                at = hash_ & mask
                while True:
                    code = slot_codes[at]
                    if code < 0:
                        break
                    if hashes[at] == hash_:
                        begin = known_offsets[code]
                        if known_offsets[code + 1] - begin == length and catenary_same_bytes(
                            cython.address(known[begin]),
                            cython.address(data[offsets[row]]),
                            length,
                        ):
                            break
                    at = (at + 1) & mask
                codes[row] = code
            start = stop
