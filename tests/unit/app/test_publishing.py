"""What `Live.publish` takes, and how it refuses the rest before anything is appended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from tests.unit.cli.shop import NOON, ORDER, begun

from catenary import Live
from catenary.app.publishing import fitting
from catenary.errors import DataError
from catenary.schema import BIGINT, STRING, TIMESTAMP, Field, Schema, array, map_of, struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "shop/orders"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with Live.open(begun(tmp_path)) as opened:
        opened.create_topics()
        yield opened


def without(column: str) -> pa.Table:
    return pa.Table.from_pylist([ORDER]).drop_columns([column])


def appended(live: Live) -> list[dict[str, Any]]:
    (place,) = live.log.partitions(TOPIC)
    records = live.log.read(place, 0, max_records=9, max_bytes=1 << 20)
    return [json.loads(each) for each in records.values.to_pylist()]


def with_(column: str, value: Any) -> pa.Table:
    return pa.Table.from_pylist([{**ORDER, column: value}])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (without("amount"), "lack the column 'amount' of shop/orders"),
        (with_("amount", "much"), "column 'amount' .* does not fit double"),
        (with_("order_id", 1.5), "column 'order_id' .* does not fit bigint"),
        ([ORDER], "are list, not a table"),
        (None, "are NoneType, not a table"),
    ],
)
def test_rows_that_do_not_fit_a_topic_are_refused_and_nothing_is_appended(
    rows: Any, told: str, live: Live
) -> None:
    with pytest.raises(DataError, match=told):
        live.publish(TOPIC, rows)
    (place,) = live.log.partitions(TOPIC)
    assert live.log.ends([place]) == {place: 0}


def test_a_frame_is_published_like_a_table_and_columns_of_no_meaning_are_left_out(
    live: Live,
) -> None:
    live.publish(TOPIC, pl.DataFrame([{**ORDER, "of_ours": 1}]))
    (place,) = live.log.partitions(TOPIC)
    records = live.log.read(place, 0, max_records=9, max_bytes=1 << 20)
    assert b"of_ours" not in records.values[0].as_py()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_becomes_milliseconds_in_a_column_that_is_a_time(unit: str, live: Live) -> None:
    times = pa.array([NOON - 1_000, NOON], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    rows = pa.Table.from_pylist([ORDER, ORDER])
    at = rows.column_names.index("placed_at")
    live.publish(TOPIC, rows.set_column(at, "placed_at", times.cast(pa.timestamp(unit))))
    assert [each["placed_at"] for each in appended(live)] == [NOON - 1_000, NOON]


@pytest.mark.parametrize("type_", [pa.timestamp("us", tz="UTC"), pa.date64(), pa.duration("s")])
def test_a_time_in_a_column_of_numbers_is_refused_since_its_unit_is_not_known(
    type_: pa.DataType, live: Live
) -> None:
    column = pa.array([0], pa.int64()).cast(type_)
    rows = without("order_id").append_column("order_id", column)
    with pytest.raises(DataError, match=r"'order_id' .* does not fit bigint"):
        live.publish(TOPIC, rows)
    assert not appended(live)


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.timestamp("us")),
        pa.large_list(pa.duration("us")),
        pa.map_(pa.string(), pa.timestamp("ms", tz="UTC")),
        pa.struct([("other", pa.string()), ("x", pa.list_(pa.date32()))]),
        pa.list_(pa.dictionary(pa.int32(), pa.timestamp("us"))),
    ],
)
def test_times_deep_in_a_column_of_numbers_are_refused_as_those_on_top_are(
    type_: pa.DataType,
) -> None:
    wanted = {
        "map": map_of(STRING, BIGINT),
        "struct": struct([Field("x", array(BIGINT)), Field("other", STRING)]),
    }.get(str(type_).partition("<")[0], array(BIGINT))
    rows = pa.table({"x": pa.nulls(1, type_)})
    with pytest.raises(DataError, match=r"'x' .* does not fit"):
        fitting(rows, TOPIC, Schema.of(x=wanted), ())


@pytest.mark.parametrize("type_", [pa.int64(), pa.uint32(), pa.dictionary(pa.int8(), pa.int64())])
def test_whole_numbers_in_a_column_of_timestamps_are_refused_since_their_unit_is_not_known(
    type_: pa.DataType,
) -> None:
    rows = pa.table({"x": pa.array([7], type_)})
    with pytest.raises(DataError, match="nobody knows in which unit"):
        fitting(rows, TOPIC, Schema.of(x=TIMESTAMP), ())


def test_times_by_a_dictionary_are_taken_as_the_times_themselves() -> None:
    given = pa.array([NOON * 1_000 + 999, None], pa.timestamp("us")).dictionary_encode()
    rows = pa.table({"x": given})
    taken = fitting(rows, TOPIC, Schema.of(x=BIGINT), {"x"})
    assert taken.column("x").to_pylist() == [NOON, None]
    stamped = fitting(rows, TOPIC, Schema.of(x=TIMESTAMP), ()).column("x")
    assert stamped.cast(pa.int64()).to_pylist() == [NOON * 1_000 + 999, None]
    with pytest.raises(DataError, match="does not fit bigint"):
        fitting(rows, TOPIC, Schema.of(x=BIGINT), ())


def test_seconds_beyond_all_milliseconds_are_refused_with_their_column(live: Live) -> None:
    column = pa.array([10**17], pa.int64()).cast(pa.timestamp("s"))
    rows = without("placed_at").append_column("placed_at", column)
    with pytest.raises(DataError, match=r"'placed_at' .* holds what is no instant"):
        live.publish(TOPIC, rows)
    assert not appended(live)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (NOON // 1_000, "1705917600 is 1970-01-20 17:51:57.600; are these seconds?"),
        (NOON * 1_000, "is in no year up to 9999; are these microseconds or nanoseconds?"),
    ],
)
def test_times_that_can_hardly_be_milliseconds_are_appended_and_doubted_aloud(
    value: int, told: str, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    live.publish(TOPIC, with_("placed_at", value))
    assert len(appended(live)) == 1
    (said,) = caplog.messages
    assert said.startswith("shop/orders: every placed_at that was read lies before 1971 or after")
    assert said.endswith(told)


def test_times_of_which_one_may_be_right_are_not_doubted(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    live.publish(TOPIC, pa.Table.from_pylist([{**ORDER, "placed_at": 0}, ORDER]))
    assert not caplog.messages
