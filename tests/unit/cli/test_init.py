"""`catenary init`: what it writes, and that it never writes over anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from catenary.cli import main
from catenary.definitions import Join, load

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_init_writes_definitions_that_load_and_data_for_each_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    assert main(["init", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "features.py" in said["files"]
    definitions = load(folder / "features.py")
    assert isinstance(definitions["return_risk"], Join)
    days = sorted((folder / "tables" / "shop.orders").iterdir())
    assert len(days) == 21
    rows = pq.ParquetFile(days[0] / "part-0.parquet").read()
    assert set(rows.column_names) >= {"customer", "shop", "amount", "returned", "placed_at"}


def test_the_data_is_the_same_each_time(tmp_path: Path) -> None:
    tables = []
    for name in ("one", "two"):
        assert main(["init", str(tmp_path / name)]) == 0
        parts = sorted((tmp_path / name / "tables").rglob("*.parquet"))
        tables.append([pq.ParquetFile(part).read() for part in parts])
    assert tables[0] == tables[1]


def test_init_refuses_a_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
