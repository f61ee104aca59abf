"""Values out of JSON text by a path: `$.a.b[0]['c d']`."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions.functions.registry import define
from catenary.expressions.tree import Call, Literal, Node
from catenary.expressions.types import match
from catenary.schema import Type

_STEP: Final = re.compile(r"\.([^.\[\]*]+)|\[(\d+)\]|\['([^'*]+)'\]")


class _Number(str):
    """A number as it was written: Spark gives back the same digits."""

    __slots__ = ()


def _steps(path: str) -> list[str | int]:
    hint = "paths read like $.a.b[0]; wildcards are not there"
    if not path.startswith("$") or re.fullmatch(rf"\$(?:{_STEP.pattern})*", path) is None:
        problem = f"get_json_object: the path {path!r} is not there"
        raise UnsupportedError(problem, hint=hint)
    return [name or other or int(at) for name, at, other in _STEP.findall(path)]


def _found(text: str, steps: list[str | int]) -> str | None:
    try:
        value: Any = json.loads(
            text, parse_int=_Number, parse_float=_Number, parse_constant=_refused
        )
    except ValueError:
        return None
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    if value is None:
        return None
    return value if isinstance(value, str) else _written(value)


def _refused(text: str) -> None:
    raise ValueError(text)


def _written(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(
                f"{json.dumps(key, ensure_ascii=False)}:{_written(each)}"
                for key, each in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


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
