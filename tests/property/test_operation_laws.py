"""The laws of operations and of their bytes (semantics 10, 12, 13, 14, 17)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.values import LAWS, Event, events_of, features, types_of

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.errors import DataError, UnsupportedError
from catenary.schema import BIGINT, DOUBLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.aggregate.operations.base import Operation

pytestmark = pytest.mark.property

every_operation = pytest.mark.parametrize("name", registry.names())
REMOVABLE = [name for name in registry.names() if registry.operation(name).removable]
KEEPS_WINNERS = [name for name in registry.names() if not registry.operation(name).removable]


def fold(operation: Operation[Any], events: Iterable[Event]) -> Any:
    partial = operation.empty()
    for ts, value in events:
        partial = operation.insert(partial, value, ts)
    return partial


def draw_histories(data: st.DataObject, name: str, number: int) -> tuple[Any, Feature, list[Any]]:
    feature = data.draw(features(name))
    operation = registry.operation_of(feature)
    events = events_of(data.draw(st.sampled_from(types_of(operation))))
    return operation, feature, [data.draw(events) for _ in range(number)]


def same(operation: Operation[Any], feature: Feature, a: Any, b: Any) -> None:
    """Equal in every way that anyone can see: value, overflow and bytes."""
    assert a == b
    assert repr(operation.finish(a, feature)) == repr(operation.finish(b, feature))
    assert operation.overflowed(a) == operation.overflowed(b)
    assert operation.is_empty(a) == operation.is_empty(b)
    assert operation.encode(a) == operation.encode(b)


@every_operation
@LAWS
@given(data=st.data())
def test_cutting_the_events_anywhere_does_not_change_the_value(
    name: str, data: st.DataObject
) -> None:
    operation, feature, (events,) = draw_histories(data, name, 1)
    at = data.draw(st.integers(0, len(events)))
    pieces = operation.merge(fold(operation, events[:at]), fold(operation, events[at:]))
    same(operation, feature, pieces, fold(operation, events))


@every_operation
@LAWS
@given(data=st.data())
def test_merging_is_associative(name: str, data: st.DataObject) -> None:
    operation, feature, histories = draw_histories(data, name, 3)
    a, b, c = (fold(operation, events) for events in histories)
    left = operation.merge(operation.merge(a, b), c)
    right = operation.merge(a, operation.merge(b, c))
    same(operation, feature, left, right)


@every_operation
@LAWS
@given(data=st.data())
def test_the_order_of_arrival_does_not_change_the_value(name: str, data: st.DataObject) -> None:
    operation, feature, (events, more) = draw_histories(data, name, 2)
    shuffled = data.draw(st.permutations(events))
    same(operation, feature, fold(operation, shuffled), fold(operation, events))
    a, b = fold(operation, events), fold(operation, more)
    same(operation, feature, operation.merge(a, b), operation.merge(b, a))


@every_operation
@LAWS
@given(data=st.data())
def test_the_empty_partial_is_neutral_and_has_no_value(name: str, data: st.DataObject) -> None:
    operation, feature, (events,) = draw_histories(data, name, 1)
    partial, empty = fold(operation, events), operation.empty()
    same(operation, feature, operation.merge(partial, empty), partial)
    same(operation, feature, operation.merge(empty, partial), partial)
    assert operation.finish(empty, feature) is None
    nothing_seen = all(value is None or value != value for _, value in events)  # null or NaN
    assert operation.is_empty(partial) == nothing_seen


@every_operation
@LAWS
@given(data=st.data())
def test_nothing_changes_the_partial_it_is_given(name: str, data: st.DataObject) -> None:
    operation, feature, (events, more) = draw_histories(data, name, 2)
    a, b = fold(operation, events), fold(operation, more)
    before = operation.encode(a), operation.encode(b)
    operation.merge(a, b)
    operation.finish(a, feature)
    for ts, value in more:
        operation.insert(a, value, ts)
    if operation.removable:
        for ts, value in events:
            operation.remove(a, value, ts)
    assert (operation.encode(a), operation.encode(b)) == before


@pytest.mark.parametrize("name", REMOVABLE)
@LAWS
@given(data=st.data())
def test_rule_17_removing_what_was_inserted_restores(name: str, data: st.DataObject) -> None:
    operation, feature, (staying, leaving) = draw_histories(data, name, 2)
    partial = fold(operation, data.draw(st.permutations([*staying, *leaving])))
    for ts, value in data.draw(st.permutations(leaving)):
        partial = operation.remove(partial, value, ts)
    same(operation, feature, partial, fold(operation, staying))


@pytest.mark.parametrize("name", KEEPS_WINNERS)
def test_a_partial_of_winners_refuses_to_remove(name: str) -> None:
    operation = registry.operation_of(Feature("f", name, "x", k=2))
    partial = operation.insert(operation.empty(), 1, 0)
    with pytest.raises(UnsupportedError, match=f"{name} cannot take a value out"):
        operation.remove(partial, 1, 0)


@every_operation
@LAWS
@given(data=st.data())
def test_bytes_give_the_partial_back(name: str, data: st.DataObject) -> None:
    operation, feature, (events,) = draw_histories(data, name, 1)
    partial = fold(operation, events)
    same(operation, feature, operation.decode(operation.encode(partial)), partial)


@every_operation
@LAWS
@given(data=st.data())
def test_another_version_and_another_operation_are_named(name: str, data: st.DataObject) -> None:
    operation, _, (events,) = draw_histories(data, name, 1)
    encoded = operation.encode(fold(operation, events))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != encoded[0]))
    with pytest.raises(DataError, match=f"partial of {name} has format version {other};"):
        operation.decode(bytes([other]) + encoded[1:])
    tag = data.draw(st.integers(0, 255).filter(lambda byte: byte != operation.tag))
    with pytest.raises(DataError, match=f"operation tag {tag} is not one of {name}"):
        operation.decode(encoded[:1] + bytes([tag]) + encoded[2:])


@every_operation
@LAWS
@given(data=st.data())
def test_damaged_bytes_are_refused_or_are_a_partial_in_normal_form(
    name: str, data: st.DataObject
) -> None:
    operation, feature, (events,) = draw_histories(data, name, 1)
    encoded = operation.encode(fold(operation, events))
    cut, gone = data.draw(st.integers(2, len(encoded))), data.draw(st.integers(0, 2))
    damaged = encoded[:cut] + data.draw(st.binary(max_size=4)) + encoded[cut + gone :]
    try:
        partial = operation.decode(damaged)
    except DataError as error:
        assert name in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert operation.encode(partial) == damaged
        operation.finish(partial, feature)


@every_operation
@LAWS
@given(data=st.data())
def test_truncated_bytes_are_refused(name: str, data: st.DataObject) -> None:
    operation, _, (events,) = draw_histories(data, name, 1)
    encoded = operation.encode(fold(operation, events))
    with pytest.raises(DataError):
        operation.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def nearest_double(exact: Fraction) -> float | None:
    try:
        return float(exact) + 0.0
    except OverflowError:
        return None


@pytest.mark.parametrize("type_", [BIGINT, DOUBLE], ids=str)
@LAWS
@given(data=st.data())
def test_rule_14_totals_are_the_nearest_doubles_to_the_exact_values(
    type_: Any, data: st.DataObject
) -> None:
    events = data.draw(events_of(type_).filter(lambda each: any(v is not None for _, v in each)))
    events = [(ts, v) for ts, v in events if v is not None and math.isfinite(v)] or [(0, 1)]
    exact = [Fraction(value) for _, value in events]
    n = len(exact)
    mean = sum(exact) / n
    spread = sum((value - mean) ** 2 for value in exact)

    def value_of(name: str, *, sample: bool = False) -> Any:
        feature = Feature("f", name, "x", sample=sample)
        operation = registry.operation(name)
        return operation.finish(fold(operation, events), feature)

    if any(isinstance(value, float) for _, value in events):
        assert value_of("sum") == nearest_double(sum(exact, Fraction()))
    else:
        total = int(sum(exact))
        assert value_of("sum") == (total if -(2**63) <= total < 2**63 else None)
    assert value_of("average") == nearest_double(mean)
    variance = nearest_double(spread / n)
    assert value_of("variance") == variance
    assert value_of("stddev") == (None if variance is None else math.sqrt(variance))
    if n > 1:
        assert value_of("variance", sample=True) == nearest_double(spread / (n - 1))
