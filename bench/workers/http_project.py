"""A project of a hundred features per entity, in a folder, ready to be served; its answers, for a peer and for checking.

Arguments: folder answers. The folder is made; `answers` is a Parquet file of all entities' features as of when the longest
window holds all events.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import START_MS, WIDE_MS, happened
from bench.workers.project import catenary, made, run, stream_queued, write_day
from bench.workers.shape import DAY, SERVED

PER_ENTITY = 10


def main(folder: Path, answers: Path) -> None:
    """Fill its store by a stage, and fetch all."""
    live = made(folder, ["WIDE"], durability="process")
    events = PER_ENTITY * SERVED
    # From where an upload ends, its lane knows all.
    ds = write_day(folder, happened(1, 1, np.array([START_MS - DAY])))
    run(catenary("upload", "--ds", ds, "--frontier", "", "--root", folder))
    ts = START_MS + np.arange(events) * WIDE_MS // events
    live.publish("t", happened(events, SERVED, ts))
    stream_queued(folder)
    users = pa.table({"user": np.arange(SERVED)})
    columns = live.fetcher.fetch("wide", users, at=START_MS + WIDE_MS).columns
    pq.write_table(columns.append_column("user", users["user"]), answers)
    live.close()


main(Path(sys.argv[1]), Path(sys.argv[2]))
