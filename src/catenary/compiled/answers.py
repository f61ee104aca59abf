"""What reads of tiles come to: their tiles merged window by window, each window's features finished.

    nodes of each read, cuts of each window ──► numbers, places of texts, items of lists and maps

Read next: ``answers.h`` (one read), ``single.py`` (a read by itself, as Python values).
"""

import cython
from cython.cimports.catenary.compiled.answers import (
    catenary_answer_read,
    catenary_no_answer,
    catenary_packed,
    catenary_program,
    catenary_results,
)
from cython.cimports.catenary.compiled.partials import (
    catenary_release,
    catenary_spec,
    catenary_state,
    catenary_states,
    content_of,
)
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset


def read(
    specs: cython.const[cython.int][:, ::1],
    needs: cython.const[cython.ulonglong][::1],
    features: cython.const[cython.int][:, ::1],
    window_starts: cython.const[cython.int][::1],
    data: cython.const[cython.uchar][::1],
    offsets: cython.const[cython.longlong][::1],
    block_data: cython.const[cython.uchar][::1],
    block_offsets: cython.const[cython.longlong][::1],
    entity: cython.const[cython.int][::1],
    nodes: cython.const[cython.int][::1],
    begins: cython.const[cython.longlong][::1],
    order: cython.const[cython.int][:, ::1],
    cuts: cython.const[cython.longlong][:, ::1],
    defaults: cython.const[cython.longlong][:, ::1],
    finished: cython.longlong[:, ::1],
    values: cython.longlong[:, ::1],
    lengths: cython.longlong[:, ::1],
    said: cython.uchar[:, ::1],
    valid: cython.uchar[::1],
    nulls: cython.longlong[::1],
    seen: cython.uchar[::1],
    overflow: cython.uchar[::1],
    failure: cython.longlong[::1],
):
    """The results of all reads.

    `specs` and `needs` are the accumulators' form, and a bit for each window that reads them; `features`
    are (accumulator, sample, k, which of the distinct such triples), those of a window together from
    `window_starts` on. Blocks of tiles count on from the tiles in `nodes`; `begins`, `order` and `cuts` are
    those of the routes. An `entity` of -1 has no results. `defaults` are (whether there is one, its raw
    result) of each feature. `finished` is room, int64[triples, 3].

    `values`, `lengths` and `said` receive what `catenary_finish` gives, by feature and read, or the default;
    `valid` (zeros) and `nulls` (zeros), a bit where there is a value, feature after feature without a gap,
    and how many of each feature's lack one; `seen` and `overflow`, whether any value was seen and any
    integer sum did not fit. Windows that no tile tells apart have one result.

    Returns:
        The bytes of partials that the caller has to finish, and the items of lists and maps, each as four
        numbers (see `catenary_finish_entries`); None for damaged bytes.
    """
    query: cython.Py_ssize_t
    damaged: cython.longlong = 0
    failed: cython.longlong = 0
    program: catenary_program
    packed: catenary_packed
    to: catenary_results
    states: cython.pointer(catenary_state)
    memset(cython.address(to), 0, cython.sizeof(catenary_results))
    program.specs = cython.cast(
        cython.pointer(cython.const[catenary_spec]), cython.address(specs[0, 0])
    )
    program.needs = cython.address(needs[0])
    program.features = cython.address(features[0, 0])
    program.window_starts = cython.address(window_starts[0])
    program.defaults = cython.address(defaults[0, 0])
    program.finished = cython.address(finished[0, 0])
    program.many = specs.shape[0]
    program.features_many = features.shape[0]
    program.windows = order.shape[1]
    program.triples = finished.shape[0]
    packed.data = cython.address(data[0])
    packed.offsets = cython.address(offsets[0])
    packed.tiles = offsets.shape[0] - 1
    packed.block_data = cython.address(block_data[0])
    packed.block_offsets = cython.address(block_offsets[0])
    to.values = cython.address(values[0, 0])
    to.lengths = cython.address(lengths[0, 0])
    to.said = cython.address(said[0, 0])
    to.valid = cython.address(valid[0])
    to.nulls = cython.address(nulls[0])
    to.reads = entity.shape[0]
    states = catenary_states(program.specs, program.many)
    if states == cython.NULL:
        raise MemoryError
    with cython.nogil:
        for query in range(entity.shape[0]):
            if entity[query] < 0:
                catenary_no_answer(cython.address(program), query, cython.address(to))
                continue
            to.seen = 0
            to.overflow = 0
            failed = catenary_answer_read(
                cython.address(program),
                states,
                cython.address(packed),
                cython.address(nodes[0]),
                begins[query],
                cython.address(order[query, 0]),
                cython.address(cuts[query, 0]),
                query,
                cython.address(to),
                cython.address(damaged),
            )
            if failed:
                break
            seen[query] = to.seen != 0
            overflow[query] = to.overflow != 0
    catenary_release(states, program.many)
    if failed:
        free(to.side.data)
        free(to.items.data)
        if failed > 0:
            raise MemoryError
        failure[0] = damaged
        failure[1] = -1 - failed
        return None
    return content_of(cython.address(to.side)), content_of(cython.address(to.items))
