"""A project whose store holds an upload of a million entities. Argument: the folder to make it in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import START_MS, happened
from bench.workers.project import catenary, made, run, write_day
from catenary.windows import DAY_MS, floor_ms

ENTITIES = 1_000_000
DAYS = 3


def main(folder: Path) -> None:
    """Three days of as many events as entities; each entity has one a day, at an instant of its own."""
    made(folder, ["FIRST"]).close()
    cutoff_ms = floor_ms(START_MS, DAY_MS)
    rng = np.random.default_rng(1)
    ds = ""
    for day in range(-DAYS, 0):
        ts = cutoff_ms + day * DAY_MS + np.arange(ENTITIES) * DAY_MS // ENTITIES
        events = happened(ENTITIES, ENTITIES, ts)
        users = rng.permutation(ENTITIES)
        ds = write_day(folder, events.set_column(0, "user", [users]))
    # The log is empty: from its beginning on, the tables hold nothing of it.
    run(catenary("upload", "--ds", ds, "--frontier", "", "--root", folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
