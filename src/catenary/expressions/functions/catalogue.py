"""All functions together: importing this module defines them, file by file."""

from catenary.expressions.functions import (
    collections,
    dates,
    json,
    numbers,
    operators,
    strings,
)
from catenary.expressions.functions.registry import FUNCTIONS, Function

__all__ = [
    "FUNCTIONS",
    "Function",
    "collections",
    "dates",
    "json",
    "listing",
    "numbers",
    "operators",
    "strings",
]


def listing() -> dict[str, list[str]]:
    """The names that can be called, aliases included, by subject."""
    found: dict[str, list[str]] = {}
    for name, function in FUNCTIONS.items():
        if function.group:
            found.setdefault(function.group, []).append(name)
    return {group: sorted(names) for group, names in sorted(found.items())}
