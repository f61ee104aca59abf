"""Functions of numbers; rounding is half up on the shortest decimal text, as Spark's is."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import ExpressionError
from catenary.expressions import convert
from catenary.expressions.functions.registry import define
from catenary.expressions.tree import DECIMAL
from catenary.expressions.types import BITS, match, refuse_decimal
from catenary.schema import FLOAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.expressions.tree import Call, Node
    from catenary.schema import Type

_WIDE: Final = Context(prec=400)


def _total(
    function: Callable[[float], float], outside: object = math.nan
) -> Callable[[float], object]:
    """The function of `math` without its exceptions."""

    def total(value: float) -> object:
        try:
            return function(value)
        except ValueError:
            return math.nan if value != value else outside
        except OverflowError:
            return math.inf

    return total


def _log(function: Callable[[float], float]) -> Callable[[float], object]:
    return lambda value: None if value <= 0 else function(value)


def _power(base: float, exponent: float) -> float:
    if exponent != exponent or (abs(base) == 1 and math.isinf(exponent)):
        return math.nan
    if base == 1 and exponent != 0:
        return 1.0
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent == int(exponent) and int(exponent) % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0:
            odd = exponent == int(exponent) and int(exponent) % 2 == 1
            return -math.inf if math.copysign(1, base) < 0 and odd else math.inf
        return math.nan


define(
    "sqrt",
    "double -> double",
    row=_total(math.sqrt),
    batch=lambda _call, a: a.sqrt(),
    group="numbers",
)
for _name, _function in (
    ("exp", math.exp), ("sin", math.sin), ("cos", math.cos), ("tan", math.tan), ("atan", math.atan),
    ("asin", math.asin), ("acos", math.acos), ("tanh", math.tanh),
):  # fmt: skip
    define(_name, "double -> double", row=_total(_function), group="numbers")
define("ln", "double -> double", row=_log(math.log), aliases=("log",), group="numbers")
define("log10", "double -> double", row=_log(math.log10), group="numbers")
define("log2", "double -> double", row=_log(math.log2), group="numbers")
define("pow", "double, double -> double", row=_power, aliases=("power",), group="numbers")
define(
    "sign", "double -> double", aliases=("signum",), group="numbers",
    row="({0} if {0} == 0 or {0} != {0} else 1.0 if {0} > 0 else -1.0)",
)  # fmt: skip


def _ceiling(value: float) -> int:
    return convert.float_to_int(
        value if math.isinf(value) or value != value else float(math.ceil(value)), 64
    )


def _floor(value: float) -> int:
    return convert.float_to_int(
        value if math.isinf(value) or value != value else float(math.floor(value)), 64
    )


def _whole_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if any(each.type == DECIMAL for each in args):
        raise refuse_decimal(f"{name} of {args[0]}", None)
    found = match("bigint -> bigint", args) or match("double -> bigint", args)
    if found is None:
        problem = f"{name} takes one number, not {', '.join(str(each.type) for each in args)}"
        raise ExpressionError(problem)
    return found


def _whole(way: str) -> Callable[..., Any]:
    def batch(call: Call, value: Any) -> Any:
        from catenary.expressions.functions.casts import saturated

        if call.args[0].type in BITS:
            return value
        return saturated(value.ceil() if way == "up" else value.floor(), 64)

    return batch


define(
    "ceil", resolve=_whole_types,
    aliases=("ceiling",), group="numbers",
    typed_row=lambda call: "{0}" if call.args[0].type in BITS else _ceiling, batch=_whole("up"),
)  # fmt: skip
define(
    "floor", resolve=_whole_types,
    group="numbers",
    typed_row=lambda call: "{0}" if call.args[0].type in BITS else _floor, batch=_whole("down"),
)  # fmt: skip


def _rounding(mode: str) -> Callable[[Call], Any]:
    def row(call: Call) -> Any:
        type_ = call.type
        if type_ in BITS:
            bits = BITS[type_]
            return lambda value, places: _round_int(value, places, mode, bits)
        text = convert.from_float if type_ == FLOAT else convert.from_double
        back = convert.single if type_ == FLOAT else float

        def rounded(value: float, places: int) -> float:
            if value != value or math.isinf(value):
                return value
            exact = Decimal(text(value))
            step = Decimal(1).scaleb(-places, _WIDE)
            if places >= -int(exact.as_tuple().exponent):
                return value + 0.0
            return back(float(exact.quantize(step, rounding=mode, context=_WIDE))) + 0.0

        return rounded

    return row


def _round_int(value: int, places: int, mode: str, bits: int) -> int:
    if places >= 0:
        return value
    step = Decimal(1).scaleb(-places, _WIDE)
    whole = int((Decimal(value) / step).quantize(Decimal(1), rounding=mode, context=_WIDE) * step)
    return convert.wrap(whole, bits)


define("round", "N, int=0 -> N", typed_row=_rounding(ROUND_HALF_UP), group="numbers")
define("bround", "N, int=0 -> N", typed_row=_rounding(ROUND_HALF_EVEN), group="numbers")
