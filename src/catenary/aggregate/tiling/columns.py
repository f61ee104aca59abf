"""Arrow to what the compiled loops take, and back.

column of rows ──► RawColumn: numbers or texts, which are null
packed tiles   ──► Packed: bytes and offsets ──► LargeBinaryArray
results        ──► a column of a feature
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow
from catenary.aggregate.tiling import packing
from catenary.compiled import tile_rows
from catenary.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]

EMPTY, VALUE, NULL, OVERFLOW, ASIDE = range(5)
"""What `read` says of a result; see ``compiled/partials.h``."""

_NO_BYTES: Final = np.zeros(1, np.uint8)


def column(rows: pa.Table, name: str, type_: pa.DataType) -> pa.Array:
    """A column in the type that the layout says.

    Raises:
        DataError: if it is missing, or of a type that does not fit.
    """
    if name not in rows.column_names:
        problem = f"the rows have no column {name!r}"
        raise DataError(problem, hint=nearest(name, rows.column_names))
    array = arrow.one_chunk(rows.column(name))
    if array.type == type_:
        return array
    try:
        return array.cast(type_)
    except pa.ArrowException as error:
        problem = f"column {name!r} is {array.type}, which does not fit {type_}"
        raise DataError(problem, hint="rows have the types that the plan was made with") from error


class RawColumns:
    """Columns as addresses, with the arrays that hold what lies there.

    Attributes:
        addresses: int64[columns, 5], as `catenary_column`.
    """

    def __init__(self, many: int) -> None:
        self.addresses: Array = np.zeros((many, 5), np.int64)
        self._held: list[Any] = []

    def set(self, at: int, array: pa.Array) -> None:
        """A column of rows: numbers, texts, or (of anything else) only which values are null."""
        valid = arrow.validity(array)
        if valid is not None:
            self.addresses[at, 1] = self._hold(valid.view(np.uint8))
        if arrow.is_bytes(array.type):
            self.set_texts(at, *arrow.offsets_of(array))
        elif arrow.is_integral(array.type) or arrow.is_floating(array.type):
            self.addresses[at, 0] = self._hold(arrow.numbers(array))

    def set_texts(self, at: int, offsets: Array, data: Array) -> None:
        """A column of texts or bytes."""
        self.addresses[at, 2] = self._hold(offsets)
        self.addresses[at, 3] = self._hold(data)
        self.addresses[at, 4] = offsets.dtype == np.int64

    def set_bytes(self, at: int, values: Sequence[bytes | None]) -> None:
        """A column of bytes, whose nulls are told apart."""
        array = pa.array(values, pa.large_binary())
        self.set(at, array)

    def _hold(self, array: Array) -> int:
        held = np.ascontiguousarray(array)
        self._held.append(held)
        return held.ctypes.data


@dataclass(frozen=True, eq=False)
class Packed:
    """Packed tiles.

    Attributes:
        data: uint8[…], all their bytes; never without a byte, so that it has an address.
        offsets: int64[tiles + 1].
    """

    data: Array
    offsets: Array

    @staticmethod
    def of(packed: pa.LargeBinaryArray | pa.ChunkedArray) -> Packed:
        """The tiles of an array; a null is a tile without rows."""
        array = arrow.one_chunk(packed)
        if array.type != pa.large_binary():
            array = array.cast(pa.large_binary())
        offsets, data = arrow.offsets_of(array)
        return Packed(data if len(data) else _NO_BYTES, offsets)

    @staticmethod
    def none() -> Packed:
        """No tiles."""
        return Packed(_NO_BYTES, np.zeros(1, np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def joined(self, other: Packed) -> Packed:
        """These tiles, then the others."""
        if not len(other):
            return self
        end = int(self.offsets[-1])
        used = self.data[:end]
        offsets = np.concatenate([self.offsets[:-1], other.offsets + end])
        return Packed(np.concatenate([used, other.data]), offsets)

    def tile(self, at: int) -> bytes:
        """The bytes of one."""
        return self.data[self.offsets[at] : self.offsets[at + 1]].tobytes()


def packed_array(parts: list[bytes], sizes: Array) -> pa.LargeBinaryArray:
    """Tiles of the given sizes, whose bytes follow one another in `parts`."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def result(values: Array, lengths: Array, said: Array, type_: pa.DataType) -> pa.Array:
    """Results as a column: null unless they are values.

    Args:
        values: int64[n], numbers, doubles as their bits, or the addresses of texts.
        lengths: int64[n], of texts.
        said: uint8[n].
        type_: of the column.
    """
    found = said == VALUE
    if arrow.is_bytes(type_):
        return _texts(values, np.where(found, lengths, 0), found, type_)
    numbers = values.view(np.float64) if arrow.is_floating(type_) else values
    return arrow.from_numbers(numbers, None if found.all() else found, type_)


def _texts(places: Array, sizes: Array, found: Array, type_: pa.DataType) -> pa.Array:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        problem = f"the texts of one column have {int(offsets[-1]):,} bytes; a column holds 2^31"
        raise DataError(problem, hint="read fewer rows at once")
    data = np.empty(max(int(offsets[-1]), 1), np.uint8)
    tile_rows.texts(places, sizes, found.view(np.uint8), offsets, data)
    if type_ == pa.string():
        text_of(data[: int(offsets[-1])])
    bits = None if found.all() else pa.py_buffer(np.packbits(found, bitorder="little"))
    buffers = [bits, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(type_, len(sizes), buffers)


def text_of(data: Array | bytes) -> str:
    """The text that bytes of a tile are.

    Raises:
        DataError: if they are not UTF-8.
    """
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        raise packing.damaged("a text is not UTF-8") from None


def with_default(column: pa.Array, empty: Array, default: object) -> pa.Array:
    """`default` where no value was seen."""
    places = np.flatnonzero(empty)
    if not len(places):
        return column
    rows = np.arange(len(column), dtype=np.int64)
    rows[places] = len(column)
    return pa.concat_arrays([column, pa.array([default], column.type)]).take(pa.array(rows))
