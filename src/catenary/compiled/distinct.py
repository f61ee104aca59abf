"""Slices as counts of distinct values, kept in order: what is in them, and how often.

    images ──rank──► per key: its distinct values ascending, each event's rank among them
    ranks  ──slide─► counts by rank, +1 for what enters, -1 for what leaves
                     └► a set of the ranks present, a tree of 64-way bitmaps: next and previous
                        rank in a few steps, however many ranks are absent

Key k's distinct values stand in `domain[key_starts[k]:key_starts[k] + sizes[k]]`. One step of the
slide is O(1), one entry of a result a few steps; nothing depends on the length of a window.
"""

import cython
from cython.cimports.catenary.compiled.hashing import catenary_highest_bit, catenary_lowest_bit
from cython.cimports.libc.string import memset


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _sort(
    values: cython.p_longlong,
    places: cython.p_int,
    spare_values: cython.p_longlong,
    spare_places: cython.p_int,
    size: cython.Py_ssize_t,
) -> cython.void:
    """Ascending, places along with values: insertion where short, else byte by byte that differs."""
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    at: cython.Py_ssize_t
    total: cython.Py_ssize_t
    value: cython.longlong
    place: cython.int
    counts: cython.Py_ssize_t[256]
    differ: cython.ulonglong = 0
    byte: cython.ulonglong
    shift: cython.int
    turn: cython.ulonglong
    here: cython.p_longlong = values
    there: cython.p_longlong = spare_values
    swap: cython.p_longlong
    here_places: cython.p_int = places
    there_places: cython.p_int = spare_places
    swap_places: cython.p_int
    if size <= 24:
        for i in range(1, size):
            value = values[i]
            place = places[i]
            j = i
            while j > 0 and values[j - 1] > value:
                values[j] = values[j - 1]
                places[j] = places[j - 1]
                j -= 1
            values[j] = value
            places[j] = place
        return
    for i in range(1, size):
        differ |= cython.cast(cython.ulonglong, values[i] ^ values[0])
    for shift in range(0, 64, 8):
        if (differ >> shift) & 255 == 0:
            continue
        turn = 128 if shift == 56 else 0
        memset(counts, 0, 256 * cython.sizeof(cython.Py_ssize_t))
        for i in range(size):
            counts[((cython.cast(cython.ulonglong, here[i]) >> shift) & 255) ^ turn] += 1
        total = 0
        for i in range(256):
            at = counts[i]
            counts[i] = total
            total += at
        for i in range(size):
            byte = ((cython.cast(cython.ulonglong, here[i]) >> shift) & 255) ^ turn
            at = counts[byte]
            counts[byte] = at + 1
            there[at] = here[i]
            there_places[at] = here_places[i]
        swap = here
        here = there
        there = swap
        swap_places = here_places
        here_places = there_places
        there_places = swap_places
    if here != values:
        for i in range(size):
            values[i] = here[i]
            places[i] = here_places[i]


def rank(
    images: cython.const[cython.longlong][::1],
    key_starts: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    spare: cython.longlong[::1],
    spare_places: cython.int[::1],
    domain: cython.longlong[::1],
    sizes: cython.int[::1],
    ranks: cython.int[::1],
):
    """Rank the values of keys [first_key, end_key).

    Values that lie close together are ranked through a table, others sorted. `spare` has room for
    the longest key, `spare_places` for 4 times that and 64 more.
    """
    key: cython.Py_ssize_t
    start: cython.Py_ssize_t
    size: cython.Py_ssize_t
    i: cython.Py_ssize_t
    distinct: cython.Py_ssize_t
    span: cython.ulonglong
    least: cython.longlong
    greatest: cython.longlong
    value: cython.longlong
    with cython.nogil:
        for key in range(first_key, end_key):
            start = key_starts[key]
            size = key_starts[key + 1] - start
            sizes[key] = 0
            if size == 0:
                continue
            least = images[start]
            greatest = least
            for i in range(start + 1, start + size):
                value = images[i]
                if value < least:
                    least = value
                if value > greatest:
                    greatest = value
            span = cython.cast(cython.ulonglong, greatest) - cython.cast(cython.ulonglong, least)
            distinct = 0
            if span < cython.cast(cython.ulonglong, 4 * size + 64):
                memset(cython.address(spare_places[0]), 0, (span + 1) * 4)
                for i in range(start, start + size):
                    spare_places[images[i] - least] = 1
                for i in range(cython.cast(cython.Py_ssize_t, span) + 1):
                    if spare_places[i] != 0:
                        spare_places[i] = cython.cast(cython.int, distinct)
                        domain[start + distinct] = least + i
                        distinct += 1
                for i in range(start, start + size):
                    ranks[i] = spare_places[images[i] - least]
            else:
                for i in range(size):
                    domain[start + i] = images[start + i]
                    spare_places[i] = cython.cast(cython.int, i)
                _sort(
                    cython.address(domain[start]),
                    cython.address(spare_places[0]),
                    cython.address(spare[0]),
                    cython.address(spare_places[size]),
                    size,
                )
                for i in range(size):
                    value = domain[start + i]
                    if i == 0 or value != domain[start + distinct - 1]:
                        domain[start + distinct] = value
                        distinct += 1
                    ranks[start + spare_places[i]] = cython.cast(cython.int, distinct - 1)
            sizes[key] = cython.cast(cython.int, distinct)


