"""Protobuf records to rows and back: a program made once, run on every batch."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.codecs.batches import decode
from catenary.codecs.layout import layout
from catenary.codecs.protobuf.messages import messages
from catenary.codecs.protobuf.program import program
from catenary.codecs.reasons import reason
from catenary.compiled.records import Reader
from catenary.errors import DataError
from catenary.schema.arrow import schema_to_arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.codecs import Decoded
    from catenary.codecs.protobuf.messages import Field, Messages
    from catenary.schema import Schema

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO = dt.timedelta(microseconds=1)


class ProtobufCodec:
    """Reads and writes records of one message.

    Args:
        schema: the columns of the rows.
        files: a FileDescriptorSet.
        name: of the message; by default the last file's first one.
        path: instead of the name: the message's place in the last file.
    """

    def __init__(
        self,
        schema: Schema,
        files: bytes,
        name: str | None = None,
        path: Sequence[int] | None = None,
    ) -> None:
        self.schema = schema
        self._arrow = schema_to_arrow(schema)
        self._columns = layout(schema)
        self._messages = messages(files, name=name, path=path)
        made = program(self._messages, self._columns)
        self._paths = made.paths
        self._types = [
            str(self._columns.types[op[2]]) if op[2] >= 0 else "its type" for op in made.ops
        ]
        self._reader = Reader(
            "protobuf",
            np.array(made.ops, np.int64).tobytes(),
            bytes(made.constants),
            np.array(self._columns.plan, np.int64).tobytes(),
        )

    def decode(self, values: pa.LargeBinaryArray, *, header: int = 0) -> Decoded:
        """Every record becomes a row or is rejected; one without bytes is a message of defaults."""
        return decode(self._reader, self._arrow, values, self._reason, header=header)

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One record per row; nulls are not written, and neither are columns without a field."""
        root = self._messages.known[self._messages.root]
        known = [name for name in rows.column_names if root.field(name) is not None]
        made: list[bytes] = []
        for at, row in enumerate(rows.select(known).to_pylist()):
            record = self._messages.made()
            try:
                _fill(self._messages, self._messages.root, record, row)
                made.append(record.SerializeToString(deterministic=True))
            except (TypeError, ValueError, OverflowError) as error:
                raise DataError(f"row {at} cannot be written as Protobuf: {error}") from error
        return pa.array(made, pa.large_binary())

    def _reason(self, code: int, at: int, place: int, came: int) -> str:
        known = max(place, 0)
        return reason(code, at, self._paths[known], self._types[known], came)


def _fill(found: Messages, name: str, record: Any, row: dict[str, Any]) -> None:
    """Set the fields of a message from a row's values, as PyArrow shows them."""
    for each in found.known[name].fields:
        value = row.get(each.name)
        if value is None:
            continue
        if each.kind != "message":
            if each.repeated:
                getattr(record, each.name).extend(_scalar(each, one) for one in value)
            else:
                setattr(record, each.name, _scalar(each, value))
        elif found.of(each).is_map:
            _fill_map(found, each, getattr(record, each.name), value)
        elif each.repeated:
            for one in value:
                _put(found, each.message, getattr(record, each.name).add(), one)
        else:
            inner = getattr(record, each.name)
            inner.SetInParent()
            _put(found, each.message, inner, value)


def _fill_map(found: Messages, each: Field, entries: Any, value: list[tuple[Any, Any]]) -> None:
    part = found.of(each).field("value")
    assert part is not None, "the entry of a map has a key and a value"
    for key, one in value:
        if part.kind == "message":
            inner = entries[key]
            if one is not None:
                _put(found, part.message, inner, one)
        else:
            entries[key] = _scalar(part, one)


def _put(found: Messages, name: str, record: Any, value: Any) -> None:
    """A value into a message: a struct, a time, or what a wrapper holds."""
    if isinstance(value, dict):
        _fill(found, name, record, value)
    elif name == "google.protobuf.Timestamp":
        micros = (value - _EPOCH) // _MICRO
        record.seconds, record.nanos = micros // 1_000_000, micros % 1_000_000 * 1000
    elif name == "google.protobuf.Duration":
        sign = -1 if value < 0 else 1
        record.seconds = sign * (abs(value) // 1_000_000)
        record.nanos = sign * (abs(value) % 1_000_000 * 1000)
    else:
        record.value = _scalar(found.known[name].fields[0], value)


def _scalar(each: Field, value: Any) -> Any:
    if each.kind == "string" and isinstance(value, bytes):
        return value.decode()
    if each.kind == "bytes" and isinstance(value, str):
        return value.encode()
    if each.enum is not None and isinstance(value, str):
        numbers = {name: number for number, name in each.enum.names.items()}
        if value in numbers:
            return numbers[value]
        if not value.lstrip("-").isdecimal():
            raise ValueError(f"{value!r} is no name of field {each.name!r}")
        return int(value)
    return value
