"""Types to and from Arrow, the form in which every table crosses a boundary.

Not imported by `catenary.schema` itself: whoever holds Arrow data imports this module.
Timestamps are microseconds since the epoch, UTC, as in Spark.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from catenary.errors import UnsupportedError
from catenary.schema.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    Field,
    Schema,
    Type,
    array,
    map_of,
    struct,
)  # fmt: skip

_TO_ARROW: Final[dict[Type, pa.DataType]] = {
    BOOLEAN: pa.bool_(),
    TINYINT: pa.int8(),
    SMALLINT: pa.int16(),
    INT: pa.int32(),
    BIGINT: pa.int64(),
    FLOAT: pa.float32(),
    DOUBLE: pa.float64(),
    STRING: pa.string(),
    BINARY: pa.binary(),
    DATE: pa.date32(),
    TIMESTAMP: pa.timestamp("us", tz="UTC"),
    NULL: pa.null(),
}
_FROM_ARROW: Final[dict[pa.DataType, Type]] = {
    **{arrow: type_ for type_, arrow in _TO_ARROW.items()},
    # Unsigned numbers widen to the next signed type, which holds every value of theirs.
    pa.uint8(): SMALLINT,
    pa.uint16(): INT,
    pa.uint32(): BIGINT,
    pa.float16(): FLOAT,
    pa.large_string(): STRING,
    pa.string_view(): STRING,
    pa.large_binary(): BINARY,
    pa.binary_view(): BINARY,
    pa.date64(): DATE,
}


def to_arrow(type_: Type) -> pa.DataType:
    """The Arrow type that holds values of `type_`."""
    if type_.name == "array":
        return pa.list_(to_arrow(_inner(type_.item)))
    if type_.name == "map":
        return pa.map_(to_arrow(_inner(type_.key)), to_arrow(_inner(type_.item)))
    if type_.name == "struct":
        return pa.struct([pa.field(each.name, to_arrow(each.type)) for each in type_.fields])
    return _TO_ARROW[type_]


def from_arrow(arrow: pa.DataType, *, column: str = "?") -> Type:
    """The type of an Arrow column.

    Raises:
        UnsupportedError: for an Arrow type that no definition can use; names the column.
    """
    known = _FROM_ARROW.get(arrow)
    if known is not None:
        return known
    if pa.types.is_dictionary(arrow):
        return from_arrow(arrow.value_type, column=column)
    if pa.types.is_timestamp(arrow):
        return TIMESTAMP
    if pa.types.is_map(arrow):
        key = from_arrow(arrow.key_type, column=column)
        return map_of(key, from_arrow(arrow.item_type, column=column))
    if (
        pa.types.is_list(arrow)
        or pa.types.is_large_list(arrow)
        or pa.types.is_fixed_size_list(arrow)
    ):
        return array(from_arrow(arrow.value_type, column=column))
    if pa.types.is_struct(arrow):
        members = [arrow.field(at) for at in range(arrow.num_fields)]
        return struct([Field(each.name, from_arrow(each.type, column=column)) for each in members])
    raise UnsupportedError(
        f"column {column!r} has Arrow type {arrow}, which has no counterpart here",
        hint="cast it when the table is written, for example decimals to double",
    )


def schema_from_arrow(arrow: pa.Schema) -> Schema:
    """The schema of an Arrow table."""
    return Schema(
        tuple(Field(each.name, from_arrow(each.type, column=each.name)) for each in arrow)
    )


def schema_to_arrow(schema: Schema) -> pa.Schema:
    """The Arrow schema that holds rows of `schema`."""
    return pa.schema([pa.field(each.name, to_arrow(each.type)) for each in schema.fields])


def _inner(type_: Type | None) -> Type:
    assert type_ is not None, "nested types are built by array(), map_of() and struct()"
    return type_
