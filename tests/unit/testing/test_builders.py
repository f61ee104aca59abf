"""Rows stated inline are stored as tables store them, and mistakes say what to write."""

from __future__ import annotations

import math

import pytest

from catenary.definitions import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.errors import DataError, DefinitionError
from catenary.testing import Rows, differences, entities, events, read


def test_types_are_taken_from_the_values_or_from_the_header() -> None:
    rows = events(
        "ts user price n:int", ("2024-01-01", "ann", 3.5, None), ("2024-01-01", "bob", 2, 1)
    )
    assert str(rows.schema) == "ts bigint, user string, price double, n int, ds string"
    assert isinstance(rows.rows[1]["price"], float)


def test_an_event_lies_in_its_own_day_unless_ds_says_otherwise() -> None:
    assert events("ts", ("2024-01-01 23:59:59.999",)).rows[0]["ds"] == "2024-01-01"
    assert events("ts ds", ("2024-01-01", "2024-01-02")).rows[0]["ds"] == "2024-01-02"


def test_tables_of_equal_columns_add_up() -> None:
    both = events("ts x", ("2024-01-01", None)) + events("ts x", ("2024-01-01", 1.5))
    assert str(both.schema["x"]) == "double"
    assert len(both.rows) == 2
    with pytest.raises(DataError, match="differ"):
        both + events("ts y")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: events("user", ("ann",)), "no time column 'ts'"),
        (lambda: events("ts user", ("2024-01-01",)), "does not fit the columns"),
        (lambda: events("ts", (None,)), "lies in no day"),
        (lambda: entities("user", ("ann",)), "hold no 'ds'"),
        (lambda: events("ts x", ("2024-01-01", 1), ("2024-01-01", "a")), "bigint and string"),
    ],
)
def test_what_cannot_be_a_table_is_refused_with_what_to_write(made: object, says: str) -> None:
    assert callable(made)
    with pytest.raises(DataError, match=says) as caught:
        made()
    assert caught.value.hint or says == "bigint and string"


def test_a_read_without_its_key_is_refused_as_a_fetch_is() -> None:
    source = EventSource(table="clicks", query=Query(["user", "price"], time_column="ts"))
    last = GroupBy(
        "last", sources=source, keys="user", aggregations=[Aggregation("price", Operation.LAST)]
    )
    rows = {"clicks": events("ts user price", ("2024-01-01 10:00", "ann", 3.5))}
    with pytest.raises(DataError, match="last needs 'user' in every request"):
        read(last, rows, at="2024-01-02")
    with pytest.raises(DataError, match="did you mean 'user'"):
        read(last, rows, at="2024-01-02", uzer="ann")
    assert read(last, rows, at="2024-01-02", user="ann") == {"price_last": 3.5}


def test_a_day_that_is_no_date_is_refused() -> None:
    with pytest.raises(DefinitionError, match="not a date"):
        entities("ds user", ("01/02/2024", "ann"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1.0, True),
        (1.0, math.nextafter(1.0, 2.0), False),
        (0.0, -0.0, False),
        (1, 1.0, False),
        (None, 0, False),
        ([1.0, None], [1.0, None], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
    ],
)
def test_values_are_compared_bit_for_bit(one: object, other: object, same: bool) -> None:
    found = differences([{"ds": "2024-01-01", "x": one}], [{"ds": "2024-01-01", "x": other}])
    assert (found == []) is same


def test_moments_are_compared_to_nine_digits() -> None:
    def of(value: float) -> list[dict[str, object]]:
        return [{"ds": "2024-01-01", "x_skew_1d": value}]

    assert differences(of(1.0), of(1.0 + 1e-10)) == []
    assert differences(of(1.0), of(1.0 + 1e-8))


def test_rows_are_frozen() -> None:
    with pytest.raises(AttributeError):
        events("ts").rows = ()  # type: ignore[misc]
    assert isinstance(events("ts"), Rows)
