"""The engine's every answer is the oracle's, however the rows lie and however the run is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.draws import Case, cases
from tests.property.paste import pasted

from catenary.definitions import GroupBy
from catenary.engines.embedded import EmbeddedEngine
from catenary.plan import build
from catenary.ports import Job, Limits
from catenary.tables.parquet import ParquetTables, Warehouse
from catenary.tables.parquet.files import write_file
from catenary.testing import differences, features
from catenary.testing.answers import arrow, in_memory, rows_of
from catenary.testing.oracle import Oracle

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.testing import Rows

pytestmark = pytest.mark.property

# The other laws compare the engine with itself over the same cases; a quarter of the examples each
# keeps all of them together within four minutes on two cores.
FEWER = settings(max_examples=max(10, settings.default.max_examples // 4))


def agrees(case: Case, found: list[dict[str, object]]) -> None:
    note(pasted(case))
    different = differences(found, Oracle(case.tables).join(case.target))
    assert not different, "\n".join(different[:5])


def agrees_with_itself(case: Case, one: object, other: object) -> None:
    note(pasted(case))
    assert isinstance(one, list)
    assert isinstance(other, list)
    different = differences(one, other)
    assert not different, "\n".join(different[:5])


@given(case=cases())
def test_a_backfill_in_memory_gives_what_the_oracle_gives(case: Case) -> None:
    agrees(case, features(case.target, case.tables))


@FEWER
@given(case=cases())
def test_a_backfill_through_parquet_gives_what_the_oracle_gives(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("case")
    agrees(case, through_parquet(case, folder))


@FEWER
@given(case=cases(), step=st.integers(1, 3))
def test_the_number_of_days_per_step_changes_nothing(case: Case, step: int) -> None:
    agrees(case, features(case.target, case.tables, limits=Limits(step_days=step)))


@FEWER
@given(case=cases())
def test_spilling_to_disk_changes_nothing(case: Case) -> None:
    agrees(case, features(case.target, case.tables, limits=Limits(memory_bytes=1)))


@FEWER
@given(case=cases(), data=st.data())
def test_the_order_of_rows_on_the_right_changes_nothing(case: Case, data: st.DataObject) -> None:
    shuffled = {
        name: replace(rows, rows=tuple(data.draw(st.permutations(rows.rows))))
        if name in ("orders", "returns")
        else rows
        for name, rows in case.tables.items()
    }
    found = features(case.target, shuffled)
    agrees_with_itself(case, found, features(case.target, case.tables))


@FEWER
@given(case=cases(), at=st.integers(0, 5))
def test_two_runs_over_parts_of_the_range_give_what_one_run_gives(case: Case, at: int) -> None:
    whole = features(case.target, case.tables)
    days = sorted({str(row["ds"]) for row in whole})
    if len(days) < 2:
        return
    cut = min(at, len(days) - 2)
    first = features(case.target, case.tables, start=days[0], end=days[cut])
    second = features(case.target, case.tables, start=days[cut + 1], end=days[-1])
    agrees_with_itself(case, first + second, whole)


@FEWER
@given(case=cases(depth_max=1))
def test_a_group_by_alone_has_at_each_day_s_end_what_the_oracle_gives(case: Case) -> None:
    assert not isinstance(case.target, GroupBy)
    alone = case.target.parts[0].group_by
    if any(each.default is not None for each in alone.aggregations):
        return  # with a default every key that was ever seen has a value; see the rules
    found = features(alone, case.tables)
    expected = Oracle(case.tables).group_by(alone, {str(row["ds"]) for row in found})
    note(pasted(Case(alone, case.tables)))
    assert not differences(found, expected)


def through_parquet(case: Case, folder: Path) -> list[dict[str, object]]:
    """A backfill from files to files."""
    for name, rows in case.tables.items():
        write_days(folder / "tables" / name, rows)
    held = in_memory(case.tables)
    plan = build([case.target], lambda name: held.table(name).schema())
    warehouse = Warehouse(folder / "warehouse")
    tables = ParquetTables(folder / "tables", warehouse)
    EmbeddedEngine().backfill(Job(plan=plan, tables=tables, outputs=warehouse))
    written = warehouse.current(plan.targets[0])
    if written is None:
        return []
    columns = list(written.schema())
    return [
        row
        for ds in written.partitions()
        for batch in written.batches(ds, columns)
        for row in rows_of(batch)
    ]


def write_days(folder: Path, rows: Rows) -> None:
    """One file per day that occurs."""
    table = arrow(rows)
    for ds in sorted({str(row["ds"]) for row in rows.rows}):
        day = folder / f"ds={ds}"
        day.mkdir(parents=True)
        chosen = table.filter(pc.equal(table["ds"], ds)).drop_columns(["ds"])
        write_file(day / "part-0.parquet", chosen, compression="zstd")
