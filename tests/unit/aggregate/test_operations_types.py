"""Output types, and what is refused by name when a plan is made."""

from __future__ import annotations

from typing import Any

import pytest

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.errors import DefinitionError, UnsupportedError
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    Type,
    array,
    map_of,
    parse_type,
    struct,
)


def type_of(name: str, input_type: Type, bucket: Type | None = None, **more: Any) -> Type:
    feature = Feature("f", name, "x", bucket=None if bucket is None else "b", **more)
    return registry.column_type(feature, input_type, bucket)


@pytest.mark.parametrize(
    ("name", "input_type", "expected"),
    [
        ("count", "string", "bigint"),
        ("count", "struct<a:int>", "bigint"),
        ("sum", "tinyint", "bigint"),
        ("sum", "boolean", "bigint"),
        ("sum", "float", "double"),
        ("average", "int", "double"),
        ("variance", "boolean", "double"),
        ("stddev", "float", "double"),
        ("skew", "bigint", "double"),
        ("kurtosis", "double", "double"),
        ("min", "float", "float"),
        ("max", "timestamp", "timestamp"),
        ("first", "binary", "binary"),
        ("last", "date", "date"),
        ("unique_count", "binary", "bigint"),
        ("histogram", "smallint", "map<smallint,bigint>"),
    ],
)
def test_rule_12_each_operation_has_its_output_type(
    name: str, input_type: str, expected: str
) -> None:
    assert str(type_of(name, parse_type(input_type))) == expected


@pytest.mark.parametrize("name", ["first_k", "last_k", "top_k", "bottom_k", "unique_top_k"])
def test_rule_12_operations_with_k_give_lists(name: str) -> None:
    assert type_of(name, STRING, k=3) == array(STRING)
    with pytest.raises(
        DefinitionError, match=rf"{name} needs k(.|\n)*Operation.{name.upper()}\(5\)"
    ):
        type_of(name, STRING)


def test_a_bucket_makes_a_map() -> None:
    assert type_of("sum", INT, STRING) == map_of(STRING, BIGINT)
    assert type_of("histogram", STRING, BOOLEAN) == map_of(BOOLEAN, map_of(STRING, BIGINT))
    with pytest.raises(UnsupportedError, match=r"bucket column 'b' is double"):
        type_of("sum", INT, DOUBLE)


@pytest.mark.parametrize(
    ("name", "input_type"),
    [
        ("sum", STRING),
        ("average", DATE),
        ("min", BINARY),
        ("unique_top_k", BINARY),
        ("histogram", DOUBLE),
        ("count", array(INT)),
        ("last", map_of(STRING, INT)),
        ("last", struct({"a": INT})),
    ],
    ids=str,
)
def test_an_input_type_that_is_not_taken_is_refused_by_name(name: str, input_type: Type) -> None:
    k = 2 if registry.operation(name).needs_k else None
    with pytest.raises(UnsupportedError, match=f"{name} does not take .*: column 'x'") as caught:
        type_of(name, input_type, k=k)
    assert str(input_type) in caught.value.problem
    assert f"{name} takes " in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("bounded_unique_count", "unique_count"),
        ("approx_unique_count", "unique_count"),
        ("approx_percentile", "top_k"),
        ("approx_frequent_k", "histogram with k"),
        ("approx_histogram_k", "histogram with k"),
    ],
)
def test_an_operation_that_is_not_there_yet_is_refused_by_name(name: str, instead: str) -> None:
    with pytest.raises(UnsupportedError, match=f"'{name}' is not there yet") as caught:
        registry.operation(name)
    assert instead in str(caught.value.hint)


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(DefinitionError, match=r"no operation 'averge'(.|\n)*mean 'average'"):
        registry.operation("averge")


def test_parameters_without_meaning_are_refused() -> None:
    with pytest.raises(DefinitionError, match="sum takes no k; k=3"):
        type_of("sum", INT, k=3)
    with pytest.raises(DefinitionError, match="k=0 is not positive"):
        type_of("histogram", STRING, k=0)
    with pytest.raises(DefinitionError, match="average has no sample form"):
        type_of("average", INT, sample=True)
    assert type_of("stddev", INT, sample=True) == DOUBLE


@pytest.mark.parametrize(
    ("name", "input_type", "default", "k"),
    [
        ("count", STRING, 0, None),
        ("average", INT, 0, None),
        ("sum", FLOAT, 0.5, None),
        ("last", STRING, "", None),
        ("max", BOOLEAN, False, None),
        ("last_k", DOUBLE, (), 3),
        ("last_k", DOUBLE, (1, 2.5), 3),
    ],
)
def test_rule_10_a_default_of_the_output_type_is_taken(
    name: str, input_type: Type, default: Any, k: int | None
) -> None:
    without = type_of(name, input_type, k=k)
    assert type_of(name, input_type, k=k, default=default) == without


@pytest.mark.parametrize(
    ("name", "input_type", "default", "k"),
    [
        ("count", STRING, "none", None),
        ("count", STRING, False, None),
        ("count", STRING, 0.5, None),
        ("count", STRING, 2**63, None),
        ("last", SMALLINT, 2**15, None),
        ("average", INT, float("nan"), None),
        ("average", INT, float("inf"), None),
        ("average", INT, True, None),
        ("average", INT, (1.0,), None),
        ("last", STRING, 0, None),
        ("last", TIMESTAMP, 0, None),
        ("max", BOOLEAN, 0, None),
        ("last_k", INT, 0, 3),
        ("last_k", INT, ("a",), 3),
        ("last_k", INT, (0.5,), 3),
        ("histogram", STRING, 0, None),
    ],
)
def test_a_default_of_another_type_is_refused(
    name: str, input_type: Type, default: Any, k: int | None
) -> None:
    with pytest.raises(DefinitionError, match="is not a value of"):
        type_of(name, input_type, k=k, default=default)


def test_a_default_with_buckets_is_refused_because_it_would_replace_the_map() -> None:
    with pytest.raises(DefinitionError, match="would replace the whole map"):
        type_of("count", STRING, STRING, default=0)
