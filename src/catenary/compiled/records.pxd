from libc.stdint cimport int32_t, int64_t, uint8_t

from catenary.compiled.handed cimport ArrowArray

cdef extern from "grown.h" nogil:
    ctypedef struct catenary_grown:
        int64_t length
    ctypedef struct catenary_records:
        const uint8_t *data
        const int64_t *offsets
        const uint8_t *valid
        int64_t skipped
        int64_t header
        int64_t many
    ctypedef struct catenary_refusal:
        int64_t row
        int64_t at
        int32_t code
        int32_t place
        int32_t came
    ctypedef struct catenary_refusals:
        catenary_refusal *told
        int64_t many
    catenary_grown *catenary_columns(const int64_t *plan, int64_t many, int64_t rows)
    int catenary_hand_over(catenary_grown *columns, int at, ArrowArray *out)
    void catenary_drop(catenary_grown *columns, int64_t many)

cdef extern from "avro.h" nogil:
    ctypedef struct catenary_op:
        int64_t op
    int64_t catenary_avro_rows(const catenary_op *program, int64_t size, const uint8_t *constants,
                               catenary_grown *columns,
                               const catenary_records *records, catenary_refusals *refused)

cdef extern from "jsonrows.h" nogil:
    int64_t catenary_json_rows(const uint8_t *names, const int64_t *spans, catenary_grown *columns,
                               const catenary_records *records, catenary_refusals *refused)

cdef extern from "protobuf.h" nogil:
    ctypedef struct catenary_field:
        int64_t kind
    int64_t catenary_protobuf_rows(const catenary_field *program, int64_t size, const uint8_t *constants,
                                   catenary_grown *columns,
                                   const catenary_records *records, catenary_refusals *refused)
