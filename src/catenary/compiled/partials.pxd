cdef extern from "partials.h" nogil:
    ctypedef struct catenary_spec:
        int form
        int tag
        int degree
        int kind
    ctypedef struct catenary_column:
        const long long *values
        const unsigned char *valid
        const void *offsets
        const unsigned char *data
        long long wide
    ctypedef struct catenary_state:
        long long size
    ctypedef struct catenary_buffer:
        unsigned char *data
        long long size
        long long room
    int CATENARY_OTHER
    int CATENARY_EMPTY
    int CATENARY_NULL
    int CATENARY_VALUE
    int CATENARY_ASIDE
    int CATENARY_FORMAT
    int CATENARY_TEXT
    catenary_state *catenary_states(const catenary_spec *specs, long long many)
    void catenary_release(catenary_state *states, long long many)
    void catenary_reset(const catenary_spec *spec, catenary_state *state)
    int catenary_reserve(catenary_buffer *out, long long more)
    int catenary_append(catenary_buffer *out, const unsigned char *data, long long size)
    unsigned char *catenary_put(unsigned char *out, unsigned long long number)
    unsigned char *catenary_put_value(unsigned char *out, int kind, long long image, const unsigned char *text,
                                      long long size)
    int catenary_take_value(const unsigned char **at, const unsigned char *end, int kind, long long *image,
                            const unsigned char **text, long long *size)
    int catenary_take(const unsigned char **at, const unsigned char *end, unsigned long long *number)
    int catenary_take_size(const unsigned char **at, const unsigned char *end, long long *size)
    void catenary_text_at(const catenary_column *column, long long row, const unsigned char **text, long long *size)
    int catenary_enter_row(const catenary_spec *spec, catenary_state *state, const catenary_column *column,
                           long long row, long long ts)
    long long catenary_walk(const catenary_spec *specs, long long many, catenary_state *states,
                            const unsigned char *data, long long size, const unsigned long long *needs,
                            unsigned long long rest)
    int catenary_emit(const catenary_spec *spec, catenary_state *state, catenary_buffer *out)
    int catenary_emit_row(const catenary_column *columns, const int *kinds, long long many, int tag,
                          long long row, long long ts, catenary_buffer *out)
    int catenary_open_row(const unsigned char *data, long long size, const int *kinds, long long many,
                          long long step, long long *values, long long *sizes, unsigned char *said)

cdef bytes content_of(catenary_buffer *out)
