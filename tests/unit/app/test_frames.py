"""Frames of any kind come back as the kind they were, rows in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import catenary
from catenary.app.frames import times, to_arrow, with_instants
from catenary.definitions import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SPENT = GroupBy(
    "spent",
    sources=EventSource(
        table="payments", topic="log:///p", query=Query(["user", "n"], time_column="ts")
    ),
    keys="user",
    aggregations=[Aggregation("n", Operation.SUM)],
)
PAYMENTS = pa.table({"user": ["a", "b", "a"], "n": [1, 2, 4], "ts": [10, 10, 20]})
ASKED: dict[str, list[Any]] = {"user": ["b", "a", None, "a", "a"], "ts": [11, 21, 21, None, 11]}
WANTED = [2, 5, None, None, 1]


def answered(left: Any, root: Path) -> Any:
    return catenary.backfill(SPENT, left=left, tables={"payments": PAYMENTS}, root=root)


def test_an_arrow_table_keeps_its_order_and_null_keys_and_times_get_nulls(tmp_path: Path) -> None:
    asked = pa.table(ASKED)
    found = answered(asked, tmp_path)
    assert isinstance(found, pa.Table)
    assert found.select(["user", "ts"]).equals(asked)
    assert found.column("n_sum").to_pylist() == WANTED


def test_a_polars_frame_comes_back_as_one(tmp_path: Path) -> None:
    found = answered(pl.DataFrame(ASKED), tmp_path)
    assert isinstance(found, pl.DataFrame)
    assert found["user"].to_list() == ASKED["user"]
    assert found["n_sum"].to_list() == WANTED


def test_a_pandas_frame_comes_back_as_one_with_its_index(tmp_path: Path) -> None:
    asked = pd.DataFrame({"user": ["b", "a"], "ts": [11, 21]}, index=["x", "y"])
    found = answered(asked, tmp_path)
    assert isinstance(found, pd.DataFrame)
    assert list(found.index) == ["x", "y"]
    assert list(found["n_sum"]) == [2, 5]


def test_a_record_batch_comes_back_as_one(tmp_path: Path) -> None:
    found = answered(pa.table(ASKED).to_batches()[0], tmp_path)
    assert isinstance(found, pa.RecordBatch)
    assert found.column(2).to_pylist() == WANTED


def test_timestamps_are_read_as_instants_and_given_back_as_they_were(tmp_path: Path) -> None:
    at = pa.array([11, 21], pa.timestamp("ms"))
    found = answered(pa.table({"user": ["a", "a"], "ts": at}), tmp_path)
    assert found.column("ts").type == pa.timestamp("ms")
    assert found.column("n_sum").to_pylist() == [1, 5]


def test_a_frame_without_a_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no key column 'user'") as error:
        answered(pa.table({"usr": ["a"], "ts": [1]}), tmp_path)
    assert error.value.hint == "did you mean 'usr'?"


def test_a_frame_without_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'ts'"):
        answered(pa.table({"user": ["a"]}), tmp_path)


def test_times_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="'ts' is string, not a time"):
        with_instants(pa.table({"ts": ["yesterday"]}))


def test_a_zone_is_minded_and_a_date_is_its_midnight() -> None:
    zoned = pa.chunked_array([pa.array([0], pa.timestamp("s", tz="America/New_York"))])
    assert times(zoned, "ts").to_pylist() == [0]
    dates = pa.chunked_array([pa.array([1], pa.date32())])
    assert times(dates, "ts").to_pylist() == [86_400_000]


def test_what_is_no_frame_is_refused_by_its_type() -> None:
    with pytest.raises(DataError, match=r"builtins\.list is no frame"):
        to_arrow([1, 2])
