"""What JSON cannot say is said as text, and only that."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from catenary.ports import Token, statuses
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DOUBLE,
    STRING,
    TIMESTAMP,
    Schema,
    array,
    map_of,
    struct,
)
from catenary.serve.answers import Row
from catenary.web.forms import Columns, Mend, from_json, to_json
from catenary.web.refusals import RefusedError

FLOATS = Schema.of(
    mean=DOUBLE,
    last=array(DOUBLE),
    top=array(struct({"value": DOUBLE, "name": STRING})),
    by_shop=map_of(STRING, DOUBLE),
)


def said(values: dict[str, object], schema: Schema, bits: int = 0) -> dict[str, object]:
    row = Row(values, bits, {"spending": bits}, "too early" if bits else None, Token())
    (found,) = json.loads(to_json([row], [{"user": "ann"}], "", Mend.of(schema)))["results"]
    return found


def test_infinities_are_text_wherever_they_stand() -> None:
    row: dict[str, object] = {
        "mean": -math.inf,
        "last": [1.5, math.inf],
        "top": [{"value": math.inf, "name": "a"}],
        "by_shop": {"north": -math.inf},
    }
    assert said(row, FLOATS)["features"] == {
        "mean": "-Infinity",
        "last": [1.5, "Infinity"],
        "top": [{"value": "Infinity", "name": "a"}],
        "by_shop": {"north": "-Infinity"},
    }


def test_other_values_are_as_json_has_them() -> None:
    row: dict[str, object] = {"mean": 0.1, "last": None, "top": [], "by_shop": {"north": 2.0}}
    assert said(row, FLOATS)["features"] == row
    assert Mend.of(Schema.of(n=BIGINT)) is None
    assert said({"n": 2**62, "raw": b"\x00\xff"}, Schema.of(n=BIGINT, raw=BINARY))["features"] == {
        "n": 2**62,
        "raw": "AP8=",
    }


def test_what_is_no_number_is_null_wherever_it_stands() -> None:
    row: dict[str, object] = {
        "mean": math.nan,
        "last": [math.nan, math.inf],
        "top": [],
        "by_shop": {},
    }
    wanted = {"mean": None, "last": [None, "Infinity"], "top": [], "by_shop": {}}
    assert said(row, FLOATS)["features"] == wanted


def test_keys_that_json_has_not_are_text() -> None:
    noon = datetime(2024, 1, 22, 12, tzinfo=UTC)
    schema = Schema.of(
        by_flag=map_of(BOOLEAN, BIGINT),
        by_mean=map_of(DOUBLE, BIGINT),
        by_time=map_of(TIMESTAMP, DOUBLE),
    )
    row: dict[str, object] = {
        "by_flag": {True: 1},
        "by_mean": {0.5: 1, -math.inf: 2},
        "by_time": {noon: 1.0},
    }
    assert said(row, schema)["features"] == {
        "by_flag": {"True": 1},
        "by_mean": {"0.5": 1, "-Infinity": 2},
        "by_time": {"2024-01-22T12:00:00Z": 1.0},
    }
    for value in (1.0, None, math.inf):
        found = said({"by_time": {noon: value}}, Schema.of(by_time=map_of(TIMESTAMP, DOUBLE)))
        assert list(found["features"]["by_time"]) == ["2024-01-22T12:00:00Z"]


@pytest.mark.parametrize("bits", [statuses.ERROR, statuses.BEFORE_RETENTION | statuses.MISSING])
def test_a_row_without_an_answer_is_a_failure_with_its_reason(bits: int) -> None:
    found = said({"mean": None}, FLOATS, bits)
    assert (found["status"], found["error"]) == ("Failure", "too early")
    assert "features" not in found
    assert found["rowStatus"] == statuses.worst(bits)


def test_keys_are_read_in_their_types_forms() -> None:
    columns = Columns.of({"id": BIGINT, "raw": BINARY, "mean": DOUBLE})
    (found,) = from_json(b'[{"id": 7.0, "raw": "AP8=", "mean": 7.0}]', columns)
    assert (found["id"], type(found["id"])) == (7, int)
    assert (found["raw"], type(found["mean"])) == (b"\x00\xff", float)
    for value in ('"?"', '"é"', "5555", "true", "[1]"):
        with pytest.raises(RefusedError, match="raw of request 0 is no Base64") as refused:
            from_json(f'[{{"raw": {value}}}]'.encode(), columns)
        assert refused.value.status == 422


def test_a_number_that_floats_skip_is_not_taken_for_its_neighbour() -> None:
    columns = Columns.of({"id": BIGINT})
    for sign in (1, -1):
        for whole, wanted in ((2**53 - 1, int), (2**53, float), (2**53 + 1, float)):
            (found,) = from_json(b'[{"id": %d.0}]' % (sign * whole), columns)
            assert type(found["id"]) is wanted, whole
