"""A user's function that raises for some rows, and its twin, which gives null for them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catenary.expressions.udf import USER_FUNCTIONS, register_function

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def registered() -> Iterator[None]:
    """Let expressions call both; for a while, as all that is registered is told to other processes."""
    before = dict(USER_FUNCTIONS)
    for function in (refusing, forgiving):
        register_function(function.__name__, ["double"], "double")(function)
    try:
        yield
    finally:
        USER_FUNCTIONS.clear()
        USER_FUNCTIONS.update(before)


def refusing(values: pa.Array) -> pa.Array:
    """The values; raises for one below zero."""
    if pc.any(pc.less(values, 0.0)).as_py():
        raise ValueError("a value is below zero")
    return values


def forgiving(values: pa.Array) -> pa.Array:
    """The values; null for one below zero."""
    return pc.if_else(pc.less(values, 0.0), pa.scalar(None, pa.float64()), values)
