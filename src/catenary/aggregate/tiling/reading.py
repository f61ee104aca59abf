"""Reads of tiles: the features of entities as of instants.

routes ──► native accumulators: one compiled loop over all reads ──► columns
──► the others, one after the other, as Python objects    ──► columns
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate.tiling import bucketed
from catenary.aggregate.tiling.columns import Packed
from catenary.aggregate.tiling.merging import pieces
from catenary.aggregate.tiling.results import NativeResults
from catenary.aggregate.tiling.routes import Routes, route

if TYPE_CHECKING:
    from catenary.aggregate.tiles import Tiles
    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]
Answer = tuple[pa.Table, Array, Array, Array, Array, Array]
"""Columns, status, seen, overflow, stale, cut."""

_CELLS: Final = 8_000_000
"""Results that are held at once before they become columns."""


def answer(program: Program, tiles: Tiles, offsets: Array, entity: Array, ts: Array) -> Answer:
    """As `tiles.answer`, its fields in order."""
    packed = Packed.of(tiles.packed)
    bounds = np.ascontiguousarray(offsets, np.int64)
    entity, ts = np.ascontiguousarray(entity, np.int32), np.ascontiguousarray(ts, np.int64)
    step = max(1024, _CELLS // max(len(program.names), 1))
    if len(ts) <= step:
        return _answer(program, tiles, packed, bounds, entity, ts)
    chunks = [
        _answer(program, tiles, packed, bounds, entity[at : at + step], ts[at : at + step])
        for at in range(0, len(ts), step)
    ]
    tables, *rest = zip(*chunks, strict=True)
    status, seen, overflow, stale, cut = (np.concatenate(each) for each in rest)
    return pa.concat_tables(tables).combine_chunks(), status, seen, overflow, stale, cut


def _answer(
    program: Program, tiles: Tiles, packed: Packed, offsets: Array, entity: Array, ts: Array
) -> Answer:
    routes = route(program, tiles, packed, offsets, entity, ts)
    results = NativeResults.of(program, packed, routes, entity)
    table = results.table()
    if table is not None:
        seen, overflow = results.seen, results.overflow
        return table, routes.status, seen, overflow, routes.stale, routes.cut
    arrays = results.columns()
    seen, overflow = results.seen, results.overflow
    for fold in program.others:
        arrays |= _read(program, fold, packed, routes, entity, seen, overflow)
    names = program.names
    if names:
        table = pa.Table.from_arrays([arrays[at] for at in range(len(names))], names)
    else:
        table = _no_columns(len(ts))
    return table, routes.status, seen, overflow, routes.stale, routes.cut


def answer_row(program: Program, tiles: Tiles, ts: int) -> tuple[object, ...]:
    """As `tiles.answer_row`."""
    return answer_one(program, tiles, ts)[0]


def answer_one(
    program: Program, tiles: Tiles, ts: int
) -> tuple[tuple[object, ...], int, bool, bool, bool, bool]:
    """As `tiles.answer_one`, its fields in order."""
    packed = Packed.of(tiles.packed)
    offsets, entity = np.array([0, len(packed)], np.int64), np.zeros(1, np.int32)
    routes = route(program, tiles, packed, offsets, entity, np.array([ts], np.int64))
    results = NativeResults.of(program, packed, routes, entity)
    seen, overflow = results.seen, results.overflow
    row = results.row()
    for fold in program.others:
        arrays = _read(program, fold, packed, routes, entity, seen, overflow)
        row |= {at: each[0].as_py(maps_as_pydicts="strict") for at, each in arrays.items()}
    values = tuple(row[at] for at in range(len(row)))
    said = bool(seen[0]), bool(overflow[0]), bool(routes.stale[0]), bool(routes.cut[0])
    return values, int(routes.status[0]), *said


def _read(
    program: Program,
    fold: int,
    packed: Packed,
    routes: Routes,
    entity: Array,
    seen: Array,
    overflow: Array,
) -> dict[int, pa.Array]:
    """The columns that are read from an accumulator that is not native, by their places."""
    if program.is_bucketed(fold):
        return bucketed.read(program, fold, packed, routes, len(entity), seen, overflow)
    part = program.parts[fold]
    partials = _decode(program, fold, packed, routes)
    wanted = [at for at, own in enumerate(program.folds) if own == fold]
    results: dict[int, list[Any]] = {at: [] for at in wanted}
    for read in range(len(entity)):
        for window, partial in _merged(program, fold, partials, routes, read).items():
            empty = part.is_empty(partial)
            for at in wanted:
                feature = program.features[at]
                if program.reads[at] != window:
                    continue
                value = part.finish(partial, feature)
                if empty and entity[read] >= 0:
                    value = feature.default
                results[at].append(_arrow_ready(value))
                seen[read] |= not empty
                overflow[read] |= part.overflowed(partial)
    return {at: pa.array(results[at], program.outputs[at]) for at in wanted}


def _decode(program: Program, fold: int, packed: Packed, routes: Routes) -> dict[int, Any]:
    """The accumulator's partial in each tile and block that a read merges."""
    part, decoded = program.parts[fold], dict[int, Any]()
    used = np.unique(routes.nodes)
    for source, first in ((packed, 0), (routes.blocks, len(packed))):
        own = used[(used >= first) & (used < first + len(source))].tolist()
        if own:
            begins, ends = pieces(program, fold, source)
            for node in own:
                at = node - first
                decoded[node] = part.decode(source.data[begins[at] : ends[at]].tobytes())
    return decoded


def _merged(
    program: Program, fold: int, partials: dict[int, Any], routes: Routes, read: int
) -> dict[int, Any]:
    """The accumulator over each window of a read, by the window's place."""
    part = program.parts[fold]
    held, at = part.merge([]), int(routes.begins[read])
    merged: dict[int, Any] = {}
    for window, end in zip(routes.order[read].tolist(), routes.cuts[read].tolist(), strict=True):
        if end > at:
            held = part.merge([held, *(partials[node] for node in routes.nodes[at:end].tolist())])
            at = end
        merged[window] = held
    return merged


def _arrow_ready(value: Any) -> Any:
    """A result as Arrow takes it: maps as pairs."""
    if isinstance(value, dict):
        return [(label, _arrow_ready(each)) for label, each in value.items()]
    return value


def _no_columns(rows: int) -> pa.Table:
    """A table of rows without columns."""
    return pa.table({"_": pa.nulls(rows)}).select([])
