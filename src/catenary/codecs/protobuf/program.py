"""A message's type and columns to the program that the compiled loop runs, and columns for a message.

| Protobuf | column |
| --- | --- |
| bool, float, double, string, bytes | boolean, float, double, string, binary |
| int32, sint32, sfixed32 | int, or any number |
| int64, sint64, sfixed64, uint32, fixed32, uint64, fixed64 | bigint, or any number; what does not fit is rejected |
| enum | string: the name; of an open enum's unknown number the digits; or any whole number |
| message, repeated, map | struct, array, map |
| Timestamp | timestamp, nanoseconds cut off; or struct |
| Duration | bigint: microseconds, cut off towards zero; or struct |
| DoubleValue, StringValue, … | what they hold, or null; or struct |

A field that did not come is null where the format tells that it did not: messages, `optional` fields,
members of a oneof. Else it is its default, and so is a field of proto2 that states one; repeated fields
and maps are empty then. A column that no field is named for is null.
"""

from __future__ import annotations

import struct as packing
from typing import TYPE_CHECKING, Final

from catenary.codecs.programs import Program
from catenary.codecs.protobuf.messages import messages
from catenary.errors import DefinitionError, UnsupportedError
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    STRING,
    TIMESTAMP,
    Schema,
    Type,
    array,
    map_of,
    struct,
)  # fmt: skip
from catenary.schema import Field as Column

if TYPE_CHECKING:
    from catenary.codecs.layout import Layout
    from catenary.codecs.protobuf.messages import Field, Message, Messages

