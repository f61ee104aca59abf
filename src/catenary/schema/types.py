"""Types as frozen values; their text is Spark SQL's `simpleString`.

boolean  tinyint smallint int bigint  float double  string binary  date timestamp
array<T>  map<K,V>  struct<name:T,...>  void (the type of a bare NULL)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from catenary.errors import DefinitionError, nearest


@dataclass(frozen=True, slots=True)
class Type:
    """One column type.

    Attributes:
        name: the bare name, such as `bigint` or `array`.
        item: the element type of an array, the value type of a map.
        key: the key type of a map.
        fields: the fields of a struct, in order.
    """

    name: str
    item: Type | None = None
    key: Type | None = None
    fields: tuple[Field, ...] = ()

    def __str__(self) -> str:
        if self.name == "array":
            return f"array<{self.item}>"
        if self.name == "map":
            return f"map<{self.key},{self.item}>"
        if self.name == "struct":
            inner = ",".join(f"{field.name}:{field.type}" for field in self.fields)
            return f"struct<{inner}>"
        return self.name

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers of 8 to 64 bits."""
        return self.name in _INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether values are binary floating-point numbers."""
        return self.name in ("float", "double")

    @property
    def is_numeric(self) -> bool:
        """Whether arithmetic is defined."""
        return self.is_integer or self.is_float

    @property
    def is_nested(self) -> bool:
        """Whether values hold other values."""
        return self.name in ("array", "map", "struct")


@dataclass(frozen=True, slots=True)
class Field:
    """A named type: a column of a table or a member of a struct."""

    name: str
    type: Type


_INTEGERS: Final = ("tinyint", "smallint", "int", "bigint")

BOOLEAN: Final = Type("boolean")
TINYINT: Final = Type("tinyint")
SMALLINT: Final = Type("smallint")
INT: Final = Type("int")
BIGINT: Final = Type("bigint")
FLOAT: Final = Type("float")
DOUBLE: Final = Type("double")
STRING: Final = Type("string")
BINARY: Final = Type("binary")
DATE: Final = Type("date")
TIMESTAMP: Final = Type("timestamp")
NULL: Final = Type("void")

_PRIMITIVES: Final = {
    each.name: each
    for each in (
        BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BINARY, DATE, TIMESTAMP, NULL,
    )
}  # fmt: skip
_ALIASES: Final = {
    "byte": TINYINT,
    "short": SMALLINT,
    "integer": INT,
    "long": BIGINT,
    "real": FLOAT,
    "bool": BOOLEAN,
}


def array(item: Type) -> Type:
    """The type of lists of `item`."""
    return Type("array", item=item)


def map_of(key: Type, item: Type) -> Type:
    """The type of maps from `key` to `item`."""
    return Type("map", key=key, item=item)


def struct(fields: Mapping[str, Type] | Iterable[Field]) -> Type:
    """The type of records with the given fields, in order."""
    if isinstance(fields, Mapping):
        return Type("struct", fields=tuple(Field(name, type_) for name, type_ in fields.items()))  # pyright: ignore[reportArgumentType] - a mapping's keys are names
    return Type("struct", fields=tuple(fields))


def parse_type(text: str) -> Type:
    """The type that `text` names.

    Raises:
        DefinitionError: for an unknown name, with the nearest known one.

    >>> str(parse_type("map<string, array<int>>"))
    'map<string,array<int>>'
    """
    parser = _Parser(text)
    found = parser.type()
    parser.end()
    return found


class _Parser:
    """A recursive descent over `name<...>` texts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def word(self) -> str:
        self.blanks()
        start = self.at
        while self.at < len(self.text) and (
            self.text[self.at].isalnum() or self.text[self.at] == "_"
        ):
            self.at += 1
        return self.text[start : self.at]

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, sign: str) -> bool:
        self.blanks()
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise DefinitionError(
                f"type {self.text!r}: expected {sign!r} at position {self.at}",
                hint="types read like bigint, array<string>, map<string,double>, struct<a:int,b:date>",
            )

    def end(self) -> None:
        self.blanks()
        if self.at != len(self.text):
            raise DefinitionError(f"type {self.text!r}: {self.text[self.at :]!r} was not expected")

    def type(self) -> Type:
        name = self.word().lower()
        if name == "array":
            self.need("<")
            item = self.type()
            self.need(">")
            return array(item)
        if name == "map":
            self.need("<")
            key = self.type()
            self.need(",")
            item = self.type()
            self.need(">")
            return map_of(key, item)
        if name == "struct":
            return struct(self.struct_fields())
        found = _PRIMITIVES.get(name) or _ALIASES.get(name)
        if found is None:
            known = [*_PRIMITIVES, *_ALIASES, "array", "map", "struct"]
            raise DefinitionError(
                f"unknown type {name!r} in {self.text!r}", hint=nearest(name, known)
            )
        return found

    def struct_fields(self) -> list[Field]:
        self.need("<")
        fields: list[Field] = []
        while not self.take(">"):
            if fields:
                self.need(",")
            name = self.word()
            self.need(":")
            fields.append(Field(name, self.type()))
        return fields


@dataclass(frozen=True, slots=True)
class Schema(Mapping[str, Type]):
    """Columns by name, in order; a read-only mapping from name to type.

    >>> schema = Schema.of(user=STRING, amount=DOUBLE)
    >>> list(schema), str(schema["amount"])
    (['user', 'amount'], 'double')
    """

    fields: tuple[Field, ...]

    @staticmethod
    def of(mapping: Mapping[str, Type] | None = None, /, **columns: Type) -> Schema:
        """A schema from a mapping or from keyword arguments."""
        both = {**(mapping or {}), **columns}
        return Schema(tuple(Field(name, type_) for name, type_ in both.items()))

    def __getitem__(self, name: str) -> Type:
        for field in self.fields:
            if field.name == name:
                return field.type
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {field.type}" for field in self.fields)
