"""Columns in their one form, against plain Python: no NaN and no minus zero, however deep they lie.

Backfills bring tables into it by Arrow, streams bring records into it as they are decoded: both alike.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.codecs import codec
from catenary.rows.columns import normal_column
from catenary.schema import (
    BIGINT,
    DOUBLE,
    FLOAT,
    STRING,
    Field,
    Schema,
    Type,
    array,
    map_of,
    struct,
)
from catenary.schema.arrow import to_arrow

pytestmark = pytest.mark.property

FLOATS = st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf]) | st.floats(width=32)
LEAVES: dict[Type, st.SearchStrategy[Any]] = {
    DOUBLE: FLOATS,
    FLOAT: FLOATS,
    BIGINT: st.integers(-9, 9),
    STRING: st.sampled_from(["", "a", "b"]),
}
SLOTS = {DOUBLE: st.sampled_from([-0.0, 1.5, math.nan, 2.0]), STRING: st.sampled_from("abc")}


def types(keys: list[Type]) -> st.SearchStrategy[Type]:
    """Nested types; maps have keys of these."""
    return st.recursive(
        st.sampled_from(list(LEAVES)),
        lambda inner: (
            inner.map(array)
            | st.builds(map_of, st.sampled_from(keys), inner)
            | inner.map(lambda each: struct([Field("one", each), Field("two", DOUBLE)]))
        ),
        max_leaves=3,
    )


def values(type_: Type) -> st.SearchStrategy[Any]:
    """Values as Arrow takes them, nulls among them; a map is a list of pairs."""
    if type_.name == "array":
        assert type_.item is not None
        found: st.SearchStrategy[Any] = st.lists(values(type_.item), max_size=3)
    elif type_.name == "map":
        assert type_.item is not None
        assert type_.key is not None
        pair = st.tuples(SLOTS[type_.key], values(type_.item))
        found = st.lists(pair, max_size=3, unique_by=lambda each: str(each[0]))
    elif type_.name == "struct":
        found = st.fixed_dictionaries({each.name: values(each.type) for each in type_.fields})
    else:
        found = LEAVES[type_]
    return st.none() | found


def cleaned(value: Any) -> Any:
    """The value with null for NaN and zero for minus zero; no entry of a map without a key."""
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0
    if isinstance(value, dict):
        return {name: cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [
            cleaned(each) for each in value if not (isinstance(each, tuple) and each[0] != each[0])
        ]
    if isinstance(value, tuple):
        return tuple(cleaned(each) for each in value)
    return value


@st.composite
def columns(draw: st.DrawFn, keys: list[Type]) -> tuple[Type, pa.ChunkedArray]:
    """A column in chunks, each of which is a slice of more."""
    type_ = draw(types(keys))
    chunks: list[pa.Array] = []
    for _ in range(draw(st.integers(1, 2))):
        rows = draw(st.lists(values(type_), max_size=6))
        begin = draw(st.integers(0, len(rows)))
        chunks.append(pa.array(rows, to_arrow(type_)).slice(begin, draw(st.integers(0, len(rows)))))
    return type_, pa.chunked_array(chunks, to_arrow(type_))


@given(columns([STRING, DOUBLE]))
def test_no_float_is_nan_or_minus_zero_in_lists_maps_and_structs_of_any_depth(
    drawn: tuple[Type, pa.ChunkedArray],
) -> None:
    type_, column = drawn
    found = normal_column(column, type_, "x")
    found.validate(full=True)
    assert found.type == column.type
    # Texts tell minus zero from zero.
    assert str(found.to_pylist()) == str([cleaned(each) for each in column.to_pylist()])


@given(columns([STRING]))
def test_a_record_is_decoded_to_what_a_backfill_makes_of_the_same_row(
    drawn: tuple[Type, pa.ChunkedArray],
) -> None:
    type_, column = drawn
    avro = codec("avro", Schema.of(x=type_))
    decoded = avro.decode(avro.encode(pa.table({"x": column})))
    assert not decoded.rejected
    found = normal_column(column, type_, "x").to_pylist()
    assert str(decoded.rows.column("x").to_pylist()) == str(found)
