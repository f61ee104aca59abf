/* JSON records to columns: one object per record, parsed against the columns.
 *
 *     bytes ──► value(column) ──► put     a member that no column is named for is checked and left out
 *
 * Columns say what they take by their kind and form. The last of members with one name wins: the column
 * is cut back to before the earlier one. Members that are not there are nulls. The depth of calls is
 * bounded: by the columns for what is kept, by JSON_DEEPEST for all. Nothing is read beyond a record's end.
 */
#ifndef CATENARY_JSONROWS_H
#define CATENARY_JSONROWS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <locale.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif
#include <math.h>

#include "grown.h"

/* What a column takes beyond its kind; a map is a list of structs. */
enum { JSON_PLAIN, JSON_DATE, JSON_TIMESTAMP, JSON_MAP, JSON_DAYS, JSON_MICROS };
/* What came instead of what was expected. */
enum { CAME_NOTHING, CAME_NULL, CAME_BOOLEAN, CAME_WHOLE, CAME_FRACTION, CAME_STRING, CAME_ARRAY, CAME_OBJECT };

#define JSON_DEEPEST 128

typedef struct {
    const uint8_t *start, *at, *end;
    const uint8_t *names;
    const int64_t *spans;
    catenary_grown *columns;
    uint8_t *text; /* of strings with escapes */
    int64_t room;
    int place, came;
} catenary_json;

/* ---- words ---------------------------------------------------------------------------------- */

static inline void json_blanks(catenary_json *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t')) in->at++;
}

static int json_word(catenary_json *in, const char *word, int size) {
    if (in->end - in->at < size) return ENDS_INSIDE;
    if (memcmp(in->at, word, (size_t)size)) return NOT_JSON;
    in->at += size;
    return 0;
}

static int json_hex(const uint8_t *at, uint32_t *unit) {
    *unit = 0;
    for (int digit = 0; digit < 4; digit++) {
        uint8_t sign = at[digit];
        int value = sign >= '0' && sign <= '9' ? sign - '0' : (sign | 32) >= 'a' && (sign | 32) <= 'f' ? (sign | 32) - 'a' + 10 : -1;
        if (value < 0) return BAD_ESCAPE;
        *unit = *unit << 4 | (uint32_t)value;
    }
    return 0;
}

static int json_escape(catenary_json *in, const uint8_t **from, uint8_t **to) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const uint8_t *p = *from + 1;
    uint8_t *out = *to;
    if (p >= in->end) return ENDS_INSIDE;
    const char *found = *p ? strchr(plain, *p) : NULL;
    if (found) {
        *out++ = (uint8_t)meant[found - plain];
        *from = p + 1;
        *to = out;
        return 0;
    }
    uint32_t point, low;
    if (*p != 'u') return BAD_ESCAPE;
    if (in->end - p < 5) return ENDS_INSIDE;
    if (json_hex(p + 1, &point)) return BAD_ESCAPE;
    p += 5;
    if (point >= 0xD800 && point < 0xE000) {
        if (point >= 0xDC00 || in->end - p < 6 || p[0] != '\\' || p[1] != 'u' || json_hex(p + 2, &low) ||
            low < 0xDC00 || low >= 0xE000)
            return BAD_ESCAPE; /* half a pair is no character */
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    if (point < 0x80) *out++ = (uint8_t)point;
    else {
        if (point < 0x800) *out++ = (uint8_t)(0xC0 | point >> 6);
        else {
            if (point < 0x10000) *out++ = (uint8_t)(0xE0 | point >> 12);
            else {
                *out++ = (uint8_t)(0xF0 | point >> 18);
                *out++ = (uint8_t)(0x80 | (point >> 12 & 63));
            }
            *out++ = (uint8_t)(0x80 | (point >> 6 & 63));
        }
        *out++ = (uint8_t)(0x80 | (point & 63));
    }
    *from = p;
    *to = out;
    return 0;
}

