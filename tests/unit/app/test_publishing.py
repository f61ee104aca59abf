"""What `Live.publish` takes, and how it refuses the rest before anything is appended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from tests.unit.cli.shop import ORDER, begun

from catenary import Live
from catenary.errors import DataError

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
