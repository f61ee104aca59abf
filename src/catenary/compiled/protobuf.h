/* Protobuf records to columns, by a program that was made from a message's descriptor.
 *
 *     bytes ──► tag ──► field ──► put into its column     (fields come in any order, and more than once)
 *                          message ends ──► close: defaults and nulls for what did not come
 *
 * Of a field that comes twice the last counts, repeated ones go on, messages merge: so a message's struct
 * is appended when the message that holds it ends, not when its own bytes do. A map's entries are kept as
 * spans until then, since of two with one key the last counts. Where a frame's columns end follows from its
 * row; what else a frame knows lies in its ops, of which at most one frame is open at a time: a kept
 * message cannot hold itself, since columns cannot. Messages that no column takes are checked, to the depth
 * that the format's own readers allow. Nothing is read beyond a record's end.
 * Source: Protocol Buffers, "Encoding".
 */
#ifndef CATENARY_PROTOBUF_H
#define CATENARY_PROTOBUF_H

#include "grown.h"

enum { PB_BOOL, PB_INT32, PB_INT64, PB_UINT32, PB_UINT64, PB_SINT32, PB_SINT64, PB_ENUM, PB_FIXED32, PB_SFIXED32,
       PB_FLOAT, PB_FIXED64, PB_SFIXED64, PB_DOUBLE, PB_TEXT, PB_BYTES, PB_MESSAGE, PB_TIME, PB_DURATION,
       PB_WRAPPER, PB_ABSENT };
enum { PB_REPEATED = 1, PB_MAP = 2, PB_PRESENCE = 4, PB_REQUIRED = 8, PB_UTF8 = 16, PB_CLOSED = 32 };
enum { WIRE_VARINT, WIRE_64, WIRE_SIZED, WIRE_OPEN, WIRE_CLOSE, WIRE_32 };

#define PB_DEEPEST 100

/* As programs come. `column` is a list's, `into` the column of one value (-1: none); `first` and `many` are
 * the fields of a message, or an enum's names: (number, start, size) each, ascending, at `table`. `value` and
 * `size` are what stands for a field that did not come: a number's bits, or where a text stands. */
typedef struct {
    int64_t kind, column, into, first, many, number, flags, oneof, table, value, size;
} catenary_field;

typedef struct {
    const uint8_t *from, *end;
} pb_span;

typedef struct pb_op {
    int kind, flags, wire, many;
    uint32_t number;
    catenary_grown *column, *into;
    struct pb_op *first;
    struct pb_op **member; /* which field of the oneof came last; NULL: it is in none */
    int64_t table, value, size;
    int open; /* a message: it came in the frame at hand */
    int64_t seconds, nanos;
    pb_span *spans; /* a map: its entries */
    int64_t spanned, room;
} pb_op;

typedef struct {
    const uint8_t *constants;
    catenary_grown *columns;
    const uint8_t *where;
    const pb_op *place;
    int code;
    int unknown; /* something in the message at hand counts as if it had not come */
} catenary_pb;

typedef const uint8_t *pb_at;

static __attribute__((noinline, cold)) pb_at pb_fail(catenary_pb *in, const pb_op *op, pb_at at, int code) {
    in->where = at;
    in->place = op;
    in->code = code;
    return NULL;
}

static __attribute__((noinline)) pb_at pb_varint_slowly(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, uint64_t *value) {
    pb_at p = at;
    uint64_t number = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p >= end) return pb_fail(in, op, at, ENDS_INSIDE);
        uint8_t byte = *p++;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = number;
            return p;
        }
    }
    return pb_fail(in, op, at, LONG_NUMBER);
}

static inline __attribute__((always_inline)) pb_at pb_varint(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, uint64_t *value) {
    if (at < end && *at < 0x80) {
        *value = *at;
        return at + 1;
    }
    return pb_varint_slowly(in, op, at, end, value);
}

static inline pb_at pb_size(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, int64_t *size) {
    uint64_t said;
    pb_at p = pb_varint(in, op, at, end, &said);
    if (!p) return NULL;
    if (said > (uint64_t)(end - p)) return pb_fail(in, op, at, BEYOND_END);
    *size = (int64_t)said;
    return p;
}

