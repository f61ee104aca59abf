"""A batch through a compiled reader: Arrow buffers in, Arrow columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.codecs import Decoded, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.compiled.records import Reader


def decode(
    reader: Reader,
    arrow: pa.Schema,
    values: pa.LargeBinaryArray,
    reason: Callable[[int, int, int, int], str],
) -> Decoded:
    """Decode a batch.

    Args:
        reader: the program.
        arrow: of the rows.
        values: the records.
        reason: (code, byte, place, came) in words.
    """
    if values.type != pa.large_binary():
        values = values.cast(pa.large_binary())
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
