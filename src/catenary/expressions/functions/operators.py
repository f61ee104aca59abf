"""Arithmetic, comparisons and logic, by Spark's non-ANSI rules.

Whole numbers wrap round at their width; `/` is always a double; dividing by zero gives null.
NaN equals NaN and is greater than every other number; -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from typing import Any, Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions.functions.quotients import quotient
from catenary.expressions.functions.registry import FUNCTIONS, define
from catenary.expressions.tree import DECIMAL, Call, Literal, Node
from catenary.expressions.types import (
    BITS,
    common_of,
    match,
    mixed,
    refuse_decimal,
    widened,
)
from catenary.schema import BOOLEAN, DATE, DOUBLE, FLOAT, NULL, TIMESTAMP, Type

_WRAP: Final = {8: "((({0}) + 128 & 255) - 128)", 16: "((({0}) + 32768 & 65535) - 32768)", 32: "((({0}) + 2147483648 & 4294967295) - 2147483648)", 64: "((({0}) + 9223372036854775808 & 18446744073709551615) - 9223372036854775808)"}  # fmt: skip


def _fitted(template: str, type_: Type) -> str:
    """The template with its value brought to the type's width."""
    if type_ in BITS:
        return _WRAP[BITS[type_]].replace("{0}", template, 1)
    return f"convert.single({template})" if type_ == FLOAT else f"({template})"


