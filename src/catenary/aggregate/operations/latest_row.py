"""The latest row: what a GroupBy without aggregations keeps of each key (semantics 11).

The greatest row by (ts, columns in order), nulls least. Lists, maps and structs have no order: they
are carried along, and only where all else is equal do their bytes decide, so that the order of arrival
never does. Not in the registry: no feature names it; `kernel.latest` is its columnar form.

Partial: (ts, values), or None; tag 19. Bytes: nothing if empty; else svarint ts, then each column as a
kind byte and what follows it:

    0 null      nothing
    1 to 7      the value (see `codec`)
    8 array     uvarint of the bytes that follow; uvarint of the elements, each like a column
    9 map       uvarint of the bytes that follow; uvarint of the entries, each key and value like columns
    10 struct   uvarint of the bytes that follow; the members in order, each like a column
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from catenary.aggregate.codec import Reader, Writer, kind_of
from catenary.aggregate.operations.base import ANYTHING, Operation, ordering

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

Row: TypeAlias = tuple[Any, ...]
"""A value per column: scalars, lists, maps as lists of pairs, structs as dicts, None."""
Latest: TypeAlias = tuple[int, Row] | None

NULL: Final = 0
ARRAY: Final = 8
MAP: Final = 9
STRUCT: Final = 10
_NESTED: Final = {"array": ARRAY, "map": MAP, "struct": STRUCT}
_KINDS: Final = {
    "boolean": 1,
    "tinyint": 2, "smallint": 2, "int": 2, "bigint": 2,
    "float": 3, "double": 3,
    "string": 4, "binary": 5, "date": 6, "timestamp": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LatestRow(Operation[Latest]):
    """The greatest row.

    Attributes:
        types: of the columns, in order.
    """

    name = "latest_row"
    tag = 19
    inputs = ANYTHING
    removable = False

    types: tuple[Type, ...] = ()

    def empty(self) -> Latest:
        """No row."""
        return None

    def merge(self, a: Latest, b: Latest) -> Latest:
        """The greater row."""
        if a is None or b is None:
            return b if a is None else a
        return max(a, b, key=self._order)

    def finish(self, partial: Latest, feature: Feature | None = None) -> Row | None:
        """The row's values; None where there is no row."""
        return None if partial is None else partial[1]

    def _result(self, input_type: Type) -> Type:
        return input_type

    def _insert(self, partial: Latest, value: Any, ts: int) -> Latest:
        row = tuple(clean(each, type_) for each, type_ in zip(value, self.types, strict=True))
        return self.merge(partial, (ts, row))

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        raise AssertionError("rows are not a column: `kernel.latest` finds them")

    def _order(self, latest: tuple[int, Row]) -> tuple[Any, ...]:
        ts, row = latest
        ordered: list[Any] = []
        carried = Writer(self.tag)
        for value, type_ in zip(row, self.types, strict=True):
            if type_.is_nested:
                write_column(carried, value, type_)
            else:
                ordered.append((0,) if value is None else (1, ordering(value)))
        return ts, ordered, carried.finish()

    def _write(self, writer: Writer, partial: Latest) -> None:
        if partial is None:
            return
        ts, row = partial
        writer.svarint(ts)
        for value, type_ in zip(row, self.types, strict=True):
            write_column(writer, value, type_)

    def _read(self, reader: Reader) -> Latest:
        if not reader.left:
            return None
        ts = reader.svarint()
        return ts, tuple(read_column(reader, type_) for type_ in self.types)


def kind_of_type(type_: Type) -> int:
    """The byte before a value of this type; 0 for the type of a bare NULL."""
    return _NESTED.get(type_.name) or _KINDS.get(type_.name, NULL)


def clean(value: Any, type_: Type) -> Any:
    """The value as a partial keeps it: no NaN, no -0.0, however deep; maps as lists of pairs."""
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0
    if value is None or not type_.is_nested:
        return value
    if type_.name == "array":
        return [clean(each, _known(type_.item)) for each in value]
    if type_.name == "map":
        pairs = value.items() if isinstance(value, dict) else value
        key, item = _known(type_.key), _known(type_.item)
        return [(clean(label, key), clean(each, item)) for label, each in pairs]
    return {each.name: clean(value.get(each.name), each.type) for each in type_.fields}


def write_column(writer: Writer, value: Any, type_: Type) -> None:
    """A value after its kind."""
    if value is None:
        writer.uvarint(NULL)
    elif type_.is_nested:
        writer.uvarint(_NESTED[type_.name])
        inner = Writer(0)
        write_nested(inner, value, type_)
        writer.value(inner.finish()[2:])  # without the version and the tag of a partial
    else:
        writer.uvarint(kind_of(value))
        writer.value(value)


def write_nested(writer: Writer, value: Any, type_: Type) -> None:
    """The content of an array, a map or a struct, without its kind and length."""
    if type_.name == "array":
        writer.uvarint(len(value))
        for each in value:
            write_column(writer, each, _known(type_.item))
    elif type_.name == "map":
        writer.uvarint(len(value))
        for label, each in value:
            write_column(writer, label, _known(type_.key))
            write_column(writer, each, _known(type_.item))
    else:
        for each in type_.fields:
            write_column(writer, value[each.name], each.type)


def read_column(reader: Reader, type_: Type) -> Any:
    """What `write_column` wrote.

    Raises:
        DataError: for a value of another type.
    """
    kind = reader.uvarint()
    if kind == NULL:
        return None
    if kind != kind_of_type(type_):
        raise reader.damaged(f"a value of kind {kind} is not one of {type_}")
    if not type_.is_nested:
        return reader.value(kind)
    reader.length()  # so that others can step over it
    if type_.name == "struct":
        return {each.name: read_column(reader, each.type) for each in type_.fields}
    many = reader.length()
    if type_.name == "array":
        return [read_column(reader, _known(type_.item)) for _ in range(many)]
    key, item = _known(type_.key), _known(type_.item)
    return [(read_column(reader, key), read_column(reader, item)) for _ in range(many)]


def _known(type_: Type | None) -> Type:
    assert type_ is not None, "nested types are built by array(), map_of() and struct()"
    return type_
