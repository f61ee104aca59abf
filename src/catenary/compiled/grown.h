/* Columns that grow value by value, can be cut back, and become Arrow arrays without a copy.
 *
 *     record ──put──► columns ──cut back to the rows before it──► columns     (a record that fails)
 *                        └──hand over──► ArrowArray                          (the C data interface)
 *
 * Column 0 is a struct without nulls: the rows. A column's children lie beside each other, after it.
 * Where a column ends follows from its parent's length alone, so that a record which fails halfway
 * needs no marks to be undone. Bits of validity exist once there is a null; those of entries to come are
 * set, so that a value has nothing to say about itself.
 */
#ifndef CATENARY_GROWN_H
#define CATENARY_GROWN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handed.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records and columns are read as little-endian words"
#endif

enum { GROWN_NULL, GROWN_BOOL, GROWN_I8, GROWN_I16, GROWN_I32, GROWN_I64, GROWN_F32, GROWN_F64,
       GROWN_TEXT, GROWN_BINARY, GROWN_LIST, GROWN_STRUCT };

/* Why a record is refused; codecs/reasons.py has the words. */
enum { FINE, NO_MEMORY, NO_VALUE, NO_BYTES, ENDS_INSIDE, LONG_NUMBER, NOT_BOOLEAN, NEGATIVE_SIZE, BEYOND_END,
       NOT_UTF8, NO_BRANCH, NO_SYMBOL, BAD_COUNT, BAD_BLOCK, TRAILING, NO_FIT, NOT_TAKEN, TOO_LARGE,
       TOO_DEEP, NOT_JSON, OTHER_TYPE, NO_ZONE, NOT_TIME, NOT_DATE, NOT_BASE64, NOT_OBJECT, CONTROL,
       BAD_ESCAPE, NULL_KEY, BAD_KEY, NOT_WHOLE, BAD_TAG, NO_FIELD };

typedef struct {
    int kind, width, first, many, form;
    int64_t length, room;
    int64_t size, bytes; /* of text: used and allocated */
    int64_t bits;        /* of validity: allocated, a multiple of 64 */
    uint8_t *valid;      /* NULL: there was no null yet */
    uint8_t *data;
    int32_t *offsets;
} catenary_grown;

/* A batch of records: bytes one after another, and the first one's offset among those of all. */
typedef struct {
    const uint8_t *data;
    const int64_t *offsets;
    const uint8_t *valid; /* a bit for each that is there, `skipped` bits before the first; NULL: all are */
    int64_t skipped, header, many;
} catenary_records;

static inline int catenary_is_there(const catenary_records *records, int64_t row) {
    int64_t bit = records->skipped + row;
    return !records->valid || (records->valid[bit >> 3] >> (bit & 7)) & 1;
}

typedef struct {
    int64_t row, at;
    int32_t code, place, came, spare;
} catenary_refusal;

typedef struct {
    catenary_refusal *told;
    int64_t many, room;
} catenary_refusals;

static __attribute__((cold)) int catenary_refuse(catenary_refusals *all, catenary_refusal one) {
    if (all->many == all->room) {
        int64_t room = 2 * all->room + 16;
        catenary_refusal *moved = (catenary_refusal *)realloc(all->told, (size_t)room * sizeof one);
        if (!moved) return NO_MEMORY;
        all->told = moved;
        all->room = room;
    }
    all->told[all->many++] = one;
    return 0;
}

#define GROWN_MOST 2147483646
#define GROWN_SLACK 16 /* bytes behind a text that may be written over: short texts are copied whole words */

static int catenary_grow(catenary_grown *column, int64_t room) {
    if (room <= column->room) return 0;
    void *moved;
    if (column->width) {
        if (!(moved = realloc(column->data, (size_t)(room * column->width)))) return NO_MEMORY;
        column->data = (uint8_t *)moved;
    }
    if (column->kind == GROWN_TEXT || column->kind == GROWN_BINARY || column->kind == GROWN_LIST) {
        if (!(moved = realloc(column->offsets, (size_t)(room + 1) * 4))) return NO_MEMORY;
        column->offsets = (int32_t *)moved;
        if (!column->room) column->offsets[0] = 0;
    }
    column->room = room;
    return 0;
}

static int catenary_grow_bytes(catenary_grown *column, int64_t bytes) {
    if (bytes > GROWN_MOST) return TOO_LARGE;
    bytes += GROWN_SLACK;
    int64_t room = 2 * column->bytes + 64 > bytes ? 2 * column->bytes + 64 : bytes;
    uint8_t *moved = (uint8_t *)realloc(column->data, (size_t)room);
    if (!moved) return NO_MEMORY;
    column->data = moved;
    column->bytes = room;
    return 0;
}

