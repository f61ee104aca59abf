"""Rows to packed partials, a group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, threads
from catenary.aggregate.codec import Writer
from catenary.aggregate.operations.latest_row import LatestRow, clean, kind_of_type, write_nested
from catenary.aggregate.tiling import bucketed
from catenary.aggregate.tiling.columns import RawColumns, column, packed_array
from catenary.aggregate.tiling.program import is_row
from catenary.compiled import partials as compiled
from catenary.compiled import tile_rows

if TYPE_CHECKING:
    from catenary.aggregate.tiling.program import Program
    from catenary.schema import Type

Array = np.ndarray[Any, Any]


def fold(
    program: Program, rows: pa.Table, groups: Array, count: int, time: str
) -> pa.LargeBinaryArray:
    """As `tiles.fold`."""
    instants = column(rows, time, pa.int64())
    valid = arrow.validity(instants)
    own = np.ascontiguousarray(groups, np.int32)
    if valid is not None:
        own = np.where(valid, own, np.int32(-1))
    starts, order = np.zeros(count + 1, np.int64), np.empty(len(own), np.int32)
    compiled.order_groups(own, starts, order)
    times = arrow.numbers(instants)
    columns = {name: column(rows, name, type_) for name, type_ in program.columns.items()}
    raw = RawColumns(len(program.accumulators))
    for at, accumulator in enumerate(program.accumulators):
        if is_row(accumulator):
            raw.set_texts(at, *_rows(program, columns, times))
        elif program.specs[at, 0]:
            raw.set(at, columns[accumulator.input])
        elif program.is_bucketed(at):
            raw.set_texts(at, *bucketed.fold(program, at, columns, own, count, times))
        else:
            raw.set_bytes(at, _encoded(program, at, columns, order, starts, times))
    sizes = np.zeros(count, np.int64)
    parts = threads.each(
        threads.key_ranges(starts, np.zeros(count + 1, np.int64)),
        lambda first, end: compiled.fold(
            program.specs, raw.addresses, order, starts, times, first, end, sizes
        ),
    )
    return packed_array(parts, sizes)


def _encoded(
    program: Program,
    at: int,
    columns: dict[str, pa.Array],
    order: Array,
    starts: Array,
    times: Array,
) -> list[bytes]:
    """Each group's bytes of an accumulator that is not native."""
    accumulator, part = program.accumulators[at], program.parts[at]
    values = columns[accumulator.input].to_pylist()
    buckets = columns[accumulator.bucket].to_pylist() if accumulator.bucket else None
    encoded: list[bytes] = []
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        chosen = order[begin:end]
        rows = (
            (values[row], None if buckets is None else buckets[row], ts)
            for row, ts in zip(chosen.tolist(), times[chosen].tolist(), strict=True)
        )
        encoded.append(part.encode(part.fold(rows)))
    return encoded


def _rows(program: Program, columns: dict[str, pa.Array], times: Array) -> tuple[Array, Array]:
    """Every row as the partial of itself: offsets and bytes."""
    types = [program.types[name] for name in program.passthrough]
    raw = RawColumns(len(types))
    for at, (name, type_) in enumerate(zip(program.passthrough, types, strict=True)):
        if type_.is_nested:
            raw.set_bytes(at, [_content(each, type_) for each in columns[name].to_pylist()])
        else:
            raw.set(at, columns[name])
    kinds = np.array([kind_of_type(each) for each in types], np.int32)
    offsets = np.zeros(len(times) + 1, np.int64)
    data = tile_rows.rows(raw.addresses, kinds, LatestRow.tag, times, offsets)
    return offsets, np.frombuffer(data, np.uint8)


def _content(value: Any, type_: Type) -> bytes | None:
    """A nested value without its kind and length."""
    if value is None:
        return None
    writer = Writer(0)
    write_nested(writer, clean(value, type_), type_)
    return writer.finish()[2:]  # without the version and the tag of a partial
