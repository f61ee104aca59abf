"""Our types to Avro's and back.

| Avro | column |
| --- | --- |
| null, boolean, int, long, float, double, string, bytes | void, boolean, int, bigint, float, double, string, binary |
| enum, fixed, uuid | string, binary, string |
| array, map, record | array, map with string keys, struct |
| a union with null | the other type: every column is nullable |
| a union of several | the one type that holds them all: bigint, double or string; else it is refused |
| date | date |
| timestamp-millis, -micros, and local- (taken as UTC) | timestamp |
| time-millis, time-micros | int, bigint: since midnight, in their own unit |
| decimal | refused: there is no such type |
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from catenary.codecs.avro.schemas import Node, parse
from catenary.errors import DefinitionError, UnsupportedError
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Field,
    Schema,
    Type,
    array,
    map_of,
    struct,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterable

_TO_AVRO: Final[dict[str, object]] = {
    "void": "null", "boolean": "boolean", "tinyint": "int", "smallint": "int", "int": "int", "bigint": "long",
    "float": "float", "double": "double", "string": "string", "binary": "bytes",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
}  # fmt: skip
_OF_AVRO: Final = {
    "null": NULL, "boolean": BOOLEAN, "int": INT, "long": BIGINT, "float": FLOAT, "double": DOUBLE,
    "string": STRING, "bytes": BINARY, "fixed": BINARY, "enum": STRING,
}  # fmt: skip
_OF_LOGICAL: Final = {
    "date": DATE, "timestamp-millis": TIMESTAMP, "timestamp-micros": TIMESTAMP,
    "local-timestamp-millis": TIMESTAMP, "local-timestamp-micros": TIMESTAMP,
}  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def avro_schema(schema: Schema) -> str:
    """The Avro schema of rows of `schema`: a record whose fields may all be null.

    Raises:
        DefinitionError: for a column whose name Avro does not take.
        UnsupportedError: for a map whose keys are not strings.
    """
    return json.dumps(_record(schema.fields, "row"))


def schema_of_avro(text: str) -> Schema:
    """The columns of records with an Avro schema.

    Raises:
        DefinitionError: if it is no schema of records.
        UnsupportedError: for a type that no column has; names the field.
    """
    root = parse(text)
    if root.kind != "record":
        raise DefinitionError(f"records need an Avro record, not {root}")
    return Schema(type_of(root, "").fields)


def type_of(node: Node, path: str) -> Type:
    """The type of a column that holds values of `node`; `path` names it in refusals."""
    if node.logical == "decimal":
        refuse_decimal(path)
    if node.kind == "union":
        return _one_of((type_of(each, path) for each in node.parts), node, path)
    if node.kind == "array":
        return array(type_of(node.parts[0], f"{path}[]"))
    if node.kind == "map":
        return map_of(STRING, type_of(node.parts[0], path))
    if node.kind == "record":
        inside = f"{path}." if path else ""
        return struct(
            [Field(each.name, type_of(each.type, inside + each.name)) for each in node.fields]
        )
    return _OF_LOGICAL.get(node.logical) or _OF_AVRO[node.kind]


def refuse_decimal(path: str) -> None:
    """Decimals have no column."""
    raise UnsupportedError(
        f"field {path!r} is an Avro decimal; there is no decimal type here",
        hint="leave the column out, or write a double, or a long of the smallest unit",
    )


def _one_of(types: Iterable[Type], node: Node, path: str) -> Type:
    some = list(dict.fromkeys(each for each in types if each != NULL))
    if not some:
        return NULL
    if len(some) == 1:
        return some[0]
    if all(each in (INT, BIGINT) for each in some):
        return BIGINT
    if all(each in (INT, BIGINT, FLOAT, DOUBLE) for each in some):
        return DOUBLE
    raise UnsupportedError(
        f"field {path!r} is the Avro union {node}, and no one type holds {some[0]} and {some[1]}",
        hint="leave the column out, or read with a schema that has one of them",
    )


def _record(fields: tuple[Field, ...], name: str) -> dict[str, object]:
    return {
        "type": "record",
        "name": name,
        "fields": [
            {
                "name": _checked(each.name),
                "type": _nullable(each.type, f"{name}_{each.name}"),
                "default": None,
            }
            for each in fields
        ],
    }


def _nullable(type_: Type, name: str) -> object:
    return "null" if type_ == NULL else ["null", _plain(type_, name)]


def _plain(type_: Type, name: str) -> object:
    if type_.name == "array":
        assert type_.item is not None
        return {"type": "array", "items": _nullable(type_.item, f"{name}_item")}
    if type_.name == "map":
        assert type_.item is not None
        if type_.key != STRING:
            raise UnsupportedError(f"Avro has no maps with keys of {type_.key}, only of string")
        return {"type": "map", "values": _nullable(type_.item, f"{name}_value")}
    if type_.name == "struct":
        return _record(type_.fields, name)
    return _TO_AVRO[type_.name]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"Avro takes no field named {name!r}: letters, digits and _ only")
    return name