_OPS: Final = {
    name: at
    for at, name in enumerate(
        (
            "bool", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "enum", "fixed32", "sfixed32",
            "float", "fixed64", "sfixed64", "double", "string", "bytes", "message", "time", "duration",
            "wrapper", "absent",
        )
    )
}  # fmt: skip
_REPEATED, _MAP, _PRESENCE, _REQUIRED, _UTF8, _CLOSED = 1, 2, 4, 8, 16, 32
_NOWHERE: Final = -1
_BEYOND: Final = 1 << 29
"""Field numbers lie below it."""
_WHOLE: Final = ("int", "bigint", "tinyint", "smallint")
_NUMBER: Final = (*_WHOLE, "float", "double")
_LONG: Final = ("bigint", "int", "tinyint", "smallint", "float", "double")
_TAKEN: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("boolean",),
    **dict.fromkeys(("int32", "sint32", "sfixed32"), _NUMBER),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), _LONG),
    **dict.fromkeys(("uint32", "fixed32", "uint64", "fixed64"), _LONG),
    "float": ("float", "double"),
    "double": ("double",),
    "string": ("string", "binary"),
    "bytes": ("binary", "string"),
    "enum": ("string", *_WHOLE),
    "message": ("struct",),
}
_TYPES: Final = {
    "bool": BOOLEAN, "int32": INT, "sint32": INT, "sfixed32": INT, "int64": BIGINT, "sint64": BIGINT,
    "sfixed64": BIGINT, "uint32": BIGINT, "fixed32": BIGINT, "uint64": BIGINT, "fixed64": BIGINT,
    "float": FLOAT, "double": DOUBLE, "string": STRING, "bytes": BINARY, "enum": STRING,
}  # fmt: skip
_GOOGLE: Final = "google.protobuf."
_WRAPPERS: Final = {
    f"{_GOOGLE}{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_TIMES: Final = {f"{_GOOGLE}Timestamp": ("time", "timestamp"), f"{_GOOGLE}Duration": ("duration", "bigint")}  # fmt: skip


def program(found: Messages, columns: Layout) -> Program:
    """The program for records of the root's type.

    Raises:
        DefinitionError: if a field does not fit its column.
        UnsupportedError: for a column that is a group or an extension.
    """
    maker = _Maker(found, columns)
    maker.made.slots(1, "")
    maker.message(0, found.known[found.root], 0, _NOWHERE, "", "message")
    return maker.made


def schema_of_protobuf(files: bytes, name: str | None = None) -> Schema:
    """The columns of records of a message.

    Args:
        files: a FileDescriptorSet.
        name: of the message; by default the last file's first one.

    Raises:
        DefinitionError: if there is no such message.
        UnsupportedError: for a field that no column has; names it.
    """
    found = messages(files, name=name)
    return Schema(_struct_of(found, found.known[found.root], "", ()).fields)


class _Maker:
    def __init__(self, found: Messages, columns: Layout) -> None:
        self.found = found
        self.columns = columns
        self.made = Program("a Protobuf message", width=11)
        self.oneofs = 0
        self.unkept: dict[str, tuple[int, int]] = {}

    def put(
        self, slot: int, kind: str, path: str, *, column: int = _NOWHERE, into: int = _NOWHERE, first: int = 0,
        many: int = 0, number: int = 0, flags: int = 0, oneof: int = _NOWHERE, table: int = 0, value: int = 0,
        size: int = 0,
    ) -> None:  # fmt: skip
        numbers = [_OPS[kind], column, into, first, many, number, flags, oneof, table, value, size]
        self.made.ops[slot] = numbers
        self.made.paths[slot] = path

    def message(
        self, slot: int, type_: Message, into: int, column: int, path: str, kind: str,
        *, number: int = 0, flags: int = 0, oneof: int = _NOWHERE,
    ) -> None:  # fmt: skip
        """A message that is kept: its fields, in the order of their numbers, then columns without one."""
        names = self.members(into) if kind == "message" else {"value": into}
        fields = [each for each in type_.fields if each.kind != "group"]
        absent = [name for name in names if not any(each.name == name for each in fields)]
        if kind != "message":
            absent = []
        for name in absent:
            _refuse(type_, name, path)
        first = self.made.slots(len(fields) + len(absent), path)
        places: dict[str, int] = {}
        inside = f"{path}." if path else ""
        for at, each in enumerate(fields, first):
            if each.oneof and each.oneof not in places:
                places[each.oneof] = self.oneofs
                self.oneofs += 1
            place = places.get(each.oneof, _NOWHERE)
            known = names.get(each.name, _NOWHERE) if kind != "time" else _NOWHERE
            self.field(at, each, known, place, inside + each.name, entry=type_.is_map)
        for at, name in enumerate(absent, first + len(fields)):
            self.put(at, "absent", inside + name, into=names[name], number=_BEYOND + at)
        self.put(slot, kind, path, column=column, into=into, first=first, many=len(fields) + len(absent),
                 number=number, flags=flags, oneof=oneof)  # fmt: skip

    def members(self, column: int) -> dict[str, int]:
        first, many = self.columns.plan[column][1:3]
        return {self.columns.names[at]: at for at in range(first, first + many)}

    def field(
        self, slot: int, each: Field, column: int, oneof: int, path: str, *, entry: bool
    ) -> None:
        """A field, put into its column or only checked."""
        flags = _REPEATED * each.repeated + _REQUIRED * each.required + _UTF8 * each.checked
        if each.default is None and each.presence and not (entry and each.kind == "message"):
            flags |= _PRESENCE
        if column == _NOWHERE:
            first, many = self.unkept_message(each.message) if each.message else (0, 0)
            self.put(slot, each.kind, path, first=first, many=many, number=each.number, flags=flags & ~_REQUIRED,
                     oneof=oneof)  # fmt: skip
            return
        into = self.columns.plan[column][1] if each.repeated else column
        type_ = self.found.of(each) if each.message else None
        is_map = type_ is not None and type_.is_map
        shown = self.columns.types[column]
        wanted = "map" if is_map else "array"
        if each.repeated and shown.name != wanted:
            raise _misfit(path, each, shown, (wanted,))
        own = column if each.repeated else _NOWHERE
        if type_ is None:
            self.scalar(slot, each, into, own, flags, oneof, path)
            return
        kind = "message" if is_map else self.kind_of(each, type_, into, path)
        if kind == "wrapper":
            _check(type_.fields[0], self.columns.types[into], path)
        self.message(slot, type_, into, own, path, kind, number=each.number, flags=flags | _MAP * is_map,
                     oneof=oneof)  # fmt: skip

    def kind_of(self, each: Field, type_: Message, into: int, path: str) -> str:
        """How a message becomes its column: a time, what a wrapper holds, or a struct."""
        shown = self.columns.types[into]
        kind, taken = _TIMES.get(type_.name, ("message", "struct"))
        if shown.name == taken:
            return kind
        if type_.name in _WRAPPERS and shown.name != "struct":
            return "wrapper"
        if shown.name != "struct":
            raise _misfit(path, each, shown, tuple(dict.fromkeys((taken, "struct"))))
        return "message"

    def scalar(
        self, slot: int, each: Field, into: int, column: int, flags: int, oneof: int, path: str
    ) -> None:
        shown = self.columns.types[into]
        _check(each, shown, path)
        table = many = value = size = 0
        if shown.name == "string":
            flags |= _UTF8
        if each.enum is not None:
            if each.enum.closed:
                flags |= _CLOSED
            table, many = self.names(each.enum.names), len(each.enum.names)
        if isinstance(each.default, bytes):
            value, size = self.made.keep(each.default), len(each.default)
        elif each.default is not None:
            value = each.default
        self.put(slot, each.kind, path, column=column, into=into, many=many, number=each.number, flags=flags,
                 oneof=oneof, table=table, value=value, size=size)  # fmt: skip

    def names(self, names: dict[int, str]) -> int:
        """Where an enum's names stand."""
        spans = [(number, self.made.keep(name.encode()), len(name)) for number, name in names.items()]  # fmt: skip
        return self.made.keep(b"".join(packing.pack("<qqq", *each) for each in sorted(spans)))

    def unkept_message(self, name: str) -> tuple[int, int]:
        """The fields of a message that is only checked: shared, since it may hold itself."""
        if name not in self.unkept:
            fields = [each for each in self.found.known[name].fields if each.kind != "group"]
            first = self.made.slots(len(fields), name)
            self.unkept[name] = first, len(fields)
            for at, each in enumerate(fields, first):
                self.field(at, each, _NOWHERE, _NOWHERE, f"{name}.{each.name}", entry=False)
        return self.unkept[name]


def _check(each: Field, shown: Type, path: str) -> None:
    if shown.name not in _TAKEN[each.kind]:
        raise _misfit(path, each, shown, _TAKEN[each.kind])


def _misfit(path: str, each: Field, shown: Type, taken: tuple[str, ...]) -> DefinitionError:
    many = "repeated " if each.repeated else ""
    return DefinitionError(
        f"field {path!r} is {many}{each.message or each.kind} in Protobuf, which a column of {shown} cannot hold",
        hint=f"declare it {' or '.join(taken)}",
    )


def _refuse(type_: Message, name: str, path: str) -> None:
    """A column that no plain field has: null, unless it means what is not read here."""
    one = type_.field(name)
    if one is not None:
        _refuse_group(f"{path}.{name}" if path else name)
    for each in type_.extensions:
        if name in (each, each.rpartition(".")[2]):
            raise UnsupportedError(
                f"column {name!r} is the Protobuf extension {each!r}, which is not read",
                hint="leave the column out, or make it a field",
            )


def _refuse_group(path: str) -> None:
    raise UnsupportedError(
        f"field {path!r} is a Protobuf group, which is not read",
        hint="leave the column out, or make it a message",
    )


def _struct_of(found: Messages, type_: Message, path: str, above: tuple[str, ...]) -> Type:
    if type_.name in above:
        raise UnsupportedError(
            f"field {path!r}: the Protobuf message {type_.name!r} holds itself, which no column can",
            hint="declare the columns to the depth that is wanted",
        )
    inside = f"{path}." if path else ""
    return struct(
        [
            Column(each.name, _type_of(found, each, inside + each.name, (*above, type_.name)))
            for each in type_.fields
        ]
    )


def _type_of(found: Messages, each: Field, path: str, above: tuple[str, ...]) -> Type:
    if each.kind == "group":
        _refuse_group(path)
    if each.kind != "message":
        one = _TYPES[each.kind]
    else:
        type_ = found.of(each)
        if type_.is_map:
            key, value = (_type_of(found, part, path, above) for part in type_.fields)
            return map_of(key, value)
        if type_.name in _TIMES:
            one = TIMESTAMP if _TIMES[type_.name][1] == "timestamp" else BIGINT
        elif type_.name in _WRAPPERS:
            one = _TYPES[type_.fields[0].kind]
        else:
            one = _struct_of(found, type_, path, above)
    return array(one) if each.repeated else one
