"""What each operation gives, value by value (semantics 10, 12, 13, 14)."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature

INF = math.inf
LEAST, GREATEST = -(2**63), 2**63 - 1
GRIN, REPLACEMENT = "\U0001f600", "\ufffd"  # greater by UTF-8 bytes, less by UTF-16 units


def folded(name: str, *values: Any, k: int | None = None, sample: bool = False) -> Any:
    """The result over values, each 1 ms after the one before."""
    return timed(name, *enumerate(values), k=k, sample=sample)


def timed(name: str, *events: tuple[int, Any], k: int | None = None, sample: bool = False) -> Any:
    feature = Feature("f", name, "x", k=k, sample=sample)
    operation = registry.operation_of(feature)
    partial = operation.empty()
    for ts, value in events:
        partial = operation.insert(partial, value, ts)
    return operation.finish(partial, feature)


@pytest.mark.parametrize("name", registry.names())
def test_rule_10_nulls_and_nan_are_no_values(name: str) -> None:
    assert (
        folded(name, None, math.nan, None, k=2 if registry.operation(name).takes_k else None)
        is None
    )


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("count", [5, None, 5, INF], 3),
        ("sum", [1, None, 2], 3),
        ("sum", [True, True, False], 2),
        ("sum", [0.5, 0.25], 0.75),
        ("average", [1, 2], 1.5),
        ("average", [True, False], 0.5),
        ("variance", [1, 2, 3, 4], 1.25),
        ("stddev", [1, 2, 3, 4], math.sqrt(1.25)),
        ("min", [3, 1, 2], 1),
        ("max", [3, 1, 2], 3),
        ("min", [True, False], False),
        ("max", [date(2024, 2, 29), date(2023, 1, 1)], date(2024, 2, 29)),
        ("first", ["b", "a"], "b"),
        ("last", ["b", "a"], "a"),
        ("unique_count", [1, 1, 2, None], 2),
        ("unique_count", [0.0, -0.0], 1),
        ("unique_count", [datetime(2024, 1, 1, tzinfo=UTC)], 1),
    ],
)
def test_rule_12_each_operation_gives_its_value(name: str, values: Any, expected: Any) -> None:
    result = folded(name, *values)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first_k", [5, 3, 3]),
        ("last_k", [9, 3, 3]),
        ("top_k", [9, 5, 3]),
        ("bottom_k", [3, 3, 5]),
        ("unique_top_k", [9, 5, 3]),
    ],
)
def test_rule_12_lists_begin_with_the_best(name: str, expected: list[int]) -> None:
    assert folded(name, 5, 3, 3, 9, k=3) == expected


def test_rule_12_a_list_is_shorter_than_k_when_there_are_fewer_values() -> None:
    assert folded("unique_top_k", 2, 2, k=3) == [2]


def test_rule_12_a_histogram_keeps_the_greatest_counts_and_the_smaller_key_on_ties() -> None:
    values = ["d", "c", "c", "b", "a", "a"]
    assert list(folded("histogram", *values).items()) == [("a", 2), ("b", 1), ("c", 2), ("d", 1)]
    assert list(folded("histogram", *values, k=3).items()) == [("a", 2), ("b", 1), ("c", 2)]


def test_rule_13_text_orders_by_its_utf8_bytes() -> None:
    assert folded("max", GRIN, REPLACEMENT) == GRIN
    assert folded("bottom_k", GRIN, REPLACEMENT, k=2) == [REPLACEMENT, GRIN]
    assert list(folded("histogram", GRIN, REPLACEMENT)) == [REPLACEMENT, GRIN]


def test_rule_13_at_equal_times_the_value_decides_whatever_arrived_first() -> None:
    for pair in ([(7, "a"), (7, "b")], [(7, "b"), (7, "a")]):
        assert timed("first", *pair) == "a"
        assert timed("last", *pair) == "b"
        assert timed("last_k", *pair, k=2) == ["b", "a"]


def test_rule_13_a_null_is_not_the_last_value() -> None:
    assert folded("last", 1, None) == 1


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0**-53, 2.0**-1000],
        [2.0**-1000, 1e308, 1.0, 2.0**-53, -1e308],
        [1e308, 1e308, -1e308, -1e308, 1.0, 2.0**-52],
    ],
)
def test_rule_14_a_sum_of_floats_is_exact_until_the_end(values: list[float]) -> None:
    assert folded("sum", *values) == 1.0 + 2.0**-52


def test_rule_14_an_average_is_rounded_once() -> None:
    assert folded("average", 2**53 + 1, 2**53 + 1, 2**53 + 4) == float(2**53 + 2)
    assert folded("average", 1.7e308, 1.7e308) == 1.7e308


def test_rule_14_an_integer_sum_out_of_range_is_null_and_flagged_in_any_order() -> None:
    operation, feature = registry.operation("sum"), Feature("f", "sum", "x")
    partial = operation.insert(operation.insert(operation.empty(), GREATEST, 0), 1, 1)
    assert operation.finish(partial, feature) is None
    assert operation.overflowed(partial)
    assert not operation.is_empty(partial)
    back = operation.insert(partial, -1, 2)
    assert operation.finish(back, feature) == GREATEST
    assert not operation.overflowed(back)
    assert folded("sum", LEAST, -1) is None
    assert folded("sum", LEAST) == LEAST


def test_rule_14_a_float_sum_out_of_range_is_null_and_no_overflow() -> None:
    operation, feature = registry.operation("sum"), Feature("f", "sum", "x")
    partial = operation.insert(operation.insert(operation.empty(), 1.7e308, 0), 1.7e308, 1)
    assert operation.finish(partial, feature) is None
    assert not operation.overflowed(partial)


@pytest.mark.parametrize(
    "name", ["sum", "average", "variance", "stddev", "skew", "kurtosis", "max"]
)
def test_rule_14_a_result_with_an_infinity_is_null(name: str) -> None:
    assert folded(name, 1.0, 2.0, 4.0, 5.0, INF) is None


def test_rule_14_an_infinity_takes_its_place_in_a_list_as_a_null() -> None:
    assert folded("top_k", 1.0, INF, -INF, k=3) == [None, 1.0, None]
    assert folded("min", 1.0, INF) == 1.0
    assert folded("unique_count", INF, -INF, INF) == 2


def test_rule_14_an_infinity_leaves_nothing_behind() -> None:
    operation, feature = registry.operation("sum"), Feature("f", "sum", "x")
    partial = operation.insert(operation.insert(operation.empty(), 1.5, 0), -INF, 1)
    assert operation.finish(operation.remove(partial, -INF, 1), feature) == 1.5


@pytest.mark.parametrize("name", ["sum", "average", "min", "last"])
def test_rule_14_there_is_no_negative_zero(name: str) -> None:
    assert math.copysign(1.0, folded(name, -0.0)) == 1.0
    if name == "average":  # the nearest double to a tiny negative quotient
        assert math.copysign(1.0, folded(name, -5e-324, 0.0, 0.0)) == 1.0


def test_rule_14_variance_has_a_population_and_a_sample_form() -> None:
    assert folded("variance", 1, 3) == 1.0
    assert folded("variance", 1, 3, sample=True) == 2.0
    assert folded("stddev", 1, 3, sample=True) == math.sqrt(2.0)
    assert folded("variance", 1) == 0.0
    assert folded("variance", 1, sample=True) is None
    assert folded("variance", 0.1, 0.1, 0.1) == 0.0


def test_rule_14_skew_and_kurtosis_need_three_and_four_values_that_differ() -> None:
    assert folded("skew", 1, 2) is None
    assert folded("skew", 0, 0, 3) == pytest.approx(1 / math.sqrt(2), rel=1e-15)
    assert folded("skew", 0, 0, -3) == pytest.approx(-1 / math.sqrt(2), rel=1e-15)
    assert folded("skew", 1, 2, 3) == 0.0
    assert folded("kurtosis", 1, 2, 3) is None
    assert folded("kurtosis", 1, 2, 3, 4) == pytest.approx(-1.36, rel=1e-15)
    assert folded("skew", 5, 5, 5) is None
    assert folded("kurtosis", 5, 5, 5, 5) is None