/* A string, its quotes taken away and its escapes undone; it stays valid until the next one is read. */
static int json_string(catenary_json *in, const uint8_t **text, int64_t *size) {
    const uint8_t *p = ++in->at;
    int odd = 0;
    while (p < in->end && *p != '"' && *p != '\\') {
        if (*p < 0x20) {
            in->at = p;
            return CONTROL;
        }
        odd |= *p++;
    }
    if (p < in->end && *p == '"') {
        *text = in->at;
        *size = p - in->at;
    } else {
        /* An escape never takes less room than what it stands for. */
        if (!in->text || in->end - in->at > in->room) {
            int64_t room = 2 * (in->end - in->at) + 64;
            uint8_t *moved = (uint8_t *)realloc(in->text, (size_t)room);
            if (!moved) return NO_MEMORY;
            in->text = moved;
            in->room = room;
        }
        int64_t clean = p - in->at;
        memcpy(in->text, in->at, (size_t)clean);
        uint8_t *out = in->text + clean;
        while (p < in->end && *p != '"') {
            if (*p == '\\') {
                int code = json_escape(in, &p, &out);
                if (code) {
                    in->at = p;
                    return code;
                }
                continue;
            }
            if (*p < 0x20) {
                in->at = p;
                return CONTROL;
            }
            odd |= *p;
            *out++ = *p++;
        }
        *text = in->text;
        *size = out - in->text;
    }
    if (p >= in->end) {
        in->at = in->end;
        return ENDS_INSIDE;
    }
    if (odd & 0x80 && catenary_not_utf8(*text, *size) != *size) return NOT_UTF8;
    in->at = p + 1;
    return 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *text;
    int64_t size;
    uint64_t digits; /* the first 19 that count */
    int64_t power;   /* of ten, for them */
    int minus, whole, exact, fits;
} catenary_number;

static int json_number(catenary_json *in, catenary_number *out) {
    const uint8_t *p = in->at, *end = in->end;
    int used = 0;
    memset(out, 0, sizeof *out);
    out->text = p;
    out->whole = out->exact = out->fits = 1;
    if (p < end && *p == '-') {
        out->minus = 1;
        p++;
    }
    if (p >= end) goto inside;
    if (*p < '0' || *p > '9') return NOT_JSON;
    if (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9') return NOT_JSON;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (used < 19) {
            out->digits = 10 * out->digits + (uint64_t)(*p - '0');
            used += used || *p != '0';
        } else {
            out->fits = 0;
            out->exact = 0;
            out->power++;
        }
    }
    if (p < end && *p == '.') {
        out->whole = 0;
        if (++p >= end) goto inside;
        if (*p < '0' || *p > '9') return NOT_JSON;
        for (; p < end && *p >= '0' && *p <= '9'; p++) {
            if (used < 19) {
                out->digits = 10 * out->digits + (uint64_t)(*p - '0');
                used += used || *p != '0';
                out->power--;
            } else if (*p != '0') out->exact = 0;
        }
    }
    if (p < end && (*p | 32) == 'e') {
        int down = 0;
        int64_t power = 0;
        out->whole = 0;
        if (++p < end && (*p == '+' || *p == '-')) down = *p++ == '-';
        if (p >= end) goto inside;
        if (*p < '0' || *p > '9') return NOT_JSON;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (power < 100000000) power = 10 * power + (*p - '0');
        out->power += down ? -power : power;
    }
    out->size = p - in->at;
    in->at = p;
    return 0;
inside:
    in->at = end;
    return ENDS_INSIDE;
}

static int json_whole(const catenary_number *number, int64_t *value) {
    if (!number->fits || number->digits > (uint64_t)INT64_MAX + (uint64_t)number->minus) return NO_FIT;
    *value = number->minus ? (int64_t)(0 - number->digits) : (int64_t)number->digits;
    return 0;
}

/* `strtod` of the C locale, whatever the process's is. */
static double json_strtod(const char *text) {
#if defined(_WIN32)
    static _locale_t plain;
    if (!plain) plain = _create_locale(LC_ALL, "C");
    return _strtod_l(text, NULL, plain);
#else
    static locale_t plain;
    locale_t known = __atomic_load_n(&plain, __ATOMIC_ACQUIRE), none = (locale_t)0;
    if (!known) {
        known = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (!known) return NAN;
        if (!__atomic_compare_exchange_n(&plain, &none, known, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            freelocale(known);
            known = none;
        }
    }
    return strtod_l(text, NULL, known);
#endif
}

/* The double nearest to the number; what is beyond all doubles does not fit. */
static int json_double(const catenary_number *number, double *value) {
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number->exact && number->digits <= (1ULL << 53) && number->power >= -22 && number->power <= 22) {
        /* Both are exact, so that one rounding is all there is. */
        double digits = (double)number->digits;
        *value = number->power < 0 ? digits / tens[-number->power] : digits * tens[number->power];
        if (number->minus) *value = -*value;
        return 0;
    }
    char here[64], *text = here;
    if (number->size >= (int64_t)sizeof here && !(text = (char *)malloc((size_t)number->size + 1))) return NO_MEMORY;
    memcpy(text, number->text, (size_t)number->size);
    text[number->size] = 0;
    *value = json_strtod(text);
    if (text != here) free(text);
    return isfinite(*value) ? 0 : NO_FIT;
}

