"""Columns of 64-bit numbers handed to Arrow all at once: parts of one block of memory, none copied.

Read next: ``records.py`` (columns that grow record by record).
Held to account by: ``tests/unit/aggregate/test_tiles.py``.
"""

import cython
from cython.cimports.catenary.compiled.handed import catenary_hand_over_parts
from cython.cimports.libc.stdint import int64_t, uint8_t


@cython.cclass
class Columns:
    """A struct array that nobody has taken yet; what is not taken is freed with it."""

    def __cinit__(self):
        self.array.release = cython.NULL

    @property
    def address(self):
        """Where the `ArrowArray` stands."""
        return cython.cast(cython.ulonglong, cython.address(self.array))

    def __dealloc__(self):
        if self.array.release != cython.NULL:
            self.array.release(cython.address(self.array))


def columns(
    values: cython.const[cython.longlong][:, ::1],
    valid: cython.const[cython.uchar][::1],
    nulls: cython.const[cython.longlong][::1],
    places: cython.const[cython.longlong][::1],
    owner: tuple,
):
    """The columns as one struct array.

    Args:
        values: int64[parts, rows], or doubles as their bits.
        valid: a bit per value, part after part without a gap.
        nulls: how many values of each part are null; the bits of one without any are not looked at.
        places: which part each column is.
        owner: what keeps `values` and `valid` where they are; held as long as the columns are.
    """
    handed: Columns = Columns()
    if catenary_hand_over_parts(
        owner,
        cython.cast(cython.pointer(cython.const[int64_t]), cython.address(values[0, 0])),
        cython.cast(cython.pointer(cython.const[uint8_t]), cython.address(valid[0])),
        cython.cast(cython.pointer(cython.const[int64_t]), cython.address(nulls[0])),
        cython.cast(cython.pointer(cython.const[int64_t]), cython.address(places[0])),
        places.shape[0],
        values.shape[1],
        cython.address(handed.array),
    ):
        raise MemoryError
    return handed
