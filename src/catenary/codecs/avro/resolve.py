"""A writer's schema, a reader's, and columns: one program for the compiled loop.

    writer ┐
    reader ┼──resolve──► ops (avro.h): a node of the writer's schema each ──► columns
    columns┘             constants: symbols of enums, defaults of fields that the writer lacks

Without a reader's schema the writer's is its own reader. Fields that no column takes are read and left
out. What cannot fit whatever comes is refused here; a union's branch that does not fit is refused when
it comes. Where both sides tell a time's unit, the writer's holds and the value is converted.
Source: Apache Avro, specification 1.12, "Schema Resolution".
"""

from __future__ import annotations

import struct as packing
from typing import TYPE_CHECKING, Final

from catenary.codecs.avro.types import refuse_decimal
from catenary.codecs.avro.write import encode_default
from catenary.codecs.programs import Program
from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from catenary.codecs.avro.schemas import Node, RecordField
    from catenary.codecs.layout import Layout
    from catenary.schema import Type

_OPS: Final = {
    name: at
    for at, name in enumerate(
        (
            "null", "boolean", "int", "long", "scaled", "float", "double", "string", "bytes", "fixed",
            "enum", "array", "map", "record", "union", "refuse", "constant",
        )
    )
}  # fmt: skip
_PROMOTIONS: Final = {
    "int": ("int", "long", "float", "double"),
    "long": ("long", "float", "double"),
    "float": ("float", "double"),
    "string": ("string", "bytes"),
    "bytes": ("bytes", "string"),
}
_MICROS: Final = {
    "timestamp-millis": 1000,
    "local-timestamp-millis": 1000,
    "timestamp-micros": 1,
    "local-timestamp-micros": 1,
}
_WHOLE: Final = ("tinyint", "smallint", "int", "bigint")
_TAKEN: Final[dict[str, tuple[str, ...]]] = {
    "boolean": ("boolean",),
    "int": (*_WHOLE, "float", "double"),
    "long": (*_WHOLE, "float", "double"),
    "float": ("float", "double"),
    "double": ("double",),
    "string": ("string", "binary"),
    "bytes": ("binary", "string"),
    "fixed": ("binary",),
    "enum": ("string",),
    "array": ("array",),
    "map": ("map",),
    "record": ("struct",),
}
_TAKEN_LOGICAL: Final[dict[str, tuple[str, ...]]] = {
    "date": ("date",),
    "time-millis": ("int", "bigint"),
    "time-micros": ("bigint",),
    "timestamp-millis": ("timestamp", "bigint"),
    "local-timestamp-millis": ("timestamp", "bigint"),
    "timestamp-micros": ("timestamp",),
    "local-timestamp-micros": ("timestamp",),
}
_NOWHERE: Final = -1


class _NoMatchError(DefinitionError):
    """A writer's type that cannot become the reader's, or the column's."""


def resolve(writer: Node, reader: Node | None, columns: Layout) -> Program:
    """The program for records of `writer`.

    Raises:
        DefinitionError: if the schemas do not fit each other, or a column; names the field.
        UnsupportedError: for a decimal that a column asks for.
    """
    for each in (writer, reader):
        if each is not None and each.kind != "record":
            raise DefinitionError(f"records need an Avro record, not {each}")
    maker = _Maker(columns)
    maker.emit(maker.made.slots(1, ""), writer, reader or writer, 0, "")
    return maker.made


