"""Batches of records' bytes to Arrow columns, and back.

    values: LargeBinaryArray ──decode──► rows, which records they came from, which were rejected and why
    rows: Table ──encode──► values

A record is taken whole or rejected whole: with a reason that says what came, in which column or at
which byte. It never takes a neighbour along. NaN enters as null and -0.0 as 0.0. A record without a
value, or an empty one, is rejected too. No object is made per field; records that are fine cost none at
all. Schemas are passed in: who knows a topic's schema, and how records are framed, is not known here.

Read next: ``avro/resolve.py`` (two schemas to one program), ``catenary/compiled/records.py`` (the loops).
Held to account by: ``tests/property/test_codecs_avro.py`` (against fastavro),
``tests/property/test_codecs_json.py`` (against Python's `json`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from catenary.codecs.avro.types import avro_schema, schema_of_avro
from catenary.codecs.protobuf.program import schema_of_protobuf
from catenary.errors import DefinitionError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import pyarrow as pa

    from catenary.schema import Schema

__all__ = [
    "Codec",
    "Decoded",
    "Rejected",
    "avro_schema",
    "codec",
    "schema_of_avro",
    "schema_of_protobuf",
]


@dataclass(frozen=True)
class Rejected:
    """A record that did not become a row.

    Attributes:
        row: its number in the batch.
        reason: what was expected and what came, in one line.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """A batch, decoded.

    Attributes:
        rows: in the records' order.
        kept: int64, the number of the record that each row came from; ascending.
        rejected: the other records, ascending.
        skipped: how many records say nothing that is a row, by the rules of their format.
    """

    rows: pa.Table
    kept: np.ndarray
    rejected: tuple[Rejected, ...]
    skipped: int = 0

    def among(self, numbers: np.ndarray) -> Decoded:
        """The same, where the records were a part of a batch: these ones."""
        told = tuple(Rejected(int(numbers[each.row]), each.reason) for each in self.rejected)
        return Decoded(self.rows, numbers[self.kept], told, self.skipped)


class Codec(Protocol):
    """Reads and writes records of one schema; has no state, so that threads may share it."""

    @property
    def schema(self) -> Schema:
        """Of the rows that `decode` returns."""
        ...

    def decode(self, values: pa.LargeBinaryArray) -> Decoded:
        """Every record becomes a row, is rejected, or is skipped where its format says so.

        Bytes alone never raise; a registry that schemas come from may.
        """
        ...

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One record per row.

        Raises:
            DataError: if a value has no form in the records' schema; names the column and the row.
        """
        ...


CODECS: Final = ("arrow", "avro", "json", "protobuf")


def codec(
    name: str,
    schema: Schema,
    *,
    writer: str | None = None,
    reader: str | None = None,
    files: bytes | None = None,
    message: str | None = None,
    columns: Collection[str] | None = None,
) -> Codec:
    """The codec of that name.

    Args:
        name: `json`, `avro`, `protobuf` or `arrow`.
        schema: the columns of records.
        writer: Avro only: the schema that records were written with, as JSON text; by default what
            `avro_schema` makes of `schema`. Records are encoded with it too.
        reader: Avro only: the schema that the writer's is resolved to before columns are taken by
            name; by default the writer's own. Columns that it lacks are null.
        files: Protobuf only: a FileDescriptorSet, imports before those who import.
        message: Protobuf only: the records' message; by default the last file's first one.
        columns: only these are kept; the others are checked all the same.

    Raises:
        UnsupportedError: for another name, or a type that has no form here.
        DefinitionError: if the schemas do not fit each other, or are no schemas.
    """
    from catenary.codecs.layout import projected

    wanted = projected(schema, columns)
    if name == "avro":
        from catenary.codecs.avro.codec import AvroCodec

        return AvroCodec(wanted, writer or avro_schema(schema), reader)
    if name == "protobuf":
        from catenary.codecs.protobuf.codec import ProtobufCodec

        if files is None:
            raise DefinitionError(
                "records in Protobuf need a schema",
                hint="give a FileDescriptorSet, made with protoc --include_imports --descriptor_set_out",
            )
        return ProtobufCodec(wanted, files, message)
    if name in ("arrow", "json"):
        if writer or reader:
            raise UnsupportedError(
                f"records in {name} are read without a schema: `writer` and `reader` are Avro's"
            )
        if name == "arrow":
            from catenary.codecs.arrow_rows import ArrowCodec

            return ArrowCodec(wanted)
        from catenary.codecs.json_rows import JsonCodec

        return JsonCodec(schema, wanted)
    raise UnsupportedError(f"there is no codec {name!r}", hint=nearest(name, CODECS))
