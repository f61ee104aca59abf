"""Reads of tiles: the features of an entity as of an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate.tiling import packing
from catenary.aggregate.tiling.routes import Routes, route

if TYPE_CHECKING:
    from catenary.aggregate.tiles import Tiles
    from catenary.aggregate.tiling.program import Program

Array = np.ndarray[Any, Any]
Answer = tuple[pa.Table, Array, Array, Array, Array, Array]
"""Columns, status, seen, overflow, stale, cut."""


def answer(program: Program, tiles: Tiles, offsets: Array, entity: Array, ts: Array) -> Answer:
    """As `tiles.answer`, its fields in order."""
    routes = route(program.windows, tiles, offsets, entity, ts)
    seen, overflow = np.zeros(len(ts), bool), np.zeros(len(ts), bool)
    columns: dict[int, pa.Array] = {}
    for fold in range(len(program.parts)):
        columns |= _read(program, fold, tiles, routes, entity, seen, overflow)
    names = [each.name for each in program.features] or list(program.passthrough)
    arrays = [columns[at] for at in range(len(names))]
    table = pa.Table.from_arrays(arrays, names) if names else _no_columns(len(ts))
    return table, routes.status, seen, overflow, routes.stale, routes.cut


def answer_row(program: Program, tiles: Tiles, ts: int) -> tuple[object, ...]:
    """As `tiles.answer_row`."""
    table = answer(
        program,
        tiles,
        np.array([0, len(tiles)], np.int64),
        np.zeros(1, np.int32),
        np.array([ts], np.int64),
    )[0]
    return tuple(column[0].as_py(maps_as_pydicts="strict") for column in table.columns)


def _read(
    program: Program,
    fold: int,
    tiles: Tiles,
    routes: Routes,
    entity: Array,
    seen: Array,
    overflow: Array,
) -> dict[int, pa.Array]:
    """The columns that are read from one accumulator, by their places."""
    part = program.parts[fold]
    partials = _decode(program, fold, tiles, routes)
    wanted = [at for at, own in enumerate(program.folds) if own == fold]
    results: dict[int, list[Any]] = {at: [] for at in wanted}
    rows: list[Any] = []
    for read in range(len(entity)):
        for window, partial in _merged(program, fold, partials, routes, read).items():
            seen[read] |= not part.is_empty(partial)
            if program.passthrough:
                rows.append(program.accumulators[fold].operation.finish(partial, _NO_FEATURE))
                continue
            for at in wanted:
                feature = program.features[at]
                if program.reads[at] != window:
                    continue
                value = part.finish(partial, feature)
                if part.is_empty(partial) and entity[read] >= 0:
                    value = feature.default
                results[at].append(_arrow_ready(value))
                overflow[read] |= part.overflowed(partial)
    if program.passthrough:
        types = [program.columns[name] for name in program.passthrough]
        return {
            at: pa.array([None if row is None else row[at] for row in rows], type_)
            for at, type_ in enumerate(types)
        }
    return {at: pa.array(results[at], program.outputs[at]) for at in wanted}


_NO_FEATURE: Any = None


def _decode(program: Program, fold: int, tiles: Tiles, routes: Routes) -> dict[int, Any]:
    """The accumulator's partial in each tile that a read merges."""
    part, many = program.parts[fold], len(program.parts)
    return {
        tile: part.decode(packing.unpack(tiles.packed[tile].as_py(), many)[fold])
        for tile in np.unique(routes.nodes).tolist()
    }


def _merged(
    program: Program, fold: int, partials: dict[int, Any], routes: Routes, read: int
) -> dict[int, Any]:
    """The accumulator over each window of a read, by the window's place."""
    part = program.parts[fold]
    held, at = part.merge([]), int(routes.begins[read])
    merged: dict[int, Any] = {}
    for window in np.argsort(routes.cuts[read], kind="stable").tolist():
        end = int(routes.cuts[read, window])
        if end > at:
            held = part.merge([held, *(partials[tile] for tile in routes.nodes[at:end].tolist())])
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
