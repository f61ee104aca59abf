"""The functions by subject; importing this package defines them all."""

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
    "numbers",
    "operators",
    "strings",
]
