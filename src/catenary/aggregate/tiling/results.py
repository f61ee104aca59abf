"""What native accumulators come to: raw results of a compiled loop, then columns or Python values."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate.codec import Reader, Writer
from catenary.aggregate.operations.latest_row import LatestRow, kind_of_type, read_column
from catenary.aggregate.sweeps import lists
from catenary.aggregate.tiling import packing
from catenary.aggregate.tiling.columns import (
    ASIDE,
    EMPTY,
    NULL,
    VALUE,
    Packed,
    result,
    with_default,
)
from catenary.aggregate.tiling.opening import damage
from catenary.aggregate.tiling.values import reader_of
from catenary.compiled import answers as compiled
from catenary.compiled import handed as handing
from catenary.compiled import tile_rows

if TYPE_CHECKING:
    from catenary.aggregate.tiling.program import Program
    from catenary.aggregate.tiling.routes import Routes
    from catenary.schema import Type

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class NativeResults:
    """The results of the native features of some reads.

    Attributes:
        program: whose they are.
        packed, routes: what the addresses of texts point into; held for as long as they are used.
        entity: of each read.
        values, lengths: int64[features, reads], see `columns.result`; defaults that are 64-bit numbers
            are among them.
        said: uint8[features, reads].
        valid: uint8, the bits of values, feature after feature without a gap.
        nulls: int64[features], how many reads have no value.
        side: partials whose results Python finds.
        items: int64[items, 4], of lists and maps: a value, its length, what is said, a count.
        seen, overflow: bool[reads].
    """

    program: Program
    packed: Packed
    routes: Routes
    entity: Array
    values: Array
    lengths: Array
    said: Array
    valid: Array
    nulls: Array
    side: bytes
    items: Array
    seen: Array
    overflow: Array

    @staticmethod
    def of(program: Program, packed: Packed, routes: Routes, entity: Array) -> NativeResults:
        """Read them.

        Raises:
            DataError: for a tile that is damaged.
        """
        shape = len(program.native_reads), len(entity)
        values, lengths = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        said = np.zeros(shape, np.uint8)
        valid = np.zeros(said.size // 8 + 1, np.uint8)
        nulls = np.zeros(len(said), np.int64)
        seen, overflow = np.zeros(len(entity), np.uint8), np.zeros(len(entity), np.uint8)
        failure = np.zeros(2, np.int64)
        blocks = routes.blocks
        read = compiled.read(
            program.specs,
            program.needs,
            program.native_reads,
            program.native_starts,
            packed.data,
            packed.offsets,
            blocks.data,
            blocks.offsets,
            entity,
            routes.nodes,
            routes.begins,
            routes.order,
            routes.cuts,
            program.native_defaults,
            np.empty((program.triples, 3), np.int64),
            values,
            lengths,
            said,
            valid,
            nulls,
            seen,
            overflow,
            failure,
        )
        if read is None:
            node, fold = failure.tolist()
            source, at = (packed, node) if node < len(packed) else (blocks, node - len(packed))
            raise damage(program, source.tile(at), fold)
        side, items = read
        return NativeResults(
            program,
            packed,
            routes,
            entity,
            values,
            lengths,
            said,
            valid,
            nulls,
            side,
            np.frombuffer(items, np.int64).reshape(-1, 4),
            seen.view(bool),
            overflow.view(bool),
        )

    def table(self) -> pa.Table | None:
        """The columns as a table, where all there is are 64-bit numbers of these; else None."""
        program = self.program
        if program.schema is None:
            return None
        if self.side:
            self._finish_all_aside()
        owner = self.values, self.valid
        handed = handing.columns(*owner, self.nulls, program.native_places, owner)
        # PyArrow's documented entry for memory that C made: all columns at once, none by itself.
        batch = pa.RecordBatch._import_from_c(handed.address, program.schema)
        return pa.Table.from_batches([batch])

    def columns(self) -> dict[int, pa.Array]:
        """The columns by their places."""
        if self.program.passthrough:
            return self._passed_through()
        program, many = self.program, len(self.entity)
        if self.side:
            self._finish_all_aside()
        values, valid = pa.py_buffer(self.values), pa.py_buffer(self.valid)
        nulls = self.nulls.tolist()
        # All columns are parts of the same memory, which costs less than a buffer for each.
        found = {
            place: pa.Array.from_buffers(
                type_, many, [valid if nulls[at] else None, values], nulls[at], at * many
            )
            for at, place, type_ in program.wide
        }
        for at, place, type_ in program.narrow:
            column, default = self._column(at, type_), program.features[place].default
            if default is not None:
                column = with_default(column, self.said[at] == EMPTY, default)
            found[place] = column
        return found

    def _finish_all_aside(self) -> None:
        """Put in what Python has to find."""
        for at in np.flatnonzero((self.said == ASIDE).any(axis=1)).tolist():
            self._finish_aside(at, self.program.native[at])
        present = self.said == VALUE
        bits = np.packbits(present, bitorder="little")
        self.valid[: len(bits)] = bits
        self.nulls[:] = (~present).sum(axis=1)

    def row(self) -> dict[int, object]:
        """The Python values of a single read by their places."""
        if self.program.passthrough:
            arrays = self._passed_through()
            return {at: each[0].as_py(maps_as_pydicts="strict") for at, each in arrays.items()}
        program = self.program
        values, numbers = self.values[:, 0].tolist(), self.values[:, 0].view(np.float64).tolist()
        lengths, said = self.lengths[:, 0].tolist(), self.said[:, 0].tolist()
        found: dict[int, object] = {}
        for at, (place, told) in enumerate(zip(program.native, said, strict=True)):
            reader = program.natively[place]
            if told == VALUE and reader is not None:  # by far the most
                found[place] = reader(values[at], numbers[at], lengths[at])
            elif told == VALUE:
                found[place] = self._several(place, values[at], lengths[at])
            elif told == EMPTY:
                default = program.features[place].default
                found[place] = list(default) if isinstance(default, tuple) else default
            elif told == ASIDE:
                self._finish_aside(at, place)
                held = float(self.values[at].view(np.float64)[0])
                found[place] = held if self.said[at, 0] == VALUE else None
            else:
                found[place] = None
        return found

    def _several(self, place: int, begin: int, many: int) -> object:
        """The list or map of a single read."""
        type_ = self.program.outputs[place]
        is_map = pa.types.is_map(type_)
        read = reader_of(type_.key_type if is_map else type_.value_type)
        own = self.items[begin : begin + many]
        doubles = np.ascontiguousarray(own[:, 0]).view(np.float64).tolist()
        each = [
            read(number, double, length) if said == VALUE else None
            for (number, length, said, _), double in zip(own.tolist(), doubles, strict=True)
        ]
        return dict(zip(each, own[:, 3].tolist(), strict=True)) if is_map else each

    def _column(self, at: int, type_: pa.DataType) -> pa.Array:
        """A feature's results."""
        values, said = self.values[at], self.said[at]
        if not (pa.types.is_list(type_) or pa.types.is_map(type_)):
            return result(values, self.lengths[at], said, type_)
        many = np.where(said == VALUE, self.lengths[at], 0)
        cuts = lists.offsets(many)
        own = self.items[np.repeat(values - cuts[:-1], many) + np.arange(int(cuts[-1]))]
        numbers, lengths, told, counts = (np.ascontiguousarray(each) for each in own.T)
        if pa.types.is_map(type_):
            keys = result(numbers, lengths, told, type_.key_type)
            return lists.assemble_maps(keys, pa.array(counts), cuts)
        return lists.assemble(result(numbers, lengths, told, type_.value_type), cuts)

    def _finish_aside(self, at: int, place: int) -> None:
        """Results that are too wide for the compiled loops: doubles."""
        program = self.program
        part, feature = program.parts[program.folds[place]], program.features[place]
        for read in np.flatnonzero(self.said[at] == ASIDE).tolist():
            begin = int(self.values[at, read])
            _, begin = packing.uvarint_at(self.side, begin)
            end = int(self.values[at, read] + self.lengths[at, read])
            value = part.finish(part.decode(self.side[begin:end]), feature)
            self.said[at, read] = NULL if value is None else VALUE
            self.values[at].view(np.float64)[read] = 0.0 if value is None else value

    def _passed_through(self) -> dict[int, pa.Array]:
        """The columns of the latest rows."""
        program = self.program
        types = [program.types[name] for name in program.passthrough]
        shape = len(types), len(self.entity)
        values, lengths = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        said = np.zeros(shape, np.uint8)
        found = (self.said[0] == VALUE).view(np.uint8)
        kinds = np.array([kind_of_type(each) for each in types], np.int32)
        damaged = tile_rows.open_rows(
            self.values[0], self.lengths[0], found, kinds, values, lengths, said
        )
        if damaged >= 0:
            data = ctypes.string_at(int(self.values[0, damaged]), int(self.lengths[0, damaged]))
            program.parts[0].decode(data)
            raise packing.damaged("a row is not one of this definition")
        arrays: dict[int, pa.Array] = {}
        for at, (name, type_) in enumerate(zip(program.passthrough, types, strict=True)):
            arrow_type = program.columns[name]
            if type_.is_nested:
                contents = result(values[at], lengths[at], said[at], pa.binary())
                nested = [_nested(each, type_) for each in contents.to_pylist()]
                arrays[at] = pa.array(nested, arrow_type)
            elif pa.types.is_null(arrow_type):
                arrays[at] = pa.nulls(len(self.entity))
            else:
                arrays[at] = result(values[at], lengths[at], said[at], arrow_type)
        return arrays


def _nested(content: bytes | None, type_: Type) -> Any:
    """An array, a map or a struct from its content."""
    if content is None:
        return None
    writer = Writer(LatestRow.tag)
    writer.uvarint(kind_of_type(type_))
    writer.value(content)
    return read_column(Reader(writer.finish(), LatestRow.tag, LatestRow.name), type_)
