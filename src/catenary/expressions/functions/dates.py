"""Functions of days and instants, in UTC. A day outside the years 1 to 9999 is null."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions import convert
from catenary.expressions.functions.casts import cast
from catenary.expressions.functions.registry import FUNCTIONS, define
from catenary.expressions.tree import Call, Literal, Node
from catenary.expressions.types import match
from catenary.schema import BIGINT, DATE, STRING, TIMESTAMP, Type

if TYPE_CHECKING:
    from collections.abc import Callable


def _int32(method: str) -> Callable[..., Any]:
    def batch(_call: Call, value: Any) -> Any:
        import polars as pl

        return getattr(value.dt, method)().cast(pl.Int32)

    return batch


for _name, _aliases, _row, _method in (
    ("year", (), "{0}.year", "year"),
    ("quarter", (), "(({0}.month + 2) // 3)", "quarter"),
    ("month", (), "{0}.month", "month"),
    ("day", ("dayofmonth",), "{0}.day", "day"),
    ("dayofyear", (), "{0}.timetuple().tm_yday", "ordinal_day"),
    ("weekofyear", (), "{0}.isocalendar()[1]", "week"),
):
    define(_name, "date -> int", row=_row, batch=_int32(_method), aliases=_aliases, group="dates")
define("dayofweek", "date -> int", row="({0}.isoweekday() % 7 + 1)", group="dates",
       batch=lambda call, a: _int32("weekday")(call, a) % 7 + 1)  # fmt: skip
define(
    "weekday",
    "date -> int",
    row="{0}.weekday()",
    batch=lambda call, a: _int32("weekday")(call, a) - 1,
    group="dates",
)
for _name in ("hour", "minute", "second"):
    define(_name, "timestamp -> int", row=f"{{0}}.{_name}", batch=_int32(_name), group="dates")


def _moved(start: date, days: int) -> date | None:
    return convert.day(convert.wrap(convert.day_number(start) + days, 32))


define("date_add", "date, int -> date", row=_moved, aliases=("dateadd",), group="dates")
define("date_sub", "date, int -> date", row=lambda start, days: _moved(start, -days), group="dates")
define("datediff", "date, date -> int", row="({0} - {1}).days", aliases=("date_diff",), group="dates",
       batch=lambda call, a, b: _datediff(a, b))  # fmt: skip


def _datediff(a: Any, b: Any) -> Any:
    import polars as pl

    return a.cast(pl.Int32) - b.cast(pl.Int32)


def _add_months(start: date, months: int) -> date | None:
    index = start.year * 12 + start.month - 1 + months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        return None
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


define("add_months", "date, int -> date", row=_add_months, group="dates")
define(
    "last_day",
    "date -> date",
    row=lambda d: d.replace(day=calendar.monthrange(d.year, d.month)[1]),
    group="dates",
)


def _make_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


define("make_date", "int, int, int -> date", row=_make_date, group="dates")


# -- truncation ------------------------------------------------------------------------------

_UNITS: Final = {
    "year": "year", "yyyy": "year", "yy": "year", "quarter": "quarter", "month": "month",
    "mon": "month", "mm": "month", "week": "week", "day": "day", "dd": "day", "hour": "hour",
    "minute": "minute", "second": "second", "millisecond": "millisecond", "microsecond": "microsecond",
}  # fmt: skip


def _floor_day(value: date, unit: str) -> date | None:
    if unit == "year":
        return value.replace(month=1, day=1)
    if unit == "quarter":
        return value.replace(month=(value.month - 1) // 3 * 3 + 1, day=1)
    if unit == "month":
        return value.replace(day=1)
    return convert.day(convert.day_number(value) - value.weekday())


def _floor_instant(value: datetime, unit: str) -> datetime | None:
    if unit in ("year", "quarter", "month", "week"):
        day = _floor_day(value.date(), unit)
        return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
    steps = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000, "millisecond": 1_000, "microsecond": 1}  # fmt: skip
    step = steps[unit]
    return convert.instant(convert.micros_of(value) // step * step)


def _unit(name: str, node: Node, allowed: tuple[str, ...]) -> str:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        problem = f"{name} takes its unit as a literal text"
        raise UnsupportedError(problem, hint="write 'DAY', 'MONTH', …")
    unit = _UNITS.get(node.value.lower())
    if unit is None or unit not in allowed:
        problem = f"{name}: unit {node.value!r} is not one of {', '.join(allowed)}"
        raise ExpressionError(problem)
    return unit


_EVERY: Final = tuple(dict.fromkeys(_UNITS.values()))


def _date_trunc(args: tuple[Node, ...]) -> Node:
    found = match("string, timestamp -> timestamp", args)
    if found is None:
        problem = "date_trunc takes a unit and a timestamp"
        raise ExpressionError(problem)
    unit = _unit("date_trunc", args[0], _EVERY)
    return Call(DATE_TRUNC, (Literal(unit, STRING), found[0][1]), TIMESTAMP)


def _trunc(args: tuple[Node, ...]) -> Node:
    found = match("date, string -> date", args)
    if found is None:
        problem = "trunc takes a date and a unit"
        raise ExpressionError(problem)
    unit = _unit("trunc", args[1], ("year", "quarter", "month", "week"))
    return Call(TRUNC, (found[0][0], Literal(unit, STRING)), DATE)


def _date_trunc_batch(call: Call, _unit_: Any, value: Any) -> Any:
    unit = call.args[0]
    assert isinstance(unit, Literal)
    spans = {"day": "1d", "hour": "1h", "minute": "1m", "second": "1s"}
    span = spans.get(str(unit.value))
    return value.dt.truncate(span) if span else None


define("date_trunc", rewrite=_date_trunc, group="dates")
define("trunc", rewrite=_trunc, group="dates")
DATE_TRUNC: Final = define(
    "date_trunc ",
    row=lambda unit, value: _floor_instant(value, unit),
    batch=_date_trunc_batch,
    printed=lambda call: f"date_trunc({call.args[0]}, {call.args[1]})",
)
TRUNC: Final = define(
    "trunc ", row=_floor_day, printed=lambda call: f"trunc({call.args[0]}, {call.args[1]})"
)
for _name in ("date_trunc ", "trunc "):
    del FUNCTIONS[_name]


# -- epochs ----------------------------------------------------------------------------------


def _epoch(step: int) -> Callable[..., Any]:
    def batch(_call: Call, value: Any) -> Any:
        import polars as pl

        return value.dt.timestamp("us").floordiv(pl.lit(step, dtype=pl.Int64))

    return batch


for _name, _step in (("unix_seconds", 1_000_000), ("unix_millis", 1_000), ("unix_micros", 1)):
    define(
        _name,
        "timestamp -> bigint",
        row=f"(convert.micros_of({{0}}) // {_step})",
        batch=_epoch(_step),
        group="dates",
    )


def _from_epoch(step: int) -> Callable[..., Any]:
    def batch(_call: Call, value: Any) -> Any:
        import polars as pl

        inside = value.is_between(-(-convert.FIRST_MICROS // step), convert.LAST_MICROS // step)
        micros = pl.when(inside).then(value * step)
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    return batch


for _name, _step in (
    ("timestamp_seconds", 1_000_000),
    ("timestamp_millis", 1_000),
    ("timestamp_micros", 1),
):
    define(
        _name,
        "bigint -> timestamp",
        row=f"convert.instant({{0}} * {_step})",
        batch=_from_epoch(_step),
        group="dates",
    )
define("unix_date", "date -> int", row="convert.day_number({0})", group="dates")
define("date_from_unix_date", "int -> date", row="convert.day({0})", group="dates")


# -- patterns --------------------------------------------------------------------------------

_PIECES: Final = re.compile(r"y+|M+|d+|H+|m+|s+|S+|E+|'(?:[^']|'')*'|[^A-Za-z']+")
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORMATS: Final[dict[str, Callable[[datetime], str]]] = {
    "yyyy": lambda v: f"{v.year:04d}",
    "yy": lambda v: f"{v.year % 100:02d}",
    "MM": lambda v: f"{v.month:02d}",
    "M": lambda v: str(v.month),
    "dd": lambda v: f"{v.day:02d}",
    "d": lambda v: str(v.day),
    "HH": lambda v: f"{v.hour:02d}",
    "H": lambda v: str(v.hour),
    "mm": lambda v: f"{v.minute:02d}",
    "m": lambda v: str(v.minute),
    "ss": lambda v: f"{v.second:02d}",
    "s": lambda v: str(v.second),
    "SSS": lambda v: f"{v.microsecond // 1000:03d}",
    "SSSSSS": lambda v: f"{v.microsecond:06d}",
    "E": lambda v: _WEEKDAYS[v.weekday()],
}


def _formatter(name: str, pattern: str) -> Callable[[datetime], str]:
    pieces = _PIECES.findall(pattern)
    if "".join(pieces) != pattern:
        raise _bad_pattern(name, pattern)
    steps: list[Callable[[datetime], str]] = []
    for piece in pieces:
        known = _FORMATS.get(piece)
        if known is None and piece[0].isalpha():
            raise _bad_pattern(name, pattern)
        fixed = piece[1:-1].replace("''", "'") or "'" if piece[0] == "'" else piece
        if known is None and re.search(r"[#{}\[\]]", fixed):
            raise _bad_pattern(name, pattern)
        steps.append(known or (lambda _value, text=fixed: text))
    return lambda value: "".join(step(value) for step in steps)


_NUMBERS: Final = {
    "yyyy": r"(?P<year>\d{4})", "MM": r"(?P<month>\d{2})", "dd": r"(?P<day>\d{2})",
    "HH": r"(?P<hour>\d{2})", "mm": r"(?P<minute>\d{2})", "ss": r"(?P<second>\d{2})",
    "SSS": r"(?P<millis>\d{3})",
}  # fmt: skip


def _reader(name: str, pattern: str) -> Callable[[str], datetime | None]:
    """Reads texts of fixed width; a pattern with other pieces is refused."""
    pieces = _PIECES.findall(pattern)
    if "".join(pieces) != pattern or len(set(pieces) & set(_NUMBERS)) != sum(
        p in _NUMBERS for p in pieces
    ):
        raise _bad_pattern(name, pattern)
    source = ""
    for piece in pieces:
        if piece in _NUMBERS:
            source += _NUMBERS[piece]
        elif piece[0].isalpha() or re.search(r"[#{}\[\]]", piece):
            raise _bad_pattern(name, pattern)
        else:
            source += re.escape(piece[1:-1].replace("''", "'") or "'" if piece[0] == "'" else piece)
    if "yyyy" not in pieces:
        raise _bad_pattern(name, pattern)
    compiled = re.compile(source, re.ASCII)

    def read(text: str) -> datetime | None:
        found = compiled.fullmatch(text)
        if found is None:
            return None
        parts = {key: int(value) for key, value in found.groupdict().items()}
        millis = parts.pop("millis", 0)
        try:
            return datetime(
                parts.pop("year"),
                parts.pop("month", 1),
                parts.pop("day", 1),
                **parts,
                microsecond=millis * 1000,
                tzinfo=UTC,
            )  # pyright: ignore[reportArgumentType]
        except ValueError:
            return None

    return read


def _bad_pattern(name: str, pattern: str) -> UnsupportedError:
    problem = f"{name}: the date pattern {pattern!r} is not there"
    return UnsupportedError(
        problem, hint="use yyyy MM dd HH mm ss SSS, signs between, and 'quoted text'"
    )


def _format_of(name: str, node: Node) -> str:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        problem = f"{name} takes its pattern as a literal text"
        raise UnsupportedError(problem, hint="write 'yyyy-MM-dd'")
    return node.value


def _date_format(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("timestamp, string -> string", args)
    if found is None:
        problem = f"{name} takes a timestamp and a pattern"
        raise ExpressionError(problem, hint="CAST(x AS TIMESTAMP)")
    _formatter(name, _format_of(name, args[1]))
    return found


def _date_format_row(call: Call) -> Any:
    form = _formatter("date_format", _format_of("date_format", call.args[1]))
    return lambda value, _pattern: form(value)


DATE_FORMAT: Final = define(
    "date_format", resolve=_date_format, typed_row=_date_format_row, group="dates"
)


def _from_unixtime(args: tuple[Node, ...]) -> Node:
    pattern = args[1:] or (Literal("yyyy-MM-dd HH:mm:ss", STRING),)
    found = match("bigint -> bigint", args[:1])
    if found is None or len(pattern) > 1:
        problem = "from_unixtime takes seconds (bigint) and a pattern"
        raise ExpressionError(problem)
    moment = Call(FUNCTIONS["timestamp_seconds"], found[0], TIMESTAMP)
    fixed, type_ = _date_format("from_unixtime", (moment, *pattern))
    return Call(DATE_FORMAT, fixed, type_)


define("from_unixtime", rewrite=_from_unixtime, group="dates")


def _parse_row(call: Call) -> Any:
    read = _reader("to_timestamp", _format_of("to_timestamp", call.args[1]))
    return lambda text, _pattern: read(text)


PARSE: Final = define(
    "parse_timestamp ",
    typed_row=_parse_row,
    printed=lambda call: f"to_timestamp({call.args[0]}, {call.args[1]})",
)
del FUNCTIONS["parse_timestamp "]


def _to_timestamp(name: str, args: tuple[Node, ...]) -> Node:
    if not 1 <= len(args) <= 2 or args[0].type.name not in ("string", "date", "timestamp", "void"):
        problem = f"{name} takes text, a date or a timestamp, and perhaps a pattern"
        raise ExpressionError(problem)
    if len(args) == 1 or args[0].type != STRING:
        return cast(args[0], TIMESTAMP)
    _reader(name, _format_of(name, args[1]))
    return Call(PARSE, args, TIMESTAMP)


def _unix_timestamp(args: tuple[Node, ...]) -> Node:
    if not args:
        problem = "unix_timestamp() is not there: its value would change from run to run"
        raise UnsupportedError(problem, hint="use ts")
    if len(args) == 1 and args[0].type == STRING:
        args = (*args, Literal("yyyy-MM-dd HH:mm:ss", STRING))
    return Call(UNIX_TIMESTAMP, (_to_timestamp("unix_timestamp", args),), BIGINT)


# Unlike unix_seconds, Spark's unix_timestamp cuts towards 1970.
UNIX_TIMESTAMP: Final = define(
    "unix_timestamp ",
    row=lambda value: _cut(convert.micros_of(value)),
    batch=lambda _call, value: _cut_batch(value),
    printed=lambda call: f"unix_timestamp({call.args[0]})",
)
del FUNCTIONS["unix_timestamp "]


def _cut_batch(value: Any) -> Any:
    import polars as pl

    micros = value.dt.timestamp("us")
    step = pl.lit(1_000_000, dtype=pl.Int64)
    past = pl.lit(0, dtype=pl.Int64) - (pl.lit(0, dtype=pl.Int64) - micros).floordiv(step)
    return pl.when(micros >= 0).then(micros.floordiv(step)).otherwise(past)


def _cut(micros: int) -> int:
    return micros // 1_000_000 if micros >= 0 else -(-micros // 1_000_000)


define("to_timestamp", rewrite=lambda args: _to_timestamp("to_timestamp", args), group="dates")
define(
    "to_date",
    rewrite=lambda args: (
        cast(args[0], DATE) if len(args) == 1 else cast(_to_timestamp("to_date", args), DATE)
    ),
    group="dates",
)
define("unix_timestamp", rewrite=_unix_timestamp, aliases=("to_unix_timestamp",), group="dates")
