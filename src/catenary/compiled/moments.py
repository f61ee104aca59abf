"""Exact moments of slices: variance, skew and kurtosis from sums of powers that slide.

    powers of all values fit 128 bits ──► sums of powers modulo 2^128
    else: a frame per key ──► sums of powers of as many limbs as they need

`kind` is the power: 2 variance, 3 skew, 4 kurtosis. NaN stands where there is no value.

Read next: ``limbs.h`` (the formulas, and why each is as exact as promised).
"""

import cython
from cython.cimports.catenary.compiled.limbs import (
    catenary_add_powers,
    catenary_clear,
    catenary_enter,
    catenary_leave,
    catenary_moment,
    catenary_powers,
    catenary_small_moment,
)
from cython.cimports.libc.string import memset

NAN = cython.declare(cython.double, float("nan"))


def small_moments(
    sums: cython.const[cython.longlong][::1],
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    lowest: cython.int,
    kind: cython.int,
    sample: cython.bint,
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    results: cython.double[::1],
):
    """From the prefix sums of ``totals.prefix``, whose differences are the values in units."""
    powers: catenary_powers
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    end: cython.Py_ssize_t
    lo: cython.Py_ssize_t
    hi: cython.Py_ssize_t
    with cython.nogil:
        for key in range(first_key, end_key):
            lo = hi = key_starts[key]
            catenary_clear(cython.address(powers))
            for query in range(read_starts[key], read_starts[key + 1]):
                begin = begins[query]
                end = ends[query]
                if begin >= hi:
                    catenary_clear(cython.address(powers))
                    lo = hi = begin
                while hi < end:
                    catenary_enter(cython.address(powers), sums[hi + 1] - sums[hi], kind)
                    hi += 1
                while lo < begin:
                    catenary_leave(cython.address(powers), sums[lo + 1] - sums[lo], kind)
                    lo += 1
                results[query] = catenary_small_moment(
                    cython.address(powers), kind, end - begin, sample, lowest
                )


def wide_moments(
    images: cython.const[cython.longlong][::1],
    is_double: cython.bint,
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    lowest: cython.const[cython.int][::1],
    spans: cython.const[cython.int][::1],
    kind: cython.int,
    sample: cython.bint,
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    results: cython.double[::1],
):
    """From the values themselves, in each key's frame."""
    totals: cython.ulonglong[560]
    widths: cython.int[4]
    starts: cython.int[4]
    full: cython.int
    used: cython.int
    bits: cython.int
    power: cython.int
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
            bits = 0
            while size > 0:
                size >>= 1
                bits += 1
            used = 0
            for power in range(1, kind + 1):
                widths[power - 1] = (power * spans[key] + bits + 2 + 63) // 64
                starts[power - 1] = used
                used += widths[power - 1]
            full = (kind * (spans[key] + bits) + 8 + 63) // 64
            if full < widths[kind - 1]:
                full = widths[kind - 1]
            low = lowest[key]
            lo = hi = key_starts[key]
            memset(totals, 0, used * 8)
            for query in range(read_starts[key], read_starts[key + 1]):
                begin = begins[query]
                end = ends[query]
                if begin >= hi:
                    memset(totals, 0, used * 8)
                    lo = hi = begin
                while hi < end:
                    catenary_add_powers(
                        totals, widths, starts, kind, images[hi], is_double, low, False
                    )
                    hi += 1
                while lo < begin:
                    catenary_add_powers(
                        totals, widths, starts, kind, images[lo], is_double, low, True
                    )
                    lo += 1
                if end > begin:
                    results[query] = catenary_moment(
                        totals, widths, starts, kind, end - begin, sample, low, full
                    )
                else:
                    results[query] = NAN
