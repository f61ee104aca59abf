"""A report says in words what was done and what did not count."""

from __future__ import annotations

from catenary.ports import NodeReport, RunReport

DAYS = tuple(f"2024-01-0{day}" for day in range(1, 8))


def test_a_plain_run_is_one_line() -> None:
    report = NodeReport("spent", written=DAYS, skipped=("2023-12-31",), rows=1234, seconds=2.0)
    assert str(report) == "spent: 7 partitions written, 1,234 rows, 1 stood already, 2.0 s"


def test_everything_that_did_not_count_is_said() -> None:
    report = NodeReport(
        "spent",
        null_times=1,
        null_keys=2,
        misplaced=3,
        overflows={"spent.n_sum": 4},
        unavailable=DAYS,
        missing={"payments": DAYS[:1]},
        lacking=DAYS[:2],
    )
    assert str(report).splitlines()[1:] == [
        "  did not count: 1 source row without a time, 2 source rows without a key, "
        "3 source rows too far from their partition's day, 4 overflows in spent.n_sum",
        "  not computed, its rows lack these days: 2024-01-01, 2024-01-02, 2024-01-03, 2024-01-04, "
        "2024-01-05 and 2 more",
        "  read as empty, payments lacks: 2024-01-01",
        "  readers find the version before until these stand, too: 2024-01-01, 2024-01-02",
    ]


def test_a_run_sums_its_tables() -> None:
    run = RunReport((NodeReport("a", rows=1), NodeReport("b", rows=2)), 0.5)
    assert run.rows == 3
    assert run.node("b").rows == 2
    assert str(run).splitlines()[-1] == "3 rows in 0.5 s"