static inline pb_at pb_tag(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, uint32_t *tag) {
    uint64_t said;
    pb_at p = pb_varint(in, op, at, end, &said);
    if (!p) return NULL;
    if (said > UINT32_MAX || said < 8 || p - at > 5) return pb_fail(in, op, at, BAD_TAG);
    *tag = (uint32_t)said;
    return p;
}

/* Over a value that no field is known for. */
static pb_at pb_skip(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, uint32_t tag, int depth) {
    uint64_t number;
    int64_t size = 0;
    switch (tag & 7) {
    case WIRE_VARINT: return pb_varint(in, op, at, end, &number);
    case WIRE_64: return end - at < 8 ? pb_fail(in, op, at, ENDS_INSIDE) : at + 8;
    case WIRE_32: return end - at < 4 ? pb_fail(in, op, at, ENDS_INSIDE) : at + 4;
    case WIRE_SIZED: return (at = pb_size(in, op, at, end, &size)) ? at + size : NULL;
    case WIRE_OPEN:
        if (depth >= PB_DEEPEST) return pb_fail(in, op, at, TOO_DEEP);
        for (;;) {
            uint32_t inner = 0;
            pb_at start = at;
            if (!(at = pb_tag(in, op, at, end, &inner))) return NULL;
            if ((inner & 7) == WIRE_CLOSE) return inner >> 3 == tag >> 3 ? at : pb_fail(in, op, start, BAD_TAG);
            if (!(at = pb_skip(in, op, at, end, inner, depth + 1))) return NULL;
        }
    default: return pb_fail(in, op, at, BAD_TAG);
    }
}

/* A number's bits: whole numbers as int64, a float's in the lower half. */
static inline __attribute__((always_inline)) pb_at pb_number(catenary_pb *in, const pb_op *op, pb_at at, pb_at end, int64_t *bits) {
    uint64_t number;
    uint32_t half;
    if (op->wire == WIRE_VARINT) {
        if (!(at = pb_varint(in, op, at, end, &number))) return NULL;
        switch (op->kind) {
        case PB_BOOL: *bits = number != 0; break;
        case PB_INT32:
        case PB_ENUM: *bits = (int32_t)(uint32_t)number; break;
        case PB_UINT32: *bits = (uint32_t)number; break;
        case PB_SINT32:
            half = (uint32_t)number;
            *bits = (int32_t)(half >> 1 ^ (0 - (half & 1)));
            break;
        case PB_SINT64: *bits = (int64_t)(number >> 1 ^ (0 - (number & 1))); break;
        default: *bits = (int64_t)number; break;
        }
        return at;
    }
    if (op->wire == WIRE_64) {
        if (end - at < 8) return pb_fail(in, op, at, ENDS_INSIDE);
        memcpy(bits, at, 8);
        return at + 8;
    }
    if (end - at < 4) return pb_fail(in, op, at, ENDS_INSIDE);
    memcpy(&half, at, 4);
    *bits = op->kind == PB_SFIXED32 ? (int64_t)(int32_t)half : (int64_t)half;
    return at + 4;
}