/* ---- times ---------------------------------------------------------------------------------- */

static int json_digits(const uint8_t **at, const uint8_t *end, int many, int64_t *value) {
    *value = 0;
    if (end - *at < many) return -1;
    for (; many; many--, (*at)++) {
        if (**at < '0' || **at > '9') return -1;
        *value = 10 * *value + (**at - '0');
    }
    return 0;
}

static int json_sign(const uint8_t **at, const uint8_t *end, uint8_t sign) {
    if (*at >= end || **at != sign) return -1;
    (*at)++;
    return 0;
}

/* yyyy-mm-dd as days since 1970-01-01, in the proleptic Gregorian calendar. */
static int json_days(const uint8_t **at, const uint8_t *end, int64_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (json_digits(at, end, 4, &year) || json_sign(at, end, '-') || json_digits(at, end, 2, &month) ||
        json_sign(at, end, '-') || json_digits(at, end, 2, &day) || year < 1 || month < 1 || month > 12)
        return -1;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > lengths[month - 1] + (month == 2 && leap)) return -1;
    /* Years begin in March here, so that the odd day is a year's last. */
    int64_t from = year - (month <= 2), era = from / 400, of_era = from - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 0;
}

static int json_date(const uint8_t *text, int64_t size, int64_t *days) {
    const uint8_t *end = text + size;
    return json_days(&text, end, days) || text != end ? NOT_DATE : 0;
}

/* ISO 8601 with a zone, as microseconds; digits beyond those are cut off. */
static int json_instant(const uint8_t *at, int64_t size, int64_t *micros) {
    const uint8_t *end = at + size;
    int64_t days, hour, minute, second = 0, fraction = 0, zone = 0, more = 0;
    if (json_days(&at, end, &days) || at >= end || (*at != 'T' && *at != 't' && *at != ' ')) return NOT_TIME;
    at++;
    if (json_digits(&at, end, 2, &hour) || json_sign(&at, end, ':') || json_digits(&at, end, 2, &minute))
        return NOT_TIME;
    if (!json_sign(&at, end, ':')) {
        if (json_digits(&at, end, 2, &second)) return NOT_TIME;
        if (at < end && (*at == '.' || *at == ',')) {
            int64_t unit = 100000;
            const uint8_t *first = ++at;
            for (; at < end && *at >= '0' && *at <= '9'; at++, unit /= 10) fraction += unit * (*at - '0');
            if (at == first) return NOT_TIME;
        }
    }
    if (hour > 23 || minute > 59 || second > 59) return NOT_TIME;
    if (at >= end) return NO_ZONE;
    if (*at == 'Z' || *at == 'z') at++;
    else if (*at == '+' || *at == '-') {
        int west = *at++ == '-';
        if (json_digits(&at, end, 2, &zone)) return NOT_TIME;
        if (at < end) {
            json_sign(&at, end, ':');
            if (json_digits(&at, end, 2, &more)) return NOT_TIME;
        }
        if (zone > 23 || more > 59) return NOT_TIME;
        zone = (zone * 60 + more) * (west ? -60 : 60);
    }
    if (at != end) return NOT_TIME;
    *micros = (((days * 24 + hour) * 60 + minute) * 60 + second - zone) * 1000000 + fraction;
    return 0;
}

/* ---- values --------------------------------------------------------------------------------- */

static int json_skip(catenary_json *in, int depth);
static int json_value(catenary_json *in, int at, int depth);

static int json_came(uint8_t sign) {
    switch (sign) {
    case '"': return CAME_STRING;
    case '{': return CAME_OBJECT;
    case '[': return CAME_ARRAY;
    case 't':
    case 'f': return CAME_BOOLEAN;
    case 'n': return CAME_NULL;
    default: return sign == '-' || (sign >= '0' && sign <= '9') ? CAME_WHOLE : CAME_NOTHING;
    }
}

