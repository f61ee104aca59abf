"""The oracle's folds and the operations' per-event form, written apart, give the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.values import LAWS, events_of, features, types_of

from catenary.aggregate import registry
from catenary.definitions import Operation
from catenary.testing import differences
from catenary.testing.oracle.folds import clean, fold

if TYPE_CHECKING:
    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

pytestmark = pytest.mark.property

MOMENTS = ("skew", "kurtosis")


def by_operation(feature: Feature, events: list[tuple[int, Any]]) -> object:
    operation = registry.operation_of(feature)
    partial = operation.empty()
    for ts, value in events:
        partial = operation.insert(partial, value, ts)
    return operation.finish(partial, feature)


def by_oracle(feature: Feature, events: list[tuple[int, Any]], type_: Type) -> object:
    seen = [(ts, clean(value)) for ts, value in events if clean(value) is not None]
    operation = Operation(feature.operation, k=feature.k, sample=feature.sample)
    return fold(operation, seen) if seen else None


@pytest.mark.parametrize("name", registry.names())
@LAWS
@given(data=st.data())
def test_a_fold_in_plain_loops_is_the_operation_s(name: str, data: st.DataObject) -> None:
    feature = data.draw(features(name))
    type_ = data.draw(st.sampled_from(types_of(registry.operation_of(feature))))
    events = data.draw(events_of(type_))
    found, expected = by_operation(feature, events), by_oracle(feature, events, type_)
    column = f"x_{name}"
    assert not differences([{"ds": "", column: found}], [{"ds": "", column: expected}])
