"""Arrow columns as NumPy arrays and back, without copies where there is nothing to change.

One chunk, no dictionary, nulls as a bitmap with an offset: the form that the compiled loops read.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import threads
from catenary.compiled import columns
from catenary.errors import DataError, UnsupportedError

Array = np.ndarray[Any, Any]

NO_BITS: Final = np.zeros(0, np.uint8)


def one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as a single array, dictionaries and views decoded."""
    array: Any = column
    if isinstance(column, pa.ChunkedArray):
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type in (pa.string_view(), pa.binary_view()):
        array = array.cast(
            pa.large_string() if array.type == pa.string_view() else pa.large_binary()
        )
    return array


def validity(array: pa.Array) -> Array | None:
    """bool[n], true where the value is not null; None if none is null."""
    if array.null_count == 0:
        return None
    bitmap = array.buffers()[0]
    if bitmap is None:  # the null type, unions: Arrow knows, the buffers do not
        return ~np.array([value is None for value in array.to_pylist()], bool)
    bits = np.frombuffer(bitmap, np.uint8)
    first = array.offset >> 3
    last = (array.offset + len(array) + 7) >> 3
    unpacked = np.unpackbits(bits[first:last], bitorder="little")
    start = array.offset & 7
    return unpacked[start : start + len(array)].view(bool)


def bitmap_of(array: pa.Array) -> tuple[Array, int]:
    """The validity bits and the offset of the first; the array has nulls."""
    buffer = array.buffers()[0]
    if buffer is not None:
        return np.frombuffer(buffer, np.uint8), array.offset
    valid = validity(array)
    assert valid is not None, "an array without nulls has no bits to read"
    return np.packbits(valid, bitorder="little"), 0


def is_integral(type_: pa.DataType) -> bool:
    """Whether values are stored as whole numbers of a fixed width, or as bits."""
    return bool(
        pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_temporal(type_)
    ) and not pa.types.is_interval(type_)


def is_floating(type_: pa.DataType) -> bool:
    """Whether values are floating-point numbers."""
    return bool(pa.types.is_floating(type_))


def is_bytes(type_: pa.DataType) -> bool:
    """Whether values are text or binary of any length."""
    return type_ in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def numbers(array: pa.Array) -> Array:
    """int64[n] of an integral array, float64[n] of a floating one; what stands under a null is any value.

    Raises:
        UnsupportedError: for a type that is neither.
    """
    type_ = array.type
    if pa.types.is_boolean(type_):
        bits = np.frombuffer(array.buffers()[1], np.uint8)
        first, start = array.offset >> 3, array.offset & 7
        unpacked = np.unpackbits(
            bits[first : (array.offset + len(array) + 7) >> 3], bitorder="little"
        )
        return unpacked[start : start + len(array)].astype(np.int64)
    if not is_integral(type_) and not is_floating(type_):
        problem = f"the kernel cannot order values of type {type_}"
        raise UnsupportedError(problem, hint="cast the column to a number, a string or a timestamp")
    wanted = np.float64 if is_floating(type_) else np.int64
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), wanted)
    stored = np.frombuffer(buffer, _storage(type_))
    return stored[array.offset : array.offset + len(array)].astype(wanted, copy=False)


def from_numbers(values: Array, valid: Array | None, type_: pa.DataType) -> pa.Array:
    """An array of a numeric, boolean or temporal type; `valid` is None if no value is null."""
    if pa.types.is_boolean(type_):
        data = np.packbits(values.astype(bool), bitorder="little")
    else:
        data = np.ascontiguousarray(values.astype(_storage(type_), copy=False))
    bits = (
        None
        if valid is None or bool(valid.all())
        else pa.py_buffer(np.packbits(valid, bitorder="little"))
    )
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(data)])


def nulls(type_: pa.DataType, n: int) -> pa.Array:
    """An array of n nulls."""
    return pa.nulls(n, type_)


def offsets_of(array: pa.Array) -> tuple[Array, Array]:
    """Offsets[n + 1] (int32 or int64) and the bytes of a text or binary array."""
    wide = array.type in (pa.large_string(), pa.large_binary())
    _, offsets, data = array.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(len(array) + 1, np.int64 if wide else np.int32), np.zeros(1, np.uint8)
    bounds = np.frombuffer(offsets, np.int64 if wide else np.int32)
    bytes_ = np.frombuffer(data, np.uint8) if data is not None and data.size else NO_BITS
    return bounds[array.offset : array.offset + len(array) + 1], (
        bytes_ if len(bytes_) else np.zeros(1, np.uint8)
    )


def take(array: pa.Array, rows: Array) -> pa.Array:
    """The rows of an array; -1 gives a null.

    Numbers of 64 bits and runs of them go through compiled loops, several times as fast as Arrow's.
    """
    rows = rows.astype(np.int32, copy=False)
    type_ = array.type
    if type_ in (pa.int64(), pa.float64()):
        return _take_numbers(array, rows)
    if (pa.types.is_list(type_) or pa.types.is_map(type_)) and array.offset == 0 and len(array):
        return _take_runs(array, rows)
    if len(rows) and int(rows.min()) < 0:
        return array.take(pa.array(rows, mask=rows < 0))
    return array.take(pa.array(rows))


def _take_numbers(array: pa.Array, rows: Array) -> pa.Array:
    n = len(rows)
    values = numbers(array).view(np.int64)
    bits = NO_BITS
    if array.null_count:
        bits, offset = bitmap_of(array)
        valid = validity(array) if offset else None
        if valid is not None:
            bits = np.packbits(valid, bitorder="little")
    placed, placed_bits = np.empty(n, np.int64), np.empty((n + 7) // 8, np.uint8)
    absent = sum(
        threads.each(
            threads.ranges(n, step=8),
            lambda first, end: columns.place(values, bits, rows, first, end, placed, placed_bits),
        )
    )
    buffers = [pa.py_buffer(placed_bits) if absent else None, pa.py_buffer(placed)]
    return pa.Array.from_buffers(array.type, n, buffers, null_count=absent)


def _take_runs(array: pa.Array, rows: Array) -> pa.Array:
    n = len(rows)
    offsets = np.frombuffer(array.buffers()[1], np.int32)[: len(array) + 1]
    wide = np.empty(n + 1, np.int64)
    columns.place_offsets(offsets, rows, wide)
    if wide[-1] > np.iinfo(np.int32).max:
        problem = f"the lists of one column hold {int(wide[-1]):,} values; a column holds 2^31"
        raise DataError(problem, hint="ask for fewer rows at once")
    placed = wide.astype(np.int32)
    items = np.empty(int(wide[-1]), np.int32)
    threads.each(
        threads.ranges(n),
        lambda first, end: columns.place_runs(offsets, rows, placed, first, end, items),
    )
    present = rows >= 0
    valid = validity(array)
    if valid is not None:
        present &= valid[np.maximum(rows, 0)]
    bits = None if bool(present.all()) else pa.py_buffer(np.packbits(present, bitorder="little"))
    if pa.types.is_map(array.type):
        entries = [take(array.keys, items), take(array.items, items)]
        type_ = array.type
        child = pa.StructArray.from_arrays(entries, fields=[type_.key_field, type_.item_field])
    else:
        child = take(array.values, items)
    return pa.Array.from_buffers(array.type, n, [bits, pa.py_buffer(placed)], children=[child])


def _storage(type_: pa.DataType) -> Any:
    if pa.types.is_temporal(type_):
        return np.int32 if type_.bit_width == 32 else np.int64
    return type_.to_pandas_dtype()
