from catenary.compiled.answers cimport catenary_packed, catenary_program, catenary_results
from catenary.compiled.partials cimport catenary_buffer, catenary_state
from catenary.compiled.ranges cimport catenary_gathered
from catenary.compiled.routes cimport catenary_route, catenary_tiles

cdef class SingleReads:
    cdef tuple held
    cdef str kinds
    cdef tuple defaults
    cdef object sizes
    cdef long long reach
    cdef const long long *windows
    cdef const long long *places
    cdef catenary_program program
    cdef catenary_packed packed
    cdef catenary_results results
    cdef catenary_route route
    cdef catenary_tiles tiles
    cdef catenary_state *states
    cdef catenary_buffer room
    cdef catenary_buffer columns
    cdef catenary_buffer nodes
    cdef catenary_buffer taken
    cdef int _gather(self, catenary_gathered *found, walk, bytes prefix, list lanes, long long upload,
                     long long cutoff, list uploaded, long long since, long long until) except -3
    cdef int _spread(self, catenary_gathered *found) noexcept
    cdef bint _fill(self, list values) except -1