static int json_other(catenary_json *in, int at, int came) {
    if (in->place < 0) {
        in->place = at;
        in->came = came;
    }
    return OTHER_TYPE;
}

static int json_base64(catenary_grown *column, const uint8_t *text, int64_t size) {
    if (size % 4) return NOT_BASE64;
    int code = grown_text_room(column, size / 4 * 3);
    if (code) return code;
    uint8_t *out = column->data + column->size, *first = out;
    for (int64_t at = 0; at < size; at += 4) {
        uint32_t bits = 0;
        int padding = 0;
        for (int sign = 0; sign < 4; sign++) {
            uint8_t letter = text[at + sign];
            uint32_t value;
            if (letter >= 'A' && letter <= 'Z') value = letter - 'A';
            else if (letter >= 'a' && letter <= 'z') value = letter - 'a' + 26u;
            else if (letter >= '0' && letter <= '9') value = letter - '0' + 52u;
            else if (letter == '+') value = 62;
            else if (letter == '/') value = 63;
            else if (letter == '=' && at + 4 == size && sign >= 2) {
                value = 0;
                padding++;
            } else return NOT_BASE64;
            if (padding && letter != '=') return NOT_BASE64;
            bits = bits << 6 | value;
        }
        if (padding && bits & (padding == 1 ? 0xFFu : 0xFFFFu)) return NOT_BASE64;
        *out++ = (uint8_t)(bits >> 16);
        if (padding < 2) *out++ = (uint8_t)(bits >> 8);
        if (padding < 1) *out++ = (uint8_t)bits;
    }
    grown_written(column, out - first);
    return 0;
}

static int json_text_into(catenary_json *in, int at, const uint8_t *text, int64_t size) {
    catenary_grown *column = in->columns + at;
    int64_t number;
    int code;
    if (column->kind == GROWN_BINARY) return json_base64(column, text, size);
    if (column->form == JSON_DATE || column->form == JSON_DAYS) {
        if ((code = json_date(text, size, &number))) return code;
        return grown_whole(column, number);
    }
    if (column->form == JSON_TIMESTAMP || column->form == JSON_MICROS) {
        if ((code = json_instant(text, size, &number))) return code;
        return grown_i64(column, number);
    }
    if (column->kind == GROWN_TEXT) return grown_text(column, text, size);
    return json_other(in, at, CAME_STRING);
}

static int json_number_into(catenary_json *in, int at) {
    catenary_grown *column = in->columns + at;
    catenary_number number;
    const uint8_t *start = in->at;
    int64_t whole;
    double value;
    int code = json_number(in, &number);
    if (code) return code;
    if (column->kind == GROWN_F64 || column->kind == GROWN_F32) {
        if (!(code = json_double(&number, &value)) && column->kind == GROWN_F32 && !isfinite((float)value)) code = NO_FIT;
        if (!code) return grown_f64(column, value);
    } else if (column->kind >= GROWN_I8 && column->kind <= GROWN_I64 && column->form != JSON_DATE) {
        if (!number.whole) code = json_other(in, at, CAME_FRACTION);
        else if (!(code = json_whole(&number, &whole))) {
            if (column->form == JSON_TIMESTAMP && __builtin_mul_overflow(whole, (int64_t)1000, &whole)) code = NO_FIT;
            else code = grown_whole(column, whole);
        }
    } else code = json_other(in, at, number.whole ? CAME_WHOLE : CAME_FRACTION);
    if (code) in->at = start;
    return code;
}

/* What follows an item: 0 for another, 1 for the end. */
static int json_more(catenary_json *in, uint8_t close, int *ended) {
    json_blanks(in);
    if (in->at >= in->end) return ENDS_INSIDE;
    *ended = *in->at == close;
    if (!*ended && *in->at != ',') return NOT_JSON;
    in->at++;
    json_blanks(in);
    return in->at >= in->end && !*ended ? ENDS_INSIDE : 0;
}

/* A member's name and the colon; `in->at` is the value's first byte then. */
static int json_name(catenary_json *in, const uint8_t **name, int64_t *size) {
    if (in->at >= in->end) return ENDS_INSIDE;
    if (*in->at != '"') return NOT_JSON;
    int code = json_string(in, name, size);
    if (code) return code;
    json_blanks(in);
    if (in->at >= in->end) return ENDS_INSIDE;
    if (*in->at != ':') return NOT_JSON;
    in->at++;
    json_blanks(in);
    return in->at >= in->end ? ENDS_INSIDE : 0;
}

