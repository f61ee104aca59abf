/* Exact arithmetic under the totals: fixed-point numbers of 1 to CATENARY_LIMBS 64-bit limbs.
 *
 * A number of W limbs is two's complement, least limb first, in units of a power of two that all
 * values of a key share (its frame). Additions wrap, so that what left a window can be subtracted in
 * any order; only the total itself must fit, which the frame sees to. Rounding happens once, to
 * nearest, ties to even, subnormal results included.
 */
#ifndef CATENARY_LIMBS_H
#define CATENARY_LIMBS_H

#include <math.h>
#include <string.h>

typedef long long catenary_i64;
typedef unsigned long long catenary_u64;
typedef __int128 catenary_i128;
typedef unsigned __int128 catenary_u128;

/* Fourth powers of doubles from 2^-1074 to 2^1023: 4 * (2098 + 31) + 8 bits are 134 limbs. */
#define CATENARY_LIMBS 140
#define CATENARY_TOP ((catenary_u64)1 << 63)

/* ---- values -------------------------------------------------------------------------------- */

/* The bits of a double from its order-keeping image (columns.py). */
static inline catenary_u64 catenary_bits(catenary_i64 image) {
    return image >= 0 ? (catenary_u64)image : ((catenary_u64)~image | CATENARY_TOP);
}

/* A finite value as (-1)^negative * size * 2^exponent; infinities count as 0 here. */
static inline catenary_u64 catenary_open(catenary_i64 image, int is_double, int *negative, int *exponent) {
    if (!is_double) {
        *negative = image < 0;
        *exponent = 0;
        return image < 0 ? 0 - (catenary_u64)image : (catenary_u64)image;
    }
    catenary_u64 bits = catenary_bits(image);
    int raised = (int)(bits >> 52) & 0x7FF;
    catenary_u64 size = bits & (((catenary_u64)1 << 52) - 1);
    *negative = (int)(bits >> 63);
    if (raised == 0x7FF) {
        *exponent = 0;
        return 0;
    }
    *exponent = raised ? raised - 1075 : -1074;
    return raised ? size | ((catenary_u64)1 << 52) : size;
}

/* The value in units of 2^lowest, of which it is a multiple; fits where the frame has up to 63 bits. */
static inline catenary_i64 catenary_units(catenary_i64 image, int is_double, int lowest) {
    int negative, exponent;
    catenary_u64 size = catenary_open(image, is_double, &negative, &exponent);
    if (!size) return 0;
    int shift = exponent - lowest;
    size = shift >= 0 ? size << shift : size >> -shift;
    return negative ? (catenary_i64)(0 - size) : (catenary_i64)size;
}

/* Widen the frame [*lowest, *highest) of bits to hold the value. */
static inline void catenary_widen(catenary_i64 image, int is_double, int *lowest, int *highest) {
    int negative, exponent;
    catenary_u64 size = catenary_open(image, is_double, &negative, &exponent);
    if (!size) return;
    int low = exponent + __builtin_ctzll(size), high = exponent + 64 - __builtin_clzll(size);
    if (low < *lowest) *lowest = low;
    if (high > *highest) *highest = high;
}

/* ---- rounding ------------------------------------------------------------------------------ */

static inline int catenary_length(catenary_u128 m) {
    catenary_u64 high = (catenary_u64)(m >> 64), low = (catenary_u64)m;
    return high ? 128 - __builtin_clzll(high) : (low ? 64 - __builtin_clzll(low) : 0);
}

/* m * 2^exponent rounded; m may carry a sticky lowest bit if it has 56 bits or more. */
static inline double catenary_round(catenary_u128 m, catenary_i64 exponent) {
    int bits = catenary_length(m);
    if (!bits) return 0.0;
    if (exponent > 2000) return INFINITY;
    if (bits + exponent > -1022) return ldexp((double)m, (int)exponent);
    if (exponent < -1074 - 128) return 0.0;
    int drop = (int)(-1074 - exponent);
    if (drop <= 0) return ldexp((double)m, (int)exponent);
    catenary_u128 kept = drop < 128 ? m >> drop : 0;
    catenary_u128 rest = m - (drop < 128 ? kept << drop : 0);
    catenary_u128 half = (catenary_u128)1 << (drop - 1);
    if (rest > half || (rest == half && (kept & 1))) kept += 1;
    return ldexp((double)kept, -1074);
}

