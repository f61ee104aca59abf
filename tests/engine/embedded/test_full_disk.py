"""A disk that is really full: the run says so, keeps whole partitions, and goes on when there is space."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from tests.engine.embedded.shop import DAYS, Shop, checks, open_shop
from tests.small_disk import small_disk

from catenary.errors import BackfillError, StorageError
from catenary.tables.parquet.files import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

ROWS = 6_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with small_disk(tmp_path, "256k") as folder:
        yield folder


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop whose rows do not compress."""
    shop = open_shop(tmp_path / "shop", rows=ROWS)
    random = np.random.default_rng(1)
    for day, ds in enumerate(DAYS):
        rows = checks(day, ROWS)
        users = [f"u{each}" for each in random.integers(0, 1 << 40, ROWS).tolist()]
        shop.put("checks", ds, rows.set_column(0, "user", pa.array(users)))
    return shop


def standing(warehouse: Path) -> dict[str, bytes]:
    """Every partition's file."""
    found = warehouse.glob("checked/*/ds=*/*.parquet")
    return {path.parent.name.removeprefix("ds="): path.read_bytes() for path in found}


def test_a_full_disk_stops_the_run_and_a_second_run_finishes_it(shop: Shop, small: Path) -> None:
    shop.backfill(warehouse=str(shop.root / "large"), threads=1)
    wanted = standing(shop.root / "large")
    assert sum(map(len, wanted.values())) > 256 << 10, "the table must not fit"

    with pytest.raises(BackfillError) as error:
        shop.backfill(warehouse=str(small), step_days=1)
    assert "the disk refused a write: No space left on device" in str(error.value)
    assert "free some space and run again; partitions that stand are kept" in str(error.value)
    assert isinstance(error.value.__cause__, StorageError)
    stood = standing(small)
    assert 0 < len(stood) < len(DAYS)
    assert stood == {ds: wanted[ds] for ds in stood}
    assert sorted(stood) == list(DAYS[: len(stood)])
    assert list(small.rglob(".writing-*")) == []

    with pytest.raises(BackfillError) as again:
        shop.backfill(warehouse=str(small))
    assert "No space left on device" in str(again.value)
    assert standing(small).items() >= stood.items()

    subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
    stood = standing(small)
    report = shop.backfill(warehouse=str(small)).node("checked")
    assert set(report.written) == set(DAYS) - set(stood)
    assert standing(small) == wanted


def test_a_file_that_does_not_fit_leaves_nothing_behind(small: Path) -> None:
    numbers = np.random.default_rng(1).random(100_000)
    with pytest.raises(StorageError, match="the disk refused a write: No space left on device"):
        write_file(small / "part-0.parquet", pa.table({"n": numbers}), compression="none")
    assert list(small.iterdir()) == []


def test_a_full_disk_for_what_does_not_fit_in_memory_says_which(shop: Shop, small: Path) -> None:
    with pytest.raises(BackfillError) as error:
        shop.backfill(memory_limit="64KB", spill_dir=str(small))
    assert "rows that do not fit in memory could not be put on disk" in str(error.value)
    assert "raise memory_limit, or point spill_dir at a disk with more space" in str(error.value)
    assert list(small.iterdir()) == []
    assert shop.leftovers() == []

    subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
    shop.backfill(memory_limit="64KB", spill_dir=str(small))
    assert shop.written() == list(DAYS)
    assert list(small.iterdir()) == []
