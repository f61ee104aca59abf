from catenary.compiled.partials cimport catenary_buffer, catenary_spec, catenary_state

cdef extern from "answers.h" nogil:
    ctypedef struct catenary_program:
        const catenary_spec *specs
        const unsigned long long *needs
        const int *features
        const int *window_starts
        const long long *defaults
        long long *finished
        long long many
        long long features_many
        long long windows
        long long triples
    ctypedef struct catenary_packed:
        const unsigned char *data
        const unsigned char *block_data
        const long long *offsets
        const long long *block_offsets
        long long tiles
    ctypedef struct catenary_results:
        long long *values
        long long *lengths
        long long *nulls
        unsigned char *said
        unsigned char *valid
        long long reads
        catenary_buffer side
        catenary_buffer items
        int seen
        int overflow
    void catenary_no_answer(const catenary_program *program, long long read, catenary_results *to)
    long long catenary_answer_read(const catenary_program *program, catenary_state *states,
                                   const catenary_packed *packed, const int *nodes, long long begin,
                                   const int *order, const long long *cuts, long long read,
                                   catenary_results *to, long long *damaged)