def _numbers(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    for each in args:
        if not (each.type.is_numeric or each.type in (NULL, DECIMAL)):
            problem = f"{name} takes numbers, {each} is {each.type}"
            hint = f"write the cast: CAST({each} AS DOUBLE)" if each.type.name == "string" else None
            raise ExpressionError(problem, hint=hint)
    type_ = common_of(name, args)
    if type_ == DECIMAL:
        raise refuse_decimal(f"{name} of {', '.join(map(str, args))}", None)
    type_ = DOUBLE if type_ == NULL else type_
    return tuple(widened(each, type_) for each in args), type_


def _pair(name: str, args: tuple[Node, ...]) -> None:
    if len(args) != 2:
        problem = f"{name} takes 2 arguments, not {len(args)}"
        raise ExpressionError(problem)


def _added(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    kinds = {each.type for each in args}
    if kinds & {DATE, TIMESTAMP}:
        hint = "use date_add, date_sub, datediff, or unix_millis for instants"
        problem = f"{name} of {' and '.join(str(each.type) for each in args)} is not there"
        raise UnsupportedError(problem, hint=hint)
    _pair(name, args)
    return _numbers(name, args)


define(
    "+", resolve=_added, operator=True, group="arithmetic",
    typed_row=lambda call: _fitted("{0} + {1}", call.type), batch=lambda _call, a, b: a + b,
)  # fmt: skip
define(
    "-", resolve=_added, operator=True, group="arithmetic",
    typed_row=lambda call: _fitted("{0} - {1}", call.type), batch=lambda _call, a, b: a - b,
)  # fmt: skip
define(
    "*", resolve=_added, operator=True, group="arithmetic",
    typed_row=lambda call: _fitted("{0} * {1}", call.type), batch=lambda _call, a, b: a * b,
)  # fmt: skip


def _divided(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    _pair(name, args)
    _numbers(name, args)
    return tuple(widened(each, DOUBLE) for each in args), DOUBLE


def _divide(call: Call, a: Any, b: Any) -> Any:
    import polars as pl

    divisor = call.args[1]
    if isinstance(divisor, Literal) and divisor.value:
        return quotient(a, b)
    return pl.when(b != 0.0).then(quotient(a, b))


define(
    "/", resolve=_divided, operator=True, batch=_divide, group="arithmetic",
    row="({0} / {1} if {1} else None)",
)  # fmt: skip


def _java_remainder(left: int, right: int) -> int | None:
    if right == 0:
        return None
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _float_remainder(left: float, right: float) -> float | None:
    if right == 0:
        return None
    if right != right or left != left or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def _quotient(left: int, right: int) -> int | None:
    if right == 0:
        return None
    whole = abs(left) // abs(right)
    whole = -whole if (left < 0) != (right < 0) else whole
    return whole if whole < 1 << 63 else -(1 << 63)


def _pmod_int(bits: int) -> Any:
    half, full = 1 << (bits - 1), 1 << bits

    def pmod(left: int, right: int) -> int | None:
        rest = _java_remainder(left, right)
        if rest is None or rest >= 0:
            return rest
        # Java adds at the type's own width: what runs over comes back negative.
        return _java_remainder(((rest + right + half) % full) - half, right)

    return pmod


def _pmod_float(left: float, right: float) -> float | None:
    rest = _float_remainder(left, right)
    if rest is None or not rest < 0:
        return rest
    return _float_remainder(rest + right, right)


def _remainder_batch(call: Call, a: Any, b: Any) -> Any:
    import polars as pl

    if call.type not in BITS:
        return None
    rest = a % b
    return pl.when((rest != 0) & ((rest < 0) != (a < 0))).then(rest - b).otherwise(rest)


def _pmod_row(call: Call) -> Any:
    if call.type in BITS:
        # Below 32 bits Java adds as int; the sum cannot run over there.
        return _pmod_int(max(32, BITS[call.type]))
    if call.type == FLOAT:
        return _pmod_single
    return _pmod_float


def _pmod_single(left: float, right: float) -> float | None:
    from catenary.expressions.convert import single

    rest = _float_remainder(left, right)
    if rest is None or not rest < 0:
        return rest
    return _float_remainder(single(rest + right), right)


define(
    "%", resolve=_added, operator=True, batch=_remainder_batch, group="arithmetic", aliases=("mod",),
    typed_row=lambda call: _java_remainder if call.type in BITS else _float_remainder,
)  # fmt: skip
define("div", "bigint, bigint -> bigint", operator=True, row=_quotient, group="arithmetic")
define("pmod", resolve=_added, group="arithmetic", typed_row=_pmod_row)


def _one_number(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) != 1:
        problem = f"{name} takes 1 argument, not {len(args)}"
        raise ExpressionError(problem)
    return _numbers(name, args)


define(
    "negative", resolve=_one_number, group="arithmetic",
    typed_row=lambda call: _fitted("-{0}", call.type), batch=lambda call, a: _negated(call, a),
)  # fmt: skip
define("positive", resolve=_one_number, row="{0}", batch=lambda _call, a: a, group="arithmetic")
define(
    "abs", resolve=_one_number, group="numbers",
    typed_row=lambda call: _fitted("abs({0})", call.type), batch=lambda call, a: _absolute(call, a),
)  # fmt: skip


def _negated(call: Call, a: Any) -> Any:
    import polars as pl

    from catenary.expressions.batch import dtype

    return pl.lit(0, dtype=dtype(call.type)) - a if call.type in BITS else -a


def _absolute(call: Call, a: Any) -> Any:
    import polars as pl

    return pl.when(a < 0).then(_negated(call, a)).otherwise(a) if call.type in BITS else a.abs()


# -- bits ------------------------------------------------------------------------------------

define(
    "&",
    "I, I -> I",
    operator=True,
    row="({0} & {1})",
    batch=lambda _call, a, b: a & b,
    group="bits",
)
define(
    "|",
    "I, I -> I",
    operator=True,
    row="({0} | {1})",
    batch=lambda _call, a, b: a | b,
    group="bits",
)
define(
    "^",
    "I, I -> I",
    operator=True,
    row="({0} ^ {1})",
    batch=lambda _call, a, b: a ^ b,
    group="bits",
)
define(
    "~",
    "I -> I",
    row="(~{0})",
    batch=lambda _call, a: ~a,
    group="bits",
    printed=lambda call: f"~{call.args[0]}",
)


def _shift(direction: str) -> Any:
    def row(call: Call) -> Any:
        bits = BITS[call.type]
        from catenary.expressions.convert import wrap

        if direction == "left":
            return lambda value, by: wrap(value << (by % bits), bits)
        if direction == "right":
            return lambda value, by: value >> (by % bits)
        return lambda value, by: wrap((value % (1 << bits)) >> (by % bits), bits)

    return row


for _name, _way in (("shiftleft", "left"), ("shiftright", "right"), ("shiftrightunsigned", "up")):
    define(_name, "int, int -> int", "bigint, int -> bigint", typed_row=_shift(_way), group="bits")


# -- comparisons -----------------------------------------------------------------------------


def comparable(name: str, type_: Type) -> None:
    """Refuses types without an order here."""
    if type_.name in ("map",):
        problem = f"{name} of {type_} is not there"
        raise UnsupportedError(problem, hint="compare the values, such as m['key']")
    if type_.name in ("struct", "array"):
        problem = f"{name} of {type_} is not there"
        raise UnsupportedError(problem, hint="compare the fields or elements")


def _compared(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    _pair(name, args)
    fixed = same_type(name, args)
    return fixed, BOOLEAN


def same_type(name: str, args: tuple[Node, ...]) -> tuple[Node, ...]:
    """The arguments widened to one type that has an order."""
    kinds = {each.type.name for each in args} - {"void"}
    if "decimal" in kinds and not kinds & {"float", "double"}:
        whole = [each for each in args if each.type != DECIMAL]
        odd = next(each for each in args if each.type == DECIMAL)
        raise mixed(name, whole[0].type if whole else odd.type, odd)
    type_ = common_of(name, args)
    comparable(name, type_)
    return tuple(widened(each, type_) for each in args)


_PLAIN: Final = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FLOATS: Final = {
    "=": "({0} == {1} or ({0} != {0} and {1} != {1}))",
    "!=": "not ({0} == {1} or ({0} != {0} and {1} != {1}))",
    "<": "({0} < {1} or ({1} != {1} and {0} == {0}))",
    "<=": "({0} <= {1} or {1} != {1})",
    ">": "({0} > {1} or ({0} != {0} and {1} == {1}))",
    ">=": "({0} >= {1} or {0} != {0})",
}
_AGAINST_NUMBER: Final = {
    "=": "({0} == {1})", "!=": "({0} != {1})", "<": "({0} < {1})", "<=": "({0} <= {1})",
    ">": "(not {0} <= {1})", ">=": "(not {0} < {1})",
}  # fmt: skip


def _comparison_row(name: str) -> Any:
    def row(call: Call) -> str:
        if not call.args[0].type.is_float:
            return f"({{0}} {_PLAIN[name]} {{1}})"
        right = call.args[1]
        if isinstance(right, Literal) and right.value == right.value:
            return _AGAINST_NUMBER[name]
        return _FLOATS[name]

    return row


_BATCH: Final[dict[str, Any]] = {
    "=": lambda _call, a, b: a == b,
    "!=": lambda _call, a, b: a != b,
    "<": lambda _call, a, b: a < b,
    "<=": lambda _call, a, b: a <= b,
    ">": lambda _call, a, b: a > b,
    ">=": lambda _call, a, b: a >= b,
}
for _name in _PLAIN:
    define(
        _name, resolve=_compared, operator=True, group="comparisons", nullable=False,
        typed_row=_comparison_row(_name), batch=_BATCH[_name],
    )  # fmt: skip


def _null_safe(left: object, right: object) -> bool:
    return left == right or (left != left and right != right)


define(
    "<=>", resolve=_compared, operator=True, strict=False, nullable=False, group="comparisons",
    row=_null_safe, batch=lambda _call, a, b: a.eq_missing(b),
)  # fmt: skip


def _in_list(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) < 2:
        problem = "IN needs at least one value in its list"
        raise ExpressionError(problem)
    return same_type(name, args), BOOLEAN


def _is_in(value: object, *others: object) -> bool | None:
    if value is None:
        return None
    for each in others:
        if each is not None and (value == each or (value != value and each != each)):
            return True
    return None if None in others else False


def _in_batch(call: Call, value: Any, *others: Any) -> Any:
    import polars as pl

    from catenary.expressions.batch import dtype

    items = call.args[1:]
    if all(isinstance(each, Literal) for each in items):
        known = [
            each.value for each in items if isinstance(each, Literal) and each.value is not None
        ]
        hit = value.is_in(pl.Series(known, dtype=dtype(items[0].type)).implode())
        if len(known) < len(items):
            return pl.when(hit).then(pl.lit(True))
        return hit
    found = value == others[0]
    for each in others[1:]:
        found = found | (value == each)
    return found


define(
    "in", resolve=_in_list, strict=False, row=_is_in, batch=_in_batch, group="comparisons",
    printed=lambda call: f"({call.args[0]} IN ({', '.join(map(str, call.args[1:]))}))",
)  # fmt: skip


def _extreme(sign: str) -> Any:
    def row(*values: Any) -> object:
        best = None
        for each in values:
            if each is None:
                continue
            if best is None or (_beats(each, best) if sign == ">" else _beats(best, each)):
                best = each
        return best

    return row


def _beats(one: Any, other: Any) -> bool:
    return bool(one > other or (one != one and other == other))


def _extreme_batch(sign: str) -> Any:
    def batch(_call: Call, *values: Any) -> Any:
        import polars as pl

        best = values[0]
        for each in values[1:]:
            beats = each > best if sign == ">" else each < best
            best = pl.when(best.is_null() | beats).then(each).otherwise(best)
        return best

    return batch


def _several(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) < 2:
        problem = f"{name} takes at least 2 arguments, not {len(args)}"
        raise ExpressionError(problem)
    fixed = same_type(name, args)
    return fixed, fixed[0].type


for _name, _sign in (("greatest", ">"), ("least", "<")):
    define(
        _name, resolve=_several, strict=False, group="comparisons",
        row=_extreme(_sign), batch=_extreme_batch(_sign),
    )  # fmt: skip


# -- logic -----------------------------------------------------------------------------------

define(
    "and", "boolean, boolean -> boolean", operator=True, strict=False, group="logic",
    row="(False if {0} is False or {1} is False else None if {0} is None or {1} is None else True)",
    batch=lambda _call, a, b: a & b,
)  # fmt: skip
define(
    "or", "boolean, boolean -> boolean", operator=True, strict=False, group="logic",
    row="(True if {0} or {1} else None if {0} is None or {1} is None else False)",
    batch=lambda _call, a, b: a | b,
)  # fmt: skip
define(
    "not", "boolean -> boolean", row="(not {0})", batch=lambda _call, a: ~a, group="logic",
    nullable=False, printed=lambda call: f"(NOT {call.args[0]})",
)  # fmt: skip
define(
    "isnull", "T -> boolean", strict=False, nullable=False, row="({0} is None)", group="logic",
    batch=lambda _call, a: a.is_null(), printed=lambda call: f"({call.args[0]} IS NULL)",
)  # fmt: skip
define(
    "isnotnull", "T -> boolean", strict=False, nullable=False, row="({0} is not None)",
    batch=lambda _call, a: a.is_not_null(), group="logic",
)  # fmt: skip
define(
    "isnan", "double -> boolean", strict=False, nullable=False, group="logic",
    row="({0} is not None and {0} != {0})", batch=lambda _call, a: a.is_nan().fill_null(False),
)  # fmt: skip


# -- choices: lazy, so the row writer knows `case` and `coalesce` by name ----------------------


def _chosen(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    tests, values = args[:-1:2], (*args[1:-1:2], args[-1])
    type_ = common_of(name, values)
    fixed = tuple(widened(each, type_) for each in values)
    for each in tests:
        if each.type not in (BOOLEAN, NULL):
            problem = f"a condition must be boolean, {each} is {each.type}"
            raise ExpressionError(problem)
    mixed_up: list[Node] = []
    for at, test in enumerate(tests):
        mixed_up += [widened(test, BOOLEAN), fixed[at]]
    return (*mixed_up, fixed[-1]), type_


def _case_text(call: Call) -> str:
    parts = call.args
    arms = "".join(f" WHEN {parts[at]} THEN {parts[at + 1]}" for at in range(0, len(parts) - 1, 2))
    return f"CASE{arms} ELSE {parts[-1]} END"


def _case_batch(_call: Call, *args: Any) -> Any:
    import polars as pl

    chain = pl.when(args[0]).then(args[1])
    for at in range(2, len(args) - 1, 2):
        chain = chain.when(args[at]).then(args[at + 1])
    return chain.otherwise(args[-1])


def _case_row(*args: object) -> object:
    for at in range(0, len(args) - 1, 2):
        if args[at]:
            return args[at + 1]
    return args[-1]


CASE: Final = define(
    "case",
    resolve=_chosen,
    strict=False,
    row=_case_row,
    batch=_case_batch,
    printed=_case_text,
    group="choices",
)


def _case(*args: Node) -> Node:
    fixed, type_ = _chosen("case", args)
    return Call(CASE, fixed, type_)


def _coalesced(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if not args:
        problem = f"{name} takes at least 1 argument"
        raise ExpressionError(problem)
    type_ = common_of(name, args)
    return tuple(widened(each, type_) for each in args), type_


def _coalesce_batch(_call: Call, *args: Any) -> Any:
    import polars as pl

    return pl.coalesce(*args)


def _first_value(*args: object) -> object:
    return next((each for each in args if each is not None), None)


COALESCE: Final = define(
    "coalesce", resolve=_coalesced, strict=False, group="choices", aliases=("nvl", "ifnull"),
    row=_first_value, batch=_coalesce_batch,
)  # fmt: skip


def _counted(name: str, args: tuple[Node, ...], least: int, most: int) -> None:
    if not least <= len(args) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        problem = f"{name} takes {wanted} arguments, not {len(args)}"
        raise ExpressionError(problem)


def _if(args: tuple[Node, ...]) -> Node:
    _counted("if", args, 3, 3)
    return _case(*args)


def _nullif(args: tuple[Node, ...]) -> Node:
    _counted("nullif", args, 2, 2)
    fixed = same_type("nullif", args)
    return _case(Call(FUNCTIONS["="], fixed, BOOLEAN), Literal(None, args[0].type), args[0])


def _nvl2(args: tuple[Node, ...]) -> Node:
    _counted("nvl2", args, 3, 3)
    return _case(Call(FUNCTIONS["isnotnull"], args[:1], BOOLEAN), *args[1:])


def _nanvl(args: tuple[Node, ...]) -> Node:
    fitting = match("double, double -> double", args)
    if fitting is None:
        problem = "nanvl takes 2 doubles"
        raise ExpressionError(problem)
    left, right = fitting[0]
    return _case(Call(FUNCTIONS["isnan"], (left,), BOOLEAN), right, left)


define("if", rewrite=_if, group="choices")
define("nullif", rewrite=_nullif, group="choices")
define("nvl2", rewrite=_nvl2, group="choices")
define("nanvl", rewrite=_nanvl, group="choices")
define(
    "equal_null", group="comparisons",
    rewrite=lambda args: Call(FUNCTIONS["<=>"], _compared("equal_null", args)[0], BOOLEAN),
)  # fmt: skip
