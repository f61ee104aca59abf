"""Arrow IPC: a record is a stream of one batch of one row, with its schema before it.

One row, because a record's offset is what a row goes by: in dead letters and their replay, in marks, in
where an upload ends and a stream begins. A record of several rows is rejected, as a whole.

Columns are taken by name, and must be of the column's type; those that are not there are null. What comes
over a wire is checked in full before it is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.codecs import Decoded, Rejected
from catenary.codecs.batches import joined, words_of_absent
from catenary.errors import UnsupportedError
from catenary.schema.arrow import from_arrow, schema_to_arrow
from catenary.schema.floats import clean_floats, holds_floats

if TYPE_CHECKING:
    from catenary.schema import Schema


_MISREAD: Final = (pa.ArrowException, OSError, ValueError, MemoryError)
"""What PyArrow raises for bytes that are no stream, or hold what a column does not."""


class ArrowCodec:
    """Reads and writes streams of one row."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._arrow = schema_to_arrow(schema)

    def decode(self, values: pa.LargeBinaryArray) -> Decoded:
        """Every record becomes a row or is rejected."""
        rejected: list[Rejected] = []
        groups: dict[pa.Schema, tuple[list[pa.RecordBatch], list[int]]] = {}
        for row, value in enumerate(values):
            data = value.as_buffer()
            if data is None or not len(data):
                rejected.append(Rejected(row, words_of_absent(empty=data is not None)))
                continue
            try:
                batch = _read(data)
                arrow = batch.schema.remove_metadata()
                batches, rows = groups.setdefault(arrow, ([], []))
            except _MISREAD as error:
                why = f"this is no Arrow stream of one row: {_line(error)}"
                rejected.append(Rejected(row, why))
                continue
            batches.append(batch.replace_schema_metadata(None))
            rows.append(row)
        parts: list[Decoded] = []
        for arrow, (batches, rows) in groups.items():
            try:
                taken = self._taken(pa.Table.from_batches(batches, arrow))
                parts.append(Decoded(taken, np.array(rows, np.int64), ()))
            except _MISREAD:  # they are told apart
                for row, batch in zip(rows, batches, strict=True):
                    try:
                        taken = self._taken(pa.Table.from_batches([batch], arrow))
                        parts.append(Decoded(taken, np.array([row]), ()))
                    except _MISREAD as error:
                        rejected.append(Rejected(row, _line(error)))
        return joined(parts, self.schema, rejected)

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One stream per row."""
        table = rows.select(list(self.schema)).cast(self._arrow)
        made: list[bytes] = []
        for batch in table.to_batches(max_chunksize=1):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, self._arrow) as writer:
                writer.write_batch(batch)
            made.append(sink.getvalue().to_pybytes())
        return pa.array(made, pa.large_binary())

    def _taken(self, table: pa.Table) -> pa.Table:
        """The columns, in their one form.

        Raises:
            _MisfitError: if a column is there twice, or of another type.
            pa.ArrowException: if a value does not fit.
        """
        made: list[pa.ChunkedArray] = []
        for name, type_ in self.schema.items():
            places = table.schema.get_all_field_indices(name)
            wanted = self._arrow.field(name).type
            if not places:
                made.append(pa.chunked_array([pa.nulls(table.num_rows, wanted)]))
                continue
            if len(places) > 1:
                raise _MisfitError(f"column {name!r} is there twice")
            column = table.column(places[0])
            try:
                came = from_arrow(column.type, column=name)
            except UnsupportedError as error:
                raise _MisfitError(error.problem) from error
            if came != type_ and came.name != "void":
                raise _MisfitError(f"column {name!r}: expected {type_}, not {came}")
            if pa.types.is_timestamp(column.type):
                column = pc.cast(column, wanted, safe=False)
            elif column.type != wanted:
                column = pc.cast(column, wanted)
            made.append(clean_floats(column) if holds_floats(type_) else column)
        if not made:
            return pa.table({"": pa.nulls(table.num_rows)}).select([])
        return pa.Table.from_arrays(made, schema=self._arrow)


class _MisfitError(ValueError):
    """A column that cannot become the one of its name, whatever its values are."""


def _line(error: Exception) -> str:
    """What an error says, in one line that is not too long."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _read(data: pa.Buffer) -> pa.RecordBatch:
    """The one row of a stream.

    Raises:
        ValueError: for another number of rows.
        pa.ArrowException: for what is no stream.
    """
    with pa.ipc.open_stream(data) as stream:
        found = [batch for batch in stream if batch.num_rows]
        for batch in found:
            batch.validate(full=True)
    many = sum(batch.num_rows for batch in found)
    if many != 1:
        raise ValueError(f"it holds {many} rows; write each row as a record of its own")
    return found[0]
