"""Values out of JSON text by a path: `$.a.b[0]['c d']`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions import convert
from catenary.expressions.functions.registry import define
from catenary.expressions.tree import Call, Literal, Node
from catenary.expressions.types import match

if TYPE_CHECKING:
    from catenary.schema import Type

_STEP: Final = re.compile(r"\.([^.\[\]*]+)|\[(\d+)\]|\['([^'*]+)'\]")

_ESCAPED: Final = re.compile("\\\\u00[0-9a-f]{2}|[\U00010000-\U0010ffff]")


class _Number(str):
    """A number as it is given back: whole numbers as written, others as Java writes doubles."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """An object's members in order; of a repeated name the first counts, as in Spark."""

    __slots__ = ()


def _float(text: str) -> _Number:
    return _Number(convert.from_double(float(text)))


def _steps(path: str) -> list[str | int]:
    hint = "paths read like $.a.b[0]; wildcards are not there"
    if not path.startswith("$") or re.fullmatch(rf"\$(?:{_STEP.pattern})*", path) is None:
        problem = f"get_json_object: the path {path!r} is not there"
        raise UnsupportedError(problem, hint=hint)
    return [name or other or int(at) for name, at, other in _STEP.findall(path)]


def _found(text: str, steps: list[str | int]) -> str | None:
    try:
        value: Any = json.loads(
            text,
            parse_int=_Number,
            parse_float=_float,
            parse_constant=_refused,
            object_pairs_hook=_Object,
        )
    except ValueError:
        return None
    for step in steps:
        if isinstance(step, int):
            if isinstance(value, _Object) or not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        elif isinstance(value, _Object):
            value = next((each for name, each in value if name == step), None)
        else:
            return None
    if value is None:
        return None
    found = value if isinstance(value, str) else _written(value)
    return found.encode("utf-8", "replace").decode()


def _refused(text: str) -> None:
    raise ValueError(text)


def _written(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, _Object):
        members = (f"{_text(name)}:{_written(each)}" for name, each in value)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    """Quoted as Jackson does: beyond the basic plane as two escapes."""
    plain = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(_escape, plain)


def _escape(found: re.Match[str]) -> str:
    if found[0].startswith("\\"):
        return "\\u" + found[0][2:].upper()
    units = found[0].encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("string, string -> string", args)
    if found is None:
        problem = f"{name} takes a text and a path"
        raise ExpressionError(problem)
    path = args[1]
    if not isinstance(path, Literal) or not isinstance(path.value, str):
        problem = f"{name} takes its path as a literal text"
        raise UnsupportedError(problem, hint="write the path between quotes")
    _steps(path.value)
    return found


def _row(call: Call) -> Any:
    path = call.args[1]
    assert isinstance(path, Literal)
    steps = _steps(str(path.value))
    return lambda text, _path: _found(text, steps)


define("get_json_object", resolve=_types, typed_row=_row, group="json")
