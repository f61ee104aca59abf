/* Avro records to columns, by a program that was made from the writer's and the reader's schema.
 *
 *     bytes ──► value(op) ──► put into op's column, or into none (-1): read and checked, but not kept
 *
 * An op is a node of the writer's schema; a record's, an array's and a union's ops lie beside each other.
 * The depth of calls is the schema's, never the data's. Nothing is read beyond a record's end.
 */
#ifndef CATENARY_AVRO_H
#define CATENARY_AVRO_H

#include "grown.h"

enum { AVRO_NULL, AVRO_BOOLEAN, AVRO_INT, AVRO_LONG, AVRO_SCALED, AVRO_FLOAT, AVRO_DOUBLE, AVRO_TEXT,
       AVRO_BYTES, AVRO_FIXED, AVRO_ENUM, AVRO_ARRAY, AVRO_MAP, AVRO_RECORD, AVRO_UNION, AVRO_REFUSE,
       AVRO_CONSTANT };

/* Items that take no bytes, such as nulls: a count alone could ask for any amount of memory. */
#define AVRO_MOST_EMPTY 65536

typedef struct {
    int64_t op, column, first, many, a, b;
} catenary_op;

typedef struct {
    const uint8_t *start, *at, *end;
    const catenary_op *ops;
    const uint8_t *constants;
    catenary_grown *columns;
    int64_t empty;
    int place;
} catenary_avro;

static int avro_long_slowly(catenary_avro *in, int64_t *value) {
    const uint8_t *p = in->at;
    uint64_t number = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p >= in->end) return ENDS_INSIDE;
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) return LONG_NUMBER;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
            in->at = p;
            return 0;
        }
    }
    return LONG_NUMBER;
}

static inline int avro_long(catenary_avro *in, int64_t *value) {
    const uint8_t *p = in->at;
    if (in->end - p < 10) return avro_long_slowly(in, value);
    uint64_t number = *p & 0x7F;
    int shift = 7;
    while (*p++ >= 0x80) {
        if (shift == 63 && *p > 1) return LONG_NUMBER;
        number |= (uint64_t)(*p & 0x7F) << shift;
        shift += 7;
    }
    *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
    in->at = p;
    return 0;
}

static inline int avro_size(catenary_avro *in, int64_t *size) {
    int code = avro_long(in, size);
    if (code) return code;
    if (*size < 0) return NEGATIVE_SIZE;
    return *size > in->end - in->at ? BEYOND_END : 0;
}

/* The size of the next block of an array or map: 0 ends it. */
static int avro_block(catenary_avro *in, int64_t least, int64_t *count, const uint8_t **until) {
    int64_t size;
    int code = avro_long(in, count);
    if (code) return code;
    *until = NULL;
    if (*count < 0) {
        if (*count == INT64_MIN) return BAD_COUNT;
        *count = -*count;
        if ((code = avro_size(in, &size))) return code;
        *until = in->at + size;
    }
    if (least > 0) return *count > (in->end - in->at) / least ? BAD_COUNT : 0;
    if (*count > AVRO_MOST_EMPTY - in->empty) return BAD_COUNT;
    in->empty += *count;
    return 0;
}

static int avro_value(catenary_avro *in, const catenary_op *op);

static int avro_items(catenary_avro *in, const catenary_op *op) {
    const catenary_op *each = in->ops + op->first;
    const uint8_t *until;
    int64_t count;
    int code;
    for (;;) {
        if ((code = avro_block(in, op->a, &count, &until))) return code;
        if (!count) {
            if (until && until != in->at) return BAD_BLOCK;
            break;
        }
        for (; count; count--) {
            for (int64_t part = 0; part < op->many; part++)
                if ((code = avro_value(in, each + part))) return code;
            /* A map's entries are structs of a key and a value. */
            if (op->op == AVRO_MAP && op->column >= 0 &&
                (code = grown_struct(in->columns + in->columns[op->column].first)))
                return code;
        }
        if (until && until != in->at) return BAD_BLOCK;
    }
    return op->column >= 0 ? grown_list(in->columns, (int)op->column) : 0;
}

static int avro_enum(catenary_avro *in, const catenary_op *op) {
    int64_t index, where[2];
    int code = avro_long(in, &index);
    if (code) return code;
    if (index < 0 || index >= op->many) return NO_SYMBOL;
    if (op->column < 0) return 0;
    memcpy(where, in->constants + op->a + 16 * index, 16);
    if (where[0] < 0) return NOT_TAKEN;
    return grown_text(in->columns + op->column, in->constants + where[0], where[1]);
}

static int avro_scaled(catenary_avro *in, const catenary_op *op) {
    int64_t number;
    int code = avro_long(in, &number);
    if (code) return code;
    if (__builtin_mul_overflow(number, op->a, &number)) return NO_FIT;
    int64_t whole = number / op->b;
    if (number % op->b < 0) whole--;
    return op->column >= 0 ? grown_whole(in->columns + op->column, whole) : 0;
}

