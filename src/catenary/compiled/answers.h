/* What one read comes to: its tiles merged window by window, and each window's features finished.
 *
 *     nodes up to a window's cut ──merge──► states ──finish──► values ──► the next, longer window goes on
 *
 * Windows that no tile tells apart have one result.
 */
#ifndef CATENARY_ANSWERS_H
#define CATENARY_ANSWERS_H

#include "partials.h"

/* What a layout's reads find. `features` are (accumulator, sample, k, which of the distinct such triples),
 * those of a window together from `window_starts` on; `needs` has a bit for each window that reads an
 * accumulator; `defaults` are (whether there is one, its raw result). `finished` is room, 3 numbers per triple. */
typedef struct {
    const catenary_spec *specs;
    const catenary_u64 *needs;
    const int *features;
    const int *window_starts;
    const catenary_i64 *defaults;
    catenary_i64 *finished;
    catenary_i64 many, features_many, windows, triples;
} catenary_program;

/* Packed tiles, then blocks that are numbered after them. */
typedef struct {
    const catenary_u8 *data, *block_data;
    const catenary_i64 *offsets, *block_offsets;
    catenary_i64 tiles;
} catenary_packed;

/* Where results go, by feature and read: what catenary_finish gives, or the default; a bit in `valid` where
 * there is a value, feature after feature without a gap; how many of each feature's lack one. */
typedef struct {
    catenary_i64 *values, *lengths, *nulls;
    catenary_u8 *said, *valid;
    catenary_i64 reads;
    catenary_buffer side, items;
    int seen, overflow;
} catenary_results;

/* A read that has no results. */
static inline void catenary_no_answer(const catenary_program *program, catenary_i64 read, catenary_results *to) {
    for (catenary_i64 feature = 0; feature < program->features_many; feature++) {
        to->said[feature * to->reads + read] = CATENARY_NULL;
        to->nulls[feature]++;
    }
}

/* The results of a window, whose tiles are those before `position`; -1 without memory. */
static inline int catenary_finish_window(const catenary_program *program, catenary_state *states,
                                         catenary_i64 window, catenary_i64 position, catenary_i64 read,
                                         catenary_results *to) {
    int no_memory = 0;
    for (catenary_i64 feature = program->window_starts[window]; feature < program->window_starts[window + 1];
         feature++) {
        const int *own = program->features + 4 * feature;
        catenary_i64 *finished = program->finished + 3 * own[3], cell = feature * to->reads + read;
        int result;
        if (finished[0] == position) {
            catenary_i64 other = finished[1] * to->reads + read;
            result = (int)finished[2];
            to->values[cell] = to->values[other];
            to->lengths[cell] = to->lengths[other];
        } else {
            result = catenary_finish(program->specs + own[0], states + own[0], own[1], own[2], to->values + cell,
                                     to->lengths + cell, &to->side, &to->items);
            finished[0] = position;
            finished[1] = feature;
            finished[2] = result;
            no_memory |= result < 0;
            to->seen |= result != CATENARY_EMPTY;
            to->overflow |= result == CATENARY_OVERFLOW;
        }
        if (result == CATENARY_EMPTY && program->defaults[2 * feature]) {
            to->values[cell] = program->defaults[2 * feature + 1];
            result = CATENARY_VALUE;
        }
        to->said[cell] = (catenary_u8)result;
        if (result == CATENARY_VALUE) to->valid[cell >> 3] |= (catenary_u8)(1 << (cell & 7));
        else to->nulls[feature]++;
    }
    return no_memory ? -1 : 0;
}

/* The results of a read: 0; 1 without memory; else what catenary_walk says of the node in *damaged.
 *
 * `nodes` from `begin` on are its tiles, `order` its windows and `cuts` where the tiles of each end. */
static inline catenary_i64 catenary_answer_read(const catenary_program *program, catenary_state *states,
                                                const catenary_packed *packed, const int *nodes,
                                                catenary_i64 begin, const int *order, const catenary_i64 *cuts,
                                                catenary_i64 read, catenary_results *to, catenary_i64 *damaged) {
    catenary_u64 rest = ~(catenary_u64)0;
    catenary_i64 position = begin;
    for (catenary_i64 slot = 0; slot < program->triples; slot++) program->finished[3 * slot] = -1;
    for (catenary_i64 at = 0; at < program->many; at++) catenary_reset(program->specs + at, states + at);
    for (catenary_i64 rank = 0; rank < program->windows; rank++) {
        for (; position < cuts[rank]; position++) {
            catenary_i64 node = nodes[position], block = node - packed->tiles;
            const catenary_u8 *data = block < 0 ? packed->data : packed->block_data;
            const catenary_i64 *place = block < 0 ? packed->offsets + node : packed->block_offsets + block;
            catenary_i64 failed = catenary_walk(program->specs, program->many, states, data + place[0],
                                                place[1] - place[0], program->needs, rest);
            if (failed) {
                *damaged = node;
                return failed;
            }
        }
        if (catenary_finish_window(program, states, order[rank], position, read, to)) return 1;
        if (program->windows <= 64) rest &= ~((catenary_u64)1 << order[rank]);
    }
    return 0;
}

#endif