/* m / divisor * 2^exponent, rounded once. */
static inline double catenary_ratio(catenary_u128 m, catenary_u64 divisor, catenary_i64 exponent) {
    const catenary_u64 exact = (catenary_u64)1 << 53;
    if (!m) return 0.0;
    if (m <= exact && divisor <= exact && exponent > -900 && exponent < 900)
        return ldexp((double)(catenary_u64)m / (double)divisor, (int)exponent);
    int shift = 58 - (catenary_length(m) - (64 - __builtin_clzll(divisor)));
    if (shift < 0) shift = 0;
    m <<= shift;
    catenary_u128 quotient = m / divisor;
    if (quotient * divisor != m) quotient |= 1;
    return catenary_round(quotient, exponent - shift);
}

/* The same of a signed 128-bit total. */
static inline double catenary_signed_ratio(catenary_i128 total, catenary_u64 divisor, catenary_i64 exponent) {
    return total < 0 ? -catenary_ratio(-(catenary_u128)total, divisor, exponent)
                     : catenary_ratio((catenary_u128)total, divisor, exponent);
}

/* ---- 64 bits: totals that prefix sums of 64 bits hold --------------------------------------- */

static inline double catenary_mean64(catenary_i64 total, catenary_i64 count, int lowest, double unit) {
    catenary_i64 size = total < 0 ? -total : total;
    if (size <= ((catenary_i64)1 << 53)) return (double)total / (double)count * unit;
    return catenary_signed_ratio(total, (catenary_u64)count, lowest);
}

/* ---- W limbs -------------------------------------------------------------------------------- */

/* Add (or subtract) `many` limbs shifted left by `shift` bits; what runs over the top wraps. */
static inline void catenary_add(catenary_u64 *total, int width, const catenary_u64 *value, int many,
                                int shift, int subtract) {
    int at = shift >> 6, off = shift & 63, i;
    catenary_u64 carry = 0, rest = 0;
    for (i = 0; at < width; i++, at++) {
        catenary_u64 limb = i < many ? value[i] : 0;
        catenary_u64 part = off ? (limb << off) | rest : limb;
        rest = off ? limb >> (64 - off) : 0;
        if (i > many && !carry) return;
        if (subtract) {
            catenary_u64 before = total[at], less = before - part;
            catenary_u64 borrow = before < part;
            total[at] = less - carry;
            carry = borrow | (less < carry);
        } else {
            catenary_u64 more = total[at] + part;
            catenary_u64 over = more < part;
            total[at] = more + carry;
            carry = over | (total[at] < more);
        }
    }
}

/* Add the powers 1 to `degree` of a value; power p has widths[p - 1] limbs from totals + starts[p - 1]. */
static inline void catenary_add_powers(catenary_u64 *totals, const int *widths, const int *starts, int degree,
                                       catenary_i64 image, int is_double, int lowest, int subtract) {
    int negative, exponent, p, i;
    catenary_u64 size = catenary_open(image, is_double, &negative, &exponent);
    if (!size) return;
    int shift = exponent - lowest;
    if (shift < 0) {
        size >>= -shift;
        shift = 0;
    }
    catenary_u64 power[4] = {size, 0, 0, 0};
    for (p = 1;; p++) {
        catenary_add(totals + starts[p - 1], widths[p - 1], power, p, p * shift,
                     subtract ^ (negative & p & 1));
        if (p == degree) return;
        catenary_u64 carry = 0;
        for (i = 0; i < p; i++) {
            catenary_u128 product = (catenary_u128)power[i] * size + carry;
            power[i] = (catenary_u64)product;
            carry = (catenary_u64)(product >> 64);
        }
        power[p] = carry;
    }
}

static inline void catenary_negate(catenary_u64 *number, int width) {
    catenary_u64 carry = 1;
    for (int i = 0; i < width; i++) {
        number[i] = ~number[i] + carry;
        carry = carry && !number[i];
    }
}

/* The magnitude into `out`; returns 1 if the number was negative. */
static inline int catenary_magnitude(const catenary_u64 *number, int width, catenary_u64 *out) {
    memcpy(out, number, (size_t)width * 8);
    if (!(number[width - 1] >> 63)) return 0;
    catenary_negate(out, width);
    return 1;
}

/* The top 128 bits of a magnitude with a sticky lowest bit; *dropped receives the bits below. */
static inline catenary_u128 catenary_crown(const catenary_u64 *size, int width, int sticky, catenary_i64 *dropped) {
    int top = width - 1;
    while (top > 0 && !size[top]) top--;
    *dropped = 0;
    if (top == 0) return (catenary_u128)size[0];
    for (int i = 0; i < top - 1 && !sticky; i++) sticky = size[i] != 0;
    *dropped = 64 * (catenary_i64)(top - 1);
    return ((catenary_u128)size[top] << 64) | size[top - 1] | (catenary_u128)(sticky != 0);
}

