"""The greatest image of slices whose bounds only move forward: a monotonic queue.

    slice advances ──► drop from the back what the newcomer beats, from the front what has left

Every position enters and leaves the queue once, whatever the windows' lengths.
Source: the ascending-minima algorithm, R. Harter, "The minimum on a sliding window algorithm".
"""

import cython


def greatest(
    images: cython.const[cython.longlong][::1],
    flip: cython.longlong,
    key_starts: cython.const[cython.int][::1],
    read_starts: cython.const[cython.int][::1],
    begins: cython.const[cython.int][::1],
    ends: cython.const[cython.int][::1],
    first_key: cython.Py_ssize_t,
    end_key: cython.Py_ssize_t,
    queue: cython.int[::1],
    found: cython.longlong[::1],
):
    """`found[q]`: the image in `[begins[q], ends[q])` whose `image ^ flip` is greatest.

    A `flip` of -1 turns the order round, and so finds the least. `queue` is room for the positions of
    the longest key; of an empty slice `found` is left as it was.
    """
    head: cython.Py_ssize_t
    tail: cython.Py_ssize_t
    at: cython.int
    image: cython.longlong
    key: cython.Py_ssize_t
    query: cython.Py_ssize_t
    with cython.nogil:
        for key in range(first_key, end_key):
            at = key_starts[key]
            head = 0
            tail = 0
            for query in range(read_starts[key], read_starts[key + 1]):
                if at < begins[query]:
                    at = begins[query]
                    head = 0
                    tail = 0
                while at < ends[query]:
                    image = images[at] ^ flip
                    while tail > head and (images[queue[tail - 1]] ^ flip) <= image:
                        tail -= 1
                    queue[tail] = at
                    tail += 1
                    at += 1
                while head < tail and queue[head] < begins[query]:
                    head += 1
                if head < tail:
                    found[query] = images[queue[head]]