/* Bits of validity for this many entries; new ones are set. */
static int catenary_grow_bits(catenary_grown *column, int64_t entries) {
    int64_t bits = 2 * column->bits > entries ? 2 * column->bits : entries;
    bits = (bits + 63) / 64 * 64;
    uint8_t *moved = (uint8_t *)realloc(column->valid, (size_t)bits / 8);
    if (!moved) return NO_MEMORY;
    memset(moved + column->bits / 8, 0xFF, (size_t)(bits - column->bits) / 8);
    column->valid = moved;
    column->bits = bits;
    return 0;
}

/* The entry at the end, which is to be appended, is a null. */
static inline int grown_mark(catenary_grown *column) {
    const int64_t row = column->length;
    if (row >= column->bits) {
        int code = catenary_grow_bits(column, row < column->room ? column->room : row + 1);
        if (code) return code;
    }
    column->valid[row >> 3] &= (uint8_t)~(1 << (row & 7));
    return 0;
}

/* Room for one entry more. */
static inline int grown_one(catenary_grown *column) {
    if (column->length < column->room) return 0;
    if (column->length >= GROWN_MOST) return TOO_LARGE;
    return catenary_grow(column, 2 * column->room + 16);
}

/* A null in a column without children. */
static inline int grown_flat_null(catenary_grown *column) {
    int code = grown_one(column);
    if (code || (code = grown_mark(column))) return code;
    int64_t row = column->length;
    if (column->width == 8) ((int64_t *)column->data)[row] = 0;
    else if (column->width) memset(column->data + row * column->width, 0, (size_t)column->width);
    else column->offsets[row + 1] = column->offsets[row];
    column->length++;
    return 0;
}

static int grown_null(catenary_grown *columns, int at) {
    catenary_grown *column = columns + at;
    if (column->kind != GROWN_STRUCT && column->kind != GROWN_NULL) return grown_flat_null(column);
    int code = grown_one(column);
    if (code || (column->kind == GROWN_STRUCT && (code = grown_mark(column)))) return code;
    column->length++;
    for (int child = 0; child < column->many; child++)
        if ((code = grown_null(columns, column->first + child))) return code;
    return 0;
}

static inline int grown_i64(catenary_grown *column, int64_t value) {
    int code = grown_one(column);
    if (code) return code;
    ((int64_t *)column->data)[column->length++] = value;
    return 0;
}

/* A whole number into a column of any kind of number; NO_FIT if it is out of range. */
static inline int grown_whole(catenary_grown *column, int64_t value) {
    if (column->kind == GROWN_I64) return grown_i64(column, value);
    int code = grown_one(column);
    if (code) return code;
    int64_t row = column->length;
    switch (column->kind) {
    case GROWN_I8:
        if (value < INT8_MIN || value > INT8_MAX) return NO_FIT;
        ((int8_t *)column->data)[row] = (int8_t)value;
        break;
    case GROWN_I16:
        if (value < INT16_MIN || value > INT16_MAX) return NO_FIT;
        ((int16_t *)column->data)[row] = (int16_t)value;
        break;
    case GROWN_I32:
        if (value < INT32_MIN || value > INT32_MAX) return NO_FIT;
        ((int32_t *)column->data)[row] = (int32_t)value;
        break;
    case GROWN_F32: ((float *)column->data)[row] = (float)value; break;
    case GROWN_F64: ((double *)column->data)[row] = (double)value; break;
    default: column->data[row] = value != 0; break; /* a boolean */
    }
    column->length++;
    return 0;
}

/* NaN is a null, and -0.0 is 0.0: as everywhere where values enter. */
static inline int grown_f64(catenary_grown *column, double value) {
    if (value != value) return grown_flat_null(column);
    int code = grown_one(column);
    if (code) return code;
    if (column->kind == GROWN_F32) ((float *)column->data)[column->length] = (float)(value + 0.0) + 0.0f;
    else ((double *)column->data)[column->length] = value + 0.0;
    column->length++;
    return 0;
}

/* Room for one text more of at most this size, and GROWN_SLACK bytes beyond; the caller writes it and
 * says `grown_written`. */
static inline int grown_text_room(catenary_grown *column, int64_t size) {
    int code = grown_one(column);
    if (code) return code;
    if (size + GROWN_SLACK > column->bytes - column->size) return catenary_grow_bytes(column, column->size + size);
    return 0;
}

static inline void grown_written(catenary_grown *column, int64_t size) {
    column->size += size;
    column->length++;
    column->offsets[column->length] = (int32_t)column->size;
}

static inline int grown_text(catenary_grown *column, const uint8_t *text, int64_t size) {
    int code = grown_text_room(column, size);
    if (code) return code;
    if (size) memcpy(column->data + column->size, text, (size_t)size);
    grown_written(column, size);
    return 0;
}