class _Maker:
    def __init__(self, columns: Layout) -> None:
        self.columns = columns
        self.made = Program("an Avro schema", width=6)

    def put(
        self, slot: int, name: str, column: int, path: str, *, first: int = 0, many: int = 0, a: int = 0, b: int = 0
    ) -> None:  # fmt: skip
        self.made.ops[slot] = [_OPS[name], column, first, many, a, b]
        self.made.paths[slot] = path

    def emit(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        """The op of a value: read as `writer`, resolved to `reader`, put into `column`."""
        if writer.kind == "union":
            self.union(slot, writer, reader, column, path)
            return
        if reader.kind == "union":
            reader = _branch(writer, reader, path)
        if not fits(writer, reader):
            raise _NoMatchError(f"field {path!r} was written as {writer}, which no {reader} can be")
        if column != _NOWHERE:
            _check_column(reader, self.columns.types[column], path)
        if writer.kind in ("array", "map"):
            self.items(slot, writer, reader, column, path)
        elif writer.kind == "record":
            self.record(slot, writer, reader, column, path)
        elif writer.kind == "enum":
            self.enum(slot, writer, reader, column, path)
        elif writer.kind == "fixed":
            self.put(slot, "fixed", column, path, a=writer.size)
        else:
            self.primitive(slot, writer, reader, column, path)

    def union(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        first = self.made.slots(len(writer.parts), path)
        self.put(slot, "union", _NOWHERE, path, first=first, many=len(writer.parts))
        refused: dict[str, _NoMatchError] = {}
        for at, branch in enumerate(writer.parts):
            try:
                own = branch if reader is writer else reader
                self.emit(first + at, branch, own, column, path)
            except _NoMatchError as error:
                refused[branch.name or branch.kind] = error
                self.put(first + at, "refuse", _NOWHERE, path)
        # A union of which nothing but nulls could ever be read is refused now.
        names = {each.name or each.kind for each in writer.parts}
        if refused and names - {"null"} <= refused.keys():
            raise list(refused.values())[-1]

    def items(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        part, whole = writer.parts[0], writer.kind == "map"
        first = self.made.slots(2 if whole else 1, path)
        own = part if reader is writer else reader.parts[0]
        below = column if column == _NOWHERE else self.columns.plan[column][1]
        inside = f"{path}{{}}" if whole else f"{path}[]"
        if whole:
            key = item = _NOWHERE
            if column != _NOWHERE:
                key = self.columns.plan[below][1]
                item = key + 1
            self.put(first, "string", key, path)
            self.emit(first + 1, part, own, item, inside)
        else:
            self.emit(first, part, own, below, inside)
        least = least_bytes(part) + whole
        self.put(slot, writer.kind, column, path, first=first, many=1 + whole, a=least)

    def record(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        taken = {} if column == _NOWHERE else self.members(column)
        inside = f"{path}." if path else ""
        matched = {each.name: _counterpart(each, writer, reader) for each in writer.fields}
        written = {each.name for each in matched.values() if each is not None}
        lacking = [each for each in reader.fields if each.name not in written]
        for each in lacking:
            if not each.has_default:
                raise _NoMatchError(
                    f"the writer lacks the field {inside + each.name!r}, which has no default"
                )
        filled = [each for each in lacking if each.name in taken]
        known = {each.name for each in reader.fields}
        absent = [name for name in taken if name not in known]
        many = len(writer.fields) + len(filled) + len(absent)
        first = self.made.slots(many, path)
        for at, each in enumerate(writer.fields, first):
            other = matched[each.name]
            place = _NOWHERE if other is None else taken.get(other.name, _NOWHERE)
            name = inside + (each.name if other is None else other.name)
            if other is None or (place == _NOWHERE and other.type is each.type):
                self.emit(at, each.type, each.type, _NOWHERE, name)
            else:
                self.emit(at, each.type, other.type, place, name)
        for at, each in enumerate(filled, first + len(writer.fields)):
            self.constant(at, each, taken[each.name], inside + each.name)
        for at, name in enumerate(absent, first + len(writer.fields) + len(filled)):
            self.put(at, "null", taken[name], inside + name)
        self.put(slot, "record", column, path, first=first, many=many)

    def members(self, column: int) -> dict[str, int]:
        first, many = self.columns.plan[column][1:3]
        return {self.columns.names[at]: at for at in range(first, first + many)}

    def constant(self, slot: int, missing: RecordField, column: int, path: str) -> None:
        data = encode_default(missing.type, missing.default, path)
        first = self.made.slots(1, path)
        self.emit(first, missing.type, missing.type, column, path)
        self.put(slot, "constant", column, path, first=first, a=self.made.keep(data), b=len(data))

    def enum(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        spans: list[tuple[int, int]] = []
        for symbol in writer.symbols:
            known = symbol if symbol in reader.symbols else reader.default
            data = b"" if known is None else known.encode()
            spans.append((_NOWHERE if known is None else self.made.keep(data), len(data)))
        table = self.made.keep(b"".join(packing.pack("=qq", *each) for each in spans))
        self.put(slot, "enum", column, path, many=len(spans), a=table)

    def primitive(self, slot: int, writer: Node, reader: Node, column: int, path: str) -> None:
        name = writer.kind
        type_ = None if column == _NOWHERE else self.columns.types[column]
        if name == "bytes" and type_ is not None and type_.name == "string":
            name = "string"
        scale = _scale(writer, reader, type_)
        if scale is None:
            self.put(slot, name, column, path)
        else:
            self.put(slot, "scaled", column, path, a=scale[0], b=scale[1])


def fits(writer: Node, reader: Node) -> bool:
    """Whether a writer's type (no union) can become the reader's, judged by the types themselves."""
    if writer is reader:
        return True
    if reader.kind == "union":
        return any(fits(writer, each) for each in reader.parts)
    if writer.kind in ("record", "enum", "fixed"):
        return (
            writer.kind == reader.kind
            and writer.size == reader.size
            and (_short(writer.name) == _short(reader.name) or writer.name in reader.aliases)
        )
    return reader.kind in _PROMOTIONS.get(writer.kind, (writer.kind,))


def least_bytes(node: Node) -> int:
    """The fewest bytes that a value takes."""
    if node.kind == "record":
        return sum(least_bytes(each.type) for each in node.fields)
    if node.kind == "union":
        return 1 + min(map(least_bytes, node.parts))
    return {"null": 0, "float": 4, "double": 8, "fixed": node.size}.get(node.kind, 1)


def _branch(writer: Node, reader: Node, path: str) -> Node:
    """The reader's branch for a writer's type: one of its kind, else the first that it can become."""
    same = [each for each in reader.parts if each.kind == writer.kind and fits(writer, each)]
    for each in [*same, *reader.parts]:
        if fits(writer, each):
            return each
    raise _NoMatchError(f"field {path!r} was written as {writer}, which is none of {reader}")


def _counterpart(written: RecordField, writer: Node, reader: Node) -> RecordField | None:
    if writer is reader:
        return written
    for each in reader.fields:
        if each.name == written.name:
            return each
    for each in reader.fields:
        if written.name in each.aliases:
            return each
    return None


def _check_column(reader: Node, type_: Type, path: str) -> None:
    if reader.kind == "null":
        return
    if reader.logical == "decimal":
        refuse_decimal(path)
    taken = _TAKEN_LOGICAL.get(reader.logical) or _TAKEN[reader.kind]
    if type_.name not in taken or (
        type_.name == "map" and type_.key is not None and type_.key.name != "string"
    ):
        raise _NoMatchError(
            f"field {path!r} is {reader} in Avro, which a column of {type_} cannot hold",
            hint=f"declare it {' or '.join(taken)}",
        )


def _scale(writer: Node, reader: Node, type_: Type | None) -> tuple[int, int] | None:
    """What a time is multiplied with and divided by; None if it stays as it is."""
    if type_ is None or writer.kind not in ("int", "long"):
        return None
    micros = _MICROS.get(writer.logical) or _MICROS.get(reader.logical)
    if micros is None:
        return None
    if type_.name == "timestamp":
        return None if micros == 1 else (micros, 1)
    wanted = _MICROS.get(reader.logical)
    return None if wanted is None or wanted == micros else (micros, wanted)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
