"""Avro schemas: JSON text to nodes, names resolved.

Type names may be used again once they are defined; a type that holds itself is refused by name, since
a column cannot. A logical type on a base that it does not belong to is ignored, as Avro says.
Source: Apache Avro, specification 1.12, "Schema Declaration".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from catenary.errors import DefinitionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_LOGICAL: Final = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "decimal": ("bytes", "fixed"),
    "uuid": ("string", "fixed"),
}
_DEEPEST: Final = 64


@dataclass(frozen=True, eq=False)
class Node:
    """One type of a schema.

    Attributes:
        kind: `int`, `record`, `union`, …
        name: of a record, an enum or a fixed, with its namespace; else empty.
        aliases: other names that a writer may have used.
        logical: its logical type, if it is one that is known here.
        size: of a fixed, in bytes.
        symbols: of an enum.
        default: of an enum: what an unknown symbol becomes.
        fields: of a record.
        parts: what an array or a map holds, and the branches of a union.
    """

    kind: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    logical: str = ""
    size: int = 0
    symbols: tuple[str, ...] = ()
    default: str | None = None
    fields: tuple[RecordField, ...] = ()
    parts: tuple[Node, ...] = ()

    def __str__(self) -> str:
        if self.kind == "union":
            return "[" + ", ".join(map(str, self.parts)) + "]"
        if self.parts:
            return f"{self.kind}<{self.parts[0]}>"
        shown = f"{self.kind} {self.name}" if self.name else self.kind
        return f"{shown} ({self.logical})" if self.logical else shown


@dataclass(frozen=True, eq=False)
class RecordField:
    """A member of a record; `default` means something only with `has_default`."""

    name: str
    type: Node
    aliases: tuple[str, ...] = ()
    has_default: bool = False
    default: object = None


def parse(text: str, imports: Sequence[str] = ()) -> Node:
    """The schema that `text` says; `imports` define types that it names.

    Raises:
        DefinitionError: if it is no schema; names the type or the field.
        UnsupportedError: for a type that holds itself.
    """
    parser = _Parser()
    for each in imports:
        parser.node(_said(each), "", 0)
    return parser.node(_said(text), "", 0)


def _said(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        # A primitive's name may stand without quotes.
        if text.strip() in PRIMITIVES:
            return text.strip()
        raise DefinitionError(f"an Avro schema is not JSON: {error}") from error


class _Parser:
    def __init__(self) -> None:
        self.known: dict[str, Node | None] = {}
        """By full name; None while a type is being read."""

    def node(self, said: object, namespace: str, depth: int) -> Node:
        if depth > _DEEPEST:
            raise DefinitionError(f"an Avro schema is nested deeper than {_DEEPEST} levels")
        if isinstance(said, str):
            return self.named(said, namespace)
        if isinstance(said, list):
            return self.union(cast("list[object]", said), namespace, depth)
        if not isinstance(said, dict) or "type" not in said:
            raise DefinitionError(f"{_short(said)} is no Avro type")
        told = cast("dict[str, object]", said)
        kind = told["type"]
        if kind in ("record", "error"):
            return self.record(told, namespace, depth)
        if kind == "enum":
            return self.enum(told, namespace)
        if kind == "fixed":
            return self.fixed(told, namespace)
        if kind in ("array", "map"):
            part = "items" if kind == "array" else "values"
            if part not in told:
                raise DefinitionError(f"an Avro {kind} lacks {part!r}")
            return Node(str(kind), parts=(self.node(told[part], namespace, depth + 1),))
        inner = self.node(kind, namespace, depth + 1)
        logical = _logical(told, inner.kind)
        if logical and inner.kind in PRIMITIVES:
            return Node(inner.kind, logical=logical)
        return inner

    def named(self, name: str, namespace: str) -> Node:
        if name in PRIMITIVES:
            return Node(name)
        full = _full(name, namespace)
        found = self.known.get(full, self.known.get(name, ...))
        if found is None:
            raise UnsupportedError(
                f"the Avro type {full!r} holds itself, which no column can",
                hint="leave the field out of the schema that is read with",
            )
        if found is ...:
            raise DefinitionError(f"the Avro type {name!r} is not defined before it is used")
        return found

    def union(self, said: list[object], namespace: str, depth: int) -> Node:
        branches = tuple(self.node(each, namespace, depth + 1) for each in said)
        seen: set[str] = set()
        for each in branches:
            one = each.name or each.kind
            if each.kind == "union" or one in seen:
                raise DefinitionError(f"an Avro union has {one!r} twice, or holds a union")
            seen.add(one)
        if not branches:
            raise DefinitionError("an Avro union has no branches")
        return Node("union", parts=branches)

    def record(self, told: dict[str, object], namespace: str, depth: int) -> Node:
        name = self.open(told, namespace)
        said = told.get("fields")
        if not isinstance(said, list):
            raise DefinitionError(f"the Avro record {name!r} lacks 'fields'")
        inside = name.rpartition(".")[0]
        fields: list[RecordField] = []
        for each in cast("list[object]", said):
            if not isinstance(each, dict) or "type" not in each:
                raise DefinitionError(f"{_short(each)} is no field of the Avro record {name!r}")
            member = cast("dict[str, object]", each)
            fields.append(
                RecordField(
                    _text(member, "name", name),
                    self.node(member["type"], inside, depth + 1),
                    _texts(member.get("aliases", []), name),
                    "default" in member,
                    member.get("default"),
                )
            )
        names = [each.name for each in fields]
        if len(set(names)) < len(names):
            raise DefinitionError(f"the Avro record {name!r} has a field twice")
        return self.close(Node("record", name, self.aliases(told, name), fields=tuple(fields)))

    def enum(self, told: dict[str, object], namespace: str) -> Node:
        name = self.open(told, namespace)
        symbols = _texts(told.get("symbols"), name)
        default = told.get("default")
        if len(set(symbols)) < len(symbols) or (default is not None and default not in symbols):
            raise DefinitionError(
                f"the Avro enum {name!r} has a symbol twice, or a default that is none"
            )
        return self.close(
            Node(
                "enum",
                name,
                self.aliases(told, name),
                symbols=symbols,
                default=cast("str | None", default),
            )
        )

    def fixed(self, told: dict[str, object], namespace: str) -> Node:
        name = self.open(told, namespace)
        size = told.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 31:
            raise DefinitionError(f"the Avro fixed {name!r} needs a size in bytes, not {size!r}")
        logical = _logical(told, "fixed")
        return self.close(Node("fixed", name, self.aliases(told, name), logical=logical, size=size))

    def open(self, told: dict[str, object], namespace: str) -> str:
        inside = told.get("namespace", namespace)
        name = _full(_text(told, "name", "a type"), inside if isinstance(inside, str) else "")
        if name in self.known:
            raise DefinitionError(f"the Avro type {name!r} is defined twice")
        self.known[name] = None
        return name

    def close(self, node: Node) -> Node:
        self.known[node.name] = node
        return node

    def aliases(self, told: dict[str, object], name: str) -> tuple[str, ...]:
        inside = name.rpartition(".")[0]
        return tuple(_full(each, inside) for each in _texts(told.get("aliases", []), name))


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _logical(told: dict[str, object], kind: str) -> str:
    said = told.get("logicalType")
    return said if isinstance(said, str) and kind in _LOGICAL.get(said, ()) else ""


def _text(told: dict[str, object], key: str, of: str) -> str:
    found = told.get(key)
    if not isinstance(found, str) or not found:
        raise DefinitionError(f"in an Avro schema, {of} lacks {key!r}")
    return found


def _texts(said: object, of: str) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
        raise DefinitionError(f"in {of!r} of an Avro schema, {_short(said)} is no list of names")
    return tuple(cast("list[str]", said))


def _short(said: object) -> str:
    text = repr(said)
    return text if len(text) <= 60 else text[:57] + "..."