/* The items were put into the child: they become one list. */
static inline int grown_list(catenary_grown *columns, int at) {
    catenary_grown *column = columns + at;
    int code = grown_one(column);
    if (code) return code;
    if (columns[column->first].length > GROWN_MOST) return TOO_LARGE;
    column->length++;
    column->offsets[column->length] = (int32_t)columns[column->first].length;
    return 0;
}

static inline int grown_struct(catenary_grown *column) {
    int code = grown_one(column);
    if (code) return code;
    column->length++;
    return 0;
}

static void grown_cut(catenary_grown *columns, int at, int64_t length) {
    catenary_grown *column = columns + at;
    const int64_t marked = column->length < column->bits ? column->length : column->bits;
    for (int64_t row = length; row < marked; row++) column->valid[row >> 3] |= (uint8_t)(1 << (row & 7));
    column->length = length;
    if (column->kind == GROWN_TEXT || column->kind == GROWN_BINARY) column->size = column->offsets[length];
    else if (column->kind == GROWN_LIST) grown_cut(columns, column->first, column->offsets[length]);
    else if (column->kind == GROWN_STRUCT)
        for (int child = 0; child < column->many; child++) grown_cut(columns, column->first + child, length);
}

/* The bytes of a text or of a number. */
static void grown_bytes(const catenary_grown *column, int64_t row, const uint8_t **from, int64_t *size) {
    if (column->kind == GROWN_TEXT) {
        *from = column->data + column->offsets[row];
        *size = column->offsets[row + 1] - column->offsets[row];
    } else {
        *from = column->data + row * column->width;
        *size = column->width;
    }
}

/* Marks the entries from `first` on whose key comes again later; how many, or -1 without memory. */
static int64_t grown_superseded(const catenary_grown *keys, int64_t first, uint8_t **marks) {
    const int64_t many = keys->length - first;
    int64_t slots = 16, found = 0, other, size, known;
    const uint8_t *from, *before;
    while (slots < 2 * many) slots *= 2;
    int64_t *table = (int64_t *)calloc((size_t)slots, sizeof(int64_t));
    *marks = (uint8_t *)calloc((size_t)many + 1, 1);
    if (!table || !*marks) {
        free(table);
        return -1;
    }
    for (int64_t at = 0; at < many; at++) {
        uint64_t hash = 0xCBF29CE484222325ULL;
        grown_bytes(keys, first + at, &from, &size);
        for (int64_t byte = 0; byte < size; byte++) hash = (hash ^ from[byte]) * 0x100000001B3ULL;
        int64_t slot = (int64_t)((hash ^ hash >> 29) & (uint64_t)(slots - 1));
        for (; (other = table[slot]); slot = (slot + 1) & (slots - 1)) {
            grown_bytes(keys, first + other - 1, &before, &known);
            if (known == size && !memcmp(before, from, (size_t)size)) {
                (*marks)[other - 1] = 1;
                found++;
                break;
            }
        }
        table[slot] = at + 1;
    }
    free(table);
    return found;
}

static void catenary_drop(catenary_grown *columns, int64_t many) {
    for (int64_t at = 0; at < many; at++) {
        free(columns[at].valid);
        free(columns[at].data);
        free(columns[at].offsets);
    }
    free(columns);
}

/* Empty columns as `plan` lays them out, five numbers each: kind, first child, children, form, whether an
 * entry comes with every row. */
static catenary_grown *catenary_columns(const int64_t *plan, int64_t many, int64_t rows) {
    static const int widths[] = {0, 1, 1, 2, 4, 8, 4, 8, 0, 0, 0, 0};
    if (rows >= 1024) {
        /* One block as large as the batch, given back at once: glibc then keeps that much memory for the
         * next batches, instead of returning it to the system and clearing new pages for each of them. */
        void *volatile block = malloc((size_t)(rows * 16 * (many < 64 ? many : 64)));
        free(block);
    }
    catenary_grown *columns = (catenary_grown *)calloc((size_t)many, sizeof(catenary_grown));
    if (!columns) return NULL;
    for (int64_t at = 0; at < many; at++) {
        catenary_grown *column = columns + at;
        column->kind = (int)plan[5 * at];
        column->first = (int)plan[5 * at + 1];
        column->many = (int)plan[5 * at + 2];
        column->form = (int)plan[5 * at + 3];
        column->width = widths[column->kind];
        if (catenary_grow(column, plan[5 * at + 4] ? rows + 1 : 16) ||
            ((column->kind == GROWN_TEXT || column->kind == GROWN_BINARY) &&
             catenary_grow_bytes(column, plan[5 * at + 4] && rows < (1 << 24) ? 8 * rows : 64))) {
            catenary_drop(columns, many);
            return NULL;
        }
    }
    return columns;
}

