"""A batch through a compiled reader: Arrow buffers in, Arrow columns out; and batches put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.codecs import Decoded, Rejected
from catenary.codecs.reasons import reason as in_words
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.compiled.records import Reader
    from catenary.schema import Schema


def decode(
    reader: Reader,
    arrow: pa.Schema,
    values: pa.LargeBinaryArray,
    reason: Callable[[int, int, int, int], str],
    *,
    header: int = 0,
) -> Decoded:
    """Decode a batch.

    Args:
        reader: the program.
        arrow: of the rows.
        values: the records.
        reason: (code, byte, place, came) in words.
        header: bytes at the start of every record that are not the codec's.
    """
    values = large(values)
    many, skipped = len(values), values.offset
    kept = np.arange(many, dtype=np.int64)
    if many == 0:
        return Decoded(arrow.empty_table(), kept, ())
    valid, offsets, data = values.buffers()
    columns, refused = reader.rows(
        data.address if data is not None else 0,
        offsets.address + 8 * skipped,
        valid.address if valid is not None else 0,
        skipped,
        many,
        header,
    )
    # PyArrow's documented entry for memory that C made; the public one costs more than a small batch.
    batch = pa.RecordBatch._import_from_c(columns.address, arrow)
    table = pa.Table.from_batches([batch], arrow)
    if not refused:
        return Decoded(table, kept, ())
    told = tuple(
        Rejected(row, reason(code, at, place, came)) for row, at, code, place, came in refused
    )
    return Decoded(table, np.delete(kept, [each.row for each in told]), told)


def large(values: pa.Array) -> pa.LargeBinaryArray:
    """Records with offsets of 64 bits, however they come."""
    return values if values.type == pa.large_binary() else values.cast(pa.large_binary())


def joined(
    parts: Sequence[Decoded], schema: Schema, rejected: Sequence[Rejected], *, skipped: int = 0
) -> Decoded:
    """Parts of one batch as one, in the records' order.

    Args:
        parts: what was decoded, numbered within the batch.
        schema: of the rows.
        rejected: further records.
        skipped: further ones.
    """
    told = [each for part in parts for each in part.rejected] + list(rejected)
    told.sort(key=lambda each: each.row)
    skipped += sum(part.skipped for part in parts)
    some = [part for part in parts if len(part.kept)]
    if not some:
        empty = schema_to_arrow(schema).empty_table()
        return Decoded(empty, np.zeros(0, np.int64), tuple(told), skipped)
    if len(some) == 1:
        return Decoded(some[0].rows, some[0].kept, tuple(told), skipped)
    kept = np.concatenate([part.kept for part in some])
    order = np.argsort(kept)
    # Chunks are made one first: rows of many parts would be looked for in each of them.
    rows = pa.concat_tables([part.rows for part in some]).combine_chunks().take(pa.array(order))
    return Decoded(rows, kept[order], tuple(told), skipped)


def words_of_absent(*, empty: bool) -> str:
    """Why a record without a byte is none: it is empty, or has no value."""
    return in_words(3 if empty else 2, 0, "", "", 0)
