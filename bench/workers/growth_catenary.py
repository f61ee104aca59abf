"""A store under ten simulated days of steady load, its entities coming and going, with an upload each night.

    a day's events ──► log ──► `catenary stream`, an hour a batch ──► size ──► table ──► `catenary upload`

An hour is more than the head holds: each commit writes closed tiles beside it, as when a stage catches up.
Windows are a day at most, and what reads before the floor may ask for is kept for two days more. Reports
bytes after each day: `live_1` … of the pages in use, `file_1` … of the file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import START_MS, happened
from bench.workers.project import catenary, made, run, stored, stream_queued, write_day
from catenary.windows import DAY_MS, floor_ms

DAYS = 10
A_DAY = 72_000
A_BATCH = A_DAY // 24
ENTITIES = 2_000
NEW_A_DAY = 500


def main() -> None:
    """Print the figures as one JSON object."""
    figures: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live = made(folder, ["SHORT"], durability="process")  # syncing changes no sizes
        first_ms = floor_ms(START_MS, DAY_MS) + DAY_MS
        for day in range(DAYS):
            ts = first_ms + day * DAY_MS + np.arange(A_DAY) * DAY_MS // A_DAY
            events = happened(A_DAY, ENTITIES, ts, seed=day)
            users = events["user"].to_numpy() + day * NEW_A_DAY
            events = events.set_column(0, "user", [users])
            token = live.publish("t", events)
            stream_queued(folder, f"max_batch_rows={A_BATCH}")
            held = stored(folder)
            figures |= {f"live_{day + 1}": held.live, f"file_{day + 1}": held.file}
            ds = write_day(folder, events)
            run(catenary("upload", "--ds", ds, "--frontier", token, "--root", folder))
        live.close()
    print(json.dumps(figures))


main()
