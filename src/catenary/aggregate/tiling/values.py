"""Raw results as Python values: for single reads, where a column for each would cost the most."""

from __future__ import annotations

import ctypes
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from catenary.aggregate import arrow

_EPOCH_DAY: Final = date(1970, 1, 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def reader_of(type_: pa.DataType) -> Any:
    """What makes a Python value of a result: a number, the same as a double, a length."""
    if pa.types.is_string(type_):
        return lambda number, _, length: ctypes.string_at(number, length).decode()
    if pa.types.is_binary(type_):
        return lambda number, _, length: ctypes.string_at(number, length)
    if pa.types.is_boolean(type_):
        return lambda number, _double, _length: bool(number)
    if pa.types.is_date(type_):
        return lambda number, _double, _length: _EPOCH_DAY + timedelta(days=number)
    if pa.types.is_timestamp(type_):
        return lambda number, _double, _length: _EPOCH + timedelta(microseconds=number)
    if arrow.is_floating(type_):
        return lambda _number, double, _length: double
    return lambda number, _double, _length: number
