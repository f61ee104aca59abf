"""A user's function that raises for some rows, and its twin, which gives null for them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from catenary.expressions.udf import register_function


@register_function("refusing", ["double"], "double")
def refusing(values: pa.Array) -> pa.Array:
    """The values; raises for one below zero."""
    if pc.any(pc.less(values, 0.0)).as_py():
        raise ValueError("a value is below zero")
    return values


@register_function("forgiving", ["double"], "double")
def forgiving(values: pa.Array) -> pa.Array:
    """The values; null for one below zero."""
    return pc.if_else(pc.less(values, 0.0), pa.scalar(None, pa.float64()), values)
