"""Messages as records: each column is filled by the client's own methods, without Python per message."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from catenary.ports.log import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME = itemgetter(1)


def records_of(messages: Sequence[Any]) -> Records:
    """Messages of one partition, ascending, none of them an error; at least one."""
    many, kind = len(messages), type(messages[0])
    offsets = np.fromiter(map(kind.offset, messages), np.int64, many)
    return Records(
        offsets,
        column(list(map(kind.key, messages))),
        column(list(map(kind.value, messages))),
        np.fromiter(map(_TIME, map(kind.timestamp, messages)), np.int64, many),
        int(offsets[-1]) + 1,
    )


def column(items: list[bytes | None]) -> pa.LargeBinaryArray:
    """Bytes as a column: joined by one call, where none is missing."""
    if None in items:
        return pa.array(items, pa.large_binary())
    whole = cast("list[bytes]", items)
    offsets = np.zeros(len(whole) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, whole), np.int64, len(whole)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(whole))]
    return pa.Array.from_buffers(pa.large_binary(), len(whole), buffers)


def sizes(column: pa.LargeBinaryArray) -> np.ndarray:
    """Bytes of each item, int64."""
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    return np.diff(offsets[column.offset : column.offset + len(column) + 1])
