/* Partials of operations: entered from rows, merged from bytes, written as bytes, finished as results.
 *
 *     row ──enter──► state ◄──merge── bytes      one state per accumulator, reset for each group
 *                    │   │
 *               finish   emit ──► bytes          exactly what Operation.encode writes
 *
 * Layouts are those of aggregate/codec.py and of each operation. Nothing is read beyond its end: bytes
 * come from stores. What is damaged is a negative return; the caller lets Operation.decode say why.
 */
#ifndef CATENARY_PARTIALS_H
#define CATENARY_PARTIALS_H

#include <stdlib.h>

#include "limbs.h"

typedef unsigned char catenary_u8;

enum { CATENARY_OTHER, CATENARY_COUNT, CATENARY_TOTALS, CATENARY_KEPT, CATENARY_LATEST, CATENARY_WINNERS,
       CATENARY_COUNTED };
enum { CATENARY_TAG_SUM = 2, CATENARY_TAG_AVERAGE, CATENARY_TAG_VARIANCE, CATENARY_TAG_STDDEV,
       CATENARY_TAG_UNIQUE_COUNT = 17 };
enum { CATENARY_BOOLEAN = 1, CATENARY_INTEGER, CATENARY_DOUBLE, CATENARY_TEXT, CATENARY_BINARY,
       CATENARY_DATE, CATENARY_TIMESTAMP, CATENARY_ARRAY, CATENARY_MAP, CATENARY_STRUCT };
/* What finish says: no value was seen; a result; null though values were seen; an integer sum that
 * does not fit; a result that Operation.finish has to find, from the bytes in `side`. */
enum { CATENARY_EMPTY, CATENARY_VALUE, CATENARY_NULL, CATENARY_OVERFLOW, CATENARY_ASIDE };

#define CATENARY_FORMAT 1
#define CATENARY_UNITS 1088
#define CATENARY_POINT 17 /* CATENARY_UNITS / 64: the limb in which integers begin */
#define CATENARY_NOWHERE 4096

/* An accumulator: its form, its operation's tag, the powers of its totals, whether winners are ordered by
 * time and the greatest wins, the kind of its values, how many win, and whether each of them once. */
typedef struct {
    int form, tag, degree, timed, greatest, kind, limit, distinct;
} catenary_spec;

/* A column: numbers (doubles as bits), or text as offsets (of 32 or 64 bits) and bytes. */
typedef struct {
    const catenary_i64 *values;
    const catenary_u8 *valid; /* NULL: all are */
    const void *offsets;
    const catenary_u8 *data;
    catenary_i64 wide;
} catenary_column;

/* A winner and its time, or a value and how often it was seen. */
typedef struct {
    catenary_i64 number, image, size;
    const catenary_u8 *text;
} catenary_entry;

typedef struct {
    catenary_u64 count, plus, minus;
    catenary_i64 ts, image, size;
    const catenary_u8 *text;
    int floating, has;
    int low[8], high[8]; /* the limbs in use of each power's positive and negative total */
    catenary_u64 *limbs;
    catenary_entry *entries;
    catenary_i64 many, tail, room; /* entries in order, further ones in none, and room for so many */
} catenary_state;

typedef struct {
    catenary_u8 *data;
    catenary_i64 size, room;
} catenary_buffer;

/* ---- bytes ---------------------------------------------------------------------------------- */

static inline int catenary_reserve(catenary_buffer *out, catenary_i64 more) {
    if (out->size + more <= out->room) return 0;
    catenary_i64 room = 2 * out->room + more + 4096;
    catenary_u8 *data = (catenary_u8 *)realloc(out->data, (size_t)room);
    if (!data) return -1;
    out->data = data;
    out->room = room;
    return 0;
}

static inline int catenary_append(catenary_buffer *out, const catenary_u8 *data, catenary_i64 size) {
    if (catenary_reserve(out, size)) return -1;
    memcpy(out->data + out->size, data, (size_t)size);
    out->size += size;
    return 0;
}

static inline catenary_u8 *catenary_put(catenary_u8 *out, catenary_u64 number) {
    while (number >= 0x80) {
        *out++ = (catenary_u8)(number | 0x80);
        number >>= 7;
    }
    *out++ = (catenary_u8)number;
    return out;
}

static inline catenary_u8 *catenary_put_signed(catenary_u8 *out, catenary_i64 number) {
    return catenary_put(out, ((catenary_u64)number << 1) ^ (catenary_u64)(number >> 63));
}

static inline int catenary_take(const catenary_u8 **at, const catenary_u8 *end, catenary_u64 *number) {
    const catenary_u8 *p = *at;
    if (p < end && *p < 0x80) {
        *number = *p;
        *at = p + 1;
        return 0;
    }
    catenary_u64 value = 0;
    for (int shift = 0; p < end; shift += 7) {
        catenary_u8 byte = *p++;
        if (shift == 63 && byte > 1) return -1;
        value |= (catenary_u64)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *number = value;
            *at = p;
            return 0;
        }
    }
    return -1;
}

static inline int catenary_take_signed(const catenary_u8 **at, const catenary_u8 *end, catenary_i64 *number) {
    catenary_u64 zigzag;
    if (catenary_take(at, end, &zigzag)) return -1;
    *number = (catenary_i64)(zigzag >> 1) ^ -(catenary_i64)(zigzag & 1);
    return 0;
}

static inline int catenary_take_size(const catenary_u8 **at, const catenary_u8 *end, catenary_i64 *size) {
    catenary_u64 number;
    if (catenary_take(at, end, &number) || number > (catenary_u64)(end - *at)) return -1;
    *size = (catenary_i64)number;
    return 0;
}

/* The order-keeping image of a double's bits, and whether it is one that is stored. */
static inline catenary_i64 catenary_image(catenary_i64 bits) {
    if (bits == (catenary_i64)CATENARY_TOP) return 0;
    return bits >= 0 ? bits : ~(bits ^ (catenary_i64)CATENARY_TOP);
}

