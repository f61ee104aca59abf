"""Runs of two processes: one at a time writes a table, and one that was killed harms nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.engine.embedded.shop import DAYS, Shop, open_shop

from catenary.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A run in a process of its own: it stops after three days, says so, and waits for a line.
RUN = """
import sys
from pathlib import Path
from catenary.app.settings import Settings
from catenary.app.wiring import Project

class Waits:
    days = 0
    def begin(self, name, partitions): pass
    def end(self, name): pass
    def advance(self, name, partitions, rows):
        self.days += partitions
        if self.days == 3:
            print("three days stand", flush=True)
            sys.stdin.readline()

project = Project(Settings.load(Path(sys.argv[1]), flags={"step_days": 1}))
report = project.backfill(project.plan(["risk"]), meter=Waits())
print(len(report.node("checked").written))
"""


@pytest.fixture
def other(shop: Shop) -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the middle of a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(shop.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "three days stand\n"
    with process:
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_table_and_the_first_is_unharmed(
    shop: Shop, other: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(BusyError) as error:
        shop.backfill("risk")
    assert f"another run is writing table 'checked': process {other.pid}" in str(error.value)
    assert error.value.hint is not None
    assert "wait for it to end" in error.value.hint

    said, _ = other.communicate("go on\n", timeout=60)
    assert other.returncode == 0
    assert said == f"{len(DAYS)}\n"
    alone = open_shop(tmp_path / "alone")
    alone.backfill("risk")
    assert shop.rows("risk") == alone.rows("risk")


def test_a_run_that_is_killed_and_started_again_gives_the_same_table(
    shop: Shop, other: subprocess.Popen[str], tmp_path: Path
) -> None:
    other.send_signal(signal.SIGKILL)
    assert other.wait(timeout=60) == -signal.SIGKILL
    (version,) = (path for path in (shop.root / "warehouse" / "checked").iterdir() if path.is_dir())
    # What a kill in the middle of a write leaves: a file that is not whole, a line that is torn.
    (version / f"ds={DAYS[3]}").mkdir(exist_ok=True)
    (version / f"ds={DAYS[3]}" / ".writing-1-part-0.parquet").write_bytes(b"PAR1")
    with (version / "_partitions.jsonl").open("ab") as journal:
        journal.write(b'{"ds": "2024-01-0')

    report = shop.backfill("risk")
    assert report.node("checked").written == DAYS[3:]
    assert shop.leftovers() == []
    alone = open_shop(tmp_path / "alone")
    alone.backfill("risk")
    for name in ("checked", "risk"):
        assert shop.rows(name) == alone.rows(name)
    assert not any(each.written for each in shop.backfill("risk").nodes)