/* number / divisor * 2^exponent, rounded once; divisor 1 gives the number itself. */
static inline double catenary_limbs_ratio(const catenary_u64 *number, int width, catenary_u64 divisor,
                                          catenary_i64 exponent) {
    catenary_u64 size[CATENARY_LIMBS + 2];
    catenary_i64 dropped;
    catenary_u128 rest = 0, crown;
    size[0] = size[1] = 0;
    int negative = catenary_magnitude(number, width, size + 2), i;
    if (divisor == 1) {
        crown = catenary_crown(size + 2, width, 0, &dropped);
    } else {
        for (i = width + 1; i >= 0; i--) {
            rest = (rest << 64) | size[i];
            if (rest) {
                size[i] = (catenary_u64)(rest / divisor);
                rest -= (catenary_u128)size[i] * divisor;
            }
        }
        /* The quotient has 65 bits or more unless the number is 0: the sticky bit lies low enough. */
        crown = catenary_crown(size, width + 2, rest != 0, &dropped);
        dropped -= 128;
    }
    double rounded = catenary_round(crown, exponent + dropped);
    return negative ? -rounded : rounded;
}

/* ---- moments: from exact sums of powers ------------------------------------------------------ */

/* a * b modulo 2^(64 width), two's complement. */
static inline void catenary_multiply(catenary_u64 *out, const catenary_u64 *a, const catenary_u64 *b, int width) {
    memset(out, 0, (size_t)width * 8);
    for (int i = 0; i < width; i++) {
        catenary_u64 carry = 0;
        if (!a[i]) continue;
        for (int j = 0; i + j < width; j++) {
            catenary_u128 sum = (catenary_u128)a[i] * b[j] + out[i + j] + carry;
            out[i + j] = (catenary_u64)sum;
            carry = (catenary_u64)(sum >> 64);
        }
    }
}

static inline void catenary_multiply_small(catenary_u64 *number, catenary_u64 factor, int width) {
    catenary_u64 carry = 0;
    for (int i = 0; i < width; i++) {
        catenary_u128 product = (catenary_u128)number[i] * factor + carry;
        number[i] = (catenary_u64)product;
        carry = (catenary_u64)(product >> 64);
    }
}

static inline void catenary_extend(catenary_u64 *out, const catenary_u64 *number, int width, int full) {
    catenary_u64 fill = number[width - 1] >> 63 ? ~(catenary_u64)0 : 0;
    for (int i = 0; i < full; i++) out[i] = i < width ? number[i] : fill;
}

/* A number as d * 2^*exponent with d of about 2^64 to 2^128. */
static inline double catenary_split(const catenary_u64 *number, int width, catenary_i64 *exponent) {
    catenary_u64 size[CATENARY_LIMBS];
    int negative = catenary_magnitude(number, width, size);
    double d = (double)catenary_crown(size, width, 0, exponent);
    return negative ? -d : d;
}

/* The moment of n values (kind 2 variance, 3 skew, 4 kurtosis) from their sums of powers, which lie
 * as in catenary_add_powers; `full` limbs hold every term. NAN where there is no value.
 *   A = n S2 - S1^2            = n^2 m2
 *   B = n^2 S3 - 3 n S1 S2 + 2 S1^3  = n^3 m3,   skew = B / A^1.5
 *   C = n^3 S4 - 4 n^2 S1 S3 + 6 n S1^2 S2 - 3 S1^4 = n^4 m4,   kurtosis = C / A^2 - 3
 */
