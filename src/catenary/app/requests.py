"""Requests as people type them: keys whose types the plan knows, and lines of JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, cast

from catenary.errors import DataError, nearest
from catenary.ports import Token
from catenary.serve.requests import Asked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.plan import Plan
    from catenary.schema import Type


def keyed(plan: Plan, name: str, given: Sequence[str]) -> dict[str, object]:
    """A request from `name=value` words, the values in the columns' types.

    Raises:
        DataError: for a word without `=`, a column that is unknown or given twice, or a value that
            is not of its type. `null` is one of every type but text.
    """
    types = request_types(plan, name)
    request: dict[str, object] = {}
    for word in given:
        column, separator, text = word.partition("=")
        if not separator:
            raise DataError(f"{word!r} is no name=value", hint="write --key user=7")
        if column not in types:
            raise DataError(f"{name} has no key {column!r}", hint=nearest(column, types))
        if column in request:
            raise DataError(
                f"{column!r} is given twice", hint="--key asks for one row; give many on stdin"
            )
        request[column] = _typed(text, types[column], column)
    return request


def request_types(plan: Plan, name: str) -> dict[str, Type]:
    """The columns that a request may name, and their types."""
    known = {each.name for each in plan.nodes}
    if name not in known:
        raise DataError(f"no definition is named {name!r}", hint=nearest(name, known))
    return dict(Asked.of(plan.node(name)).types)


def followed(live: Live, text: str) -> Token:
    """A token as it is typed.

    Raises:
        DataError: if it is none, or names a topic that none of the definitions follows: waiting for
            that would mean nothing.
    """
    return among(live.topics(), text)


def among(known: Collection[str], text: str) -> Token:
    """A token as it is typed, of topics that are known.

    Raises:
        DataError: as `followed`.
    """
    token = Token.parse(text)
    for place in token.positions:
        if place.topic not in known:
            raise DataError(
                f"{text!r} names the topic {place.topic!r}, which is not followed here",
                hint=nearest(place.topic, known),
            )
    return token


def written_in(text: str, types: Mapping[str, Type]) -> list[dict[str, object]]:
    """A request that is written as a JSON object, or several in a list.

    Args:
        text: the JSON.
        types: as of `lines_of`.

    Raises:
        DataError: if it is neither.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{text!r} is no JSON: {error}", hint='write {"user": 7}') from None
    several: list[object] = found if isinstance(found, list) else [found]
    if not several or not all(isinstance(each, dict) for each in several):
        raise DataError(f"{text!r} is no JSON object and no list of them")
    return [_decoded(cast("dict[str, object]", each), types) for each in several]


def lines_of(lines: Iterable[str], types: Mapping[str, Type]) -> list[dict[str, object]]:
    """A request per line of JSON.

    Args:
        lines: the lines; empty ones are left out.
        types: of the columns that a request may name; bytes are given as base64.

    Raises:
        DataError: for a line that is no JSON object, and if there is none at all.
    """
    found: list[dict[str, object]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"line {number} is no JSON: {error}") from None
        if not isinstance(request, dict):
            raise DataError(f"line {number} is no JSON object")
        found.append(_decoded(cast("dict[str, object]", request), types))
    if not found:
        raise DataError(
            "no request was given", hint="give --key name=value, or a JSON object a line on stdin"
        )
    return found


def _decoded(request: dict[str, object], types: Mapping[str, Type]) -> dict[str, object]:
    """A request with bytes where JSON has base64."""
    for column, value in request.items():
        if isinstance(value, str) and column in types and types[column].name == "binary":
            request[column] = _bytes(value, column)
    return request


def _bytes(text: str, column: str) -> bytes:
    """The bytes that a text stands for, as answers print them."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        hint = "base64 with padding stands for bytes: aGk= for b'hi'"
        raise DataError(f"{column}={text!r} is no base64", hint=hint) from None


def _typed(text: str, type_: Type, column: str) -> object:
    if text == "null" and type_.name != "string":
        return None
    try:
        if type_.is_integer:
            return int(text)
        if type_.is_float:
            return float(text)
        if type_.name == "boolean":
            return {"true": True, "false": False}[text.lower()]
        if type_.name == "binary":
            return _bytes(text, column)
    except (ValueError, KeyError):
        raise DataError(
            f"{column}={text!r} is not {type_}", hint=f"{column}=null gives a null"
        ) from None
    return text