/* Where an enum's number stands among its names; NULL if it has none. */
static const uint8_t *pb_named(catenary_pb *in, const pb_op *op, int64_t number) {
    int64_t low = 0, high = op->many, known;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        const uint8_t *entry = in->constants + op->table + 24 * middle;
        memcpy(&known, entry, 8);
        if (known == number) return entry;
        if (known < number) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

/* A name; of an open enum a number that has none becomes its digits. */
static int pb_enum(catenary_pb *in, const pb_op *op, int64_t number) {
    int64_t span[2];
    const uint8_t *entry = pb_named(in, op, number);
    if (entry) {
        memcpy(span, entry + 8, 16);
        return grown_text(op->into, in->constants + span[0], span[1]);
    }
    uint8_t digits[16];
    int at = 16;
    int64_t left = number < 0 ? -number : number;
    do digits[--at] = (uint8_t)('0' + left % 10);
    while (left /= 10);
    if (number < 0) digits[--at] = '-';
    return grown_text(op->into, digits + at, 16 - at);
}

/* A number into its column. */
static inline __attribute__((always_inline)) int pb_put(catenary_pb *in, const pb_op *op, int64_t bits) {
    float narrow;
    double wide;
    uint32_t half;
    switch (op->kind) {
    case PB_FLOAT:
        half = (uint32_t)bits;
        memcpy(&narrow, &half, 4);
        return grown_f64(op->into, narrow);
    case PB_DOUBLE: memcpy(&wide, &bits, 8); return grown_f64(op->into, wide);
    case PB_ENUM: return op->into->kind == GROWN_TEXT ? pb_enum(in, op, bits) : grown_whole(op->into, bits);
    case PB_UINT64:
    case PB_FIXED64:
        if (bits >= 0) return grown_whole(op->into, bits);
        return op->into->kind == GROWN_F32 || op->into->kind == GROWN_F64 ? grown_f64(op->into, (double)(uint64_t)bits) : NO_FIT;
    default: return grown_whole(op->into, bits);
    }
}

static inline int pb_index(const catenary_pb *in, const catenary_grown *column) { return (int)(column - in->columns); }

/* What came of a field, taken back: another one of its oneof came. */
static void pb_clear(catenary_pb *in, pb_op *op, int64_t row) {
    if (!op->into) return;
    op->seconds = op->nanos = op->spanned = 0;
    if (op->open && op->kind == PB_MESSAGE)
        for (pb_op *each = op->first, *last = each + op->many; each < last; each++) {
            if (each->member) *each->member = NULL;
            pb_clear(in, each, row);
        }
    op->open = 0;
    catenary_grown *column = op->column ? op->column : op->into;
    grown_cut(in->columns, pb_index(in, column), row);
}

static pb_at pb_message(catenary_pb *in, pb_op *message, pb_at at, pb_at end, int64_t row, int depth);
static int pb_close(catenary_pb *in, pb_op *message, int64_t row, int depth);

/* The entries of a map, of those with one key the last. */
static int pb_entries(catenary_pb *in, pb_op *map, int depth) {
    const int64_t first = map->into->length;
    uint8_t *marks = NULL;
    int64_t found = 0;
    int code = 0;
    for (int again = 0; again < 2; again++) {
        int64_t many = 0;
        for (int64_t at = 0; !code && at < map->spanned; at++) {
            if (marks && marks[at]) continue;
            const int64_t row = map->into->length;
            const pb_span span = map->spans[at];
            in->unknown = 0;
            if (span.from != span.end && !pb_message(in, map, span.from, span.end, row, depth)) code = in->code;
            else if (in->unknown) { /* the entry is as unknown as what is in it, such as a name of a closed enum */
                for (pb_op *each = map->first; each < map->first + map->many; each++) pb_clear(in, each, row);
                continue;
            } else code = pb_close(in, map, row, depth);
            map->spans[many++] = span;
        }
        map->spanned = many;
        if (code || again || map->spanned < 2) break;
        found = grown_superseded(in->columns + map->into->first, first, &marks);
        if (found < 0) code = NO_MEMORY;
        if (code || !found) break;
        grown_cut(in->columns, pb_index(in, map->into), first);
    }
    free(marks);
    map->spanned = 0;
    return code;
}

/* The end of a time or a duration: whole microseconds, times rounded down, durations to zero. */
static int pb_micros(pb_op *op) {
    int64_t part = op->nanos / 1000 - (op->kind == PB_TIME && op->nanos % 1000 < 0), whole;
    int none = __builtin_mul_overflow(op->seconds, (int64_t)1000000, &whole) || __builtin_add_overflow(whole, part, &whole);
    op->seconds = op->nanos = 0;
    return none ? NO_FIT : grown_whole(op->into, whole);
}

/* What stands for a field that did not come. */
static int pb_default(catenary_pb *in, pb_op *op) {
    if (op->flags & PB_PRESENCE || op->kind == PB_ABSENT) return grown_null(in->columns, pb_index(in, op->into));
    if (op->kind == PB_TEXT || op->kind == PB_BYTES) return grown_text(op->into, in->constants + op->value, op->size);
    return pb_put(in, op, op->value);
}

/* One field of a message that has ended: its column has an entry for the row then. */
static inline int pb_closed(catenary_pb *in, pb_op *each, int64_t row, int depth) {
    int code;
    if (each->flags & PB_REPEATED) {
        if (each->flags & PB_MAP && each->spanned && (code = pb_entries(in, each, depth + 1))) return code;
        return grown_list(in->columns, pb_index(in, each->column));
    }
    if (each->kind >= PB_MESSAGE && each->kind != PB_ABSENT) {
        if (!each->open && each->flags & PB_REQUIRED) return NO_FIELD;
        /* A map's value that did not come is a message without fields. */
        if (!each->open && each->flags & PB_PRESENCE) return grown_null(in->columns, pb_index(in, each->into));
        each->open = 0;
        return pb_close(in, each, row, depth + 1);
    }
    if (each->into->length > row) return 0;
    return each->flags & PB_REQUIRED ? NO_FIELD : pb_default(in, each);
}

/* A message has ended. */
static int pb_close(catenary_pb *in, pb_op *message, int64_t row, int depth) {
    int code;
    if (message->kind == PB_TIME || message->kind == PB_DURATION) return pb_micros(message);
    for (pb_op *each = message->first, *last = each + message->many; each < last; each++) {
        if (each->member) *each->member = NULL;
        if (each->into && (code = pb_closed(in, each, row, depth))) {
            if (!in->place) in->place = each;
            return code;
        }
    }
    return message->kind == PB_WRAPPER ? 0 : grown_struct(message->into);
}

static pb_op *pb_found(pb_op *message, uint32_t number) {
    int low = 0, high = message->many;
    while (low < high) {
        int middle = (low + high) / 2;
        pb_op *op = message->first + middle;
        if (op->number == number) return op;
        if (op->number < number) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

/* One value of a number's field. */
static inline __attribute__((always_inline)) pb_at pb_one(catenary_pb *in, pb_op *op, pb_at at, pb_at end, int64_t row) {
    int64_t bits = 0;
    int code;
    pb_at next = pb_number(in, op, at, end, &bits);
    if (!next || row < 0 || !op->into) return next;
    if (op->flags & PB_CLOSED && !pb_named(in, op, bits)) {
        in->unknown = 1;
        return next;
    }
    if (!(op->flags & PB_REPEATED) && op->into->length > row) grown_cut(in->columns, pb_index(in, op->into), row);
    return (code = pb_put(in, op, bits)) ? pb_fail(in, op, at, code) : next;
}

static pb_at pb_text(catenary_pb *in, pb_op *op, pb_at at, int64_t size, int64_t row) {
    int code;
    if (op->flags & PB_UTF8 && catenary_not_utf8(at, size) != size) return pb_fail(in, op, at, NOT_UTF8);
    if (row < 0 || !op->into) return at + size;
    if (!(op->flags & PB_REPEATED) && op->into->length > row) grown_cut(in->columns, pb_index(in, op->into), row);
    return (code = grown_text(op->into, at, size)) ? pb_fail(in, op, at, code) : at + size;
}

static pb_at pb_nested(catenary_pb *in, pb_op *op, pb_at at, int64_t size, int64_t row, int depth) {
    const int unknown = in->unknown;
    int code;
    if (depth >= PB_DEEPEST) return pb_fail(in, op, at, TOO_DEEP);
    if (row < 0 || !op->into) {
        at = pb_message(in, op, at, at + size, -1, depth + 1);
        in->unknown = unknown;
        return at;
    }
    if (op->flags & PB_MAP) {
        if (op->spanned == op->room) {
            int64_t room = 2 * op->room + 16;
            pb_span *moved = (pb_span *)realloc(op->spans, (size_t)room * sizeof(pb_span));
            if (!moved) return pb_fail(in, op, at, NO_MEMORY);
            op->spans = moved;
            op->room = room;
        }
        pb_span entry = {at, at + size};
        op->spans[op->spanned++] = entry;
        return at + size;
    }
    if (op->flags & PB_REPEATED) {
        const int64_t item = op->into->length;
        if (!pb_message(in, op, at, at + size, item, depth + 1)) return NULL;
        code = pb_close(in, op, item, depth + 1);
        in->unknown = unknown;
        return code ? pb_fail(in, in->place ? in->place : op, at, code) : at + size;
    }
    op->open = 1;
    at = pb_message(in, op, at, at + size, row, depth + 1);
    in->unknown = unknown;
    return at;
}

/* The fields of a message; `row` is that of its columns, below 0 if it has none. Returns its end. */
static pb_at pb_message(catenary_pb *in, pb_op *message, pb_at at, pb_at end, int64_t row, int depth) {
    pb_op *first = message->first, *last = first + message->many, *op = first;
    uint32_t tag = 0;
    int64_t size = 0;
    while (at < end) {
        pb_at start = at;
        if (!(at = pb_tag(in, message, at, end, &tag))) return NULL;
        const uint32_t number = tag >> 3;
        const int wire = (int)(tag & 7);
        /* Fields are mostly written in the order of their numbers: the one at hand or the next is tried first. */
        if (op < last && op->number != number && ++op < last && op->number != number) op = last;
        if (op >= last && !(op = pb_found(message, number))) op = last;
        if (op == last || (wire != op->wire && !(wire == WIRE_SIZED && op->flags & PB_REPEATED))) {
            if (wire == WIRE_CLOSE || wire > WIRE_32) return pb_fail(in, message, start, BAD_TAG);
            if (!(at = pb_skip(in, message, at, end, tag, depth))) return NULL;
            in->unknown = 1;
            continue;
        }
        if (message->kind == PB_TIME || message->kind == PB_DURATION) {
            if (!(at = pb_number(in, op, at, end, &size))) return NULL;
            if (row >= 0) *(number == 1 ? &message->seconds : &message->nanos) = size;
            continue;
        }
        if (row >= 0 && op->member && *op->member != op) {
            if (*op->member) pb_clear(in, *op->member, row);
            *op->member = op;
        }
        if (wire != WIRE_SIZED) {
            if (!(at = pb_one(in, op, at, end, row))) return NULL;
            continue;
        }
        if (!(at = pb_size(in, op, at, end, &size))) return NULL;
        if (op->kind >= PB_MESSAGE) at = pb_nested(in, op, at, size, row, depth);
        else if (op->kind >= PB_TEXT) at = pb_text(in, op, at, size, row);
        else
            for (pb_at packed = at + size; at && at < packed;) at = pb_one(in, op, at, packed, row);
        if (!at) return NULL;
    }
    return at;
}

/* What frames left behind in the ops, when a record was refused halfway. */
static void pb_forget(pb_op *ops, int64_t size) {
    for (pb_op *op = ops; op < ops + size; op++) {
        op->open = 0;
        op->seconds = op->nanos = op->spanned = 0;
        if (op->member) *op->member = NULL;
    }
}

/* The rows of `many` records, `header` bytes before each left out; as catenary_avro_rows. */
static int64_t catenary_protobuf_rows(const catenary_field *program, int64_t size, const uint8_t *constants, catenary_grown *columns,
                                      const catenary_records *records, catenary_refusals *refused) {
    const uint8_t *data = records->data;
    const int64_t *offsets = records->offsets;
    static const int wires[] = {0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2};
    catenary_pb in = {0};
    int64_t rows = 0;
    pb_op *ops = (pb_op *)calloc((size_t)size, sizeof(pb_op));
    pb_op **members = (pb_op **)calloc((size_t)size, sizeof(pb_op *));
    if (!ops || !members) rows = -1;
    for (int64_t at = 0; rows == 0 && at < size; at++) {
        const catenary_field *field = program + at;
        pb_op *op = ops + at;
        op->kind = (int)field->kind;
        op->flags = (int)field->flags;
        op->wire = wires[op->kind];
        op->many = (int)field->many;
        op->number = (uint32_t)field->number;
        op->column = field->column < 0 ? NULL : columns + field->column;
        op->into = field->into < 0 ? NULL : columns + field->into;
        op->first = ops + field->first;
        op->member = field->oneof < 0 ? NULL : members + field->oneof;
        op->table = field->table;
        op->value = field->value;
        op->size = field->size;
    }
    in.constants = constants;
    in.columns = columns;
    for (int64_t row = 0; rows >= 0 && row < records->many; row++) {
        pb_at from = data + offsets[row], end = data + offsets[row + 1];
        in.where = from;
        in.place = NULL;
        in.code = 0;
        if (!catenary_is_there(records, row)) in.code = NO_VALUE;
        else if ((from + records->header == end || pb_message(&in, ops, from + records->header, end, rows, 0)) && (in.code = pb_close(&in, ops, rows, 0))) in.where = end;
        if (!in.code) {
            rows++;
            continue;
        }
        pb_forget(ops, size);
        grown_cut(columns, 0, rows);
        catenary_refusal said = {row, in.where - from, in.code, in.place ? (int32_t)(in.place - ops) : -1, 0, 0};
        if (in.code == NO_MEMORY || catenary_refuse(refused, said)) rows = -1;
    }
    for (int64_t at = 0; ops && at < size; at++) free(ops[at].spans);
    free(ops);
    free(members);
    return rows;
}

#endif
