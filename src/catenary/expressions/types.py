"""Types by Spark's non-ANSI rules: which function a call means, and where values are widened.

Numbers widen on their own (tinyint < smallint < int < bigint < float < double), a bare NULL takes
any type, a date becomes a timestamp. Where Spark would turn text into numbers or numbers into text
on its own, the cast must be written: what it does to bad text is easily missed. `1.5` alone is a
decimal in Spark; it counts as a double beside a float or double and where a double is wanted.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions import convert
from catenary.expressions.tree import DECIMAL, Call, Column, Literal, Node
from catenary.schema import (
    BIGINT,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    SMALLINT,
    TIMESTAMP,
    TINYINT,
    Type,
    array,
    map_of,
    parse_type,
    struct,
)
from catenary.schema.types import Field

ORDER: Final = (TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE)
BITS: Final = {TINYINT: 8, SMALLINT: 16, INT: 32, BIGINT: 64}
DECIMAL_HINT: Final = "write 1.5D or CAST(1.5 AS DOUBLE): a bare 1.5 is a decimal in Spark"


def common(left: Type, right: Type) -> Type | None:
    """The type that both widen to; None where the cast must be written."""
    if left == right or right == NULL:
        return left
    if left == NULL:
        return right
    if left in ORDER and right in ORDER:
        return max(left, right, key=ORDER.index)
    if DECIMAL in (left, right):
        other = left if right == DECIMAL else right
        return DOUBLE if other.is_float else None
    if {left, right} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    return _common_nested(left, right)


def _common_nested(left: Type, right: Type) -> Type | None:
    if left.name != right.name:
        return None
    if left.name == "array":
        assert left.item is not None
        assert right.item is not None
        item = common(left.item, right.item)
        return array(item) if item is not None else None
    if left.name == "map":
        assert left.item
        assert right.item
        assert left.key
        assert right.key
        key, item = common(left.key, right.key), common(left.item, right.item)
        return map_of(key, item) if key is not None and item is not None else None
    if left.name == "struct" and len(left.fields) == len(right.fields):
        fields: list[Field] = []
        for one, two in zip(left.fields, right.fields, strict=True):
            type_ = common(one.type, two.type)
            if type_ is None or one.name.lower() != two.name.lower():
                return None
            fields.append(Field(one.name, type_))
        return struct(fields)
    return None


def common_of(name: str, nodes: tuple[Node, ...]) -> Type:
    """The type that all nodes widen to.

    Raises:
        ExpressionError: where there is none; says what to write.
    """
    found = NULL
    for each in nodes:
        type_ = common(found, each.type)
        if type_ is None:
            raise mixed(name, found, each)
        found = type_
    return found


def mixed(name: str, type_: Type, node: Node) -> ExpressionError:
    """The error for two types that do not widen to one."""
    problem = f"{name}: {type_} and {node.type} do not go together, at {node}"
    if DECIMAL in (type_, node.type):
        return ExpressionError(problem, hint=DECIMAL_HINT)
    return ExpressionError(problem, hint=f"write the cast: CAST({node} AS {type_})")


def widened(node: Node, type_: Type) -> Node:
    """The node with a value of `type_`, to which its own type widens."""
    from catenary.expressions.functions.casts import cast

    if node.type == type_:
        return node
    if isinstance(node, Literal):
        if node.value is None:
            return Literal(None, type_)
        if node.type == DECIMAL:
            text = str(node.value)
            return Literal(convert.nearest_float(text) if type_ == FLOAT else float(text), type_)
        if type_ in BITS:
            return Literal(node.value, type_)
        if type_ == DOUBLE:
            assert isinstance(node.value, (int, float))
            return Literal(float(node.value), type_)
    return cast(node, type_)


# -- signatures ------------------------------------------------------------------------------


Pattern = tuple[str, ...]
_VARIABLES: Final = ("T", "N", "I", "K", "V")


class Signature:
    """One line such as `string, int=1 -> string`, read."""

    def __init__(self, text: str) -> None:
        takes, _, gives = text.partition("->")
        self.gives = gives.strip()
        self.more: str | None = None
        self.takes: list[str] = []
        self.defaults: list[str] = []
        for each in re.findall(r"(?:[^,<(]|<[^>]*(?:<[^>]*>[^>]*)*>)+", takes):
            part = each.strip()
            if not part:
                continue
            if part.endswith("..."):
                self.more = part[:-3]
                continue
            name, equals, default = part.partition("=")
            self.takes.append(name.strip())
            if equals:
                self.defaults.append(default.strip())

    def expected(self, count: int) -> list[str] | None:
        """The patterns for so many arguments; None if it does not take so many."""
        least = len(self.takes) - len(self.defaults)
        if count < least or (count > len(self.takes) and self.more is None):
            return None
        extra = max(0, count - len(self.takes))
        return self.takes[: max(count, len(self.takes))] + [self.more or ""] * extra


@cache
def _signature(text: str) -> Signature:
    return Signature(text)


@cache
def _pattern(text: str) -> Type | str:
    return text if text in _VARIABLES else parse_pattern(text)


def parse_pattern(text: str) -> Type:
    """A type in which T, N, I, K and V stand for others."""
    if text in _VARIABLES:
        return Type(text)
    if text.startswith("array<"):
        return array(parse_pattern(text[6:-1].strip()))
    if text.startswith("map<"):
        key, _, item = text[4:-1].partition(",")
        return map_of(parse_pattern(key.strip()), parse_pattern(item.strip()))
    return parse_type(text)


def match(text: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type] | None:
    """The arguments widened to a signature, and what it gives; None if it does not fit."""
    signature = _signature(text)
    patterns = signature.expected(len(args))
    if patterns is None:
        return None
    given = args + tuple(_default(each) for each in _missing(signature, len(args)))
    found: dict[str, Type] = {}
    for pattern, node in zip(patterns, given, strict=True):
        if not _bind(parse_pattern(pattern), node.type, found):
            return None
    fixed: list[Node] = []
    for pattern, node in zip(patterns, given, strict=True):
        wanted = _filled(parse_pattern(pattern), found)
        if not _widens(node, wanted):
            return None
        fixed.append(widened(node, wanted))
    return tuple(fixed), _filled(parse_pattern(signature.gives), found)


def _missing(signature: Signature, count: int) -> list[str]:
    absent = len(signature.takes) - count
    return signature.defaults[-absent:] if absent > 0 else []


def _default(text: str) -> Literal:
    if text.startswith("'"):
        return Literal(text[1:-1], Type("string"))
    return Literal(int(text), INT)


def _bind(pattern: Type, type_: Type, found: dict[str, Type]) -> bool:
    """Whether the type fits the pattern as far as variables go; remembers what they stand for."""
    name = pattern.name
    if name in _VARIABLES:
        wrong = (name == "N" and not (type_.is_numeric or type_ == DECIMAL)) or (
            name == "I" and not type_.is_integer
        )
        if type_ != NULL and wrong:
            return False
        known = common(found.get(name, NULL), type_)
        if known is None:
            return False
        found[name] = known
        return True
    if type_ == NULL:
        return True
    if pattern.name == "array" and type_.name == "array":
        assert pattern.item
        assert type_.item
        return _bind(pattern.item, type_.item, found)
    if pattern.name == "map" and type_.name == "map":
        assert pattern.item
        assert type_.item
        assert pattern.key
        assert type_.key
        return _bind(pattern.key, type_.key, found) and _bind(pattern.item, type_.item, found)
    return not pattern.is_nested


def _filled(pattern: Type, found: dict[str, Type]) -> Type:
    if pattern.name in _VARIABLES:
        type_ = found.get(pattern.name, NULL)
        if type_ == NULL:
            return {"N": DOUBLE, "I": INT}.get(pattern.name, NULL)
        return type_
    if pattern.name == "array":
        assert pattern.item
        return array(_filled(pattern.item, found))
    if pattern.name == "map":
        assert pattern.item
        assert pattern.key
        return map_of(_filled(pattern.key, found), _filled(pattern.item, found))
    return pattern


def _widens(node: Node, wanted: Type) -> bool:
    if node.type == wanted or node.type == NULL:
        return True
    if node.type == DECIMAL:
        return wanted.is_float
    if wanted in BITS and node.type in BITS and isinstance(node, Literal):
        return isinstance(node.value, int) and convert.fits(node.value, BITS[wanted])
    if wanted == DATE and node.type == TIMESTAMP:
        return True
    return common(node.type, wanted) == wanted


def has_decimal(node: Node) -> bool:
    """Whether a literal is left whose type would be decimal."""
    if isinstance(node, Call):
        return any(has_decimal(each) for each in node.args)
    return node.type == DECIMAL and not isinstance(node, Column)


def refuse_decimal(text: str, where: str | None) -> UnsupportedError:
    """The error for a decimal literal that nothing makes a double."""
    problem = f"decimal arithmetic is not there, in {text!r}"
    return UnsupportedError(problem, where=where, hint=DECIMAL_HINT)
