from catenary.compiled.partials cimport catenary_buffer

cdef extern from "routes.h" nogil:
    ctypedef struct catenary_tiles:
        const long long *start
        const long long *end
        const long long *status
        const long long *reach
        const unsigned char *collapsed
        long long many
    ctypedef struct catenary_blocks:
        const long long *levels
        const long long *end
        const long long *status
        long long depth
    ctypedef struct catenary_route:
        long long *floors
        long long *cuts
        int *order
        long long status
        int stale
        int cut
    void catenary_reaches(const long long *end, long long first, long long last, long long *reach)
    long long catenary_end_read(const long long *start, const long long *end, const long long *reach,
                                long long first, long long last, long long instant)
    void catenary_order_windows(const long long *windows, long long many, long long instant, catenary_route *route)
    int catenary_route_read(long long many, const catenary_tiles *tiles, const catenary_blocks *blocks,
                            long long first, long long last, long long instant, catenary_route *route,
                            catenary_buffer *nodes, catenary_buffer *taken)
