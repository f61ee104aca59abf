/* Avro records to columns, by a program that was made from the writer's and the reader's schema.
 *
 *     bytes ──► step(op) ──► put into op's column, or into none (-1): read and checked, but not kept
 *
 * An op is a node of the writer's schema; a record's, an array's and a union's ops lie beside each other.
 * The depth of calls is the schema's, never the data's. Nothing is read beyond the batch's bytes, and
 * nothing is taken beyond a record's. A step returns the byte that follows; NULL if the record is refused.
 */
#ifndef CATENARY_AVRO_H
#define CATENARY_AVRO_H

#include "grown.h"

enum { AVRO_NULL, AVRO_BOOLEAN, AVRO_INT, AVRO_LONG, AVRO_SCALED, AVRO_FLOAT, AVRO_DOUBLE, AVRO_TEXT,
       AVRO_BYTES, AVRO_FIXED, AVRO_ENUM, AVRO_ARRAY, AVRO_MAP, AVRO_RECORD, AVRO_UNION, AVRO_REFUSE,
       AVRO_CONSTANT };

/* Items that take no bytes, such as nulls: a count alone could ask for any amount of memory. */
#define AVRO_MOST_EMPTY 65536

/* As programs come: indices of a column (-1: none) and of the first of the ops below. */
typedef struct {
    int64_t op, column, first, many, a, b;
} catenary_op;

/* As they are run: pointers instead, into the columns of one batch. */
typedef struct avro_op {
    int64_t op, many, a, b;
    catenary_grown *column; /* NULL: none */
    const struct avro_op *first;
} avro_op;

typedef struct {
    const uint8_t *end;  /* of the record */
    const uint8_t *safe; /* of the memory that may be read: beyond `end` when more records follow */
    const uint8_t *constants;
    catenary_grown *columns;
    int64_t empty;
    const uint8_t *where; /* of a refusal: the byte, the op, why */
    const avro_op *place;
    int code;
} catenary_avro;

typedef const uint8_t *avro_at;

static __attribute__((noinline, cold)) avro_at avro_fail(catenary_avro *in, const avro_op *op, avro_at at, int code) {
    in->where = at;
    in->place = op;
    in->code = code;
    return NULL;
}

static __attribute__((noinline)) avro_at avro_long_slowly(catenary_avro *in, const avro_op *op, avro_at at, int64_t *value) {
    avro_at p = at;
    uint64_t number = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p >= in->end) return avro_fail(in, op, at, ENDS_INSIDE);
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) break;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
            return p;
        }
    }
    return avro_fail(in, op, at, LONG_NUMBER);
}

static inline __attribute__((always_inline)) avro_at avro_long(catenary_avro *in, const avro_op *op, avro_at at, int64_t *value) {
    if (at < in->end && *at < 0x80) {
        *value = (int64_t)(*at >> 1) ^ -(int64_t)(*at & 1);
        return at + 1;
    }
    if (in->safe - at < 10) return avro_long_slowly(in, op, at, value);
    avro_at p = at;
    uint64_t number = *p & 0x7F;
    int shift = 7;
    while (*p++ >= 0x80) {
        if (shift == 63 && *p > 1) return avro_fail(in, op, at, LONG_NUMBER);
        number |= (uint64_t)(*p & 0x7F) << shift;
        shift += 7;
    }
    if (p > in->end) return avro_fail(in, op, at, ENDS_INSIDE);
    *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
    return p;
}

static inline avro_at avro_size(catenary_avro *in, const avro_op *op, avro_at at, int64_t *size) {
    avro_at p = avro_long(in, op, at, size);
    if (!p) return NULL;
    if (*size < 0) return avro_fail(in, op, at, NEGATIVE_SIZE);
    if (*size > in->end - p) return avro_fail(in, op, at, BEYOND_END);
    return p;
}

