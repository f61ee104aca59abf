"""Descriptors to plain values: what a message holds, as far as reading it needs to know.

The `protobuf` package reads the descriptors, so that names, editions and defaults are resolved by those
who define them. Groups are refused by name, and so are columns that are extensions.
"""

from __future__ import annotations

import struct as packing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import DefinitionError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: Final = {
    8: "bool", 5: "int32", 3: "int64", 13: "uint32", 4: "uint64", 17: "sint32", 18: "sint64", 14: "enum",
    7: "fixed32", 15: "sfixed32", 2: "float", 6: "fixed64", 16: "sfixed64", 1: "double", 9: "string",
    12: "bytes", 11: "message", 10: "group",
}  # fmt: skip
"""By the number that a descriptor has for a field's type."""


@dataclass(frozen=True)
class Enum:
    """An enum: names by number, of several names for one the first; closed: others do not count."""

    names: dict[int, str]
    closed: bool


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes:
        name, number: as declared.
        kind: one of `KINDS`.
        repeated: a list, or a map's entries.
        presence: whether a field that did not come is told from one that holds its default.
        required: without it there is no message.
        oneof: the oneof that it is in with others; empty for none.
        default: what stands for a field that did not come: a number's bits, or bytes; None for null.
        message: the full name of its message's type.
        enum: of an enum's field.
        checked: a text is UTF-8, or the record is none.
    """

    name: str
    number: int
    kind: str
    repeated: bool
    presence: bool
    required: bool
    oneof: str
    default: int | bytes | None
    message: str
    enum: Enum | None
    checked: bool


@dataclass(frozen=True)
class Message:
    """A message's type; `is_map` if it is the entry of a map."""

    name: str
    fields: tuple[Field, ...]
    extensions: tuple[str, ...]
    is_map: bool

    def field(self, name: str) -> Field | None:
        """The field of that name."""
        return next((each for each in self.fields if each.name == name), None)


@dataclass(frozen=True)
class Messages:
    """A message's type, and all that it holds, by full name.

    Attributes:
        root: the full name of the type of records.
        known: every type that can be reached from it.
        made: the library's class of records, to write with.
    """

    root: str
    known: dict[str, Message]
    made: Any

    def of(self, field: Field) -> Message:
        """The type of a message's field."""
        return self.known[field.message]


def messages(
    files: bytes, *, name: str | None = None, path: Sequence[int] | None = None
) -> Messages:
    """The types in a set of files, from one message on.

    Args:
        files: a FileDescriptorSet, imports before those who import.
        name: of the records' message, full or short; by default the last file's first one.
        path: instead of the name: the message's place in the last file, outermost first.

    Raises:
        DefinitionError: if these are no descriptors, or there is no such message.
        UnsupportedError: if the `protobuf` package is not installed.
    """
    pool_of, made_of, set_ = library()
    try:
        held = set_.FileDescriptorSet.FromString(files)
        pool = pool_of.DescriptorPool()
        for each in held.file:
            pool.Add(each)
        wanted = _named(held, name, path)
        root = pool.FindMessageTypeByName(wanted)
    except DefinitionError:
        raise
    except Exception as error:
        raise DefinitionError(
            f"a Protobuf schema is no set of descriptors: {error}",
            hint="make it with protoc --include_imports --descriptor_set_out=FILE",
        ) from error
    loose = {each.name for each in held.file if each.syntax in ("", "proto2")}
    known: dict[str, Message] = {}
    left = [root]
    while left:
        each = left.pop()
        if each.full_name not in known:
            known[each.full_name] = _message(each, pool, loose)
            left += [field.message_type for field in each.fields if field.message_type is not None]
    return Messages(wanted, known, made_of.GetMessageClass(root))


def place_of(files: bytes, name: str | None) -> tuple[int, ...]:
    """The opposite of `path`: where the message of that name stands in the last file.

    Raises:
        DefinitionError: if it stands in none, or in another file.
    """
    _, _, set_ = library()
    held = set_.FileDescriptorSet.FromString(files)
    if name is None:
        return (0,)
    wanted = _named(held, name, None)
    last = held.file[-1]
    inside = wanted.removeprefix(f"{last.package}.") if last.package else wanted
    found: list[int] = []
    level: Any = last.message_type
    for part in inside.split("."):
        at = next((at for at, each in enumerate(level) if each.name == part), None)
        if at is None:
            raise DefinitionError(f"the Protobuf message {wanted!r} is not in {last.name}")
        found.append(at)
        level = level[at].nested_type
    return tuple(found)


