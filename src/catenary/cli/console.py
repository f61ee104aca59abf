"""What every verb says and how: lines for people, one object for programs, bars on a terminal."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from catenary.ports import Meter


def say(text: str) -> None:
    """A line, or lines, for people on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def emit(data: Mapping[str, object]) -> None:
    """One JSON object on a line of its own on stdout."""
    sys.stdout.write(json.dumps(shown(data), ensure_ascii=False) + "\n")


def shown(value: object) -> object:
    """A value in the form that JSON has for it, which requests and topics take it in, too.

    Bytes are base64 with padding; dates and times ISO 8601; keys of maps texts.

    >>> shown({"token": b"hi", "by": {b"x": 1}})
    {'token': 'aGk=', 'by': {'eA==': 1}}
    """
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        held = cast("Mapping[object, object]", value)
        return {_key(name): shown(each) for name, each in held.items()}
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in cast("Sequence[object]", value)]
    return value


def _key(name: object) -> object:
    return shown(name) if isinstance(name, (bytes, date)) else name


def watched() -> AbstractContextManager[Meter]:
    """A meter for long work: a bar per table while stderr is a terminal, nothing elsewhere."""
    from catenary.demo.bars import bars

    return bars(sys.stderr)
