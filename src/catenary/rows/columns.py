"""Arrow columns in their one form: the type that stands for each of ours, no NaN, no minus zero.

What enters a run passes here once (semantics 10 and 14); what comes after may rely on it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import DataError
from catenary.schema.arrow import to_arrow
from catenary.schema.floats import clean_floats, holds_floats
from catenary.windows import DAY_MS, LIKELY_MS, UNLIKELY_MS

if TYPE_CHECKING:
    from catenary.schema import Schema, Type

_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}


def normalised(rows: pa.Table, schema: Schema) -> pa.Table:
    """The columns of `rows` with the types that `schema` tells, floats cleaned."""
    columns = [normal_column(rows.column(name), schema[name], name) for name in rows.column_names]
    return pa.table(columns, names=rows.column_names)


def normal_column(column: pa.ChunkedArray, type_: Type, name: str) -> pa.ChunkedArray:
    """One column in its one form.

    Raises:
        DataError: if values do not fit the type, such as a time outside the years of a timestamp.
    """
    wanted = to_arrow(type_)
    if column.type != wanted:
        column = plain(column)
        if _times_by_numbers(column.type, wanted):
            raise DataError(
                f"column {name!r} ({column.type}) does not fit {type_}",
                hint="nobody knows in which unit its numbers are: cast it before, times to integers"
                " or integers to times",
            )
        try:
            if pa.types.is_timestamp(column.type) and column.type.tz is None:
                column = column.cast(pa.timestamp(column.type.unit, tz="UTC"))
            column = column.cast(wanted, safe=not pa.types.is_timestamp(wanted))
        except pa.ArrowException as error:
            problem = f"column {name!r} ({column.type}) does not fit {type_}: {error}"
            raise DataError(problem) from error
    return clean_floats(column) if holds_floats(type_) else column


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column's values themselves where it holds them by a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _times_by_numbers(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether times would be told by whole numbers or the other way round, here or in what is inside."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_struct(given) and pa.types.is_struct(wanted):
        pairs = [(each, wanted.get_field_index(each.name)) for each in given]
        return any(
            at >= 0 and _times_by_numbers(each.type, wanted.field(at).type) for each, at in pairs
        )
    if pa.types.is_nested(given) and pa.types.is_nested(wanted):
        return _times_by_numbers(given.field(0).type, wanted.field(0).type)
    is_time, is_whole = pa.types.is_temporal, pa.types.is_integer
    return (is_time(given) and is_whole(wanted)) or (is_whole(given) and is_time(wanted))


def instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as milliseconds since the epoch; what a timestamp has beside them is floored."""
    if pa.types.is_timestamp(column.type):
        chunks = [_floored(chunk) for chunk in column.chunks]
        return pa.chunked_array(chunks, type=pa.int64())
    return column if column.type == pa.int64() else column.cast(pa.int64())


def _floored(chunk: pa.Array) -> pa.Array:
    unit = chunk.type.unit
    if unit == "s":
        chunk, unit = chunk.cast(pa.timestamp("ms", tz=chunk.type.tz)), "ms"
    ticks = chunk.cast(pa.int64())
    values = ticks.fill_null(0).to_numpy() // _PER_MS[unit]
    mask = ticks.is_null().to_numpy(zero_copy_only=False) if ticks.null_count else None
    return pa.array(values, mask=mask)


def unlikely_time(times: pa.ChunkedArray) -> int | None:
    """The first of these instants if all of them lie before 1971 or after 2200; None otherwise."""
    if not len(times):
        return None
    first = times[0].as_py()
    if first is not None and LIKELY_MS <= first < UNLIKELY_MS:  # as nearly always
        return None
    known, _ = int64_values(times.drop_null())
    if not len(known) or ((known >= LIKELY_MS) & (known < UNLIKELY_MS)).any():
        return None
    return int(known[0])


def int64_values(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of an int64 column (0 for null), and where it is null; None if nowhere."""
    if column.null_count == 0:
        return column.to_numpy(), None
    return column.fill_null(0).to_numpy(), column.is_null().to_numpy()


def int64_column(values: np.ndarray, nulls: np.ndarray | None) -> pa.Array:
    """The opposite of `int64_values`."""
    return pa.array(values, type=pa.int64(), mask=nulls)


def floored_to_day(column: pa.ChunkedArray) -> pa.Array:
    """Each instant's UTC midnight at or before it."""
    values, nulls = int64_values(column)
    return int64_column(values // DAY_MS * DAY_MS, nulls)


def day_texts(days: np.ndarray, nulls: np.ndarray | None = None) -> pa.Array:
    """Days since the epoch as `yyyy-mm-dd`, each distinct one written once."""
    if len(days) and (days == days[0]).all():  # as in most small batches
        taken = pa.repeat(_day_text(int(days[0])), len(days))
    else:
        distinct, codes = np.unique(days, return_inverse=True)
        texts = np.array([_day_text(day) for day in distinct.tolist()], object)
        taken = pa.array(texts, type=pa.string()).take(pa.array(codes))
    if nulls is None:
        return taken
    return pc.if_else(pa.array(nulls), pa.scalar(None, pa.string()), taken)


@lru_cache(maxsize=4096)
def _day_text(day: int) -> str:
    return str(np.datetime64(day, "D"))


def dates_of(times: pa.ChunkedArray) -> pa.Array:
    """The UTC date of each instant as `yyyy-mm-dd`; null where it is null."""
    values, nulls = int64_values(times)
    return day_texts(values // DAY_MS, nulls)
