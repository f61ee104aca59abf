"""`python -m bench [--row NAME] [--rounds N]`: measures, prints, and writes `build/bench.json`.

Exits 1 if a listed row is missing, or outputs that must be equal differ. Bounds that are not met are
printed, and change no exit code: whether they are is for people to judge, on an idle machine. Rows of a
peer that cannot be installed are missing, and the others are measured all the same.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import groups
from bench.peers import PeerMissingError
from bench.rows import ROWS, Row

if TYPE_CHECKING:
    from bench.harness import Figure

REPORT = Path("build/bench.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--row", default="", help="only rows whose name begins so, such as windows or cold/help"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are to end, too
    wanted = [row for row in ROWS if row.name.startswith(options.row)]
    if not wanted:
        print(
            f"no row begins with {options.row!r}; there are: " + ", ".join(row.name for row in ROWS)
        )
        return 2
    figures: dict[str, Figure] = {}
    for name in dict.fromkeys(row.name.split("/")[0] for row in wanted):
        print(f"{name} …", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        try:
            figures |= groups.GROUPS[name](options.rounds)
        except PeerMissingError as error:
            print(error, file=sys.stderr, flush=True)
        print(f"{name} took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    report = [_entry(row, figures[row.name]) for row in wanted if row.name in figures]
    _print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    missing = [row.name for row in wanted if row.name not in figures]
    unlisted = sorted(set(figures) - {row.name for row in ROWS})
    if missing or unlisted:
        print(f"rows without a figure: {missing}; figures without a row: {unlisted}")
    return 1 if missing or unlisted else 0


def _entry(row: Row, figure: Figure) -> dict[str, object]:
    return {
        "name": row.name,
        "unit": row.unit,
        "value": round(figure.median, 4),
        "lowest": round(min(figure.values), 4),
        "highest": round(max(figure.values), 4),
        "bound": None if row.must is None else "at least" if row.at_least else "at most",
        "must": row.must,
        "aim": row.aim,
        "met": row.met(figure.median),
        "peak_memory_gb": round(figure.peak_bytes / 1e9, 3),
        "says": row.says,
    }


def _print(report: list[dict[str, object]]) -> None:
    head = f"{'row':28} {'value':>8} {'low':>8} {'high':>8} {'unit':4} {'':8} {'must':>6} {'aim':>6} {'met':6} {'GB':>6}"
    print(head)
    for each in report:
        print(
            f"{each['name']:28} {each['value']:8.3f} {each['lowest']:8.3f} {each['highest']:8.3f} {each['unit']:4} "
            f"{each['bound'] or '':8} {each['must'] or '':6} {each['aim'] or '':6} {each['met']:6} {each['peak_memory_gb']:6.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
