"""Where the bytes of one accumulator lie in tiles, and what is said of bytes that are damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary.aggregate.tiling import packing
from catenary.compiled import partials as compiled

if TYPE_CHECKING:
    from catenary.aggregate.tiling.columns import Packed
    from catenary.aggregate.tiling.program import Program
    from catenary.errors import DataError

Array = np.ndarray[Any, Any]


def pieces(program: Program, at: int, packed: Packed) -> tuple[Array, Array]:
    """Where one accumulator's bytes lie in each tile: begins and ends.

    Raises:
        DataError: for a tile that is damaged.
    """
    begins, ends = np.zeros(len(packed), np.int64), np.zeros(len(packed), np.int64)
    failed = compiled.pieces(packed.data, packed.offsets, at, begins, ends)
    if failed >= 0:
        raise damage(program, packed.tile(failed), at)
    return begins, ends


def damage(program: Program, tile: bytes, accumulator: int) -> DataError:
    """The error for bytes that the compiled loops refused; its own words, where Python finds them."""
    many = len(program.parts)
    parts = packing.unpack(tile, many)
    if accumulator < many:
        program.parts[accumulator].decode(parts[accumulator])
    return packing.damaged("its partials are not those of this definition")