static inline int catenary_is_nan(catenary_i64 bits) {
    return ((catenary_u64)bits & ~CATENARY_TOP) > (catenary_u64)0x7FF << 52;
}

/* A value of a kind: numbers as images, text by its place. */
static inline int catenary_take_value(const catenary_u8 **at, const catenary_u8 *end, int kind,
                                      catenary_i64 *image, const catenary_u8 **text, catenary_i64 *size) {
    catenary_u64 number;
    catenary_i64 bits;
    switch (kind) {
    case CATENARY_BOOLEAN:
        if (catenary_take(at, end, &number) || number > 1) return -1;
        *image = (catenary_i64)number;
        return 0;
    case CATENARY_INTEGER:
    case CATENARY_DATE:
    case CATENARY_TIMESTAMP:
        return catenary_take_signed(at, end, image);
    case CATENARY_DOUBLE:
        if (end - *at < 8) return -1;
        memcpy(&bits, *at, 8);
        if (catenary_is_nan(bits) || bits == (catenary_i64)CATENARY_TOP) return -1;
        *image = catenary_image(bits);
        *at += 8;
        return 0;
    default:
        if (catenary_take_size(at, end, size)) return -1;
        *text = *at;
        *at += *size;
        return 0;
    }
}

static inline catenary_u8 *catenary_put_value(catenary_u8 *out, int kind, catenary_i64 image,
                                              const catenary_u8 *text, catenary_i64 size) {
    catenary_u64 bits;
    switch (kind) {
    case CATENARY_BOOLEAN:
        return catenary_put(out, (catenary_u64)image);
    case CATENARY_INTEGER:
    case CATENARY_DATE:
    case CATENARY_TIMESTAMP:
        return catenary_put_signed(out, image);
    case CATENARY_DOUBLE:
        bits = catenary_bits(image);
        memcpy(out, &bits, 8);
        return out + 8;
    default:
        out = catenary_put(out, (catenary_u64)size);
        memcpy(out, text, (size_t)size);
        return out + size;
    }
}

static inline int catenary_is_text(int kind) { return kind == CATENARY_TEXT || kind == CATENARY_BINARY; }

