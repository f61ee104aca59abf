"""JSON: one object per record, parsed straight into columns.

| column | takes | is written as |
| --- | --- | --- |
| boolean | `true`, `false` | the same |
| tinyint … bigint | whole numbers that fit, without fraction or exponent | the same |
| float, double | any number that fits | the same; infinities cannot be written |
| string | text | text |
| binary | base64 with padding | the same |
| date | `"2024-05-01"` | the same |
| timestamp | ISO 8601 text with a zone, or whole milliseconds since 1970 | text in UTC |
| array, struct | array, object | the same |
| map | object; keys are text, or whole numbers as text | the same |

A member that is not there is null; one that no column is named for is checked and left out; of two with
one name the last counts. Digits of a time beyond microseconds are cut off.
"""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np
import pyarrow as pa

from catenary.codecs.batches import decode
from catenary.codecs.layout import layout
from catenary.codecs.reasons import reason
from catenary.compiled.records import Reader
from catenary.errors import DataError, UnsupportedError, nearest
from catenary.schema import Schema
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary.codecs import Decoded
    from catenary.schema import Type


class JsonCodec:
    """Reads and writes objects with these members.

    Args:
        schema: the columns of records.
        kept: those of the rows that `decode` returns; all by default. The others are checked, unless
            they are of a type that JSON has no form for.
        forms: of `layout.py`: what whole numbers mean in columns of times, if not what stands above.
    """

    def __init__(
        self,
        schema: Schema,
        kept: Schema | None = None,
        forms: Mapping[str, int] | None = None,
    ) -> None:
        self.schema = schema if kept is None else kept
        for name, type_ in self.schema.items():
            key = _formless(type_)
            if key is not None:
                raise UnsupportedError(
                    f"column {name!r}: JSON has no maps with keys of {key}",
                    hint="keys are string or a whole number",
                )
        checked = [each for each in schema.fields if _formless(each.type) is None]
        self._whole = len(checked) == len(self.schema)
        self._arrow = schema_to_arrow(Schema(tuple(checked)))
        self._layout = layout(Schema(tuple(checked)), forms)
        names = b"".join(name.encode() for name in self._layout.names)
        ends = np.cumsum([0, *(len(name.encode()) for name in self._layout.names)])
        spans = np.stack([ends[:-1], ends[1:]], axis=1).astype(np.int64)
        plan = np.array(self._layout.plan, np.int64)
        self._reader = Reader("json", spans.tobytes(), names, plan.tobytes())

    def decode(self, values: pa.LargeBinaryArray, *, header: int = 0) -> Decoded:
        """Every record becomes a row or is rejected."""
        found = decode(self._reader, self._arrow, values, self._reason, header=header)
        return found if self._whole else replace(found, rows=found.rows.select(list(self.schema)))

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One object per row; nulls are written, so that every object has every member."""
        for name in self.schema:
            if name not in rows.column_names:
                hint = nearest(name, rows.column_names)
                raise DataError(f"the rows have no column {name!r}", hint=hint)
        columns = [
            _shown_column(rows.column(each.name), each.name, _shown(each.type))
            for each in self.schema.fields
        ]
        names = list(self.schema)
        encoder = msgspec.json.Encoder()
        objects = (
            [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            if names
            else [{}] * rows.num_rows
        )
        return pa.array([encoder.encode(each) for each in objects], pa.large_binary())

    def _reason(self, code: int, at: int, place: int, came: int) -> str:
        known = max(place, 0)
        return reason(code, at, self._layout.paths[known], str(self._layout.types[known]), came)


def _formless(type_: Type) -> Type | None:
    """A map's key in a type that JSON has no form for; None if there is none."""
    if type_.key is not None and type_.key.name != "string" and not type_.key.is_integer:
        return type_.key
    inner = [each.type for each in type_.fields] + ([] if type_.item is None else [type_.item])
    return next((found for each in inner if (found := _formless(each)) is not None), None)


class _NoFormError(ValueError):
    """A value that JSON has no form for."""


def _shown_column(
    column: pa.ChunkedArray, name: str, show: Callable[[object], object] | None
) -> list[object]:
    if show is None:
        return column.to_pylist()
    made: list[object] = []
    try:
        for value in column.to_pylist():
            made.append(None if value is None else show(value))
    except _NoFormError as error:
        raise DataError(f"column {name!r}, row {len(made)}: {error}") from error
    return made


def _shown(type_: Type) -> Callable[[object], object] | None:
    """What turns a value (not null) into what is written; None if it is written as it is."""
    name = type_.name
    if name in ("float", "double"):
        return _number
    if name == "binary":
        return lambda value: base64.b64encode(cast("bytes", value)).decode()
    if name == "date":
        return lambda value: cast("dt.date", value).isoformat()
    if name == "timestamp":
        return lambda value: (
            cast("dt.datetime", value).astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        )
    if name == "array":
        assert type_.item is not None
        item = _or_null(_shown(type_.item))
        return lambda value: [item(each) for each in cast("list[object]", value)]
    if name == "map":
        assert type_.item is not None
        item = _or_null(_shown(type_.item))
        return lambda value: {
            str(key): item(each) for key, each in cast("list[tuple[object, object]]", value)
        }
    if name == "struct":
        parts = {each.name: _or_null(_shown(each.type)) for each in type_.fields}
        return lambda value: {
            part: show(cast("dict[str, object]", value)[part]) for part, show in parts.items()
        }
    return None


def _or_null(show: Callable[[object], object] | None) -> Callable[[object], object]:
    if show is None:
        return lambda value: value
    return lambda value: None if value is None else show(value)


def _number(value: object) -> object:
    number = cast("float", value)
    if number in (float("inf"), float("-inf")):
        raise _NoFormError("JSON has no infinity")
    return None if number != number else number
