/* Tiles as they come out of a store, one entity after the other, in the order in which they are read.
 *
 *     key ──► level, start, upload        value ──► status, partials        an entity's: by start and end
 *
 * What the bytes of keys and values mean is state/tiles.py's. Nothing is read beyond its end: bytes come
 * from stores; what is damaged is a negative return.
 */
#ifndef CATENARY_RANGES_H
#define CATENARY_RANGES_H

#include "partials.h"

enum { RANGES_LANE = 13, RANGES_LATE = 17, RANGES_BOUND = 5, RANGES_STATUS = 4, RANGES_OWN = -1, RANGES_UPLOAD_LEVEL = -1,
       RANGES_ROOM = 32 << 20 };

/* A tile; its partials are `size` bytes from `place` on in the buffer that came with it. */
typedef struct {
    catenary_i64 start, end, level, status, collapsed, upload, size, place;
} catenary_tile;

/* Which tiles matter, and the lengths of tiles by level. */
typedef struct {
    const catenary_i64 *sizes;
    catenary_i64 levels, since, until;
} catenary_span;

/* Tiles so far, those of the current entity and their partials, and room to sort them. */
typedef struct {
    catenary_buffer tiles, own, partials, spare, data;
} catenary_gathered;

static inline catenary_u64 catenary_big_endian(const catenary_u8 *at, int many) {
    catenary_u64 number = 0;
    while (many--) number = number << 8 | *at++;
    return number;
}

static inline void catenary_put_big_endian(catenary_u8 *at, int many, catenary_u64 number) {
    while (many--) {
        at[many] = (catenary_u8)number;
        number >>= 8;
    }
}

/* What follows the entity in the key of a lane's tile of a level that starts at an instant. */
static inline void catenary_lane_bound(catenary_u8 *to, const char *lane, catenary_i64 level, catenary_i64 start) {
    to[0] = 0;
    memcpy(to + 1, lane, 3);
    to[4] = (catenary_u8)level;
    catenary_put_big_endian(to + 5, 8, (catenary_u64)start ^ CATENARY_TOP);
}

/* What follows it in the keys of all tiles late to an upload, as far as they have it in common. */
static inline void catenary_late_bound(catenary_u8 *to, catenary_i64 upload) {
    to[0] = 1;
    catenary_put_big_endian(to + 1, 4, (catenary_u64)upload);
}

static inline int catenary_compare_keys(const char *a, catenary_i64 a_size, const char *b, catenary_i64 b_size) {
    return catenary_compare_text((const catenary_u8 *)a, a_size, (const catenary_u8 *)b, b_size);
}

/* Keep a tile of the current entity, if it matters; -2 without memory. */
static inline int catenary_keep_tile(catenary_gathered *to, const catenary_span *span, catenary_tile tile,
                                     const catenary_u8 *packed) {
    if (tile.start >= span->until || tile.end <= span->since) return 0;
    tile.place = to->partials.size;
    if (catenary_append(&to->own, (const catenary_u8 *)&tile, sizeof tile)) return -2;
    return catenary_append(&to->partials, packed, tile.size) ? -2 : 0;
}

/* A row of a lane, or a late one: what follows the entity in its key, and its value. -1 for damaged bytes. */
static inline int catenary_take_row(catenary_gathered *to, const catenary_span *span, const char *rest,
                                    catenary_i64 rest_size, const char *value, catenary_i64 size) {
    const catenary_u8 *key = (const catenary_u8 *)rest, *tail = key + rest_size - 9;
    catenary_tile tile = {0, 0, 0, 0, 0, 0, size - RANGES_STATUS, 0};
    unsigned int status;
    if (size < RANGES_STATUS || rest_size != (key[0] ? RANGES_LATE : RANGES_LANE) || tail[0] >= span->levels) return -1;
    if (key[0]) tile.upload = (catenary_i64)catenary_big_endian(key + 1, 4);
    tile.level = tail[0];
    tile.start = (catenary_i64)(catenary_big_endian(tail + 1, 8) ^ CATENARY_TOP);
    tile.end = tile.start + span->sizes[tile.level];
    memcpy(&status, value, sizeof status);
    tile.status = status;
    return catenary_keep_tile(to, span, tile, (const catenary_u8 *)value + RANGES_STATUS);
}

