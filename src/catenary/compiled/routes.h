/* Which tiles one read merges: back from its instant, window by window.
 *
 *     floors: where each window starts ──► the latest first ──► tiles back to its start ──► its cut
 *
 * A tile belongs to a window if it starts in it and ends at or before the read; see routes.py.
 */
#ifndef CATENARY_ROUTES_H
#define CATENARY_ROUTES_H

#include "partials.h"

#define ROUTES_FANOUT 16
#define ROUTES_LEAST (-9223372036854775807LL - 1)
#define ROUTES_ANCIENT (-4611686018427387904LL)

/* Tiles of all entities, by column; those of one are sorted by start. `reach` is the latest end so far. */
typedef struct {
    const catenary_i64 *start, *end, *status, *reach;
    const catenary_u8 *collapsed;
    catenary_i64 many;
} catenary_tiles;

/* Blocks of tiles: where those of an entity start among all, for each level, -1 for none. */
typedef struct {
    const catenary_i64 *levels, *end, *status;
    catenary_i64 depth;
} catenary_blocks;

/* What a read merges. `order` and `cuts` have room for each window; so has `floors`, which only is room. */
typedef struct {
    catenary_i64 *floors, *cuts;
    int *order;
    catenary_i64 status;
    int stale, cut;
} catenary_route;

/* The latest end of each tile and those before it of its entity. */
static inline void catenary_reaches(const catenary_i64 *end, catenary_i64 first, catenary_i64 last, catenary_i64 *reach) {
    catenary_i64 latest = ROUTES_LEAST;
    for (catenary_i64 tile = first; tile < last; tile++) {
        if (end[tile] > latest) latest = end[tile];
        reach[tile] = latest;
    }
}

/* The first tile in [low, high) that does not start before an instant. */
static inline catenary_i64 catenary_first_from(const catenary_i64 *start, catenary_i64 low, catenary_i64 high,
                                               catenary_i64 instant) {
    while (low < high) {
        catenary_i64 at = (low + high) / 2;
        if (start[at] < instant) low = at + 1;
        else high = at;
    }
    return low;
}

/* Where a read of the tiles [first, last) ends: the start of the tile that it falls in, until in none.
 *
 * Tiles may overlap, so a read that has moved to the start of one may be inside another. */
static inline catenary_i64 catenary_end_read(const catenary_i64 *start, const catenary_i64 *end,
                                             const catenary_i64 *reach, catenary_i64 first, catenary_i64 last,
                                             catenary_i64 instant) {
    for (;;) {
        catenary_i64 moved = instant, at = catenary_first_from(start, first, last, instant) - 1;
        for (; at >= first && reach[at] > instant; at--)
            if (end[at] > instant && start[at] < moved) moved = start[at];
        if (moved == instant) return instant;
        instant = moved;
    }
}

static inline int catenary_push_node(catenary_buffer *nodes, catenary_i64 node) {
    int own = (int)node;
    return catenary_append(nodes, (const catenary_u8 *)&own, sizeof own);
}

/* Whether a tile in [first, last] was taken already, out of its turn. */
static inline int catenary_was_taken(const catenary_buffer *taken, catenary_i64 first, catenary_i64 last) {
    const int *tiles = (const int *)taken->data;
    for (catenary_i64 at = 0; at < taken->size / 4; at++)
        if (first <= tiles[at] && tiles[at] <= last) return 1;
    return 0;
}

/* The windows' starts as of an instant, and their order, the latest start first. A length of -1: all of the past. */
static inline void catenary_order_windows(const catenary_i64 *windows, catenary_i64 many, catenary_i64 instant,
                                          catenary_route *route) {
    for (catenary_i64 rank = 0, other; rank < many; rank++) {
        catenary_i64 length = windows[2 * rank], hop = windows[2 * rank + 1];
        if (length < 0 || instant < ROUTES_ANCIENT) route->floors[rank] = ROUTES_LEAST;
        else {
            catenary_i64 past = (instant - length) % hop;
            route->floors[rank] = instant - length - (past < 0 ? past + hop : past);
        }
        for (other = rank; other > 0 && route->floors[route->order[other - 1]] < route->floors[rank]; other--)
            route->order[other] = route->order[other - 1];
        route->order[other] = (int)rank;
    }
}

/* The largest block that ends with tile `at`, lies in the window, and holds none that was taken; its tiles, or 0. */
static inline catenary_i64 catenary_block_before(const catenary_tiles *tiles, const catenary_blocks *blocks,
                                                 const catenary_buffer *taken, catenary_i64 first, catenary_i64 at,
                                                 catenary_i64 floor, catenary_i64 instant, catenary_i64 *chosen) {
    catenary_i64 size = ROUTES_FANOUT, jump = 0;
    for (catenary_i64 level = 0; level < blocks->depth; level++, size *= ROUTES_FANOUT) {
        catenary_i64 block = blocks->levels[level];
        if (block < 0 || (at - first + 1) % size) break;
        block += (at - first + 1) / size - 1;
        if (tiles->start[at - size + 1] < floor || blocks->end[block] > instant ||
            catenary_was_taken(taken, at - size + 1, at))
            break;
        jump = size;
        *chosen = block;
    }
    return jump;
}

/* The tiles of a read of the entity whose tiles are [first, last): appended to `nodes`. -1 without memory.
 *
 * `taken` is room. Blocks are numbered after the tiles. */
static inline int catenary_route_read(catenary_i64 many, const catenary_tiles *tiles, const catenary_blocks *blocks,
                                      catenary_i64 first, catenary_i64 last, catenary_i64 instant,
                                      catenary_route *route, catenary_buffer *nodes, catenary_buffer *taken) {
    catenary_i64 at = catenary_first_from(tiles->start, first, last, instant) - 1, chosen = 0, jump;
    int failed = 0;
    taken->size = 0;
    for (catenary_i64 rank = 0; rank < many; rank++) {
        catenary_i64 floor = route->floors[route->order[rank]];
        while (at >= first && tiles->start[at] >= floor) {
            jump = catenary_block_before(tiles, blocks, taken, first, at, floor, instant, &chosen);
            if (jump) {
                failed |= catenary_push_node(nodes, tiles->many + chosen);
                route->status |= blocks->status[chosen];
                at -= jump;
                continue;
            }
            if (tiles->end[at] <= instant && !catenary_was_taken(taken, at, at)) {
                failed |= catenary_push_node(nodes, at);
                route->status |= tiles->status[at];
            }
            at--;
        }
        /* What begins before the window and reaches into it cannot be taken apart. */
        for (catenary_i64 back = at; floor > ROUTES_LEAST && back >= first && tiles->reach[back] > floor; back--) {
            if (tiles->end[back] <= floor || tiles->end[back] > instant) continue;
            if (!tiles->collapsed[back]) route->cut = 1;
            else if (!catenary_was_taken(taken, back, back)) {
                failed |= catenary_push_node(nodes, back) | catenary_push_node(taken, back);
                route->status |= tiles->status[back];
                route->stale = 1;
            }
        }
        route->cuts[rank] = nodes->size / 4;
    }
    return failed ? -1 : 0;
}

#endif
