"""Avro records to rows and back: a program made once, run on every batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.codecs.avro.resolve import resolve
from catenary.codecs.avro.schemas import parse
from catenary.codecs.avro.write import UnwritableError, writer_of
from catenary.codecs.batches import decode
from catenary.codecs.layout import layout
from catenary.codecs.reasons import reason
from catenary.compiled.records import Reader
from catenary.errors import DataError
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.codecs import Decoded
    from catenary.schema import Schema


class AvroCodec:
    """Reads and writes bare Avro records.

    Args:
        schema: the columns of the rows.
        writer: the schema that records were, and are, written with.
        reader: the schema that they are resolved to before columns are taken by name.
        imports: schemas whose types the writer's names.
    """

    def __init__(
        self, schema: Schema, writer: str, reader: str | None = None, imports: Sequence[str] = ()
    ) -> None:
        self.schema = schema
        self._arrow = schema_to_arrow(schema)
        self._columns = layout(schema)
        self._writer = parse(writer, imports)
        program = resolve(self._writer, parse(reader) if reader else None, self._columns)
        self._paths = program.paths
        self._types = [
            str(self._columns.types[op[1]]) if op[1] >= 0 else "its type" for op in program.ops
        ]
        self._reader = Reader(
            "avro",
            np.array(program.ops, np.int64).tobytes(),
            bytes(program.constants),
            np.array(self._columns.plan, np.int64).tobytes(),
        )

    def decode(self, values: pa.LargeBinaryArray, *, header: int = 0) -> Decoded:
        """Every record becomes a row or is rejected."""
        return decode(self._reader, self._arrow, values, self._reason, header=header)

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One record per row; a field that is no column gets its default, else null."""
        write = writer_of(self._writer)
        names = [each.name for each in self._writer.fields if each.name in rows.column_names]
        columns = [rows.column(name).to_pylist() for name in names]
        made: list[bytes] = []
        for at in range(rows.num_rows):
            out = bytearray()
            try:
                write(out, {name: column[at] for name, column in zip(names, columns, strict=True)})
            except UnwritableError as error:
                raise DataError(f"row {at} cannot be written as Avro: {error}") from error
            made.append(bytes(out))
        return pa.array(made, pa.large_binary())

    def _reason(self, code: int, at: int, place: int, came: int) -> str:
        known = max(place, 0)
        return reason(code, at, self._paths[known], self._types[known], came)