/* The tiles of an upload's value: how many, then starts, ends, sizes, which are collapsed, partials. */
static inline int catenary_take_upload(catenary_gathered *to, const catenary_span *span, const char *value,
                                       catenary_i64 size) {
    const catenary_u8 *data = (const catenary_u8 *)value;
    unsigned int many, length;
    if (size < 4) return -1;
    memcpy(&many, data, 4);
    if (size - 4 < 21 * (catenary_i64)many) return -1;
    const catenary_u8 *starts = data + 4, *ends = starts + 8 * (size_t)many, *sizes = ends + 8 * (size_t)many;
    const catenary_u8 *collapsed = sizes + 4 * (size_t)many, *packed = collapsed + many, *end = data + size;
    for (unsigned int i = 0; i < many; i++) {
        catenary_tile tile = {0, 0, RANGES_UPLOAD_LEVEL, 0, collapsed[i] != 0, RANGES_OWN, 0, 0};
        memcpy(&tile.start, starts + 8 * (size_t)i, 8);
        memcpy(&tile.end, ends + 8 * (size_t)i, 8);
        memcpy(&length, sizes + 4 * (size_t)i, 4);
        tile.size = length;
        if (tile.size > end - packed) return -1;
        int failed = catenary_keep_tile(to, span, tile, packed);
        if (failed) return failed;
        packed += length;
    }
    return packed == end ? 0 : -1;
}

static inline int catenary_is_before(const catenary_tile *a, const catenary_tile *b) {
    return a->start != b->start ? a->start < b->start : a->end < b->end;
}

/* Where the ascending run from `first` on ends. */
static inline catenary_i64 catenary_tiles_run(const catenary_tile *tiles, catenary_i64 first, catenary_i64 many) {
    catenary_i64 end = first + 1;
    while (end < many && !catenary_is_before(tiles + end, tiles + end - 1)) end++;
    return end;
}

/* Sort by merging runs that ascend already, as those of each lane and level do; whichever of both holds the
 * tiles in the end. */
static inline catenary_tile *catenary_order_tiles(catenary_tile *tiles, catenary_tile *spare, catenary_i64 many) {
    while (many && catenary_tiles_run(tiles, 0, many) < many) {
        for (catenary_i64 first = 0, end; first < many; first = end) {
            catenary_i64 middle = catenary_tiles_run(tiles, first, many), left = first, at = first;
            end = middle < many ? catenary_tiles_run(tiles, middle, many) : many;
            catenary_i64 right = middle;
            while (left < middle || right < end)
                if (right == end || (left < middle && !catenary_is_before(tiles + right, tiles + left)))
                    spare[at++] = tiles[left++];
                else
                    spare[at++] = tiles[right++];
        }
        catenary_tile *sorted = spare;
        spare = tiles;
        tiles = sorted;
    }
    return tiles;
}

/* The current entity has all its tiles: sort them to the others; -2 without memory. */
static inline int catenary_end_entity(catenary_gathered *to) {
    catenary_i64 size = to->own.size, many = size / (catenary_i64)sizeof(catenary_tile);
    to->spare.size = 0;
    if (catenary_reserve(&to->spare, size) || catenary_reserve(&to->data, to->partials.size)) return -2;
    catenary_tile *tiles =
        catenary_order_tiles((catenary_tile *)to->own.data, (catenary_tile *)to->spare.data, many);
    for (catenary_i64 i = 0; i < many; i++) {
        catenary_i64 place = tiles[i].place;
        tiles[i].place = to->data.size;
        if (tiles[i].size) memcpy(to->data.data + to->data.size, to->partials.data + place, (size_t)tiles[i].size);
        to->data.size += tiles[i].size;
    }
    to->own.size = to->partials.size = 0;
    return many && catenary_append(&to->tiles, (const catenary_u8 *)tiles, size) ? -2 : 0;
}

/* Room that the last call left, so that the next one touches no new pages; only under the interpreter's
 * lock, and whoever takes it has it alone. */
static catenary_gathered catenary_left;

static inline void catenary_take_room(catenary_gathered *all) {
    *all = catenary_left;
    memset(&catenary_left, 0, sizeof catenary_left);
    all->tiles.size = all->own.size = all->partials.size = all->spare.size = all->data.size = 0;
}

static inline void catenary_leave_room(catenary_gathered *all) {
    catenary_gathered dropped = *all;
    if (all->tiles.room + all->own.room + all->partials.room + all->spare.room + all->data.room < RANGES_ROOM) {
        dropped = catenary_left;
        catenary_left = *all;
    }
    free(dropped.tiles.data);
    free(dropped.own.data);
    free(dropped.partials.data);
    free(dropped.spare.data);
    free(dropped.data.data);
}

#endif