/* Steps over the opening bracket; says whether nothing stands between it and the closing one. */
static int json_open(catenary_json *in, uint8_t close, int *ended) {
    in->at++;
    json_blanks(in);
    if (in->at >= in->end) return ENDS_INSIDE;
    *ended = *in->at == close;
    if (*ended) in->at++;
    return 0;
}

static int json_struct(catenary_json *in, int at, int depth) {
    catenary_grown *columns = in->columns, *column = columns + at;
    const int first = column->first, many = column->many;
    const int64_t row = column->length;
    int code, ended, next = 0;
    if ((code = json_open(in, '}', &ended))) return code;
    while (!ended) {
        const uint8_t *name;
        int64_t size;
        int found = -1;
        if ((code = json_name(in, &name, &size))) return code;
        /* Producers write members in one order mostly: the next column is tried first. */
        for (int tried = 0, child = next < many ? next : 0; tried < many; tried++) {
            const int64_t *span = in->spans + 2 * (first + child);
            if (span[1] - span[0] == size && !memcmp(in->names + span[0], name, (size_t)size)) {
                found = child;
                break;
            }
            if (++child == many) child = 0;
        }
        if (found < 0) code = json_skip(in, depth + 1);
        else {
            next = found + 1;
            if (columns[first + found].length > row) grown_cut(columns, first + found, row);
            code = json_value(in, first + found, depth + 1);
        }
        if (code || (code = json_more(in, '}', &ended))) return code;
    }
    for (int child = first; child < first + many; child++)
        if (columns[child].length == row && (code = grown_null(columns, child))) return code;
    return grown_struct(column);
}

static int json_key(catenary_json *in, int at, const uint8_t *text, int64_t size) {
    catenary_grown *column = in->columns + at;
    if (column->kind == GROWN_TEXT) return grown_text(column, text, size);
    catenary_json part = *in;
    catenary_number number;
    int64_t whole;
    part.at = part.start = text;
    part.end = text + size;
    if (json_number(&part, &number) || part.at != part.end || !number.whole) return BAD_KEY;
    int code = json_whole(&number, &whole);
    return code ? code : grown_whole(column, whole);
}

/* The entries of a map, without those that are marked. */
static int json_entries(catenary_json *in, int at, int depth, const uint8_t *marks) {
    catenary_grown *columns = in->columns;
    const int entry = columns[at].first, key = columns[entry].first, item = key + 1;
    int code, ended;
    if ((code = json_open(in, '}', &ended))) return code;
    for (int64_t member = 0; !ended; member++) {
        const uint8_t *name, *start = in->at;
        int64_t size;
        if ((code = json_name(in, &name, &size))) return code;
        if (marks && marks[member]) code = json_skip(in, depth + 1);
        else if ((code = json_key(in, key, name, size))) {
            in->at = start;
            if (in->place < 0) in->place = key;
        } else if (!(code = json_value(in, item, depth + 1))) code = grown_struct(columns + entry);
        if (code || (code = json_more(in, '}', &ended))) return code;
    }
    return 0;
}

/* Of entries with one key the last counts: if there are any, the map is read again without the others. */
static int json_map(catenary_json *in, int at, int depth) {
    catenary_grown *columns = in->columns;
    const int entry = columns[at].first;
    const int64_t first = columns[entry].length;
    const uint8_t *start = in->at;
    uint8_t *marks = NULL;
    int code = json_entries(in, at, depth, NULL);
    if (code) return code;
    if (columns[entry].length - first > 1) {
        int64_t found = grown_superseded(columns + columns[entry].first, first, &marks);
        if (found > 0) {
            grown_cut(columns, entry, first);
            in->at = start;
            code = json_entries(in, at, depth, marks);
        }
        free(marks);
        if (found < 0) return NO_MEMORY;
    }
    return code ? code : grown_list(columns, at);
}

static int json_list(catenary_json *in, int at, int depth) {
    int code, ended;
    if ((code = json_open(in, ']', &ended))) return code;
    while (!ended)
        if ((code = json_value(in, in->columns[at].first, depth + 1)) || (code = json_more(in, ']', &ended))) return code;
    return grown_list(in->columns, at);
}

