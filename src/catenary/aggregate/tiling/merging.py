"""Packed partials to packed partials of longer stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate.tiling import packing

if TYPE_CHECKING:
    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]


def merge(program: Program, packed: pa.LargeBinaryArray, offsets: Array) -> pa.LargeBinaryArray:
    """As `tiles.merge`."""
    tiles = packed.to_pylist()
    many = len(program.parts)
    merged: list[bytes] = []
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        chosen = [packing.unpack(tile, many) for tile in tiles[begin:end] if tile]
        parts = [
            part.encode(part.merge([part.decode(tile[at]) for tile in chosen]))
            for at, part in enumerate(program.parts)
        ]
        merged.append(packing.pack(parts) if chosen else b"")
    return pa.array(merged, pa.large_binary())
