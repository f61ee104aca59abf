cdef extern from "hashing.h" nogil:
    unsigned long long catenary_mix(unsigned long long x)
    unsigned long long catenary_hash_bytes(const unsigned char *data, long long length)
    bint catenary_same_bytes(const unsigned char *a, const unsigned char *b, long long n)
    int catenary_lowest_bit(unsigned long long word)
    int catenary_highest_bit(unsigned long long word)
    void catenary_prefetch(const void *address)
