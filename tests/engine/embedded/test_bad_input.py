"""Bad input stops a run with a message that says where, keeps what was written, and can be resumed."""

from __future__ import annotations

import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engine.embedded.shop import DAYS, Shop, open_shop, payments

from catenary.cli import main
from catenary.errors import (
    BackfillError,
    BusyError,
    MissingPartitionError,
    MissingTableError,
    UnreadableError,
)


def told(error: pytest.ExceptionInfo[BackfillError]) -> list[str]:
    """The words of the command that the message gives."""
    hint = error.value.hint
    assert hint is not None
    return shlex.split(hint.partition("go on with: ")[2])


def test_an_unknown_table_is_named_with_the_nearest(shop: Shop) -> None:
    (shop.root / "tables" / "payments").rename(shop.root / "tables" / "payment")
    with pytest.raises(MissingTableError, match="no table 'payments'") as error:
        shop.backfill()
    assert error.value.hint is not None
    assert error.value.hint.startswith("did you mean 'payment'?")
    assert "tables/payments/ds=YYYY-MM-DD/*.parquet" in error.value.hint
    assert shop.written() == []


def test_days_that_no_row_has_are_refused_with_what_there_is(shop: Shop) -> None:
    with pytest.raises(MissingPartitionError, match="from 2025-01-01 to 2025-01-03") as error:
        shop.backfill(start="2025-01-01", end="2025-01-03")
    assert error.value.hint == "it has 2024-01-01 to 2024-01-06"


def test_days_that_are_missing_among_others_are_reported(shop: Shop) -> None:
    shop.file("checks", DAYS[2]).unlink()
    shop.file("checks", DAYS[2]).parent.rmdir()
    shop.file("payments", DAYS[1]).unlink()
    shop.file("payments", DAYS[1]).parent.rmdir()
    report = shop.backfill(start="2024-01-01", end="2024-01-08").node("checked")
    assert report.unavailable == ("2024-01-03", "2024-01-07", "2024-01-08")
    assert report.missing == {"payments": ("2024-01-02",)}
    text = str(report)
    assert "not computed, its rows lack these days: 2024-01-03, 2024-01-07, 2024-01-08" in text
    assert "read as empty, payments lacks: 2024-01-02" in text
    assert shop.written() == [DAYS[0], DAYS[1], *DAYS[3:]]


# A late payment of 3 January may lie in the partition of the 4th: that day reads both.
@pytest.mark.parametrize(("table", "stops"), [("payments", 2), ("checks", 3)])
def test_a_damaged_file_is_named_and_earlier_days_stand(table: str, stops: int, shop: Shop) -> None:
    whole = open_shop(shop.root.parent / "whole")
    whole.backfill()
    path = shop.file(table, DAYS[3])
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(BackfillError) as error:
        shop.backfill()
    assert f"'checked' stopped at ds={DAYS[stops]}" in str(error.value)
    assert "part-0.parquet is not a readable Parquet file" in str(error.value)
    assert str(path) in str(error.value)
    stood = shop.written()
    assert stood == list(DAYS[:stops])

    path.write_bytes(good)
    report = shop.backfill().node("checked")
    assert report.written == DAYS[stops:]
    assert shop.rows() == whole.rows()


def test_a_damaged_newest_file_is_named_while_planning(shop: Shop) -> None:
    path = shop.file("payments", DAYS[-1])
    path.write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(UnreadableError, match=r"part-0\.parquet is not a readable Parquet file"):
        shop.backfill()
    assert shop.written() == []


def test_damaged_pages_are_named_as_well(shop: Shop) -> None:
    path = shop.file("checks", DAYS[2])
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36
    path.write_bytes(bytes(data))
    with pytest.raises(BackfillError, match=r"stopped at ds=2024-01-03: part-0\.parquet"):
        shop.backfill()
    assert shop.written() == list(DAYS[:2])


def test_a_column_that_changed_its_type_is_named_with_both_types(shop: Shop) -> None:
    rows = payments(3, 20)
    texts = rows.column("amount").cast(pa.string())
    shop.put("payments", DAYS[3], rows.set_column(1, "amount", texts))
    with pytest.raises(BackfillError) as error:
        shop.backfill()
    assert (
        "table 'payments' changed midway: column 'amount' is string in partition ds=2024-01-04, "
        "expected double" in str(error.value)
    )
    assert shop.written() == list(DAYS[:2])
    shop.put("payments", DAYS[3], payments(3, 20))
    assert shop.backfill().node("checked").written == DAYS[2:]


