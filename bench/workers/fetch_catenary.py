"""Ours: 100 features of one entity into a row, statuses and all, one request after the other. Argument: answers.

The store is LMDB's, filled by a stage; each request is of another entity. The answers of all entities are
written to the file `answers`, for the peer to serve. Reports microseconds, `p50`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import KNOWN, SCHEMA, START_MS, WIDE, WIDE_MS, happened
from bench.workers.shape import ENTITIES, WARM, asked
from catenary.app.live import open_stage
from catenary.codecs import codec
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore

EVENTS = 10 * ENTITIES
AT_MS = START_MS + WIDE_MS


def filled(folder: Path) -> Fetcher:
    """Ten events of each entity on average, evenly over the longest window."""
    log = EmbeddedLog(folder / "log", durability="process")
    log.create("t")
    rows = happened(EVENTS, ENTITIES, START_MS + np.arange(EVENTS) * WIDE_MS // EVENTS)
    log.append("t", codec("avro", SCHEMA).encode(rows))
    store = LmdbStore(folder / "store", durability="process")
    plan = build([WIDE], {"t": SCHEMA}.__getitem__)
    spec = StageSpec.of(KNOWN, lambda _: SCHEMA, WIDE.name, ChainSettings())
    open_stage(spec, log, store, stages(plan)).run(lambda: False, lambda: True)
    log.close()
    return Fetcher(plan, store)


def main(answers: Path) -> None:
    """Print the figure as one JSON object."""
    with tempfile.TemporaryDirectory() as made:
        fetcher = filled(Path(made))
        users = pa.table({"user": np.arange(ENTITIES)})
        columns = fetcher.fetch("wide", users, at=AT_MS).columns
        assert columns.num_columns == 100
        pq.write_table(columns.append_column("user", users["user"]), answers)
        spent: list[float] = []
        for user in asked():
            begun = time.perf_counter()
            row = fetcher.fetch("wide", {"user": user}, at=AT_MS)
            status = row.status
            spent.append(time.perf_counter() - begun)
            assert status == "ok"
    print(json.dumps({"p50": float(np.median(spent[WARM:])) * 1e6}))


main(Path(sys.argv[1]))
