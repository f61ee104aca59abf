"""Entities as bytes: type-tagged and length-prefixed, so that no key is another's prefix (semantics 9).

    12::int and 12::bigint ──► i 8 bytes        ("ab","c") and ("a","bc") ──► s 2 ab s 1 c, s 1 a s 2 bc

Integers of all widths have one form. A key longer than a store takes is replaced by its digest.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.aggregate import arrow
from catenary.compiled import tile_keys as compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 200
_FIXED_BYTES: Final = 9
_FLAG_BYTES: Final = 2
_BIAS: Final = 1 << 63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)


def encode_value(value: object) -> bytes:
    """One key value's bytes; self-delimiting."""
    if isinstance(value, bool):
        return b"b\x01" if value else b"b\x00"
    if isinstance(value, int):
        return b"i" + struct.pack(">Q", value + _BIAS)
    if isinstance(value, str):
        data = value.encode()
        return b"s" + _length(len(data)) + data
    if isinstance(value, bytes):
        return b"y" + _length(len(value)) + value
    if isinstance(value, datetime):
        return b"t" + struct.pack(">Q", (value - _EPOCH) // _MICROSECOND + _BIAS)
    assert isinstance(value, date), f"the plan refuses keys of type {type(value).__name__}"
    return b"d" + struct.pack(">Q", (value - _EPOCH_DAY).days + _BIAS)


def encode_key(values: Sequence[object]) -> bytes | None:
    """The entity of these key values, in the keys' order; None if one is null (semantics 8)."""
    parts: list[bytes] = []
    for value in values:
        if value is None:
            return None
        parts.append(encode_value(value))
    return shortened(b"".join(parts))


def shortened(entity: bytes) -> bytes:
    """The entity, or a digest that stands for it where it is too long for a store's key."""
    if len(entity) <= LONGEST:
        return entity
    return b"#" + hashlib.blake2b(entity, digest_size=32).digest()


def entities(keys: pa.Table) -> tuple[np.ndarray, list[bytes]]:
    """The distinct entities of many rows.

    Args:
        keys: the key columns, in the keys' order.

    Returns:
        For each row the index of its entity (int32; -1 for a null key), and the entities' bytes,
        ascending.
    """
    columns = [arrow.one_chunk(column) for column in keys.columns]
    valid: np.ndarray | None = None
    for column in columns:
        own = arrow.validity(column)
        if own is not None:
            valid = own if valid is None else valid & own
    if valid is not None:
        chosen = pa.array(np.flatnonzero(valid))
        columns = [column.take(chosen) for column in columns]
    coded: Any = _encoded(columns).dictionary_encode()
    distinct = _shortened(coded.dictionary)
    order = pc.array_sort_indices(distinct)
    places = np.empty(len(distinct), np.int32)
    places[order.to_numpy()] = np.arange(len(distinct), dtype=np.int32)
    offsets, data = arrow.offsets_of(distinct.take(order))
    known = compiled.slices(data, offsets)
    own = places[coded.indices.to_numpy()] if len(distinct) else np.empty(0, np.int32)
    if valid is None:
        return own, known
    codes = np.full(keys.num_rows, -1, np.int32)
    codes[valid] = own
    return codes, known


def _encoded(columns: list[pa.Array]) -> pa.LargeBinaryArray:
    """The entity of each row, before any is shortened; no value is null."""
    rows = len(columns[0])
    texts = {
        at: tuple(map(np.ascontiguousarray, arrow.offsets_of(column)))
        for at, column in enumerate(columns)
        if arrow.is_bytes(column.type)
    }
    sizes = np.zeros(rows, np.int64)
    for at, column in enumerate(columns):
        if at in texts:
            own = np.diff(texts[at][0].astype(np.int64))
            sizes += 1 + own + _length_bytes(own)
        else:
            sizes += _FLAG_BYTES if pa.types.is_boolean(column.type) else _FIXED_BYTES
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    data = np.empty(max(int(offsets[-1]), 1), np.uint8)
    places = offsets[:-1].copy()
    for at, column in enumerate(columns):
        tag = ord(_tag(column.type))
        if at in texts:
            bounds, source = texts[at]
            compiled.texts(bounds.astype(np.int64), source, tag, data, places)
        else:
            write = compiled.flags if pa.types.is_boolean(column.type) else compiled.fixed
            write(arrow.numbers(_in_units(column)), tag, data, places)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    found: Any = pa.Array.from_buffers(pa.large_binary(), rows, buffers)
    return found


def _tag(type_: pa.DataType) -> str:
    """What `encode_value` begins with for values of a type."""
    if pa.types.is_boolean(type_):
        return "b"
    if pa.types.is_integer(type_):
        return "i"
    if type_ in (pa.string(), pa.large_string()):
        return "s"
    if arrow.is_bytes(type_):
        return "y"
    if pa.types.is_timestamp(type_):
        return "t"
    assert pa.types.is_date(type_), f"the plan refuses keys of type {type_}"
    return "d"


def _in_units(column: pa.Array) -> pa.Array:
    """Instants in microseconds and dates in days, as `encode_value` has them."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz))
    return column.cast(pa.date32()) if pa.types.is_date(column.type) else column


def _length_bytes(sizes: np.ndarray) -> np.ndarray:
    """How many bytes a length takes, 7 bits in each."""
    return 1 + np.searchsorted([1 << 7, 1 << 14, 1 << 21, 1 << 28, 1 << 35], sizes, side="right")


def _shortened(distinct: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    offsets, _ = arrow.offsets_of(distinct)
    if not len(distinct) or int(np.diff(offsets).max()) <= LONGEST:
        return distinct
    found: Any = pa.array([shortened(each) for each in distinct.to_pylist()], pa.large_binary())
    return found


def _length(number: int) -> bytes:
    """An unsigned integer, 7 bits a byte."""
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
