"""Packed partials to packed partials of longer stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary.aggregate import threads
from catenary.aggregate.tiling import bucketed
from catenary.aggregate.tiling.columns import Packed, RawColumns, packed_array
from catenary.aggregate.tiling.opening import damage, pieces
from catenary.compiled import partials as compiled

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]


def merge(program: Program, packed: pa.LargeBinaryArray, offsets: Array) -> pa.LargeBinaryArray:
    """As `tiles.merge`."""
    bounds = np.ascontiguousarray(offsets, np.int64)
    return merge_ranges(program, Packed.of(packed), bounds[:-1], bounds[1:])


def merge_ranges(
    program: Program, packed: Packed, begins: Array, ends: Array
) -> pa.LargeBinaryArray:
    """The packed partials of groups; group g is the tiles begins[g] to ends[g]."""
    count = len(begins)
    given = RawColumns(len(program.parts))
    for at in program.others:
        if program.is_bucketed(at):
            given.set_texts(at, *bucketed.merge(program, at, packed, begins, ends))
        else:
            given.set_bytes(at, _merged(program, at, packed, begins, ends))
    sizes = np.zeros(count, np.int64)
    total = np.zeros(count + 1, np.int64)
    np.cumsum(ends - begins, out=total[1:])

    def run(first: int, end: int) -> bytes:
        failure = np.zeros(2, np.int64)
        merged = compiled.merge(
            program.specs,
            given.addresses,
            packed.data,
            packed.offsets,
            begins,
            ends,
            first,
            end,
            sizes,
            failure,
        )
        if merged is None:
            raise damage(program, packed.tile(int(failure[0])), int(failure[1]))
        return merged

    ranges = threads.key_ranges(total, np.zeros(count + 1, np.int64))
    return packed_array(threads.each(ranges, run), sizes)


def _merged(program: Program, at: int, packed: Packed, begins: Array, ends: Array) -> list[bytes]:
    """Each group's bytes of an accumulator that is not native; none for a group of a single tile."""
    part = program.parts[at]
    firsts, lasts = pieces(program, at, packed)
    merged: list[bytes] = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        filled = np.flatnonzero(lasts[begin:end] > firsts[begin:end]) + begin
        if end - begin < 2 or not len(filled):
            merged.append(b"")
            continue
        own = [packed.data[firsts[tile] : lasts[tile]].tobytes() for tile in filled.tolist()]
        merged.append(
            own[0]
            if len(own) == 1
            else part.encode(part.merge([part.decode(each) for each in own]))
        )
    return merged
