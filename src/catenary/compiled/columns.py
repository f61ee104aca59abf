"""Values in sorted order: gathered by row, nulls and NaN dropped, as order-keeping integers.

Every value becomes an *image*: an int64 that orders as the value does. A double's image is its
bits, with the magnitude flipped for negatives; -0.0 and 0.0 share one. Integers are their own.

    row order + validity ──keep──► rows that count, and how many of them lie before each position
    rows + values ──gather──► images
"""

import cython

DROPPED = cython.declare(cython.longlong, -9223372036854775807 - 1)
INFINITE = cython.declare(cython.longlong, 0x7FF0000000000000)
MAGNITUDE = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)


def keep_valid(
    rows: cython.const[cython.int][::1],
    validity: cython.const[cython.uchar][::1],
    offset: cython.longlong,
    kept: cython.int[::1],
    before: cython.int[::1],
):
    """Keep the rows whose bit is set; `before[p]` counts those kept before position p.

    Returns:
        How many were kept.
    """
    n: cython.Py_ssize_t = rows.shape[0]
    at: cython.Py_ssize_t
    bit: cython.longlong
    count: cython.int = 0
    with cython.nogil:
        for at in range(n):
            before[at] = count
            bit = offset + rows[at]
            if (validity[bit >> 3] >> (bit & 7)) & 1:
                kept[count] = rows[at]
                count += 1
        before[n] = count
    return count


def gather_integers(
    values: cython.const[cython.longlong][::1],
    rows: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    images: cython.longlong[::1],
):
    """`images[p] = values[rows[p]]` for positions [first, end)."""
    at: cython.Py_ssize_t
    with cython.nogil:
        for at in range(first, end):
            images[at] = values[rows[at]]


def gather_codes(
    values: cython.const[cython.int][::1],
    rows: cython.const[cython.int][::1],
    ranks: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    images: cython.longlong[::1],
):
    """`images[p] = ranks[values[rows[p]]]`: dictionary codes to ranks, in sorted order."""
    at: cython.Py_ssize_t
    with cython.nogil:
        for at in range(first, end):
            images[at] = ranks[values[rows[at]]]


def gather_doubles(
    bits: cython.const[cython.longlong][::1],
    rows: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    images: cython.longlong[::1],
    odd: cython.longlong[::1],
):
    """Images of the doubles with these bits; NaN becomes `DROPPED`.

    `odd` receives how many of positions [first, end) are NaN, and how many infinite.
    """
    at: cython.Py_ssize_t
    value: cython.longlong
    size: cython.longlong
    nans: cython.longlong = 0
    infinities: cython.longlong = 0
    with cython.nogil:
        for at in range(first, end):
            value = bits[rows[at]]
            size = value & MAGNITUDE
            if size >= INFINITE:
                if size > INFINITE:
                    nans += 1
                    images[at] = DROPPED
                    continue
                infinities += 1
            elif size == 0:
                value = 0
            images[at] = value if value >= 0 else ~size
    odd[0] = nans
    odd[1] = infinities


def drop_marked(
    images: cython.longlong[::1],
    marked_before: cython.int[::1],
):
    """Close the gaps of `DROPPED` in place; `marked_before[p]` counts what stays before p.

    Returns:
        How many stay.
    """
    n: cython.Py_ssize_t = images.shape[0]
    at: cython.Py_ssize_t
    count: cython.int = 0
    with cython.nogil:
        for at in range(n):
            marked_before[at] = count
            if images[at] != DROPPED:
                images[count] = images[at]
                count += 1
        marked_before[n] = count
    return count


def doubles_of(images: cython.const[cython.longlong][::1], bits: cython.longlong[::1]):
    """The bits of the doubles with these images."""
    at: cython.Py_ssize_t
    with cython.nogil:
        for at in range(images.shape[0]):
            bits[at] = images[at] if images[at] >= 0 else (~images[at]) | DROPPED


def infinite_positions(images: cython.const[cython.longlong][::1], positions: cython.longlong[::1]):
    """Write the positions of infinities, ascending; there are `len(positions)` of them."""
    at: cython.Py_ssize_t
    found: cython.Py_ssize_t = 0
    with cython.nogil:
        for at in range(images.shape[0]):
            if images[at] == INFINITE or images[at] == ~INFINITE:
                positions[found] = at
                found += 1


def place(
    values: cython.const[cython.longlong][::1],
    validity: cython.const[cython.uchar][::1],
    places: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    placed: cython.longlong[::1],
    placed_validity: cython.uchar[::1],
):
    """Bring sorted results back: row r of [first, end) gets the value at `places[r]`, null for -1.

    Both validities are bitmaps; an empty one says that no value is null. `first` is a multiple of 8.

    Returns:
        How many rows are null.
    """
    all_valid: cython.bint = validity.shape[0] == 0
    row: cython.Py_ssize_t
    start: cython.Py_ssize_t
    stop: cython.Py_ssize_t
    at: cython.Py_ssize_t
    byte: cython.int
    bit: cython.int
    nulls: cython.longlong = 0
    with cython.nogil:
        start = first
        while start < end:
            stop = start + 8
            if stop > end:
                stop = end
            byte = 0
            bit = 1
            for row in range(start, stop):
                at = places[row]
                if at >= 0 and (all_valid or (validity[at >> 3] >> (at & 7)) & 1):
                    placed[row] = values[at]
                    byte |= bit
                else:
                    placed[row] = 0
                    nulls += 1
                bit <<= 1
            placed_validity[start >> 3] = cython.cast(cython.uchar, byte)
            start = stop
    return nulls


def place_offsets(
    offsets: cython.const[cython.int][::1],
    places: cython.const[cython.int][::1],
    placed: cython.longlong[::1],
):
    """Where each row's run starts once run `places[r]` is row r's; -1 is an empty run."""
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    total: cython.longlong = 0
    with cython.nogil:
        for row in range(places.shape[0]):
            placed[row] = total
            at = places[row]
            if at >= 0:
                total += offsets[at + 1] - offsets[at]
        placed[places.shape[0]] = total


def place_runs(
    offsets: cython.const[cython.int][::1],
    places: cython.const[cython.int][::1],
    placed: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    items: cython.int[::1],
):
    """`items[i]`: which item of the old runs becomes item i of the new."""
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    item: cython.int
    with cython.nogil:
        for row in range(first, end):
            if places[row] < 0:
                continue
            item = offsets[places[row]]
            for at in range(placed[row], placed[row + 1]):
                items[at] = item
                item += 1
