from libc.stdint cimport int64_t, uint8_t

cdef extern from "handed.h":
    cdef struct ArrowArray:
        void (*release)(ArrowArray *) noexcept
    int catenary_hand_over_parts(object owner, const int64_t *values, const uint8_t *valid, const int64_t *nulls,
                                 const int64_t *places, int64_t columns, int64_t rows, ArrowArray *out)

cdef class Columns:
    cdef ArrowArray array
