"""Entities of many rows, all at once, are those of each row by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.state.keys import LONGEST, encode_key, entities

COLUMNS = {
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int32(), st.integers(-3, 3)),
    "text": (pa.string(), st.text(max_size=3) | st.sampled_from(["x" * 127, "x" * 128, "y" * 300])),
    "bytes": (pa.binary(), st.binary(max_size=3) | st.just(b"\0" * 20_000)),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates(date(1900, 1, 1), date(2200, 1, 1))),
    "instant": (
        pa.timestamp("us", "UTC"),
        st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    ),
}


@st.composite
def tables(draw) -> pa.Table:
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True))
    rows = draw(st.integers(0, 12))
    columns = {}
    for name in names:
        type_, values = COLUMNS[name]
        drawn = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[name] = pa.array(drawn, type_)
    return pa.table(columns).slice(draw(st.integers(0, 2)))


@given(tables())
def test_many_rows_have_the_entities_that_each_has_by_itself(table):
    codes, known = entities(table)
    assert known == sorted(set(known)), "ascending, each once"
    alone = [encode_key(list(row.values())) for row in table.to_pylist()]
    assert [None if code < 0 else known[code] for code in codes.tolist()] == alone


@pytest.mark.parametrize("size", [LONGEST - 3, LONGEST - 2, LONGEST + 100])
def test_an_entity_longer_than_a_store_takes_has_a_digest_of_one_length(size):
    (entity,) = entities(pa.table({"key": ["k" * size]}))[1]
    assert entity == encode_key(["k" * size])
    assert len(entity) <= LONGEST


def test_a_whole_number_is_the_same_entity_in_every_width():
    values = [-5, 0, 12]
    wide, narrow = (
        entities(pa.table({"key": pa.array(values, type_)})) for type_ in (pa.int64(), pa.int8())
    )
    assert wide[1] == narrow[1]
