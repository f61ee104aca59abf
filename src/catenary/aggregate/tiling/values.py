"""Raw results as Python values: for single reads, where a column for each would cost the most."""

from __future__ import annotations

import ctypes
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow
from catenary.aggregate.tiling.columns import text_of

_EPOCH_DAY: Final = date(1970, 1, 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def reader_of(type_: pa.DataType) -> Any:
    """What makes a Python value of a result: a number, the same as a double, a length.

    None for lists and maps, which do not fit in a number.
    """
    if pa.types.is_list(type_) or pa.types.is_map(type_):
        return None
    if pa.types.is_string(type_):
        return lambda number, _, length: text_of(ctypes.string_at(number, length))
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


def kind_of(type_: pa.DataType) -> str | None:
    """How ``compiled/single.py`` makes a Python value of a result; None for what it leaves to `reader_of`."""
    if arrow.is_floating(type_):
        return "d"
    if pa.types.is_integer(type_):
        return "i"
    if pa.types.is_boolean(type_):
        return "b"
    if arrow.is_bytes(type_):
        return "s" if pa.types.is_string(type_) else "y"
    return None


def raw_default(default: object, type_: pa.DataType) -> int | None:
    """A default of a 64-bit number as a raw result; None where there is none, or of another type."""
    if default is None or type_ not in (pa.int64(), pa.float64()):
        return None
    return int(arrow.numbers(pa.array([default], type_)).view(np.int64)[0])