static inline int catenary_compare_text(const catenary_u8 *a, catenary_i64 a_size, const catenary_u8 *b,
                                        catenary_i64 b_size) {
    int order = memcmp(a, b, (size_t)(a_size < b_size ? a_size : b_size));
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- totals: magnitudes of what is positive and what is negative, apart ----------------------- */

static inline int catenary_width(int power) { return 33 * power + 4; }

/* Where the limbs of a power and a sign begin. */
static inline int catenary_place(int power, int sign) {
    return (33 * power + 8) * (power - 1) + sign * catenary_width(power);
}

/* How many limbs a state of that degree has. */
static inline int catenary_room(int degree) { return catenary_place(degree + 1, 0); }

/* Add `many` limbs at limb `at`; -1 if that runs over the top. */
static inline int catenary_gather(catenary_state *state, int power, int sign, const catenary_u8 *limbs,
                                  int many, int at) {
    int slot = 2 * (power - 1) + sign, width = catenary_width(power), end = at + many;
    catenary_u64 *total = state->limbs + catenary_place(power, sign), carry = 0, limb;
    if (end > width) return -1;
    if (at < state->low[slot]) state->low[slot] = at;
    for (int i = at; i < end; i++, limbs += 8) {
        memcpy(&limb, limbs, 8);
        catenary_u128 sum = (catenary_u128)total[i] + limb + carry;
        total[i] = (catenary_u64)sum;
        carry = (catenary_u64)(sum >> 64);
    }
    for (; carry; end++) {
        if (end == width) return -1;
        carry = ++total[end] == 0;
    }
    if (end > state->high[slot]) state->high[slot] = end;
    return 0;
}

/* The total of a power as the magnitude out[0 … return), beginning at limb *lowest, and its sign; a zero
 * limb follows. Both ends are not zero. */
static inline int catenary_settle(const catenary_state *state, int power, catenary_u64 *out, int *lowest,
                                  int *negative) {
    int slot = 2 * (power - 1), i;
    const catenary_u64 *plus = state->limbs + catenary_place(power, 0);
    const catenary_u64 *minus = state->limbs + catenary_place(power, 1);
    int low = state->low[slot] < state->low[slot + 1] ? state->low[slot] : state->low[slot + 1];
    int high = state->high[slot] > state->high[slot + 1] ? state->high[slot] : state->high[slot + 1];
    *negative = 0;
    *lowest = 0;
    while (high > low && plus[high - 1] == minus[high - 1]) high--;
    if (high <= low) {
        out[0] = 0;
        return 0;
    }
    if (plus[high - 1] < minus[high - 1]) {
        const catenary_u64 *swapped = plus;
        plus = minus;
        minus = swapped;
        *negative = 1;
    }
    catenary_u64 borrow = 0;
    for (i = low; i < high; i++) {
        catenary_u64 less = plus[i] - minus[i], over = plus[i] < minus[i];
        out[i - low] = less - borrow;
        borrow = over | (less < borrow);
    }
    int many = high - low, first = 0;
    while (many && !out[many - 1]) many--;
    while (first < many && !out[first]) first++;
    if (first) {
        many -= first;
        memmove(out, out + first, (size_t)many * 8);
    }
    out[many] = 0;
    *lowest = low + first;
    return many;
}

static inline int catenary_enter_number(const catenary_spec *spec, catenary_state *state, catenary_i64 image) {
    int negative, exponent, power, i;
    int is_double = spec->kind == CATENARY_DOUBLE;
    state->count++;
    state->floating = is_double;
    if (is_double && (catenary_bits(image) & ~CATENARY_TOP) == (catenary_u64)0x7FF << 52) {
        if (image > 0) state->plus++;
        else state->minus++;
        return 0;
    }
    catenary_u64 size = catenary_open(image, is_double, &negative, &exponent);
    if (!size) return 0;
    catenary_u64 powers[5] = {size, 0, 0, 0, 0}, shifted[5];
    int shift = exponent + CATENARY_UNITS;
    for (power = 1;; power++) {
        int at = (power * shift) >> 6, off = (power * shift) & 63, many = power + 1;
        if (off) {
            catenary_u64 rest = 0;
            for (i = 0; i < many; i++) {
                shifted[i] = (powers[i] << off) | rest;
                rest = powers[i] >> (64 - off);
            }
        } else {
            memcpy(shifted, powers, sizeof powers);
        }
        while (!shifted[many - 1]) many--;
        if (catenary_gather(state, power, negative & power & 1, (const catenary_u8 *)shifted, many, at))
            return -1;
        if (power == spec->degree) return 0;
        catenary_u64 carry = 0;
        for (i = 0; i < power; i++) {
            catenary_u128 product = (catenary_u128)powers[i] * size + carry;
            powers[i] = (catenary_u64)product;
            carry = (catenary_u64)(product >> 64);
        }
        powers[power] = carry;
    }
}

static inline int catenary_merge_totals(const catenary_spec *spec, catenary_state *state, const catenary_u8 *at,
                                        const catenary_u8 *end) {
    catenary_u64 count, plus, minus, floating, head, lowest;
    if (catenary_take(&at, end, &count) || catenary_take(&at, end, &plus) || catenary_take(&at, end, &minus) ||
        catenary_take(&at, end, &floating))
        return -1;
    /* The kind of the column says whether there are doubles; an empty partial is never stored. */
    if (!count || plus > count || minus > count - plus || floating != (spec->kind == CATENARY_DOUBLE)) return -1;
    if (!floating && (plus || minus)) return -1;
    state->count += count;
    state->plus += plus;
    state->minus += minus;
    state->floating = (int)floating;
    for (int power = 1; power <= spec->degree; power++) {
        if (catenary_take(&at, end, &head)) return -1;
        if (head < 2) continue;
        catenary_u64 many = head >> 1, most = (catenary_u64)catenary_width(power) - 2;
        if (catenary_take(&at, end, &lowest) || many > most || lowest > most - many ||
            (catenary_i64)(many * 8) > end - at)
            return -1;
        if (!floating && lowest < (catenary_u64)(CATENARY_POINT * power)) return -1;
        if (catenary_gather(state, power, (int)(head & 1), at, (int)many, (int)lowest)) return -1;
        at += many * 8;
    }
    return at == end ? 0 : -1;
}

/* ---- winners --------------------------------------------------------------------------------- */

static inline void catenary_challenge(const catenary_spec *spec, catenary_state *state, catenary_i64 ts,
                                      catenary_i64 image, const catenary_u8 *text, catenary_i64 size) {
    int order = 0;
    if (state->has) {
        if (spec->timed) order = (ts > state->ts) - (ts < state->ts);
        if (!order) {
            if (catenary_is_text(spec->kind)) order = catenary_compare_text(text, size, state->text, state->size);
            else order = (image > state->image) - (image < state->image);
        }
        if (spec->greatest ? order <= 0 : order >= 0) return;
    }
    state->has = 1;
    state->ts = ts;
    state->image = image;
    state->text = text;
    state->size = size;
}

static inline int catenary_merge_kept(const catenary_spec *spec, catenary_state *state, const catenary_u8 *at,
                                      const catenary_u8 *end) {
    catenary_i64 ts = 0, image = 0, size = 0;
    const catenary_u8 *text = at;
    if (end - at < 4 || at[0] != 1 || at[1] != 1 || at[2] != spec->kind) return -1;
    at += 3;
    if (spec->timed && catenary_take_signed(&at, end, &ts)) return -1;
    if (catenary_take_value(&at, end, spec->kind, &image, &text, &size) || at != end) return -1;
    catenary_challenge(spec, state, ts, image, text, size);
    return 0;
}

/* ---- entries: several winners, or counts by value ------------------------------------------------ */

static inline int catenary_compare_entries(const catenary_entry *a, const catenary_entry *b, int kind) {
    if (catenary_is_text(kind)) return catenary_compare_text(a->text, a->size, b->text, b->size);
    return (a->image > b->image) - (a->image < b->image);
}

static inline int catenary_more_entries(catenary_state *state, catenary_i64 more) {
    if (more <= state->room) return 0;
    catenary_i64 room = more + more / 2 + 8;
    catenary_entry *entries = (catenary_entry *)realloc(state->entries, (size_t)room * sizeof(catenary_entry));
    if (!entries) return -1;
    state->entries = entries;
    state->room = room;
    return 0;
}

/* Negative where winner a comes before b. */
static inline int catenary_rank(const catenary_spec *spec, const catenary_entry *a, const catenary_entry *b) {
    int order = spec->timed ? (a->number > b->number) - (a->number < b->number) : 0;
    if (!order) order = catenary_compare_entries(a, b, spec->kind);
    return spec->greatest ? -order : order;
}

static inline int catenary_enter_winner(const catenary_spec *spec, catenary_state *state, const catenary_entry *entry) {
    catenary_i64 low = 0, high = state->many;
    if (high == spec->limit && catenary_rank(spec, entry, state->entries + high - 1) >= 0) return 0;
    while (low < high) {
        catenary_i64 middle = (low + high) / 2;
        if (catenary_rank(spec, entry, state->entries + middle) < 0) high = middle;
        else low = middle + 1;
    }
    if (spec->distinct && low && !catenary_rank(spec, entry, state->entries + low - 1)) return 0;
    if (state->many < spec->limit) {
        if (catenary_more_entries(state, state->many + 1)) return -1;
        state->many++;
    }
    memmove(state->entries + low + 1, state->entries + low,
            (size_t)(state->many - low - 1) * sizeof(catenary_entry));
    state->entries[low] = *entry;
    return 0;
}

/* Where the ascending run from `first` on ends. */
static inline catenary_i64 catenary_run(const catenary_entry *entries, catenary_i64 first, catenary_i64 many, int kind) {
    catenary_i64 end = first + 1;
    while (end < many && catenary_compare_entries(entries + end - 1, entries + end, kind) <= 0) end++;
    return end;
}

/* Sort by merging runs that ascend already, as those of each tile do; `spare` has room for as many.
 * Returns whichever of both holds the entries in the end. */
static inline catenary_entry *catenary_sort(catenary_entry *entries, catenary_entry *spare, catenary_i64 many, int kind) {
    while (catenary_run(entries, 0, many, kind) < many) {
        catenary_i64 first = 0;
        while (first < many) {
            catenary_i64 middle = catenary_run(entries, first, many, kind), left = first, at = first;
            catenary_i64 end = middle < many ? catenary_run(entries, middle, many, kind) : many, right = middle;
            while (left < middle && right < end)
                spare[at++] = catenary_compare_entries(entries + left, entries + right, kind) <= 0 ? entries[left++]
                                                                                              : entries[right++];
            memcpy(spare + at, entries + left, (size_t)(middle - left) * sizeof(catenary_entry));
            at += middle - left;
            memcpy(spare + at, entries + right, (size_t)(end - right) * sizeof(catenary_entry));
            first = end;
        }
        catenary_entry *sorted = spare;
        spare = entries;
        entries = sorted;
    }
    return entries;
}

/* Merge the entries behind those in order into them; `sorted` says that they are ascending. */
static inline int catenary_order_entries(const catenary_spec *spec, catenary_state *state, int sorted) {
    catenary_i64 i, added = 0, left = 0, right, at;
    if (!state->tail) return 0;
    /* Room for the tail to lie aside while it is merged from behind, and to be sorted. */
    if (catenary_more_entries(state, state->many + (sorted ? 2 : 3) * state->tail)) return -1;
    catenary_entry *all = state->entries, *tail = all + state->many + state->tail;
    memcpy(tail, all + state->many, (size_t)state->tail * sizeof(catenary_entry));
    if (!sorted)
        tail = catenary_is_text(spec->kind) ? catenary_sort(tail, tail + state->tail, state->tail, CATENARY_TEXT)
                                            : catenary_sort(tail, tail + state->tail, state->tail, CATENARY_INTEGER);
    for (i = 0; i < state->tail; i++) { /* equal ones become one */
        if (added && !catenary_compare_entries(tail + added - 1, tail + i, spec->kind))
            tail[added - 1].number += tail[i].number;
        else
            tail[added++] = tail[i];
    }
    /* What is known already is counted there; the others stay. */
    right = 0;
    for (i = 0; i < added; i++) {
        catenary_i64 step = 1, high = left;
        while (high < state->many && catenary_compare_entries(all + high, tail + i, spec->kind) < 0) {
            left = high + 1;
            high += step;
            step *= 2;
        }
        if (high > state->many) high = state->many;
        while (left < high) {
            catenary_i64 middle = (left + high) / 2;
            if (catenary_compare_entries(all + middle, tail + i, spec->kind) < 0) left = middle + 1;
            else high = middle;
        }
        if (left < state->many && !catenary_compare_entries(all + left, tail + i, spec->kind))
            all[left].number += tail[i].number;
        else
            tail[right++] = tail[i];
    }
    added = right;
    at = state->many + added;
    left = state->many;
    state->many = at;
    state->tail = 0;
    while (right) {
        if (left && catenary_compare_entries(all + left - 1, tail + right - 1, spec->kind) > 0) all[--at] = all[--left];
        else all[--at] = tail[--right];
    }
    return 0;
}

static inline int catenary_enter_counted(const catenary_spec *spec, catenary_state *state, const catenary_entry *entry) {
    catenary_i64 all = state->many + state->tail;
    /* A value often follows itself. */
    if (state->tail && !catenary_compare_entries(state->entries + all - 1, entry, spec->kind)) {
        state->entries[all - 1].number += entry->number;
        return 0;
    }
    if (catenary_more_entries(state, all + 1)) return -1;
    state->entries[all] = *entry;
    state->tail++;
    return state->tail > 64 + state->many / 4 ? catenary_order_entries(spec, state, 0) : 0;
}

static inline int catenary_merge_winners(const catenary_spec *spec, catenary_state *state, const catenary_u8 *at,
                                         const catenary_u8 *end) {
    catenary_u64 limit, many;
    catenary_entry entry = {0, 0, 0, at};
    if (catenary_take(&at, end, &limit) || limit != (catenary_u64)spec->limit) return -1;
    if (catenary_take(&at, end, &many) || !many || many > limit || at == end || *at++ != spec->kind) return -1;
    while (many--) {
        if (spec->timed && catenary_take_signed(&at, end, &entry.number)) return -1;
        if (catenary_take_value(&at, end, spec->kind, &entry.image, &entry.text, &entry.size)) return -1;
        if (catenary_enter_winner(spec, state, &entry)) return -1;
    }
    return at == end ? 0 : -1;
}

static inline int catenary_merge_counted(const catenary_spec *spec, catenary_state *state, const catenary_u8 *at,
                                         const catenary_u8 *end) {
    catenary_u64 many, times;
    catenary_entry entry = {0, 0, 0, at};
    if (catenary_take(&at, end, &many) || !many || many > (catenary_u64)(end - at) || *at++ != spec->kind) return -1;
    int whole = (catenary_i64)many > state->many / 8;
    if (whole && catenary_order_entries(spec, state, 0)) return -1;
    if (catenary_more_entries(state, state->many + state->tail + (catenary_i64)many)) return -1;
    for (catenary_u64 i = 0; i < many; i++) {
        if (catenary_take_value(&at, end, spec->kind, &entry.image, &entry.text, &entry.size) ||
            catenary_take(&at, end, &times) || !times)
            return -1;
        entry.number = (catenary_i64)times;
        catenary_i64 all = state->many + state->tail;
        if (i && catenary_compare_entries(state->entries + all - 1, &entry, spec->kind) >= 0) return -1;
        state->entries[all] = entry;
        state->tail++;
    }
    if (at != end) return -1;
    if (whole) return catenary_order_entries(spec, state, 1);
    return state->tail > 64 + state->many / 4 ? catenary_order_entries(spec, state, 0) : 0;
}

/* ---- latest rows ------------------------------------------------------------------------------- */

/* A column's value, whatever its kind: a null, a number, or the place of its text or content. */
static inline int catenary_take_column(const catenary_u8 **at, const catenary_u8 *end, int *kind,
                                       catenary_i64 *image, const catenary_u8 **text, catenary_i64 *size) {
    if (*at >= end) return -1;
    *kind = *(*at)++;
    if (*kind > CATENARY_STRUCT) return -1;
    return *kind ? catenary_take_value(at, end, *kind, image, text, size) : 0;
}

/* Whether row a (without version and tag) comes after row b; -1 for damaged bytes. */
static inline int catenary_is_later(const catenary_u8 *a, const catenary_u8 *a_end, const catenary_u8 *b,
                                    const catenary_u8 *b_end) {
    catenary_i64 a_ts, b_ts, a_image = 0, b_image = 0, a_size = 0, b_size = 0;
    const catenary_u8 *a_text = a, *b_text = b;
    int a_kind, b_kind, carried = 0, order;
    if (catenary_take_signed(&a, a_end, &a_ts) || catenary_take_signed(&b, b_end, &b_ts)) return -1;
    if (a_ts != b_ts) return a_ts > b_ts;
    while (a < a_end) {
        const catenary_u8 *a_from = a, *b_from = b;
        if (catenary_take_column(&a, a_end, &a_kind, &a_image, &a_text, &a_size) ||
            catenary_take_column(&b, b_end, &b_kind, &b_image, &b_text, &b_size))
            return -1;
        if (a_kind >= CATENARY_ARRAY || b_kind >= CATENARY_ARRAY) {
            if (!carried) carried = catenary_compare_text(a_from, a - a_from, b_from, b - b_from);
            continue;
        }
        if (a_kind && b_kind && a_kind != b_kind) return -1;
        if (!a_kind || !b_kind) order = (a_kind > 0) - (b_kind > 0);
        else if (catenary_is_text(a_kind)) order = catenary_compare_text(a_text, a_size, b_text, b_size);
        else order = (a_image > b_image) - (a_image < b_image);
        if (order) return order > 0;
    }
    return b == b_end ? carried > 0 : -1;
}

static inline int catenary_merge_latest(catenary_state *state, const catenary_u8 *data, catenary_i64 size) {
    if (state->has) {
        int later = catenary_is_later(data + 2, data + size, state->text + 2, state->text + state->size);
        if (later <= 0) return later;
    }
    state->has = 1;
    state->text = data;
    state->size = size;
    return 0;
}

/* ---- states ---------------------------------------------------------------------------------- */

static inline void catenary_forget_totals(const catenary_spec *spec, catenary_state *state) {
    for (int slot = 0; slot < 2 * spec->degree; slot++) {
        int low = state->low[slot], high = state->high[slot];
        if (high > low)
            memset(state->limbs + catenary_place(slot / 2 + 1, slot & 1) + low, 0, (size_t)(high - low) * 8);
        state->low[slot] = CATENARY_NOWHERE;
        state->high[slot] = 0;
    }
}

static inline void catenary_reset(const catenary_spec *spec, catenary_state *state) {
    state->count = state->plus = state->minus = 0;
    state->floating = state->has = 0;
    state->many = state->tail = 0;
    if (spec->form == CATENARY_TOTALS) catenary_forget_totals(spec, state);
}

/* States of all accumulators, empty; freed by catenary_release. */
static inline catenary_state *catenary_states(const catenary_spec *specs, catenary_i64 many) {
    catenary_i64 limbs = 0;
    for (catenary_i64 i = 0; i < many; i++)
        if (specs[i].form == CATENARY_TOTALS) limbs += catenary_room(specs[i].degree);
    catenary_state *states = (catenary_state *)calloc(1, (size_t)many * sizeof(catenary_state) + (size_t)limbs * 8 + 8);
    if (!states) return NULL;
    catenary_u64 *next = (catenary_u64 *)(states + many);
    for (catenary_i64 i = 0; i < many; i++) {
        states[i].limbs = next;
        if (specs[i].form == CATENARY_TOTALS) next += catenary_room(specs[i].degree);
        catenary_reset(specs + i, states + i);
    }
    return states;
}

static inline void catenary_release(catenary_state *states, catenary_i64 many) {
    for (catenary_i64 i = 0; i < many; i++) free(states[i].entries);
    free(states);
}

static inline void catenary_text_at(const catenary_column *column, catenary_i64 row, const catenary_u8 **text,
                                    catenary_i64 *size) {
    catenary_i64 begin, end;
    if (column->wide) {
        begin = ((const catenary_i64 *)column->offsets)[row];
        end = ((const catenary_i64 *)column->offsets)[row + 1];
    } else {
        begin = ((const int *)column->offsets)[row];
        end = ((const int *)column->offsets)[row + 1];
    }
    *text = column->data + begin;
    *size = end - begin;
}

/* Enter a row's value; -1 only without memory. */
static inline int catenary_enter_row(const catenary_spec *spec, catenary_state *state, const catenary_column *column,
                                     catenary_i64 row, catenary_i64 ts) {
    const catenary_u8 *text = NULL;
    catenary_i64 size = 0, image = 0;
    if (spec->form == CATENARY_LATEST) {
        catenary_text_at(column, row, &text, &size);
        return catenary_merge_latest(state, text, size);
    }
    if (column->valid && !column->valid[row]) return 0;
    if (column->values) image = column->values[row];
    if (spec->kind == CATENARY_DOUBLE) {
        if (catenary_is_nan(image)) return 0;
        image = catenary_image(image);
    }
    if (spec->form == CATENARY_COUNT) {
        state->count++;
        return 0;
    }
    if (spec->form == CATENARY_TOTALS) return catenary_enter_number(spec, state, image);
    if (column->offsets) catenary_text_at(column, row, &text, &size);
    if (spec->form == CATENARY_KEPT) {
        catenary_challenge(spec, state, ts, image, text, size);
        return 0;
    }
    catenary_entry entry = {spec->form == CATENARY_COUNTED ? 1 : spec->timed ? ts : 0, image, size, text};
    return spec->form == CATENARY_COUNTED ? catenary_enter_counted(spec, state, &entry)
                                          : catenary_enter_winner(spec, state, &entry);
}

/* Merge one accumulator's bytes; none are an empty partial. */
static inline int catenary_merge_bytes(const catenary_spec *spec, catenary_state *state, const catenary_u8 *data,
                                       catenary_i64 size) {
    catenary_u64 count;
    if (!size) return 0;
    if (size < 3 || data[0] != CATENARY_FORMAT || data[1] != spec->tag) return -1;
    const catenary_u8 *at = data + 2, *end = data + size;
    switch (spec->form) {
    case CATENARY_COUNT:
        if (catenary_take(&at, end, &count) || at != end || !count) return -1;
        state->count += count;
        return 0;
    case CATENARY_TOTALS:
        return catenary_merge_totals(spec, state, at, end);
    case CATENARY_KEPT:
        return catenary_merge_kept(spec, state, at, end);
    case CATENARY_WINNERS:
        return catenary_merge_winners(spec, state, at, end);
    case CATENARY_COUNTED:
        return catenary_merge_counted(spec, state, at, end);
    default:
        return catenary_merge_latest(state, data, size);
    }
}

/* Merge a tile into the states of the accumulators that `rest` shares a window with; `needs` may be
 * NULL: all of them. Returns -1 - accumulator for damaged bytes, -1 - many for a damaged frame. */
static inline catenary_i64 catenary_walk(const catenary_spec *specs, catenary_i64 many, catenary_state *states,
                                         const catenary_u8 *data, catenary_i64 size, const catenary_u64 *needs,
                                         catenary_u64 rest) {
    const catenary_u8 *at = data + 1, *end = data + size;
    catenary_i64 length;
    if (!size) return 0;
    if (data[0] != CATENARY_FORMAT) return -1 - many;
    for (catenary_i64 i = 0; i < many; i++) {
        if (catenary_take_size(&at, end, &length)) return -1 - many;
        if (specs[i].form != CATENARY_OTHER && (!needs || needs[i] & rest) &&
            catenary_merge_bytes(specs + i, states + i, at, length))
            return -1 - i;
        at += length;
    }
    return at == end ? 0 : -1 - many;
}

static inline int catenary_is_empty(const catenary_spec *spec, const catenary_state *state) {
    if (spec->form >= CATENARY_WINNERS) return !state->many && !state->tail;
    return spec->form >= CATENARY_KEPT ? !state->has : !state->count;
}

/* Write a partial after its length; an empty one is length 0. Returns -1 without memory. */
static inline int catenary_emit(const catenary_spec *spec, catenary_state *state, catenary_buffer *out) {
    catenary_u64 limbs[CATENARY_LIMBS];
    int lowest, negative;
    if (catenary_is_empty(spec, state)) {
        if (catenary_reserve(out, 1)) return -1;
        out->data[out->size++] = 0;
        return 0;
    }
    catenary_i64 bound = 80;
    if (spec->form == CATENARY_COUNTED && catenary_order_entries(spec, state, 0)) return -1;
    if (spec->form == CATENARY_TOTALS) bound += 8 * catenary_room(spec->degree) + 80;
    else if (spec->form >= CATENARY_WINNERS)
        for (catenary_i64 i = 0; i < state->many; i++) bound += 32 + state->entries[i].size;
    else if (spec->form == CATENARY_LATEST || catenary_is_text(spec->kind)) bound += state->size;
    if (catenary_reserve(out, bound)) return -1;
    catenary_u8 *start = out->data + out->size, *at = start + 1;
    if (spec->form == CATENARY_LATEST) {
        memcpy(at, state->text, (size_t)state->size);
        at += state->size;
    } else {
        *at++ = CATENARY_FORMAT;
        *at++ = (catenary_u8)spec->tag;
        if (spec->form >= CATENARY_WINNERS) {
            int counted = spec->form == CATENARY_COUNTED;
            if (!counted) at = catenary_put(at, (catenary_u64)spec->limit);
            at = catenary_put(at, (catenary_u64)state->many);
            *at++ = (catenary_u8)spec->kind;
            for (catenary_i64 i = 0; i < state->many; i++) {
                const catenary_entry *entry = state->entries + i;
                if (spec->timed) at = catenary_put_signed(at, entry->number);
                at = catenary_put_value(at, spec->kind, entry->image, entry->text, entry->size);
                if (counted) at = catenary_put(at, (catenary_u64)entry->number);
            }
        } else if (spec->form == CATENARY_KEPT) {
            *at++ = 1;
            *at++ = 1;
            *at++ = (catenary_u8)spec->kind;
            if (spec->timed) at = catenary_put_signed(at, state->ts);
            at = catenary_put_value(at, spec->kind, state->image, state->text, state->size);
        } else {
            at = catenary_put(at, state->count);
        }
        if (spec->form == CATENARY_TOTALS) {
            at = catenary_put(at, state->plus);
            at = catenary_put(at, state->minus);
            *at++ = (catenary_u8)state->floating;
            for (int power = 1; power <= spec->degree; power++) {
                int many = catenary_settle(state, power, limbs, &lowest, &negative);
                at = catenary_put(at, (catenary_u64)(2 * many + negative));
                if (!many) continue;
                at = catenary_put(at, (catenary_u64)lowest);
                memcpy(at, limbs, (size_t)many * 8);
                at += 8 * many;
            }
        }
    }
    catenary_i64 size = at - start - 1;
    catenary_u8 head[10];
    int more = (int)(catenary_put(head, (catenary_u64)size) - head);
    if (more > 1) memmove(start + more, start + 1, (size_t)size);
    memcpy(start, head, (size_t)more);
    out->size += size + more;
    return 0;
}

/* ---- results --------------------------------------------------------------------------------- */

static inline catenary_i64 catenary_double_result(double result, int *said) {
    catenary_i64 bits;
    result += 0.0;
    *said = isfinite(result) ? CATENARY_VALUE : CATENARY_NULL;
    memcpy(&bits, &result, 8);
    return bits;
}

/* The variance, skew or kurtosis; NAN where there is none. 0 if it is too wide for the limbs here. */
static inline int catenary_moment_of(const catenary_spec *spec, const catenary_state *state, int sample,
                                     double *result) {
    catenary_u64 parts[4][CATENARY_LIMBS], totals[4 * CATENARY_LIMBS];
    int lows[4], many[4], negative[4], widths[4], starts[4], used = 0, base = CATENARY_NOWHERE, bits = 0;
    int kind = spec->degree, power;
    if (state->count >> 31) return 0;
    for (power = 1; power <= kind; power++) {
        many[power - 1] = catenary_settle(state, power, parts[power - 1], lows + power - 1, negative + power - 1);
        if (many[power - 1] && lows[power - 1] / power < base) base = lows[power - 1] / power;
    }
    if (base == CATENARY_NOWHERE) base = 0;
    int span = 0; /* limbs that a value can take in this frame */
    for (power = 1; power <= kind; power++) {
        int above = many[power - 1] ? lows[power - 1] + many[power - 1] - power * base : 0;
        widths[power - 1] = above + 1;
        if (widths[power - 1] > CATENARY_LIMBS) return 0;
        if ((above + power - 1) / power > span) span = (above + power - 1) / power;
        starts[power - 1] = used;
        used += widths[power - 1];
    }
    while (state->count >> bits) bits++;
    int full = kind * span + (kind * (bits + 2) + 63) / 64 + 1;
    for (power = 1; power <= kind; power++)
        if (widths[power - 1] > full) full = widths[power - 1];
    if (full > CATENARY_LIMBS) return 0;
    memset(totals, 0, (size_t)used * 8);
    for (power = 1; power <= kind; power++) {
        catenary_u64 *total = totals + starts[power - 1];
        memcpy(total + (many[power - 1] ? lows[power - 1] - power * base : 0), parts[power - 1],
               (size_t)many[power - 1] * 8);
        if (negative[power - 1]) catenary_negate(total, widths[power - 1]);
    }
    *result = catenary_moment(totals, widths, starts, kind, state->count, sample, 64 * base - CATENARY_UNITS, full);
    return 1;
}

/* A value as a result: a number (a double as its bits), or a text's place and size. */
static inline int catenary_finish_value(int kind, catenary_i64 image, const catenary_u8 *text, catenary_i64 length,
                                        catenary_i64 *value, catenary_i64 *size) {
    int said = CATENARY_VALUE;
    *value = image;
    if (catenary_is_text(kind)) {
        *value = (catenary_i64)(size_t)text;
        *size = length;
    } else if (kind == CATENARY_DOUBLE) {
        double result;
        catenary_u64 bits = catenary_bits(image);
        memcpy(&result, &bits, 8);
        *value = catenary_double_result(result, &said);
    }
    return said;
}

static int catenary_by_count(const void *a, const void *b) {
    const catenary_entry *left = *(const catenary_entry *const *)a, *right = *(const catenary_entry *const *)b;
    if (left->number != right->number) return left->number < right->number ? 1 : -1;
    return (left > right) - (left < right);
}

static int catenary_by_place(const void *a, const void *b) {
    const catenary_entry *left = *(const catenary_entry *const *)a, *right = *(const catenary_entry *const *)b;
    return (left > right) - (left < right);
}

/* The entries of the `k` greatest counts (0: of all), in the values' order; how many they are. */
static inline catenary_i64 catenary_choose(const catenary_state *state, int k, const catenary_entry **chosen) {
    for (catenary_i64 i = 0; i < state->many; i++) chosen[i] = state->entries + i;
    if (k <= 0 || k >= state->many) return state->many;
    qsort(chosen, (size_t)state->many, sizeof *chosen, catenary_by_count);
    qsort(chosen, (size_t)k, sizeof *chosen, catenary_by_place);
    return k;
}

/* Append entries to `items`: for each its value, size, what is said of it, and its number. */
static inline int catenary_finish_entries(const catenary_spec *spec, const catenary_state *state, int k,
                                          catenary_i64 *value, catenary_i64 *size, catenary_buffer *items) {
    const catenary_entry **chosen = (const catenary_entry **)malloc((size_t)state->many * sizeof *chosen);
    if (!chosen || catenary_reserve(items, 32 * state->many)) {
        free(chosen);
        return -1;
    }
    *value = items->size / 32;
    *size = catenary_choose(state, spec->form == CATENARY_COUNTED ? k : 0, chosen);
    for (catenary_i64 i = 0; i < *size; i++) {
        catenary_i64 item[4] = {0, 0, 0, chosen[i]->number};
        item[2] = catenary_finish_value(spec->kind, chosen[i]->image, chosen[i]->text, chosen[i]->size, item, item + 1);
        memcpy(items->data + items->size, item, sizeof item);
        items->size += sizeof item;
    }
    free(chosen);
    return CATENARY_VALUE;
}

/* The result of a state: a number (a double as its bits) in *value, or a text's place there and in *size,
 * or where its entries begin in `items` and how many there are. */
static inline int catenary_finish(const catenary_spec *spec, catenary_state *state, int sample, int k,
                                  catenary_i64 *value, catenary_i64 *size, catenary_buffer *side,
                                  catenary_buffer *items) {
    catenary_u64 limbs[CATENARY_LIMBS];
    int lowest, negative, said;
    if (catenary_is_empty(spec, state)) return CATENARY_EMPTY;
    if (spec->form == CATENARY_COUNT) {
        *value = (catenary_i64)state->count;
        return CATENARY_VALUE;
    }
    if (spec->form == CATENARY_KEPT)
        return catenary_finish_value(spec->kind, state->image, state->text, state->size, value, size);
    if (spec->form == CATENARY_LATEST)
        return catenary_finish_value(CATENARY_BINARY, 0, state->text, state->size, value, size);
    if (spec->form >= CATENARY_WINNERS) {
        if (spec->form == CATENARY_COUNTED && catenary_order_entries(spec, state, 0)) return -1;
        if (spec->tag != CATENARY_TAG_UNIQUE_COUNT) return catenary_finish_entries(spec, state, k, value, size, items);
        *value = state->many;
        return CATENARY_VALUE;
    }
    if (state->plus || state->minus) return CATENARY_NULL;
    if (spec->degree > 1) {
        double result;
        if (!catenary_moment_of(spec, state, sample, &result)) {
            *value = side->size;
            if (catenary_emit(spec, state, side)) return -1;
            *size = side->size - *value;
            return CATENARY_ASIDE;
        }
        if (spec->tag == CATENARY_TAG_STDDEV) result = sqrt(result);
        *value = catenary_double_result(result, &said);
        return said;
    }
    int many = catenary_settle(state, 1, limbs, &lowest, &negative);
    if (spec->tag == CATENARY_TAG_SUM && spec->kind != CATENARY_DOUBLE) {
        *value = 0;
        if (!many) return CATENARY_VALUE;
        if (many > 1 || lowest != CATENARY_POINT || limbs[0] > CATENARY_TOP - !negative) return CATENARY_OVERFLOW;
        *value = (catenary_i64)(negative ? 0 - limbs[0] : limbs[0]);
        return CATENARY_VALUE;
    }
    double ratio = catenary_limbs_ratio(limbs, many + 1, spec->tag == CATENARY_TAG_SUM ? 1 : state->count,
                                        64 * (catenary_i64)lowest - CATENARY_UNITS);
    *value = catenary_double_result(negative ? -ratio : ratio, &said);
    return said;
}

/* ---- rows as partials of LATEST ---------------------------------------------------------------- */

/* Write a row; the content of an array, a map or a struct stands in its column ready to be copied. */
static inline int catenary_emit_row(const catenary_column *columns, const int *kinds, catenary_i64 many, int tag,
                                    catenary_i64 row, catenary_i64 ts, catenary_buffer *out) {
    if (catenary_reserve(out, 16)) return -1;
    catenary_u8 *at = out->data + out->size;
    *at++ = CATENARY_FORMAT;
    *at++ = (catenary_u8)tag;
    out->size = catenary_put_signed(at, ts) - out->data;
    for (catenary_i64 i = 0; i < many; i++) {
        const catenary_column *column = columns + i;
        const catenary_u8 *text = NULL;
        catenary_i64 size = 0, image = 0;
        int kind = kinds[i];
        if (kind && column->valid && !column->valid[row]) kind = 0;
        if (kind && column->offsets) catenary_text_at(column, row, &text, &size);
        else if (kind) image = column->values[row];
        if (kind == CATENARY_DOUBLE) {
            if (catenary_is_nan(image)) kind = 0;
            else image = catenary_image(image);
        }
        if (catenary_reserve(out, size + 24)) return -1;
        at = out->data + out->size;
        *at++ = (catenary_u8)kind;
        if (kind) at = catenary_put_value(at, kind, image, text, size);
        out->size = at - out->data;
    }
    return 0;
}

/* The columns of a row, `step` apart: what catenary_finish gives; content of nested values as text. */
static inline int catenary_open_row(const catenary_u8 *data, catenary_i64 size, const int *kinds, catenary_i64 many,
                                    catenary_i64 step, catenary_i64 *values, catenary_i64 *sizes,
                                    catenary_u8 *said) {
    const catenary_u8 *at = data + 2, *end = data + size, *text = NULL;
    catenary_i64 ts, image = 0, length = 0;
    int kind;
    if (catenary_take_signed(&at, end, &ts)) return -1;
    for (catenary_i64 i = 0; i < many; i++) {
        if (catenary_take_column(&at, end, &kind, &image, &text, &length)) return -1;
        if (kind && kind != kinds[i]) return -1;
        if (!kind) image = length = 0;
        said[i * step] = kind ? CATENARY_VALUE : CATENARY_NULL;
        if (kind == CATENARY_DOUBLE) image = (catenary_i64)catenary_bits(image);
        values[i * step] = kind >= CATENARY_ARRAY || catenary_is_text(kind) ? (catenary_i64)(size_t)text : image;
        sizes[i * step] = length;
    }
    return at == end ? 0 : -1;
}

#endif