/* A text or bytes of this size, which lie within the record. */
static inline __attribute__((always_inline)) avro_at avro_text(catenary_avro *in, const avro_op *op, avro_at at, int64_t size, int checked) {
    catenary_grown *column = op->column;
    int code;
    if (column && (code = grown_text_room(column, size))) return avro_fail(in, op, at, code);
    if (size <= 16 && in->safe - at >= 16) {
        const uint64_t all = ~0ULL;
        uint64_t low, high, first = size >= 8 ? all : ~(all << 8 * size);
        uint64_t second = size >= 16 ? all : size > 8 ? ~(all << 8 * (size - 8)) : 0;
        memcpy(&low, at, 8);
        memcpy(&high, at + 8, 8);
        if (checked && ((low & first) | (high & second)) & 0x8080808080808080ULL && catenary_not_utf8(at, size) != size)
            return avro_fail(in, op, at, NOT_UTF8);
        if (!column) return at + size;
        memcpy(column->data + column->size, &low, 8);
        memcpy(column->data + column->size + 8, &high, 8);
    } else {
        if (checked && catenary_not_utf8(at, size) != size) return avro_fail(in, op, at, NOT_UTF8);
        if (!column) return at + size;
        memcpy(column->data + column->size, at, (size_t)size);
    }
    grown_written(column, size);
    return at + size;
}

static avro_at avro_nested(catenary_avro *in, const avro_op *op, avro_at at);

#define AVRO_PUT(call) if (op->column && (code = (call))) return avro_fail(in, op, at, code)
#define AVRO_NEED(size) if (in->end - at < (size)) return avro_fail(in, op, at, ENDS_INSIDE)
static inline __attribute__((always_inline)) avro_at avro_step(catenary_avro *in, const avro_op *op, avro_at at) {
    catenary_grown *column;
    int64_t number;
    avro_at next;
    int code;
again:
    column = op->column;
    switch (op->op) {
    case AVRO_NULL:
        AVRO_PUT(column->kind == GROWN_NULL || column->kind == GROWN_STRUCT
                     ? grown_null(in->columns, (int)(column - in->columns))
                     : grown_flat_null(column));
        return at;
    case AVRO_BOOLEAN:
        AVRO_NEED(1);
        if (*at > 1) return avro_fail(in, op, at, NOT_BOOLEAN);
        AVRO_PUT(grown_whole(column, *at));
        return at + 1;
    case AVRO_INT:
    case AVRO_LONG:
        if (!(next = avro_long(in, op, at, &number))) return NULL;
        if (op->op == AVRO_INT && number != (int32_t)number) return avro_fail(in, op, at, LONG_NUMBER);
        AVRO_PUT(grown_whole(column, number));
        return next;
    case AVRO_FLOAT: {
        float value;
        AVRO_NEED(4);
        memcpy(&value, at, 4);
        AVRO_PUT(grown_f64(column, value));
        return at + 4;
    }
    case AVRO_DOUBLE: {
        double value;
        AVRO_NEED(8);
        memcpy(&value, at, 8);
        AVRO_PUT(grown_f64(column, value));
        return at + 8;
    }
    case AVRO_TEXT:
        if (!(next = avro_size(in, op, at, &number))) return NULL;
        return avro_text(in, op, next, number, 1);
    case AVRO_UNION:
        if (!(next = avro_long(in, op, at, &number))) return NULL;
        if (number < 0 || number >= op->many) return avro_fail(in, op, at, NO_BRANCH);
        op = op->first + number;
        at = next;
        goto again;
    default: return avro_nested(in, op, at);
    }
}

static avro_at avro_items(catenary_avro *in, const avro_op *op, avro_at at) {
    const avro_op *each = op->first;
    int64_t count, size;
    int code;
    for (;;) {
        avro_at start = at, until = NULL;
        if (!(at = avro_long(in, op, at, &count))) return NULL;
        if (count < 0) {
            if (count == INT64_MIN) return avro_fail(in, op, start, BAD_COUNT);
            count = -count;
            if (!(at = avro_size(in, op, at, &size))) return NULL;
            until = at + size;
        }
        if (!count) break;
        if (op->a > 0 ? count > (in->end - at) / op->a : count > AVRO_MOST_EMPTY - in->empty)
            return avro_fail(in, op, start, BAD_COUNT);
        if (op->a <= 0) in->empty += count;
        for (; count; count--) {
            if (!(at = avro_step(in, each, at))) return NULL;
            if (op->op == AVRO_ARRAY) continue;
            if (!(at = avro_step(in, each + 1, at))) return NULL;
            /* A map's entries are structs of a key and a value. */
            AVRO_PUT(grown_struct(in->columns + op->column->first));
        }
        if (until && until != at) return avro_fail(in, op, start, BAD_BLOCK);
    }
    AVRO_PUT(grown_list(in->columns, (int)(op->column - in->columns)));
    return at;
}

