"""Numbers that workers share: each counts its own, and any of them can tell the sum."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from catenary.errors import RunError
from catenary.ports import statuses
from catenary.web.counters import BOUNDS_S, LOGGED, Counters

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("offers", "spending")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "counters"
    Counters.make(found, NAMES, 2)
    return found


def begun(path: Path) -> str:
    """Code that opens the counters."""
    return f"""
from pathlib import Path
from catenary.web.counters import Counters
counters = Counters(Path({str(path)!r}), {NAMES!r}, 2)
"""


def elsewhere(path: Path, work: str) -> None:
    """Work with the counters in a process of its own, which ends."""
    subprocess.run([sys.executable, "-c", begun(path) + work], check=True)


def test_answers_are_counted_by_latency_and_rows_by_their_worst_status(path: Path) -> None:
    counters = Counters(path, NAMES, 2)
    for seconds in (0.00005, 0.0001, 0.02, 11.0):
        counters.answered(1, seconds)
    counters.row(1, 0)
    counters.row(1, statuses.MISSING | statuses.STALE_BATCH)
    counters.row(1, statuses.ERROR)
    found = counters.totals("spending")
    assert [at for at, many in enumerate(found.buckets) if many] == [0, 7, len(BOUNDS_S)]
    assert found.buckets[0] == 2
    assert found.seconds == pytest.approx(11.02015)
    assert {name: many for name, many in found.rows.items() if many} == {
        "ok": 1,
        "stale_batch": 1,
        "error": 1,
    }
    assert sum(counters.totals("offers").buckets) == 0


def test_sums_are_those_of_all_workers_and_outlive_them(path: Path) -> None:
    elsewhere(path, "counters.refused(404); counters.requests('logged', 3)")
    counters = Counters(path, NAMES, 2)
    counters.refused(404)
    elsewhere(path, "counters.refused(422)")
    assert {code: many for code, many in counters.refusals().items() if many} == {404: 2, 422: 1}
    assert counters.logged()[LOGGED] == 3


def test_a_worker_takes_the_place_of_one_that_has_ended_and_of_no_other(path: Path) -> None:
    elsewhere(path, "assert counters.worker == 0")
    code = "import sys; sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", begun(path) + "print(counters.worker, flush=True)\n" + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "0\n"
        elsewhere(path, "assert counters.worker == 1")
        with pytest.raises(RunError, match="1 workers are running already"):
            Counters(path, NAMES, 1)
        other.communicate("")
