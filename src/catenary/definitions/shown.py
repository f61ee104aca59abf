"""How definitions show themselves: as the text that would make them, defaults left out.

Held to account by: ``tests/unit/definitions/test_shown.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

_WIDTH: Final = 88


def call(called: str, /, *positional: object, **keywords: tuple[object, object]) -> str:
    """A call as text, on one line where it fits.

    Args:
        called: what is called.
        positional: values that are always written.
        keywords: (value, default); a value that equals its default is left out.

    >>> print(call("Query", ["user"], time_column=("at", None), end=(None, None)))
    Query(['user'], time_column='at')
    """
    parts = [shown(each) for each in positional]
    parts += [
        f"{key}={shown(value)}" for key, (value, default) in keywords.items() if value != default
    ]
    return _bracketed(f"{called}(", parts, ")")


def shown(value: object) -> str:
    """A value as text; tuples as lists."""
    if isinstance(value, Mapping):
        pairs = [f"{key!r}: {shown(each)}" for key, each in value.items()]
        return _bracketed("{", pairs, "}")
    if isinstance(value, (tuple, list)):
        return _bracketed("[", [shown(each) for each in value], "]")
    return repr(value)


def as_html(definition: object) -> str:
    """The text for notebooks."""
    return f"<pre>{escape(repr(definition))}</pre>"


def _bracketed(opening: str, parts: list[str], closing: str) -> str:
    line = opening + ", ".join(parts) + closing
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    # No text holds a line break of its own: repr escapes those.
    inner = [f"    {each},".replace("\n", "\n    ") for each in parts]
    return "\n".join([opening, *inner, closing])
