"""Exact totals of slices: sums and means, rounded once.

    all values fit 63 bits ──► prefix sums of 64 bits ──► two look-ups a slice
    else: a frame per key ──► a total of W limbs that slides with the slice (adds what enters,
                              subtracts what leaves), whatever the spread of the exponents

A frame is the span of bits [lowest, highest) that a key's values occupy. Wrapping is harmless: only
each slice's own total must fit. Infinities count as 0 here; the caller makes their slices null.

Read next: ``moments.py`` (the same with powers), ``limbs.h`` (the arithmetic).
"""

import cython
from cython.cimports.catenary.compiled.limbs import (
    catenary_add_powers,
    catenary_limbs_ratio,
    catenary_mean64,
    catenary_units,
    catenary_widen,
)
from cython.cimports.libc.string import memset

NO_LOWEST = cython.declare(cython.int, 10000)
NO_HIGHEST = cython.declare(cython.int, -10000)


def frame(
    images: cython.const[cython.longlong][::1],
    is_double: cython.bint,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
):
    """The frame of positions [first, end); (10000, -10000) if all are 0.

    Returns:
        The lowest set bit, and the bit above the highest.
    """
    lowest: cython.int = NO_LOWEST
    highest: cython.int = NO_HIGHEST
    at: cython.Py_ssize_t
    with cython.nogil:
        for at in range(first, end):
            catenary_widen(images[at], is_double, cython.address(lowest), cython.address(highest))
    return lowest, highest


def frames(
    images: cython.const[cython.longlong][::1],
    is_double: cython.bint,
    key_starts: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    lowest: cython.int[::1],
    spans: cython.int[::1],
):
    """Each key's lowest bit, and how many bits its frame spans; (0, 0) if all its values are 0."""
    key: cython.Py_ssize_t
    at: cython.Py_ssize_t
    low: cython.int
    high: cython.int
    with cython.nogil:
        for key in range(first_key, end_key):
            low = NO_LOWEST
            high = NO_HIGHEST
            for at in range(key_starts[key], key_starts[key + 1]):
                catenary_widen(images[at], is_double, cython.address(low), cython.address(high))
            if low > high:
                low = 0
                high = 0
            lowest[key] = low
            spans[key] = high - low


def prefix(
    images: cython.const[cython.longlong][::1],
    is_double: cython.bint,
    lowest: cython.int,
    sums: cython.longlong[::1],
):
    """`sums[p]`: the sum of the values before p in units of 2^lowest, modulo 2^64."""
    at: cython.Py_ssize_t
    total: cython.ulonglong = 0
    with cython.nogil:
        for at in range(images.shape[0]):
            sums[at] = cython.cast(cython.longlong, total)
            total += cython.cast(cython.ulonglong, catenary_units(images[at], is_double, lowest))
        sums[images.shape[0]] = cython.cast(cython.longlong, total)


def narrow_sums(
    sums: cython.const[cython.longlong][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    unit: cython.double,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    results: cython.double[::1],
):
    """Sums of slices [first, end) from prefix sums of doubles; unit is 2^lowest."""
    query: cython.Py_ssize_t
    with cython.nogil:
        for query in range(first, end):
            results[query] = (
                cython.cast(cython.double, sums[ends[query]] - sums[begins[query]]) * unit
            )


def narrow_integer_sums(
    sums: cython.const[cython.longlong][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    results: cython.longlong[::1],
):
    """Sums of slices [first, end) from prefix sums of integers."""
    query: cython.Py_ssize_t
    with cython.nogil:
        for query in range(first, end):
            results[query] = sums[ends[query]] - sums[begins[query]]


def narrow_means(
    sums: cython.const[cython.longlong][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    lowest: cython.int,
    unit: cython.double,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    results: cython.double[::1],
):
    """Means of slices [first, end); 0 where empty."""
    query: cython.Py_ssize_t
    count: cython.longlong
    with cython.nogil:
        for query in range(first, end):
            count = ends[query] - begins[query]
            if count > 0:
                results[query] = catenary_mean64(
                    sums[ends[query]] - sums[begins[query]], count, lowest, unit
                )
            else:
                results[query] = 0.0


def wide_totals(
    images: cython.const[cython.longlong][::1],
    is_double: cython.bint,
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    lowest: cython.const[cython.int][::1],
    spans: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    is_mean: cython.bint,
    results: cython.double[::1],
):
    """Sums or means of the slices of keys [first_key, end_key); 0 where empty."""
    total: cython.ulonglong[40]
    start: cython.int = 0
    width: cython.int
    low: cython.int
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    end: cython.Py_ssize_t
    lo: cython.Py_ssize_t
    hi: cython.Py_ssize_t
    size: cython.longlong
    with cython.nogil:
        for key in range(first_key, end_key):
            if read_starts[key] == read_starts[key + 1]:
                continue
            size = key_starts[key + 1] - key_starts[key]
            width = spans[key] + 2
            while size > 0:
                size >>= 1
                width += 1
            width = (width + 63) // 64
            low = lowest[key]
            lo = hi = key_starts[key]
            memset(total, 0, width * 8)
            for query in range(read_starts[key], read_starts[key + 1]):
                begin = begins[query]
                end = ends[query]
                if begin >= hi:
                    if lo < hi:
                        memset(total, 0, width * 8)
                    lo = hi = begin
                while hi < end:
                    catenary_add_powers(
                        total,
                        cython.address(width),
                        cython.address(start),
                        1,
                        images[hi],
                        is_double,
                        low,
                        False,
                    )
                    hi += 1
                while lo < begin:
                    catenary_add_powers(
                        total,
                        cython.address(width),
                        cython.address(start),
                        1,
                        images[lo],
                        is_double,
                        low,
                        True,
                    )
                    lo += 1
                if end > begin:
                    results[query] = catenary_limbs_ratio(
                        total, width, (end - begin) if is_mean else 1, low
                    )
                else:
                    results[query] = 0.0


def wide_integer_sums(
    images: cython.const[cython.longlong][::1],
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    results: cython.longlong[::1],
    fits: cython.uchar[::1],
):
    """Sums of integers in 128 bits; `fits` is 0 where the sum lies outside int64."""
    total: cython.ulonglong[2]
    width: cython.int = 2
    start: cython.int = 0
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    end: cython.Py_ssize_t
    lo: cython.Py_ssize_t
    hi: cython.Py_ssize_t
    with cython.nogil:
        for key in range(first_key, end_key):
            lo = hi = key_starts[key]
            total[0] = total[1] = 0
            for query in range(read_starts[key], read_starts[key + 1]):
                begin = begins[query]
                end = ends[query]
                if begin >= hi:
                    total[0] = total[1] = 0
                    lo = hi = begin
                while hi < end:
                    catenary_add_powers(
                        total,
                        cython.address(width),
                        cython.address(start),
                        1,
                        images[hi],
                        False,
                        0,
                        False,
                    )
                    hi += 1
                while lo < begin:
                    catenary_add_powers(
                        total,
                        cython.address(width),
                        cython.address(start),
                        1,
                        images[lo],
                        False,
                        0,
                        True,
                    )
                    lo += 1
                results[query] = cython.cast(cython.longlong, total[0])
                fits[query] = cython.cast(cython.longlong, total[1]) == (
                    cython.cast(cython.longlong, total[0]) >> 63
                )
