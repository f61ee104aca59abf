"""Values to Avro bytes, one at a time: rows that are published, and defaults of fields.

Rows come as PyArrow shows them (`to_pylist`); times may be whole microseconds, dates whole days.
Defaults come as a schema says them: bytes are text of the characters 0 to 255.
"""

from __future__ import annotations

import datetime as dt
import struct as packing
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.codecs.avro.schemas import Node

    Write = Callable[[bytearray, Any], None]
    """Appends a value's bytes."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO: Final = dt.timedelta(microseconds=1)
_DAY_ZERO: Final = dt.date(1970, 1, 1).toordinal()
_RANGES: Final = {"int": 1 << 31, "long": 1 << 63}
_FLOATS: Final = {"float": packing.Struct("<f"), "double": packing.Struct("<d")}
_UNITS: Final = {"timestamp-millis": 1000, "local-timestamp-millis": 1000}


class UnwritableError(ValueError):
    """A value that does not fit its Avro type."""


def encode_default(node: Node, default: object, path: str) -> bytes:
    """A field's default as the bytes that a writer would have written.

    Raises:
        DefinitionError: if the default is no value of the field's type.
    """
    out = bytearray()
    try:
        writer_of(node, default=True)(out, default)
    except UnwritableError as error:
        raise DefinitionError(f"the default of the Avro field {path!r}: {error}") from error
    return bytes(out)


def writer_of(node: Node, *, default: bool = False) -> Write:
    """What appends values of a type; raises `UnwritableError` for what is none."""
    if node.kind == "union":
        return _union(node, default=default)
    if node.kind == "record":
        return _record(node, default=default)
    if node.kind == "array":
        return _array(writer_of(node.parts[0], default=default))
    if node.kind == "map":
        return _map(writer_of(node.parts[0], default=default))
    if node.kind == "null":
        return _null
    if node.kind == "boolean":
        return _boolean
    if node.kind in _RANGES:
        return _whole(node)
    if node.kind in _FLOATS:
        return _float(node.kind)
    if node.kind == "enum":
        return _enum(node)
    if node.kind == "fixed":
        return _bytes(node, default=default, size=node.size)
    return _string if node.kind == "string" else _bytes(node, default=default)


def put_long(out: bytearray, number: int) -> None:
    """Append a number as Avro's zigzag of seven bits a byte."""
    left = (number << 1) ^ (number >> 63)
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)


def _null(out: bytearray, value: object) -> None:
    if value is not None:
        raise UnwritableError(f"{value!r} is not null")


def _boolean(out: bytearray, value: object) -> None:
    if not isinstance(value, bool):
        raise UnwritableError(f"{value!r} is no boolean")
    out.append(value)


def _whole(node: Node) -> Write:
    limit, unit = _RANGES[node.kind], _UNITS.get(node.logical, 1)

    def write(out: bytearray, value: object) -> None:
        number = _number(value, unit)
        if number is None or not -limit <= number < limit:
            raise UnwritableError(f"{value!r} is no {node}")
        put_long(out, number)

    return write


def _number(value: object, unit: int) -> int | None:
    """Whole numbers as they are; times in the unit, floored; dates as days."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _MICRO // unit
    if isinstance(value, dt.date):
        return value.toordinal() - _DAY_ZERO
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(kind: str) -> Write:
    form = _FLOATS[kind]

    def write(out: bytearray, value: object) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise UnwritableError(f"{value!r} is no {kind}")
        try:
            out += form.pack(value)
        except (OverflowError, packing.error) as error:
            raise UnwritableError(f"{value!r} does not fit a {kind}") from error

    return write


def _string(out: bytearray, value: object) -> None:
    if not isinstance(value, str):
        raise UnwritableError(f"{value!r} is no string")
    data = value.encode("utf-8", "strict")
    put_long(out, len(data))
    out += data


def _bytes(node: Node, *, default: bool, size: int | None = None) -> Write:
    def write(out: bytearray, value: object) -> None:
        if default and isinstance(value, str):
            try:
                value = value.encode("latin-1")
            except UnicodeEncodeError as error:
                raise UnwritableError(f"{value!r} has characters beyond 255") from error
        if not isinstance(value, bytes):
            raise UnwritableError(f"{value!r} is no {node.kind}")
        if size is None:
            put_long(out, len(value))
        elif len(value) != size:
            raise UnwritableError(f"{len(value)} bytes are no {node} of {size}")
        out += value

    return write


def _enum(node: Node) -> Write:
    places = {symbol: at for at, symbol in enumerate(node.symbols)}

    def write(out: bytearray, value: object) -> None:
        if not isinstance(value, str) or value not in places:
            raise UnwritableError(f"{value!r} is no symbol of {node}")
        put_long(out, places[value])

    return write


def _array(item: Write) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, list):
            raise UnwritableError(f"{value!r} is no array")
        if value:
            put_long(out, len(value))
            for each in value:
                item(out, each)
        out.append(0)

    return write


def _map(item: Write) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, list | dict):
            raise UnwritableError(f"{value!r} is no map")
        entries = list(value.items() if isinstance(value, dict) else value)
        if entries:
            put_long(out, len(entries))
            for key, each in entries:
                _string(out, key)
                item(out, each)
        out.append(0)

    return write


def _record(node: Node, *, default: bool) -> Write:
    parts = [
        (each.name, writer_of(each.type, default=default), each.has_default, each)
        for each in node.fields
    ]

    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, dict):
            raise UnwritableError(f"{value!r} is no {node}")
        for name, part, has_default, field in parts:
            try:
                if name in value:
                    part(out, value[name])
                elif has_default:
                    out += encode_default(field.type, field.default, name)
                else:
                    part(out, None)
            except UnwritableError as error:
                raise UnwritableError(f"field {name!r}: {error}") from error

    return write


def _union(node: Node, *, default: bool) -> Write:
    branches = [writer_of(each, default=default) for each in node.parts]

    def write(out: bytearray, value: object) -> None:
        refused: UnwritableError | None = None
        for at, branch in enumerate(branches):
            size = len(out)
            put_long(out, at)
            try:
                branch(out, value)
            except UnwritableError as error:
                del out[size:]
                refused = error
            else:
                return
        raise UnwritableError(f"{value!r} is none of {node}") from refused

    return write