static inline double catenary_moment(const catenary_u64 *totals, const int *widths, const int *starts, int kind,
                                     catenary_u64 n, int sample, int lowest, int full) {
    catenary_u64 s[4][CATENARY_LIMBS], a[CATENARY_LIMBS], t[CATENARY_LIMBS], u[CATENARY_LIMBS], sum[CATENARY_LIMBS];
    catenary_i64 ea, eb;
    int p, i, zero = 1;
    if (n < (catenary_u64)(kind == 2 ? (sample ? 2 : 1) : kind)) return NAN;
    for (p = 0; p < kind; p++) catenary_extend(s[p], totals + starts[p], widths[p], full);
    memcpy(a, s[1], (size_t)full * 8);
    catenary_multiply_small(a, n, full);
    catenary_multiply(t, s[0], s[0], full);
    catenary_add(a, full, t, full, 0, 1);
    for (i = 0; i < full && zero; i++) zero = a[i] == 0;
    if (kind == 2) return catenary_limbs_ratio(a, full, n * (sample ? n - 1 : n), 2 * (catenary_i64)lowest);
    if (zero) return NAN;
    if (kind == 3) {
        memcpy(sum, s[2], (size_t)full * 8);
        catenary_multiply_small(sum, n * n, full);
        catenary_multiply(u, s[0], s[1], full);
        catenary_multiply_small(u, 3 * n, full);
        catenary_add(sum, full, u, full, 0, 1);
        catenary_multiply(u, t, s[0], full);
        catenary_add(sum, full, u, full, 1, 0);
    } else {
        memcpy(sum, s[3], (size_t)full * 8);
        catenary_multiply_small(sum, n, full);
        catenary_multiply(u, s[0], s[2], full);
        catenary_add(sum, full, u, full, 2, 1);
        catenary_multiply_small(sum, n * n, full);
        catenary_multiply(u, t, s[1], full);
        catenary_multiply_small(u, 6 * n, full);
        catenary_add(sum, full, u, full, 0, 0);
        catenary_multiply(u, t, t, full);
        catenary_multiply_small(u, 3, full);
        catenary_add(sum, full, u, full, 0, 1);
    }
    double da = catenary_split(a, full, &ea), db = catenary_split(sum, full, &eb);
    if (kind == 4) return ldexp(db / da / da, (int)(eb - 2 * ea)) - 3.0;
    /* ea is a multiple of 64, so 1.5 ea is whole. */
    return ldexp(db / (da * sqrt(da)), (int)(eb - ea - ea / 2));
}

/* ---- moments of values that are small integers in their frame -------------------------------- */

/* Sums of powers, modulo 2^128, of values in units. */
typedef struct {
    catenary_i64 s1;
    catenary_u128 s2, s3, s4;
} catenary_powers;

static inline void catenary_clear(catenary_powers *sums) { memset(sums, 0, sizeof *sums); }

static inline void catenary_enter(catenary_powers *sums, catenary_i64 v, int kind) {
    catenary_u128 square = (catenary_u128)((catenary_i128)v * v);
    sums->s1 += v;
    sums->s2 += square;
    if (kind > 2) sums->s3 += square * (catenary_u128)(catenary_i128)v;
    if (kind > 3) sums->s4 += square * square;
}

static inline void catenary_leave(catenary_powers *sums, catenary_i64 v, int kind) {
    catenary_u128 square = (catenary_u128)((catenary_i128)v * v);
    sums->s1 -= v;
    sums->s2 -= square;
    if (kind > 2) sums->s3 -= square * (catenary_u128)(catenary_i128)v;
    if (kind > 3) sums->s4 -= square * square;
}

/* As catenary_moment. The sums are first moved to the whole number c nearest to the mean: the moved
 * sums are small and still exact, and what is left of the mean, |d| <= 1/2 unit, cancels at most
 * half of the variance, so that plain doubles are good for 1e-13 from there on. */
static inline double catenary_small_moment(const catenary_powers *sums, int kind, catenary_u64 n, int sample,
                                           int lowest) {
    if (n < (catenary_u64)(kind == 2 ? (sample ? 2 : 1) : kind)) return NAN;
    catenary_i128 s1 = sums->s1;
    if (kind == 2) {
        catenary_u128 a = sums->s2 * n - (catenary_u128)(s1 * s1);
        return catenary_ratio(a, n * (sample ? n - 1 : n), 2 * (catenary_i64)lowest);
    }
    catenary_i64 centre = sums->s1 / (catenary_i64)n, rest = sums->s1 % (catenary_i64)n;
    if (2 * rest > (catenary_i64)n) centre += 1;
    if (-2 * rest > (catenary_i64)n) centre -= 1;
    catenary_u128 c = (catenary_u128)(catenary_i128)centre, c2 = c * c, s = (catenary_u128)s1;
    catenary_u128 t2 = sums->s2 - 2 * c * s + c2 * n;
    catenary_u128 t3 = sums->s3 - 3 * c * sums->s2 + 3 * c2 * s - c2 * c * n;
    if (!t2) return NAN;
    double count = (double)n;
    double d = (double)(sums->s1 - centre * (catenary_i64)n) / count;
    double m2 = (double)t2 / count - d * d;
    double raw3 = (double)(catenary_i128)t3 / count;
    if (kind == 3) return (raw3 - 3 * d * ((double)t2 / count) + 2 * d * d * d) / (m2 * sqrt(m2));
    catenary_u128 t4 = sums->s4 - 4 * c * sums->s3 + 6 * c2 * sums->s2 - 4 * c2 * c * s + c2 * c2 * n;
    double m4 = (double)t4 / count - 4 * d * raw3 + 6 * d * d * ((double)t2 / count) - 3 * d * d * d * d;
    return m4 / (m2 * m2) - 3.0;
}

#endif
