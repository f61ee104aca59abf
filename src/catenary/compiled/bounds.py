"""Windows as slices: for each query, where its window begins and ends among its key's events.

    key's events   ts:  1  3  4 | 7  9 | 12
                                lo     hi         window [7, 12) read at 12

Events and queries are sorted by (key, time), so that both bounds only move forward within a key.
"""

import cython


def upper_bounds(
    times: cython.const[cython.longlong][::1],
    key_starts: cython.const[cython.int][::1],
    reads: cython.const[cython.longlong][::1],
    read_starts: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    ends: cython.int[::1],
):
    """`ends[q]`: the position after the last event of the key with time < `reads[q]`."""
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    at: cython.int
    end: cython.int
    read: cython.longlong
    with cython.nogil:
        for key in range(first_key, end_key):
            at = key_starts[key]
            end = key_starts[key + 1]
            for query in range(read_starts[key], read_starts[key + 1]):
                read = reads[query]
                while at < end and times[at] < read:
                    at += 1
                ends[query] = at


def lower_bounds(
    times: cython.const[cython.longlong][::1],
    key_starts: cython.const[cython.int][::1],
    reads: cython.const[cython.longlong][::1],
    read_starts: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    length: cython.longlong,
    hop: cython.longlong,
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    begins: cython.int[::1],
):
    """`begins[q]`: the first event at or after `floor(reads[q] - length, hop)`."""
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    at: cython.int
    end: cython.int
    start: cython.longlong
    rest: cython.longlong
    floor_of_time: cython.longlong = -9223372036854775807 - 1
    with cython.nogil:
        for key in range(first_key, end_key):
            at = key_starts[key]
            for query in range(read_starts[key], read_starts[key + 1]):
                end = ends[query]
                if reads[query] < floor_of_time + length + hop:
                    start = floor_of_time
                else:
                    start = reads[query] - length
                    rest = start % hop
                    if rest < 0:
                        rest += hop
                    start -= rest
                while at < end and times[at] < start:
                    at += 1
                begins[query] = at


def unbounded_begins(
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    begins: cython.int[::1],
):
    """`begins[q]` of no window: the key's first event."""
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    with cython.nogil:
        for key in range(first_key, end_key):
            for query in range(read_starts[key], read_starts[key + 1]):
                begins[query] = key_starts[key]


def map_bounds(
    bounds: cython.const[cython.int][::1],
    before: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    mapped: cython.int[::1],
):
    """Bounds over all events to bounds over the events that a column kept."""
    query: cython.Py_ssize_t
    with cython.nogil:
        for query in range(first, end):
            mapped[query] = before[bounds[query]]


def spread(
    firsts: cython.const[cython.int][::1],
    step: cython.int,
    offsets: cython.const[cython.int][::1],
    images: cython.const[cython.longlong][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    results: cython.longlong[::1],
):
    """Images of runs of positions: `firsts[q]`, `firsts[q] + step`, … fill slot q of `offsets`."""
    query: cython.Py_ssize_t
    at: cython.Py_ssize_t
    position: cython.Py_ssize_t
    with cython.nogil:
        for query in range(first, end):
            position = firsts[query]
            for at in range(offsets[query], offsets[query + 1]):
                results[at] = images[position]
                position += step


def counts(
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    numbers: cython.longlong[::1],
):
    """`numbers[q] = ends[q] - begins[q]`."""
    query: cython.Py_ssize_t
    with cython.nogil:
        for query in range(first, end):
            numbers[query] = ends[query] - begins[query]