static avro_at avro_enum(catenary_avro *in, const avro_op *op, avro_at at) {
    int64_t index, where[2];
    avro_at next = avro_long(in, op, at, &index);
    int code;
    if (!next) return NULL;
    if (index < 0 || index >= op->many) return avro_fail(in, op, at, NO_SYMBOL);
    memcpy(where, in->constants + op->a + 16 * index, 16);
    if (op->column && where[0] < 0) return avro_fail(in, op, at, NOT_TAKEN);
    AVRO_PUT(grown_text(op->column, in->constants + where[0], where[1]));
    return next;
}

/* Times in another unit than the column's: multiplied, divided and rounded down. */
static avro_at avro_scaled(catenary_avro *in, const avro_op *op, avro_at at) {
    int64_t number, whole;
    avro_at next = avro_long(in, op, at, &number);
    int code;
    if (!next) return NULL;
    if (__builtin_mul_overflow(number, op->a, &number)) return avro_fail(in, op, at, NO_FIT);
    whole = number / op->b - (number % op->b < 0);
    AVRO_PUT(grown_whole(op->column, whole));
    return next;
}

/* The default of a field that the writer lacks: read as if it had been written. */
static avro_at avro_constant(catenary_avro *in, const avro_op *op, avro_at at) {
    avro_at end = in->end, safe = in->safe, from = in->constants + op->a;
    in->end = in->safe = from + op->b;
    avro_at done = avro_step(in, op->first, from);
    in->end = end;
    in->safe = safe;
    return done ? at : avro_fail(in, op, at, in->code);
}

static avro_at avro_nested(catenary_avro *in, const avro_op *op, avro_at at) {
    const avro_op *each, *last;
    int64_t number;
    int code;
    switch (op->op) {
    case AVRO_RECORD:
        for (each = op->first, last = each + op->many; each < last; each++)
            if (!(at = avro_step(in, each, at))) return NULL;
        AVRO_PUT(grown_struct(op->column));
        return at;
    case AVRO_BYTES:
        if (!(at = avro_size(in, op, at, &number))) return NULL;
        return avro_text(in, op, at, number, 0);
    case AVRO_FIXED: AVRO_NEED(op->a); return avro_text(in, op, at, op->a, 0);
    case AVRO_SCALED: return avro_scaled(in, op, at);
    case AVRO_ENUM: return avro_enum(in, op, at);
    case AVRO_ARRAY:
    case AVRO_MAP: return avro_items(in, op, at);
    case AVRO_CONSTANT: return avro_constant(in, op, at);
    default: return avro_fail(in, op, at, NOT_TAKEN);
    }
}
#undef AVRO_PUT
#undef AVRO_NEED

/* The rows of `many` records, `header` bytes before each left out; those that become none are in `refused`, ascending.
 * Returns how many rows, or -1 without memory; a refusal for want of memory is that too. */
static int64_t catenary_avro_rows(const catenary_op *program, int64_t size, const uint8_t *constants, catenary_grown *columns,
                                  const catenary_records *records, catenary_refusals *refused) {
    const uint8_t *data = records->data;
    const int64_t *offsets = records->offsets;
    catenary_avro in = {0};
    int64_t rows = 0;
    avro_op *ops = (avro_op *)malloc((size_t)size * sizeof(avro_op));
    if (!ops) return -1;
    for (int64_t at = 0; at < size; at++) {
        const catenary_op *op = program + at;
        avro_op made = {op->op, op->many, op->a, op->b, op->column < 0 ? NULL : columns + op->column, ops + op->first};
        ops[at] = made;
    }
    in.constants = constants;
    in.columns = columns;
    in.safe = data + offsets[records->many];
    for (int64_t row = 0; row < records->many; row++) {
        avro_at at = data + offsets[row] + records->header;
        in.end = data + offsets[row + 1];
        in.empty = 0;
        in.where = at;
        in.place = NULL;
        in.code = 0;
        if (!catenary_is_there(records, row)) in.code = NO_VALUE;
        else if (at == in.end) in.code = NO_BYTES;
        else if ((at = avro_nested(&in, ops, at)) && at != in.end) avro_fail(&in, NULL, at, TRAILING);
        if (!in.code) {
            rows++;
            continue;
        }
        grown_cut(columns, 0, rows);
        catenary_refusal said = {row, in.where - (data + offsets[row]), in.code, in.place ? (int32_t)(in.place - ops) : -1, 0, 0};
        if (in.code == NO_MEMORY || catenary_refuse(refused, said)) {
            rows = -1;
            break;
        }
    }
    free(ops);
    return rows;
}

#endif
