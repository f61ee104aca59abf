"""The bytes of partials, pinned: stores keep them, and other languages read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.errors import DataError


def operation_and_partial(name: str, *values: Any, k: int | None = None) -> tuple[Any, Any]:
    operation = registry.operation_of(Feature("f", name, "x", k=k))
    partial = operation.empty()
    for ts, value in enumerate(values, start=1):
        partial = operation.insert(partial, value, ts)
    return operation, partial


def encoded(name: str, *values: Any, k: int | None = None) -> str:
    operation, partial = operation_and_partial(name, *values, k=k)
    return operation.encode(partial).hex(" ")


@pytest.mark.parametrize(
    ("name", "values", "k", "expected"),
    [
        ("count", [1] * 300, None, "01 01 ac 02"),
        ("sum", [], None, "01 02 00 00 00 00 00"),
        ("sum", [1, 2], None, "01 02 02 00 00 00 02 11 03 00 00 00 00 00 00 00"),
        ("sum", [-1], None, "01 02 01 00 00 00 03 11 01 00 00 00 00 00 00 00"),
        ("sum", [0.5], None, "01 02 01 00 00 01 02 10 00 00 00 00 00 00 00 80"),
        ("sum", [float("inf")], None, "01 02 01 01 00 01 00"),
        ("max", [-1], None, "01 09 01 01 02 01"),
        ("max", [1.0], None, "01 09 01 01 03 00 00 00 00 00 00 f0 3f"),
        ("last", ["é"], None, "01 0b 01 01 04 02 02 c3 a9"),
        ("last", [b"\xff"], None, "01 0b 01 01 05 02 01 ff"),
        ("last", [date(1969, 12, 31)], None, "01 0b 01 01 06 02 01"),
        ("last", [datetime(1970, 1, 1, 0, 0, 0, 1, UTC)], None, "01 0b 01 01 07 02 02"),
        ("top_k", [1, 3, 2], 2, "01 0e 02 02 02 06 04"),
        ("histogram", [True, False, True], None, "01 12 02 01 00 01 01 02"),
    ],
)
def test_the_layout_is_the_documented_one(
    name: str, values: list[Any], k: int | None, expected: str
) -> None:
    assert encoded(name, *values, k=k) == expected


def test_every_operation_has_a_tag_of_its_own() -> None:
    tags = [registry.operation(name).tag for name in registry.names()]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("count", "", "too short"),
        ("count", "02 01 00", "has format version 2; version 1 is read"),
        ("count", "01 02 00", "operation tag 2 is not one of count"),
        ("count", "01 01", "ends too early"),
        ("count", "01 01 00 00", "1 bytes follow its end"),
        ("count", "01 01 80 00", "not in normal form"),
        ("count", "01 01 ff ff ff ff ff ff ff ff ff ff 01", "does not end"),
        ("count", "01 01 ff ff ff ff ff ff ff ff ff 7f", "more than 64 bits"),
        ("sum", "01 02 00 00 00 00 02 11 01 00 00 00 00 00 00 00", "totals without values"),
        ("sum", "01 02 01 01 01 01 00", "contradict each other"),
        ("sum", "01 02 01 00 00 00 02 ff 01 00", "limbs; at most"),
        ("sum", "01 02 01 00 00 00 02 10 00 00 00 00 00 00 00 80", "has a fraction"),
        ("max", "01 09 01 01 08 00", "no value kind 8"),
        ("max", "01 09 01 01 01 02", "2 is not a boolean"),
        ("max", "01 09 01 01 03 00 00 00 00 00 00 f8 7f", "NaN is never stored"),
        ("max", "01 09 01 01 03 00 00 00 00 00 00 00 80", "-0.0 is never stored"),
        ("max", "01 09 01 01 04 01 ff", "not UTF-8"),
        ("max", "01 09 01 01 06 fe ff ff ff ff ff ff ff ff 01", "years 1 to 9999"),
        ("max", "01 09 02 00", "keeps 2 values, not 1"),
        ("max", "01 09 01 7f 02 01", "127 items are announced"),
        ("histogram", "01 12 01 02 02 00", "counted 0 times"),
        ("histogram", "01 12 02 02 04 01 02 01", "not in normal form"),
    ],
)
def test_damaged_bytes_say_what_is_wrong(name: str, data: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        registry.operation(name).decode(bytes.fromhex(data))


def test_a_partial_of_another_k_is_refused() -> None:
    operation, partial = operation_and_partial("last_k", 1, 2, 3, k=3)
    other, _ = operation_and_partial("last_k", k=5)
    with pytest.raises(DataError, match="keeps 3 values, not 5"):
        other.decode(operation.encode(partial))


def test_a_value_that_no_column_holds_is_refused() -> None:
    operation, partial = operation_and_partial("last", 1j)
    with pytest.raises(DataError, match="type complex"):
        operation.encode(partial)


@pytest.mark.parametrize("name", ["variance", "stddev", "skew", "kurtosis"])
def test_sums_that_no_values_have_are_damage(name: str) -> None:
    """A variance below zero has no square root: such bytes are refused, not met at the read."""
    moment = registry.operation(name)
    partial = moment.insert(moment.insert(moment.empty(), 1.0, 0), 3.0, 0)
    first, second, *rest = partial.sums
    impossible = replace(partial, sums=(first, second // 4, *rest))
    with pytest.raises(DataError, match="variance would be negative"):
        moment.decode(moment.encode(impossible))
