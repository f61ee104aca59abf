from catenary.compiled.partials cimport catenary_buffer

cdef extern from "ranges.h" nogil:
    ctypedef struct catenary_tile:
        long long start
        long long end
        long long level
        long long status
        long long collapsed
        long long upload
        long long size
        long long place
    ctypedef struct catenary_span:
        const long long *sizes
        long long levels
        long long since
        long long until
    ctypedef struct catenary_gathered:
        catenary_buffer tiles
        catenary_buffer data
    int RANGES_BOUND
    int RANGES_LANE
    void catenary_lane_bound(unsigned char *to, const char *lane, long long level, long long start)
    void catenary_late_bound(unsigned char *to, long long upload)
    int catenary_compare_keys(const char *a, long long a_size, const char *b, long long b_size)
    int catenary_take_row(catenary_gathered *to, const catenary_span *span, const char *rest, long long rest_size,
                          const char *value, long long size)
    int catenary_take_upload(catenary_gathered *to, const catenary_span *span, const char *value, long long size)
    int catenary_end_entity(catenary_gathered *to)
    void catenary_take_room(catenary_gathered *all)
    void catenary_leave_room(catenary_gathered *all)

cdef int gather_into(catenary_gathered *found, const catenary_span *span, walk, list prefixes, list bounds,
                     list uploaded, long long *offsets) except -3
cpdef list bounds_of(list lanes, const long long[::1] sizes, long long since, long long until, long long upload,
                     long long cutoff)
