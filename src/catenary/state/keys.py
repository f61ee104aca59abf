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

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 200
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
    rows = keys.num_rows
    if rows == 0:
        return np.empty(0, np.int32), []
    found = np.full(rows, -1, np.int32)
    columns = [_coded(column) for column in keys.columns]
    valid = np.flatnonzero(~np.logical_or.reduce([missing for _, missing, _ in columns]))
    if not len(valid):
        return found, []
    codes = np.zeros(len(valid), np.int64)
    for number, (coded, _, encoded) in enumerate(columns):
        codes = codes * len(encoded) + coded[valid]
        if number:  # dense again, so that no product of several columns overflows
            codes = np.unique(codes, return_inverse=True)[1]
    _, firsts, codes = np.unique(codes, return_index=True, return_inverse=True)
    distinct = [
        shortened(b"".join(encoded[coded[row]] for coded, _, encoded in columns))
        for row in valid[firsts].tolist()
    ]
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    places = np.empty(len(distinct), np.int32)
    places[order] = np.arange(len(distinct), dtype=np.int32)
    found[valid] = places[codes]
    return found, [distinct[at] for at in order]


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """A dense code per row, where it is null, and the bytes of each code."""
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    coded: Any = whole.dictionary_encode()
    missing = np.asarray(coded.indices.is_null())
    indices = coded.indices.fill_null(0).to_numpy().astype(np.int64)
    return indices, missing, [encode_value(each) for each in coded.dictionary.to_pylist()]


def _length(number: int) -> bytes:
    """An unsigned integer, 7 bits a byte."""
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
