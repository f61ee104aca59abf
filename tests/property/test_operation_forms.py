"""Both forms of an operation agree: one event at a time, and whole columns (semantics 14)."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.values import LAWS, Event, events_of, features, types_of

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.aggregate.kernel import aggregate
from catenary.schema.arrow import to_arrow
from catenary.windows import window_start_ms

pytestmark = pytest.mark.property

# Reads before, among and after the drawn times; a window of 3 ms in hops of 2 ends among them.
READS = st.lists(st.integers(-5, 5) | st.just(2**53 + 1), min_size=1, max_size=4)
WINDOW_MS, HOP_MS = 3, 2
MOMENTS = {"skew", "kurtosis"}


def seen(events: list[Event], read: int, feature: Feature) -> list[Event]:
    if feature.window_ms is None or feature.hop_ms is None:
        return [event for event in events if event[0] < read]
    start = window_start_ms(read, feature.window_ms, feature.hop_ms)
    return [event for event in events if start <= event[0] < read]


def bits(value: Any) -> Any:
    """The value, told apart from every other that is merely equal; a map as its pairs in order."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return bits(list(value.items()))
    if isinstance(value, (list, tuple)):
        return [bits(each) for each in value]
    return type(value), value


def close(expected: float | None, given: float | None, events: list[Event]) -> bool:
    """Equal to 1e-9, relative or absolute, where the values are not all but equal."""
    exact = [Fraction(value) for _, value in events if value is not None and abs(value) < 2**1024]
    if exact:
        mean = sum(exact) / len(exact)
        spread = sum((value - mean) ** 2 for value in exact) / len(exact)
        if spread and mean * mean > 10**12 * spread:
            return True
    if expected is None or given is None:
        return expected is given
    return given == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", registry.names())
@LAWS
@given(data=st.data())
def test_rule_14_the_columnar_form_is_the_form_per_event(name: str, data: st.DataObject) -> None:
    plain = data.draw(features(name))
    windowed = Feature(
        "w", name, "x", window_ms=WINDOW_MS, hop_ms=HOP_MS, k=plain.k, sample=plain.sample
    )
    operation = registry.operation_of(plain)
    type_ = data.draw(st.sampled_from(types_of(operation)))
    events, reads = data.draw(events_of(type_)), data.draw(READS)
    times, values = [ts for ts, _ in events], [value for _, value in events]
    table = pa.table(
        {
            "key": pa.array(["a"] * len(events), pa.string()),
            "ts": pa.array(times, pa.int64()),
            "x": pa.array(values, to_arrow(type_)),
        }
    )
    queries = pa.table({"key": pa.array(["a"] * len(reads)), "ts": pa.array(reads, pa.int64())})
    result = aggregate(table, queries, keys=["key"], features=[plain, windowed])

    for feature in (plain, windowed):
        overflows = 0
        column = result.columns.column(feature.name).to_pylist()
        for read, given_value in zip(reads, column, strict=True):
            window = seen(events, read, feature)
            partial = operation.empty()
            for ts, value in window:
                partial = operation.insert(partial, value, ts)
            overflows += operation.overflowed(partial)
            expected = operation.finish(partial, feature)
            if name in MOMENTS:
                assert close(expected, given_value, window)
            else:
                assert bits(given_value) == bits(expected)
        assert result.overflows.get(feature.name, 0) == overflows