static int avro_constant(catenary_avro *in, const catenary_op *op) {
    const uint8_t *start = in->start, *at = in->at, *end = in->end;
    in->start = in->at = in->constants + op->a;
    in->end = in->at + op->b;
    int code = avro_value(in, in->ops + op->first);
    in->start = start;
    in->at = at;
    in->end = end;
    return code;
}

#define NEED(size) if (in->end - in->at < (size)) goto short_
static int avro_value(catenary_avro *in, const catenary_op *op) {
    int code = 0;
    int64_t number;
    switch (op->op) {
    case AVRO_NULL:
        if (op->column >= 0) code = grown_null(in->columns, (int)op->column);
        break;
    case AVRO_BOOLEAN:
        NEED(1);
        number = *in->at;
        if (number > 1) { code = NOT_BOOLEAN; break; }
        in->at++;
        if (op->column >= 0) code = grown_whole(in->columns + op->column, number);
        break;
    case AVRO_INT:
        if ((code = avro_long(in, &number))) break;
        if (number < INT32_MIN || number > INT32_MAX) { code = LONG_NUMBER; break; }
        if (op->column >= 0) code = grown_whole(in->columns + op->column, number);
        break;
    case AVRO_LONG:
        if ((code = avro_long(in, &number))) break;
        if (op->column >= 0) code = grown_whole(in->columns + op->column, number);
        break;
    case AVRO_SCALED: code = avro_scaled(in, op); break;
    case AVRO_FLOAT: {
        float value;
        NEED(4);
        memcpy(&value, in->at, 4);
        in->at += 4;
        if (op->column >= 0) code = grown_f64(in->columns, (int)op->column, value);
        break;
    }
    case AVRO_DOUBLE: {
        double value;
        NEED(8);
        memcpy(&value, in->at, 8);
        in->at += 8;
        if (op->column >= 0) code = grown_f64(in->columns, (int)op->column, value);
        break;
    }
    case AVRO_TEXT:
        if ((code = avro_size(in, &number))) break;
        if (catenary_not_utf8(in->at, number) != number) { code = NOT_UTF8; break; }
        if (op->column >= 0 && (code = grown_text(in->columns + op->column, in->at, number))) break;
        in->at += number;
        break;
    case AVRO_BYTES:
        if ((code = avro_size(in, &number))) break;
        if (op->column >= 0 && (code = grown_text(in->columns + op->column, in->at, number))) break;
        in->at += number;
        break;
    case AVRO_FIXED:
        NEED(op->a);
        if (op->column >= 0 && (code = grown_text(in->columns + op->column, in->at, op->a))) break;
        in->at += op->a;
        break;
    case AVRO_ENUM: code = avro_enum(in, op); break;
    case AVRO_ARRAY:
    case AVRO_MAP: code = avro_items(in, op); break;
    case AVRO_RECORD: {
        const catenary_op *each = in->ops + op->first;
        for (int64_t part = 0; part < op->many; part++)
            if ((code = avro_value(in, each + part))) return code;
        if (op->column >= 0) code = grown_struct(in->columns + op->column);
        break;
    }
    case AVRO_UNION:
        if ((code = avro_long(in, &number))) break;
        if (number < 0 || number >= op->many) { code = NO_BRANCH; break; }
        return avro_value(in, in->ops + op->first + number);
    case AVRO_CONSTANT: return avro_constant(in, op);
    default: code = NOT_TAKEN; break;
    }
    if (code && in->place < 0) in->place = (int)(op - in->ops);
    return code;
short_:
    if (in->place < 0) in->place = (int)(op - in->ops);
    return ENDS_INSIDE;
}
#undef NEED

/* Which of `many` records become rows: their numbers in `kept`, the others' reasons in `refused`.
 * Returns the rows, or -1 without memory; a refusal for want of memory is that too. */
static int64_t catenary_avro_rows(const catenary_op *ops, const uint8_t *constants, catenary_grown *columns,
                                  const uint8_t *data, const int64_t *offsets, const uint8_t *valid,
                                  int64_t skipped, int64_t many, int64_t *kept, catenary_refusal *refused) {
    catenary_avro in = {0};
    in.ops = ops;
    in.constants = constants;
    in.columns = columns;
    int64_t rows = 0, wrong = 0;
    for (int64_t row = 0; row < many; row++) {
        int code;
        in.start = in.at = data + offsets[row];
        in.end = data + offsets[row + 1];
        in.place = -1;
        in.empty = 0;
        if (valid && !((valid[(skipped + row) >> 3] >> ((skipped + row) & 7)) & 1)) code = NO_VALUE;
        else if (in.at == in.end) code = NO_BYTES;
        else if (!(code = avro_value(&in, ops)) && in.at != in.end) code = TRAILING;
        if (!code) {
            kept[rows++] = row;
            continue;
        }
        if (code == NO_MEMORY) return -1;
        grown_cut(columns, 0, rows);
        catenary_refusal said = {row, in.at - in.start, code, in.place, 0, 0};
        refused[wrong++] = said;
    }
    return rows;
}

#endif