def unique_counts(
    ranks: cython.const[cython.int][::1],
    sizes: cython.const[cython.int][::1],
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    counts: cython.int[::1],
    results: cython.longlong[::1],
):
    """How many distinct values each slice holds. `counts` is as long as the longest domain."""
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    lo: cython.Py_ssize_t
    hi: cython.Py_ssize_t
    distinct: cython.longlong
    with cython.nogil:
        for key in range(first_key, end_key):
            if read_starts[key] == read_starts[key + 1]:
                continue
            if sizes[key] > 0:
                memset(cython.address(counts[0]), 0, sizes[key] * 4)
            lo = hi = key_starts[key]
            distinct = 0
            for query in range(read_starts[key], read_starts[key + 1]):
                if begins[query] >= hi:
                    while lo < hi:
                        counts[ranks[lo]] = 0
                        lo += 1
                    distinct = 0
                    lo = hi = begins[query]
                while hi < ends[query]:
                    distinct += counts[ranks[hi]] == 0
                    counts[ranks[hi]] += 1
                    hi += 1
                while lo < begins[query]:
                    counts[ranks[lo]] -= 1
                    distinct -= counts[ranks[lo]] == 0
                    lo += 1
                results[query] = distinct


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _mark(
    bits: cython.p_ulonglong, levels: cython.p_longlong, rank: cython.Py_ssize_t
) -> cython.void:
    """Put a rank into the set; a level above learns only of words that were empty."""
    level: cython.int = 0
    word: cython.p_ulonglong
    was: cython.ulonglong
    while True:
        word = bits + levels[level] + (rank >> 6)
        was = word[0]
        word[0] = was | (cython.cast(cython.ulonglong, 1) << (rank & 63))
        if was != 0 or levels[level + 1] < 0:
            return
        rank >>= 6
        level += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _unmark(
    bits: cython.p_ulonglong, levels: cython.p_longlong, rank: cython.Py_ssize_t
) -> cython.void:
    level: cython.int = 0
    word: cython.p_ulonglong
    while True:
        word = bits + levels[level] + (rank >> 6)
        word[0] &= ~(cython.cast(cython.ulonglong, 1) << (rank & 63))
        if word[0] != 0 or levels[level + 1] < 0:
            return
        rank >>= 6
        level += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _above(
    bits: cython.p_ulonglong,
    levels: cython.p_longlong,
    words: cython.p_longlong,
    rank: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """The least rank in the set that is >= `rank`, or -1."""
    level: cython.int = 0
    index: cython.Py_ssize_t
    word: cython.ulonglong
    while True:
        index = rank >> 6
        if index >= words[level]:
            return -1
        word = bits[levels[level] + index] & (~cython.cast(cython.ulonglong, 0) << (rank & 63))
        if word != 0:
            break
        if levels[level + 1] < 0:
            return -1
        rank = index + 1
        level += 1
    rank = (index << 6) + catenary_lowest_bit(word)
    while level > 0:
        level -= 1
        rank = (rank << 6) + catenary_lowest_bit(bits[levels[level] + rank])
    return rank


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _below(
    bits: cython.p_ulonglong, levels: cython.p_longlong, rank: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """The greatest rank in the set that is <= `rank`, or -1."""
    level: cython.int = 0
    index: cython.Py_ssize_t
    word: cython.ulonglong
    while True:
        if rank < 0:
            return -1
        index = rank >> 6
        word = bits[levels[level] + index] & (
            ~cython.cast(cython.ulonglong, 0) >> (63 - (rank & 63))
        )
        if word != 0:
            break
        if levels[level + 1] < 0:
            return -1
        rank = index - 1
        level += 1
    rank = (index << 6) + catenary_highest_bit(word)
    while level > 0:
        level -= 1
        rank = (rank << 6) + catenary_highest_bit(bits[levels[level] + rank])
    return rank


def slide(
    ranks: cython.const[cython.int][::1],
    domain: cython.const[cython.longlong][::1],
    sizes: cython.const[cython.int][::1],
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    offsets: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    descending: cython.bint,
    repeated: cython.bint,
    by_count: cython.bint,
    counts: cython.int[::1],
    bits: cython.ulonglong[::1],
    images: cython.longlong[::1],
    tallies: cython.longlong[::1],
):
    """List each slice's values into [offsets[q], offsets[q + 1]) of `images`.

    Distinct values by value, least or greatest first, as far as there is room; with `repeated`,
    each as often as it occurs; with `by_count`, those of greatest count (smaller values first on
    ties), ascending. `tallies` receives the counts, if it is as long as `images`.
    """
    levels: cython.longlong[8]
    words: cython.longlong[8]
    level: cython.int
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    start: cython.Py_ssize_t
    lo: cython.Py_ssize_t
    hi: cython.Py_ssize_t
    at: cython.Py_ssize_t
    out: cython.Py_ssize_t
    room: cython.Py_ssize_t
    present: cython.Py_ssize_t
    ties: cython.Py_ssize_t
    least: cython.int
    width: cython.longlong
    used: cython.longlong
    times: cython.longlong
    tallied: cython.bint = tallies.shape[0] == images.shape[0]
    with cython.nogil:
        for key in range(first_key, end_key):
            if read_starts[key] == read_starts[key + 1] or sizes[key] == 0:
                continue
            start = key_starts[key]
            width = sizes[key]
            used = 0
            level = 0
            while True:
                width = (width + 63) >> 6
                levels[level] = used
                words[level] = width
                used += width
                level += 1
                if width == 1:
                    break
            levels[level] = -1
            memset(cython.address(counts[0]), 0, sizes[key] * 4)
            memset(cython.address(bits[0]), 0, used * 8)
            lo = hi = start
            present = 0
            for query in range(read_starts[key], read_starts[key + 1]):
                if begins[query] >= hi:
                    while lo < hi:
                        if counts[ranks[lo]] > 0:
                            counts[ranks[lo]] = 0
                            _unmark(cython.address(bits[0]), levels, ranks[lo])
                        lo += 1
                    present = 0
                    lo = hi = begins[query]
                while hi < ends[query]:
                    if counts[ranks[hi]] == 0:
                        present += 1
                        _mark(cython.address(bits[0]), levels, ranks[hi])
                    counts[ranks[hi]] += 1
                    hi += 1
                while lo < begins[query]:
                    counts[ranks[lo]] -= 1
                    if counts[ranks[lo]] == 0:
                        present -= 1
                        _unmark(cython.address(bits[0]), levels, ranks[lo])
                    lo += 1
                out = offsets[query]
                room = offsets[query + 1] - out
                if room == 0:
                    continue
                least = 0
                ties = 0
                if by_count and present > room:
                    least = _least_count(
                        cython.address(bits[0]),
                        levels,
                        words,
                        cython.address(counts[0]),
                        ends[query] - begins[query],
                        room,
                        cython.address(ties),
                    )
                if descending:
                    at = _below(cython.address(bits[0]), levels, sizes[key] - 1)
                else:
                    at = _above(cython.address(bits[0]), levels, words, 0)
                while room > 0:
                    times = 1
                    if counts[at] < least:
                        times = 0
                    elif counts[at] == least and least > 0:
                        times = 1 if ties > 0 else 0
                        ties -= 1
                    elif repeated:
                        times = counts[at]
                    while times > 0 and room > 0:
                        images[out] = domain[start + at]
                        if tallied:
                            tallies[out] = counts[at]
                        out += 1
                        room -= 1
                        times -= 1
                    if room == 0:
                        break
                    if descending:
                        at = _below(cython.address(bits[0]), levels, at - 1)
                    else:
                        at = _above(cython.address(bits[0]), levels, words, at + 1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _least_count(
    bits: cython.p_ulonglong,
    levels: cython.p_longlong,
    words: cython.p_longlong,
    counts: cython.p_int,
    longest: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    ties: cython.pointer(cython.Py_ssize_t),
) -> cython.int:
    """The count that the last of the `room` greatest has; `ties` receives how many have it."""
    low: cython.Py_ssize_t = 1
    high: cython.Py_ssize_t = longest
    middle: cython.Py_ssize_t
    found: cython.Py_ssize_t
    at: cython.Py_ssize_t
    while low < high:
        middle = (low + high + 1) >> 1
        found = 0
        at = _above(bits, levels, words, 0)
        while at >= 0:
            found += counts[at] >= middle
            at = _above(bits, levels, words, at + 1)
        if found >= room:
            low = middle
        else:
            high = middle - 1
    found = 0
    at = _above(bits, levels, words, 0)
    while at >= 0:
        found += counts[at] > low
        at = _above(bits, levels, words, at + 1)
    ties[0] = room - found
    return cython.cast(cython.int, low)
