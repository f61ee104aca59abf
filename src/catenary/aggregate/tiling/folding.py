"""Rows to packed partials, a group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow
from catenary.aggregate.tiling import packing
from catenary.aggregate.tiling.program import is_row
from catenary.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.aggregate.layout import Accumulator
    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]


def fold(
    program: Program, rows: pa.Table, groups: Array, count: int, time: str
) -> pa.LargeBinaryArray:
    """As `tiles.fold`."""
    instants = column(rows, time, pa.int64())
    valid = arrow.validity(instants)
    own = groups if valid is None else np.where(valid, groups, -1)
    order = np.argsort(own, kind="stable")
    bounds = np.searchsorted(own[order], np.arange(count + 1))
    times = arrow.numbers(instants).tolist()
    columns = {
        name: column(rows, name, type_).to_pylist() for name, type_ in program.columns.items()
    }
    values = [_values(program, each, columns) for each in program.accumulators]
    buckets = [columns[each.bucket] if each.bucket else None for each in program.accumulators]
    packed: list[bytes] = []
    for group in range(count):
        chosen = order[bounds[group] : bounds[group + 1]].tolist()
        parts = [
            part.encode(part.fold(_rows(chosen, value, bucket, times)))
            for part, value, bucket in zip(program.parts, values, buckets, strict=True)
        ]
        packed.append(packing.pack(parts) if chosen else b"")
    return pa.array(packed, pa.large_binary())


def _rows(
    chosen: list[int], values: list[Any], buckets: list[Any] | None, times: list[int]
) -> Iterator[tuple[Any, Any, int]]:
    for row in chosen:
        yield values[row], None if buckets is None else buckets[row], times[row]


def _values(program: Program, accumulator: Accumulator, columns: dict[str, list[Any]]) -> list[Any]:
    if not is_row(accumulator):
        return columns[accumulator.input]
    return list(zip(*(columns[name] for name in program.passthrough), strict=True))


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
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        problem = f"column {name!r} is {array.type}, which does not fit {type_}"
        raise DataError(problem, hint="rows have the types that the plan was made with") from error
