cdef extern from "limbs.h" nogil:
    ctypedef struct catenary_powers:
        long long s1
    int CATENARY_LIMBS
    long long catenary_units(long long image, bint is_double, int lowest)
    void catenary_widen(long long image, bint is_double, int *lowest, int *highest)
    double catenary_mean64(long long total, long long count, int lowest, double unit)
    void catenary_add_powers(unsigned long long *totals, const int *widths, const int *starts, int degree,
                             long long image, bint is_double, int lowest, bint subtract)
    double catenary_limbs_ratio(const unsigned long long *number, int width, unsigned long long divisor,
                                long long exponent)
    double catenary_moment(const unsigned long long *totals, const int *widths, const int *starts, int kind,
                           unsigned long long n, bint sample, int lowest, int full)
    void catenary_clear(catenary_powers *sums)
    void catenary_enter(catenary_powers *sums, long long value, int kind)
    void catenary_leave(catenary_powers *sums, long long value, int kind)
    double catenary_small_moment(const catenary_powers *sums, int kind, unsigned long long n, bint sample,
                                 int lowest)
