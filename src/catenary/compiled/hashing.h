/* Hashes of keys for the open-addressing tables of keys.py, and bits of words for distinct.py.
 * Hashes are not stored anywhere: free to change. */
#ifndef CATENARY_HASHING_H
#define CATENARY_HASHING_H

#include <string.h>

/* The halves of a 128-bit product, folded: every bit of the result depends on every bit of x. */
static inline unsigned long long catenary_mix(unsigned long long x) {
    unsigned __int128 product = (unsigned __int128)(x ^ 0xA0761D6478BD642FULL) * 0xE7037ED1A0B428DBULL;
    return (unsigned long long)product ^ (unsigned long long)(product >> 64);
}

static inline unsigned long long catenary_hash_bytes(const unsigned char *data, long long length) {
    unsigned long long hash = catenary_mix((unsigned long long)length + 1), word;
    while (length >= 8) {
        memcpy(&word, data, 8);
        hash = catenary_mix(hash ^ word);
        data += 8;
        length -= 8;
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, data, (size_t)length);
        hash = catenary_mix(hash ^ word);
    }
    return catenary_mix(hash);
}

static inline int catenary_same_bytes(const unsigned char *a, const unsigned char *b, long long n) {
    return memcmp(a, b, (size_t)n) == 0;
}

static inline void catenary_prefetch(const void *address) { __builtin_prefetch(address); }

/* Positions of the lowest and the highest set bit of a word that is not 0. */
static inline int catenary_lowest_bit(unsigned long long word) { return __builtin_ctzll(word); }
static inline int catenary_highest_bit(unsigned long long word) { return 63 - __builtin_clzll(word); }

#endif
