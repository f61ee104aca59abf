"""Results of several values: offsets and lists, null where a slice is empty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from catenary.errors import DataError

Array = np.ndarray[Any, Any]


def offsets(lengths: Array) -> Array:
    """int32[n + 1]: where each of n results starts.

    Raises:
        DataError: if the results together have more values than 32 bits can number.
    """
    cuts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=cuts[1:])
    if cuts[-1] > np.iinfo(np.int32).max:
        problem = f"the lists of one feature hold {int(cuts[-1]):,} values; a column holds 2^31"
        raise DataError(problem, hint="choose a smaller k, or ask for fewer rows at once")
    return cuts.astype(np.int32)


def assemble(values: pa.Array, cuts: Array) -> pa.Array:
    """A list of values per result; null where it has none."""
    type_ = pa.list_(values.type)
    return pa.Array.from_buffers(
        type_,
        len(cuts) - 1,
        [_filled(cuts), pa.py_buffer(np.ascontiguousarray(cuts))],
        children=[values],
    )


def assemble_maps(keys: pa.Array, items: pa.Array, cuts: Array) -> pa.Array:
    """A map per result; null where it has no entry."""
    type_ = pa.map_(keys.type, items.type)
    entries = pa.StructArray.from_arrays([keys, items], fields=[type_.key_field, type_.item_field])
    return pa.Array.from_buffers(
        type_,
        len(cuts) - 1,
        [_filled(cuts), pa.py_buffer(np.ascontiguousarray(cuts))],
        children=[entries],
    )


def _filled(cuts: Array) -> pa.Buffer | None:
    filled = cuts[1:] > cuts[:-1]
    return None if bool(filled.all()) else pa.py_buffer(np.packbits(filled, bitorder="little"))
