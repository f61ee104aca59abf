"""Rows for a topic, from files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa

from catenary.errors import DataError, MissingTableError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.app.live import Live

_SHOWN = 3


def read_rows(live: Live, topic: str, file: Path) -> pa.Table:
    """The rows of a file, in the topic's columns.

    Raises:
        DataError: if no definition follows the topic; for rows that do not fit it, with their lines.
        MissingTableError: if there is no such file.
    """
    known = live.topics()
    if topic not in known:
        raise DataError(f"no definition follows topic {topic!r}", hint=nearest(topic, known))
    _, schema = known[topic]
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        from catenary.rows.columns import normalised

        found = pq.ParquetFile(_there(file)).read()
        lacking = [name for name in schema if name not in found.column_names]
        if lacking:
            raise DataError(f"{file} lacks the column {lacking[0]!r}", hint=f"{topic} has it")
        return normalised(found.select(list(schema)), schema)
    from catenary.codecs import codec

    data = sys.stdin.buffer.read() if str(file) == "-" else _there(file).read_bytes()
    lines = [line for line in data.splitlines() if line.strip()]
    decoded = codec("json", schema).decode(pa.array(lines, pa.large_binary()))
    if decoded.rejected:
        first = [f"row {each.row + 1}: {each.reason}" for each in decoded.rejected[:_SHOWN]]
        raise DataError(
            f"{len(decoded.rejected)} of {len(lines)} rows do not fit {topic}: " + "; ".join(first),
            where=str(file),
            hint="nothing was appended; mend them and publish again",
        )
    return decoded.rows


def _there(file: Path) -> Path:
    if not file.is_file():
        raise MissingTableError(f"there is no file {str(file)!r}")
    return file
