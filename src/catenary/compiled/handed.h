/* Columns of 64-bit numbers that lie in one block of memory, as a struct array of Arrow's C data interface.
 *
 * Each child is a part of the block: nothing is copied, and one object that owns the block is held until
 * the last of the arrays is released, by whichever thread.
 */
#ifndef CATENARY_HANDED_H
#define CATENARY_HANDED_H

#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* What all arrays of a block share, and behind it the children, their addresses and their buffers. */
typedef struct {
    PyObject *owner;
    int64_t held;
    const void *none[1];
} catenary_block;

static inline void catenary_release_part(struct ArrowArray *array) {
    catenary_block *block = (catenary_block *)array->private_data;
    for (int64_t at = 0; at < array->n_children; at++)
        if (array->children[at]->release) array->children[at]->release(array->children[at]);
    array->release = NULL;
    if (__atomic_sub_fetch(&block->held, 1, __ATOMIC_ACQ_REL)) return;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(block->owner);
    PyGILState_Release(state);
    free(block);
}

/* Rows of `columns` columns: column i is part places[i] of `values`, which has `rows` numbers a part, and of the
 * bits of `valid`; nulls[place] of them are null. -1 without memory. */
static inline int catenary_hand_over_parts(PyObject *owner, const int64_t *values, const uint8_t *valid,
                                    const int64_t *nulls, const int64_t *places, int64_t columns, int64_t rows,
                                    struct ArrowArray *out) {
    size_t each = sizeof(struct ArrowArray) + sizeof(struct ArrowArray *) + 2 * sizeof(void *);
    catenary_block *block = (catenary_block *)calloc(1, sizeof(catenary_block) + (size_t)columns * each);
    if (!block) return -1;
    struct ArrowArray *children = (struct ArrowArray *)(block + 1);
    struct ArrowArray **addresses = (struct ArrowArray **)(children + columns);
    const void **buffers = (const void **)(addresses + columns);
    Py_INCREF(owner);
    block->owner = owner;
    block->held = columns + 1;
    for (int64_t i = 0; i < columns; i++, buffers += 2) {
        struct ArrowArray *child = addresses[i] = children + i;
        buffers[0] = nulls[places[i]] ? valid : NULL;
        buffers[1] = values;
        child->length = rows;
        child->null_count = nulls[places[i]];
        child->offset = places[i] * rows;
        child->n_buffers = 2;
        child->buffers = buffers;
        child->release = catenary_release_part;
        child->private_data = block;
    }
    memset(out, 0, sizeof *out);
    out->length = rows;
    out->n_buffers = 1;
    out->buffers = block->none;
    out->n_children = columns;
    out->children = addresses;
    out->release = catenary_release_part;
    out->private_data = block;
    return 0;
}

#endif
