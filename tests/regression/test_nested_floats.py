"""Floats inside lists and structs keep the rules that floats by themselves keep."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from catenary.definitions import EventSource, GroupBy, Join, Query
from catenary.errors import DefinitionError
from catenary.rows.columns import clean_floats
from catenary.testing import check, events


def test_rule_10_nan_in_a_list_is_null_and_rule_14_minus_zero_is_zero():
    source = EventSource(
        table="t",
        topic="log:///t",
        query=Query({"k": "k", "l": "array(f, -f, 0.0D / f)"}, time_column="ts"),
    )
    passed = GroupBy("passed", sources=source, keys="k")
    rows = events("ts k f:double", ("2024-01-01 10:00", "a", 0.0), ("2024-01-01 11:00", "a", 2.0))
    found = check(Join("joined", left=source, parts=[passed]), {"t": rows})
    first, second = (row["l"] for row in found)
    assert first == [0.0, 0.0, None]
    assert [math.copysign(1, each) for each in first[:2]] == [1, 1]
    assert second == [2.0, -2.0, 0.0]


def test_lists_keep_their_nulls_and_a_slice_its_place():
    lists = pa.array([[1.0], None, [math.nan, -0.0], []], pa.list_(pa.float64())).slice(1)
    cleaned = clean_floats(pa.chunked_array([lists])).to_pylist()
    assert cleaned == [None, [None, 0.0], []]
    assert math.copysign(1, cleaned[1][1]) == 1


def test_structs_are_cleaned_member_by_member():
    structs = pa.array([{"a": math.nan, "b": 1}, None])
    assert clean_floats(pa.chunked_array([structs])).to_pylist() == [{"a": None, "b": 1}, None]


def test_a_column_named_like_the_engines_own_is_refused_when_the_plan_is_made():
    source = EventSource(table="t", query=Query({"k": "k", "__day": "k"}, time_column="ts"))
    rows = events("ts k", ("2024-01-01 10:00", "a"))
    with pytest.raises(DefinitionError, match="begins with two underscores"):
        check(
            Join("joined", left=source, parts=[GroupBy("g", sources=source, keys="k")]), {"t": rows}
        )