static int json_value(catenary_json *in, int at, int depth) {
    catenary_grown *column = in->columns + at;
    const uint8_t *start = in->at, *text;
    int64_t size;
    int code;
    if (depth > JSON_DEEPEST) return TOO_DEEP;
    switch (*in->at) {
    case '"':
        if ((code = json_string(in, &text, &size))) break;
        if ((code = json_text_into(in, at, text, size))) in->at = start;
        break;
    case '{':
        if (column->kind == GROWN_STRUCT) code = json_struct(in, at, depth);
        else if (column->form == JSON_MAP) code = json_map(in, at, depth);
        else code = json_other(in, at, CAME_OBJECT);
        break;
    case '[':
        if (column->kind == GROWN_LIST && column->form != JSON_MAP) code = json_list(in, at, depth);
        else code = json_other(in, at, CAME_ARRAY);
        break;
    case 'n':
        if (!(code = json_word(in, "null", 4))) code = grown_null(in->columns, at);
        break;
    case 't':
    case 'f': {
        int is = *in->at == 't';
        if ((code = is ? json_word(in, "true", 4) : json_word(in, "false", 5))) break;
        if (column->kind == GROWN_BOOL) code = grown_whole(column, is);
        else {
            code = json_other(in, at, CAME_BOOLEAN);
            in->at = start;
        }
        break;
    }
    default:
        code = json_came(*in->at) == CAME_WHOLE ? json_number_into(in, at) : NOT_JSON;
        break;
    }
    if (code && in->place < 0) in->place = at;
    return code;
}

/* A value that no column takes: it is checked all the same. */
static int json_skip(catenary_json *in, int depth) {
    const uint8_t *text;
    catenary_number number;
    int64_t size;
    int code, ended;
    if (depth > JSON_DEEPEST) return TOO_DEEP;
    switch (*in->at) {
    case '"': return json_string(in, &text, &size);
    case 'n': return json_word(in, "null", 4);
    case 't': return json_word(in, "true", 4);
    case 'f': return json_word(in, "false", 5);
    case '[':
        if ((code = json_open(in, ']', &ended))) return code;
        while (!ended)
            if ((code = json_skip(in, depth + 1)) || (code = json_more(in, ']', &ended))) return code;
        return 0;
    case '{':
        if ((code = json_open(in, '}', &ended))) return code;
        while (!ended)
            if ((code = json_name(in, &text, &size)) || (code = json_skip(in, depth + 1)) ||
                (code = json_more(in, '}', &ended)))
                return code;
        return 0;
    default: return json_came(*in->at) == CAME_WHOLE ? json_number(in, &number) : NOT_JSON;
    }
}

/* The rows of `many` records, `header` bytes before each left out; as catenary_avro_rows. */
static int64_t catenary_json_rows(const uint8_t *names, const int64_t *spans, catenary_grown *columns,
                                  const catenary_records *records, catenary_refusals *refused) {
    const uint8_t *data = records->data;
    const int64_t *offsets = records->offsets;
    catenary_json in = {0};
    in.names = names;
    in.spans = spans;
    in.columns = columns;
    int64_t rows = 0;
    for (int64_t row = 0; row < records->many; row++) {
        int code;
        in.start = data + offsets[row];
        in.at = in.start + records->header;
        in.end = data + offsets[row + 1];
        in.place = -1;
        in.came = 0;
        if (!catenary_is_there(records, row)) code = NO_VALUE;
        else if (in.at == in.end) code = NO_BYTES;
        else {
            json_blanks(&in);
            if (in.at >= in.end) code = NO_BYTES;
            else if (*in.at != '{') {
                in.came = json_came(*in.at);
                code = in.came ? NOT_OBJECT : NOT_JSON;
            } else if (!(code = json_struct(&in, 0, 1))) {
                json_blanks(&in);
                if (in.at != in.end) code = TRAILING;
            }
        }
        if (!code) {
            rows++;
            continue;
        }
        grown_cut(columns, 0, rows);
        catenary_refusal said = {row, in.at - in.start, code, in.place, in.came, 0};
        if (code == NO_MEMORY || catenary_refuse(refused, said)) {
            rows = -1;
            break;
        }
    }
    free(in.text);
    return rows;
}

#endif
