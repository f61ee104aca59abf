"""Floats in their one form, in Arrow columns: no NaN, no minus zero (semantics 10 and 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from catenary.schema.types import Type


def clean_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats with null for NaN and 0.0 for -0.0, also in lists, maps and structs."""
    chunks = [_clean(chunk) for chunk in column.chunks]
    return pa.chunked_array(chunks, type=column.type)


def holds_floats(type_: Type) -> bool:
    """Whether values are floats, or lists, maps or structs that hold some."""
    inner = [each for each in (type_.key, type_.item) if each is not None]
    inner += [field.type for field in type_.fields]
    return type_.is_float or any(map(holds_floats, inner))


def _clean(chunk: pa.Array) -> pa.Array:
    if pa.types.is_floating(chunk.type):
        return _clean_chunk(chunk)
    if pa.types.is_list(chunk.type):
        whole = pa.concat_arrays([chunk])  # a slice's offsets would point before its own values
        values = _clean(whole.values)
        return pa.ListArray.from_arrays(whole.offsets, values, whole.type, mask=whole.is_null())
    if pa.types.is_map(chunk.type):
        return _clean_map(pa.concat_arrays([chunk]))
    if pa.types.is_struct(chunk.type):
        fields = list(chunk.type)
        members = [_clean(member) for member in chunk.flatten()]
        return pa.StructArray.from_arrays(members, fields=fields, mask=chunk.is_null())
    return chunk


def _clean_map(chunk: pa.MapArray) -> pa.Array:
    """A map has no entry without a key, so one whose key is NaN is left out."""
    keys, items, offsets = _clean(chunk.keys), _clean(chunk.items), chunk.offsets
    if keys.null_count:
        known = keys.is_valid()
        before = np.concatenate([[0], np.cumsum(known.to_numpy(zero_copy_only=False))])
        offsets = pa.array(before[offsets.to_numpy()], pa.int32())
        keys, items = keys.filter(known), items.filter(known)
    return pa.MapArray.from_arrays(offsets, keys, items, chunk.type, mask=chunk.is_null())


def _clean_chunk(chunk: pa.Array) -> pa.Array:
    if not len(chunk):
        return chunk
    # A buffer may be longer than its values, by any number of bytes: it came over a wire.
    dtype = np.dtype(chunk.type.to_pandas_dtype())
    start = chunk.offset * dtype.itemsize
    values = np.frombuffer(chunk.buffers()[1], dtype, count=len(chunk), offset=start)
    if np.isnan(values).any():
        chunk = pc.if_else(pc.is_nan(chunk), pa.scalar(None, chunk.type), chunk)
    if np.signbit(values[values == 0]).any():
        chunk = pc.add(chunk, pa.scalar(0.0, chunk.type))
    return chunk
