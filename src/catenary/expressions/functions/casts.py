"""CAST between all types that Spark casts without ANSI mode; what does not fit becomes null.

Refused by name: casts from numbers to dates, from boolean to timestamp, to and from nested types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from catenary.errors import UnsupportedError
from catenary.expressions import convert
from catenary.expressions.functions.quotients import quotient
from catenary.expressions.functions.registry import Function, Row
from catenary.expressions.tree import DECIMAL, Call, Literal, Node
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    STRING,
    TIMESTAMP,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_TO_TEXT: Final[dict[Type, Row]] = {
    BOOLEAN: "('true' if {0} else 'false')",
    FLOAT: convert.from_float,
    DOUBLE: convert.from_double,
    DATE: convert.from_date,
    TIMESTAMP: convert.from_timestamp,
}
_FROM_TEXT: Final[dict[Type, Row]] = {
    BOOLEAN: convert.to_boolean,
    FLOAT: convert.to_float,
    DOUBLE: convert.to_double,
    DATE: convert.to_date,
    TIMESTAMP: convert.to_timestamp,
    BINARY: "{0}.encode()",
}


def cast(node: Node, type_: Type) -> Node:
    """The node as a value of `type_`.

    Raises:
        UnsupportedError: for a pair of types between which there is no cast here.
    """
    if node.type == type_:
        return node
    if isinstance(node, Literal) and node.value is None:
        return Literal(None, type_)
    if node.type == DECIMAL and isinstance(node, Literal):
        if type_ == DOUBLE:
            return Literal(float(str(node.value)), type_)
        if type_ == FLOAT:
            return Literal(convert.nearest_float(str(node.value)), type_)
    _row(node.type, type_)
    return Call(CAST, (node,), type_)


def _row(source: Type, target: Type) -> Row:
    """The row form of a cast between two different types."""
    found: Row | None = None
    if target == STRING:
        found = "str({0})" if source.is_integer else _TO_TEXT.get(source)
    elif source == STRING:
        bits = _BITS.get(target.name)
        found = f"convert.to_int({{0}}, {bits})" if bits else _FROM_TEXT.get(target)
    elif target.is_numeric and (source.is_numeric or source == BOOLEAN):
        found = _number(source, target)
    elif target == BOOLEAN and source.is_numeric:
        found = "({0} != 0)"
    elif {source, target} == {DATE, TIMESTAMP}:
        found = (
            "{0}.date()" if target == DATE else "datetime({0}.year, {0}.month, {0}.day, tzinfo=UTC)"
        )
    elif source == TIMESTAMP and target.is_numeric:
        found = _seconds(target)
    elif target == TIMESTAMP and source.is_integer:
        found = "convert.instant({0} * 1000000)"
    elif target == TIMESTAMP and source.is_float:
        found = _instant_of_seconds
    elif source.name == target.name == "array":
        assert source.item is not None
        assert target.item is not None
        found = _array(source.item, target.item)
    if found is None:
        problem = f"there is no cast from {source} to {target}"
        raise UnsupportedError(problem, hint="primitive types cast to each other and to string")
    return found


def _number(source: Type, target: Type) -> Row:
    bits = _BITS.get(target.name)
    if source == BOOLEAN:
        return "(1 if {0} else 0)" if bits else "(1.0 if {0} else 0.0)"
    if bits and source.is_integer:
        if _BITS[source.name] <= bits:
            return "{0}"
        return f"convert.wrap({{0}}, {bits})"
    if bits:
        return f"convert.float_to_int({{0}}, {bits})"
    if source.is_integer:
        return "float({0})" if target == DOUBLE else convert.nearest_float
    return "{0}" if target == DOUBLE else convert.single


def _seconds(target: Type) -> Row:
    bits = _BITS.get(target.name)
    if bits == 64:
        return "(convert.micros_of({0}) // 1000000)"
    if bits:
        return f"convert.fitting(convert.micros_of({{0}}) // 1000000, {bits})"
    if target == DOUBLE:
        return "(convert.micros_of({0}) / 1000000.0)"
    return "convert.single(convert.micros_of({0}) / 1000000.0)"


def _instant_of_seconds(value: float) -> object:
    if value != value or abs(value) > 1e13:
        return None
    return convert.instant(int(value * 1000000.0))


def _array(source: Type, target: Type) -> Row:
    inner = _row(source, target)
    each = inner.format("_x") if isinstance(inner, str) else None
    if each is not None:
        return f"[None if _x is None else {each} for _x in {{0}}]"
    assert callable(inner)
    function: Callable[..., object] = inner
    return lambda values: [None if each is None else function(each) for each in values]


# -- batches ---------------------------------------------------------------------------------


def _batch(call: Call, value: Any) -> Any:
    """The Polars form; None where the row form runs value by value."""
    import polars as pl

    from catenary.expressions.batch import dtype

    source, target = call.args[0].type, call.type
    bits = _BITS.get(target.name)
    if target == STRING and source.is_integer:
        return value.cast(pl.String)
    if source == BOOLEAN and target.is_numeric:
        return value.cast(dtype(target))
    if source.is_integer and target.is_numeric:
        if bits and bits < _BITS[source.name]:
            return value.cast(dtype(target), wrap_numerical=True)
        return value.cast(dtype(target))
    if source.is_float and bits:
        return saturated(value, bits)
    if source.is_float and target.is_float:
        return value.cast(dtype(target))
    if target == BOOLEAN and source.is_numeric:
        return value != pl.lit(0, dtype=dtype(source))
    if source == TIMESTAMP and target == DATE:
        return value.dt.date()
    if source == DATE and target == TIMESTAMP:
        return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if source == TIMESTAMP and target == BIGINT:
        return value.dt.timestamp("us").floordiv(pl.lit(1_000_000, dtype=pl.Int64))
    if source == TIMESTAMP and target == DOUBLE:
        return quotient(value.dt.timestamp("us").cast(pl.Float64), pl.lit(1000000.0))
    if source.is_integer and target == TIMESTAMP:
        low, high = convert.FIRST_MICROS // 1_000_000, convert.LAST_MICROS // 1_000_000
        wide = value.cast(pl.Int64)
        return (
            pl.when(wide.is_between(low, high))
            .then(wide * 1_000_000)
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
        )
    return None


def saturated(value: Any, bits: int) -> Any:
    """A float as a whole number, as `convert.float_to_int` has it."""
    import polars as pl

    wide = max(bits, 32)
    kind = pl.Int32 if wide == 32 else pl.Int64
    low, high = -(1 << (wide - 1)), (1 << (wide - 1)) - 1
    edge = float(1 << (wide - 1))
    whole = (
        pl.when(value.is_nan())
        .then(pl.lit(0, dtype=kind))
        .when(value >= edge)
        .then(pl.lit(high, dtype=kind))
        .when(value <= -edge)
        .then(pl.lit(low, dtype=kind))
        .otherwise(value.cast(kind, strict=False))
    )
    if bits < 32:
        return whole.cast(pl.Int8 if bits == 8 else pl.Int16, wrap_numerical=True)
    return whole


CAST: Final = Function(
    "cast",
    typed_row=lambda call: _row(call.args[0].type, call.type),
    batch=_batch,
    printed=lambda call: f"CAST({call.args[0]} AS {call.type})",
)