def library() -> tuple[Any, Any, Any]:
    """Of the `protobuf` package: pools, factories, descriptors.

    Raises:
        UnsupportedError: if it is not installed, or is too old.
    """
    try:
        from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise UnsupportedError(
            "reading Protobuf needs the protobuf package",
            hint="pip install 'catenary[protobuf]'",
        ) from error
    if not hasattr(descriptor.FieldDescriptor, "is_repeated"):
        raise UnsupportedError(
            "reading Protobuf needs the protobuf package from version 6.31 on",
            hint="pip install --upgrade 'catenary[protobuf]'",
        )
    return descriptor_pool, message_factory, descriptor_pb2


def _named(held: Any, name: str | None, path: Sequence[int] | None) -> str:
    """The full name of the message that is meant."""
    if not held.file:
        raise DefinitionError("a Protobuf schema has no files")
    last = held.file[-1]
    if name is None:
        parts: list[str] = [last.package] if last.package else []
        level = last.message_type
        for at in path or (0,):
            if not 0 <= at < len(level):
                raise DefinitionError(f"{last.name or 'a Protobuf schema'} has no message {at}")
            parts.append(level[at].name)
            level = level[at].nested_type
        return ".".join(parts)
    all_ = [full for file in held.file for full in _names(file.message_type, file.package)]
    found = [each for each in all_ if each == name or each.endswith(f".{name}")]
    if name in found:
        return name
    if len(found) != 1:
        many = f"{len(found)} Protobuf messages are" if found else "no Protobuf message is"
        raise DefinitionError(
            f"{many} named {name!r}", hint=nearest(name, found or _names(last.message_type, ""))
        )
    return found[0]


def _names(level: Any, package: str) -> list[str]:
    found: list[str] = []
    for each in level:
        full = f"{package}.{each.name}" if package else str(each.name)
        found += [full, *_names(each.nested_type, full)]
    return found


def _message(told: Any, pool: Any, loose: set[str]) -> Message:
    fields = [_field(each, loose) for each in told.fields]
    return Message(
        told.full_name,
        tuple(sorted(fields, key=lambda each: each.number)),
        tuple(each.full_name for each in pool.FindAllExtensions(told)),
        bool(told.GetOptions().map_entry),
    )


def _field(told: Any, loose: set[str]) -> Field:
    kind, repeated = KINDS[told.type], bool(told.is_repeated)
    oneof = told.containing_oneof
    explicit = bool(told.has_default_value)
    # A key or a value that did not come is its default, whatever the syntax: no key is null.
    entry = told.containing_type.GetOptions().map_entry
    presence = bool(told.has_presence) and not (entry and kind != "message")
    default: int | bytes | None = None
    if not repeated and kind not in ("message", "group") and (explicit or not presence):
        default = _bits(kind, told.default_value)
    return Field(
        told.name,
        told.number,
        kind,
        repeated,
        presence,
        bool(told.is_required),
        oneof.name if oneof is not None and len(oneof.fields) > 1 else "",
        default,
        told.message_type.full_name if told.message_type is not None else "",
        _enum(told.enum_type) if told.enum_type is not None else None,
        kind == "string" and told.file.name not in loose,
    )


def _enum(told: Any) -> Enum:
    names: dict[int, str] = {}
    for each in told.values:
        names.setdefault(each.number, each.name)
    return Enum(names, bool(told.is_closed))


def _bits(kind: str, value: Any) -> int | bytes:
    """A default as the compiled loop takes it."""
    if kind in ("string", "bytes"):
        return value.encode() if isinstance(value, str) else bytes(value)
    if kind in ("float", "double"):
        form, whole = ("<f", "<i") if kind == "float" else ("<d", "<q")
        return int(packing.unpack(whole, packing.pack(form, value))[0])
    number = int(value)
    return number - (1 << 64) if number >= 1 << 63 else number
