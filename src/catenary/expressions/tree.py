"""The typed tree: what an expression means, apart from how it is evaluated.

    text ── parse ──► Term (names only) ── types ──► Node (checked, casts written out) ──► row, batch

A node knows its type and prints itself as normalised SQL, the text that fingerprints cover:
operators as they are read, functions by their first name, implied casts written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from catenary.schema import BIGINT, DOUBLE, FLOAT, SMALLINT, TINYINT, Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.expressions.functions.registry import Function

DECIMAL: Final = Type("decimal")
"""The type of a literal such as `1.5` before its surroundings make it a double."""


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a parsed expression, names not yet looked up.

    Attributes:
        kind: `name`, `literal`, `call`, `cast` or `field`.
        value: the name, the literal's value, or the called function.
        args: what it is applied to.
        type: of a literal, or the target of a cast.
        at: where it begins in the text.
    """

    kind: str
    value: object
    args: tuple[Term, ...] = ()
    type: Type | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the input."""

    name: str
    type: Type

    def __str__(self) -> str:
        return quoted(self.name)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is a typed null."""

    value: object
    type: Type

    def __str__(self) -> str:
        return _literal(self.value, self.type)


@dataclass(frozen=True, slots=True)
class Call:
    """A function applied to nodes of exactly the types that it takes."""

    function: Function
    args: tuple[Node, ...]
    type: Type
    extra: str = ""

    def __str__(self) -> str:
        return self.function.text(self)


Node = Column | Literal | Call


def columns_read(node: Node) -> Iterator[Column]:
    """The columns that a node reads, in order, repeated as often as they are read."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, Column):
            yield one
        elif isinstance(one, Call):
            pending.extend(reversed(one.args))


def versions_called(node: Node) -> dict[str, str]:
    """The users' functions that a node calls, by name, and what tells each from an earlier one."""
    found: dict[str, str] = {}
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, Call):
            if one.function.version is not None:
                found[one.function.name] = one.function.version()
            pending.extend(one.args)
    return found


def quoted(name: str) -> str:
    """The name as it must be written in an expression.

    >>> quoted("amount"), quoted("a b")
    ('amount', '`a b`')
    """
    return name if name.isidentifier() and name.isascii() else "`" + name.replace("`", "``") + "`"


_SUFFIX: Final = {BIGINT: "L", SMALLINT: "S", TINYINT: "Y", DOUBLE: "D", FLOAT: "F"}


def _literal(value: object, type_: Type) -> str:
    if value is None:
        return "NULL" if type_.name == "void" else f"CAST(NULL AS {type_})"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"CAST('{value}' AS {type_})"
    if isinstance(value, (int, float)):
        return f"{value!r}{_SUFFIX.get(type_, '')}"
    if isinstance(value, datetime):
        return f"TIMESTAMP'{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'" if type_.name == "string" else text