/* Bytes of 0 and 1 to bits, in place. */
static void catenary_pack(uint8_t *bytes, int64_t length) {
    int64_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t eight = 0;
        for (int bit = 0; bit < 8; bit++) eight |= (uint64_t)bytes[at + bit] << bit;
        bytes[at >> 3] = (uint8_t)eight;
    }
    if (at < length) {
        uint8_t rest = 0;
        for (int bit = 0; at + bit < length; bit++) rest |= (uint8_t)(bytes[at + bit] << bit);
        bytes[at >> 3] = rest;
    }
}

static int64_t catenary_nulls(const catenary_grown *column) {
    int64_t set = 0, at = 0;
    uint64_t word;
    for (; at + 64 <= column->length; at += 64) {
        memcpy(&word, column->valid + at / 8, 8);
        set += __builtin_popcountll(word);
    }
    if (at < column->length) {
        memcpy(&word, column->valid + at / 8, 8);
        set += __builtin_popcountll(word & ~(~0ULL << (column->length - at)));
    }
    return column->length - set;
}

static void catenary_release(struct ArrowArray *array) {
    for (int64_t at = 0; at < array->n_children; at++)
        if (array->children[at]->release) array->children[at]->release(array->children[at]);
    for (int64_t at = 0; at < array->n_buffers; at++) free((void *)array->buffers[at]);
    free(array->private_data);
    array->release = NULL;
}

typedef struct {
    const void *buffers[3];
    struct ArrowArray *children;
    struct ArrowArray **pointers;
} catenary_shell;

/* The columns' memory becomes the array's; -1 if there is no memory, and nothing is handed over then
 * beyond what the array itself releases. */
static int catenary_hand_over(catenary_grown *columns, int at, struct ArrowArray *out) {
    catenary_grown *column = columns + at;
    int64_t extra = column->many * (int64_t)(sizeof(struct ArrowArray) + sizeof(struct ArrowArray *));
    catenary_shell *shell = (catenary_shell *)calloc(1, sizeof(catenary_shell) + (size_t)extra);
    if (!shell) return -1;
    memset(out, 0, sizeof *out);
    out->private_data = shell;
    out->release = catenary_release;
    out->length = column->length;
    out->buffers = shell->buffers;
    shell->children = (struct ArrowArray *)(shell + 1);
    shell->pointers = (struct ArrowArray **)(shell->children + column->many);
    out->children = shell->pointers;
    if (column->kind == GROWN_NULL) {
        out->null_count = column->length;
        return 0;
    }
    out->n_buffers = 1;
    if (column->valid && column->bits < column->length && catenary_grow_bits(column, column->length)) return -1;
    if (column->valid && (out->null_count = catenary_nulls(column))) {
        shell->buffers[0] = column->valid;
        column->valid = NULL;
    }
    if (column->offsets) {
        shell->buffers[out->n_buffers++] = column->offsets;
        column->offsets = NULL;
    }
    if (column->kind == GROWN_BOOL) catenary_pack(column->data, column->length);
    if (column->data) {
        shell->buffers[out->n_buffers++] = column->data;
        column->data = NULL;
    }
    for (int child = 0; child < column->many; child++) {
        out->children[child] = shell->children + child;
        if (catenary_hand_over(columns, column->first + child, out->children[child])) return -1;
        out->n_children++;
    }
    return 0;
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

/* Where the first byte that is not UTF-8 stands; `size` if there is none. */
static int64_t catenary_not_utf8(const uint8_t *text, int64_t size) {
    int64_t at = 0;
    while (at < size) {
        if (at + 8 <= size) {
            uint64_t eight;
            memcpy(&eight, text + at, 8);
            if (!(eight & 0x8080808080808080ULL)) {
                at += 8;
                continue;
            }
        }
        uint8_t byte = text[at];
        if (byte < 0x80) {
            at++;
            continue;
        }
        int more = byte >= 0xC2 && byte < 0xE0 ? 1 : (byte & 0xF0) == 0xE0 ? 2 : byte >= 0xF0 && byte < 0xF5 ? 3 : 0;
        if (!more || at + more >= size) return at;
        uint8_t next = text[at + 1];
        if ((next & 0xC0) != 0x80 || (byte == 0xE0 && next < 0xA0) || (byte == 0xED && next > 0x9F) ||
            (byte == 0xF0 && next < 0x90) || (byte == 0xF4 && next > 0x8F))
            return at;
        for (int rest = 2; rest <= more; rest++)
            if ((text[at + rest] & 0xC0) != 0x80) return at;
        at += more + 1;
    }
    return size;
}

#endif