def test_a_column_that_went_missing_is_named(shop: Shop) -> None:
    shop.put("payments", DAYS[3], payments(3, 20).drop_columns(["amount"]))
    with pytest.raises(BackfillError, match="'amount' is missing in partition ds=2024-01-04"):
        shop.backfill()
    assert shop.written() == list(DAYS[:2])


def test_a_failure_in_a_parent_names_the_parent(shop: Shop) -> None:
    path = shop.file("payments", DAYS[3])
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(BackfillError, match="backfill of 'checked' stopped at ds=2024-01-03"):
        shop.backfill("risk")
    assert shop.written("risk") == []
    path.write_bytes(good)
    assert shop.backfill("risk").node("checked").written == DAYS[2:]
    assert shop.written("risk") == list(DAYS)


def test_the_command_in_the_message_resumes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    path = shop.file("payments", DAYS[3])
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(BackfillError) as error:
        shop.backfill(start=DAYS[1], end=DAYS[4], definitions="features/shop.py")
    path.write_bytes(good)
    words = told(error)
    assert words[:2] == ["catenary", "backfill"]
    assert main(words[1:]) == 0
    assert "checked: 3 partitions written" in capsys.readouterr().out
    assert shop.written() == list(DAYS[1:5])


def test_a_forced_run_resumes_where_it_stopped(shop: Shop) -> None:
    shop.backfill()
    path = shop.file("payments", DAYS[3])
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(BackfillError) as error:
        shop.backfill(force=True)
    assert "2 of 6 partitions of this run stand" in str(error.value)
    path.write_bytes(good)
    assert told(error)[-5:] == ["--start", DAYS[2], "--end", DAYS[5], "--force"]


def test_a_run_from_python_says_to_call_it_again(shop: Shop) -> None:
    import catenary
    from catenary.definitions import load

    shop.file("payments", DAYS[3]).write_bytes(b"")
    checked = load(shop.root / "features")["checked"]
    with pytest.raises(BackfillError, match="go on with: the same call, start='2024-01-01'"):
        catenary.backfill(checked, root=shop.root)


def test_a_run_that_is_started_twice_computes_nothing_twice(shop: Shop) -> None:
    shop.backfill("risk")
    before = shop.rows("risk")
    report = shop.backfill("risk")
    assert not any(each.written for each in report.nodes)
    assert shop.rows("risk") == before


def test_a_second_run_at_once_is_refused_and_harms_nothing(shop: Shop) -> None:
    import os

    class Second:
        """Starts another run as soon as the first has written something."""

        refused: BusyError | None = None

        def begin(self, name: str, partitions: int) -> None:
            pass

        def advance(self, name: str, partitions: int, rows: int) -> None:
            if self.refused is None:
                with pytest.raises(BusyError) as error:
                    shop.backfill()
                self.refused = error.value

        def end(self, name: str) -> None:
            pass

    second = Second()
    assert shop.backfill(meter=second, step_days=1).node("checked").written == DAYS
    assert second.refused is not None
    assert f"another run is writing table 'checked': process {os.getpid()}" in str(second.refused)
    assert shop.written() == list(DAYS)


def test_a_sidecar_that_is_damaged_says_what_to_do(shop: Shop) -> None:
    shop.backfill()
    (sidecar,) = (shop.root / "warehouse" / "checked").glob("*/_table.json")
    sidecar.write_text("{")
    with pytest.raises(UnreadableError, match=r"_table\.json does not tell a table's columns"):
        shop.backfill()


def test_an_output_file_that_is_damaged_is_named_by_whoever_reads_it(shop: Shop) -> None:
    shop.backfill()
    (path,) = (shop.root / "warehouse" / "checked").glob(f"*/ds={DAYS[2]}/*.parquet")
    path.write_bytes(b"")
    with pytest.raises(BackfillError, match="backfill of 'risk' stopped"):
        shop.backfill("risk")
    assert pq.ParquetFile(next(path.parent.parent.glob(f"ds={DAYS[1]}/*"))).metadata.num_rows == 20
