"""The live half at saturation: everything is published before a stage starts; the log and the store sync.

Reports seconds: `stage` (one stage, five windowed features), `puts` (LMDB puts of the bytes that it
left, in as many commits), `chain` (a stage, and one chained on it), `fetch` (100 features of each of 100
entities into columns, per entity), `gets` (LMDB gets of those entities' bytes, per entity). What is fetched
has an event every ten minutes over the ten hours of its windows, some 48 tiles.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.catching_up import caught_up, in_commits
from bench.workers.live_features import SCHEMA, START_MS, WIDE, happened
from catenary.codecs import codec
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.serve.fetcher import Fetcher
from catenary.state import tiles
from catenary.state.keys import encode_value
from catenary.stores.lmdb import LmdbStore

SERVED = 1_000
SERVED_EVENTS = 60_000
SERVED_STEP_MS = 600


def published(folder: Path, events: int, entities: int, step_ms: int) -> EmbeddedLog:
    """A log with that many events over so many entities, evenly apart."""
    log = EmbeddedLog(folder, durability="power")
    log.create("t")
    rows = happened(events, entities, START_MS + np.arange(events) * step_ms)
    encoded = codec("avro", SCHEMA)
    for at in range(0, events, 50_000):
        log.append("t", encoded.encode(rows.slice(at, 50_000)))
    return log


def put_again(store: LmdbStore, folder: Path, commits: int) -> float:
    """Seconds for LMDB to put the dataset's bytes, in so many synced commits."""
    parts = in_commits(store, commits)
    folder.mkdir()
    environment = lmdb.open(str(folder), map_size=8 << 30)
    begun = time.perf_counter()
    for rows in parts:
        with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(sorted(rows))
    return time.perf_counter() - begun


def fetched(folder: Path) -> tuple[float, float]:
    """Seconds per entity of 100 entities' 100 features, and of getting their bytes."""
    log = published(folder / "served", SERVED_EVENTS, SERVED, SERVED_STEP_MS)
    store = LmdbStore(folder / "wide")
    caught_up(log, store, ["wide"])
    plan = build([WIDE], {"t": SCHEMA}.__getitem__)
    fetcher = Fetcher(plan, store)
    requests = pa.table({"user": np.arange(100)})
    at = START_MS + SERVED_EVENTS * SERVED_STEP_MS
    name = next(each for each in store.datasets() if each.startswith("wide"))
    dataset = store.dataset(name)
    assert dataset is not None
    prefixes = [tiles.TILE + encode_value(user) for user in range(100)]
    with dataset.snapshot() as snapshot:
        asked = [key for prefix in prefixes for key, _ in snapshot.scan(prefix)]
    ours: list[float] = []
    gets: list[float] = []
    # Both work without waiting; on a busy machine other processes' turns would fall on the longer one.
    for _ in range(100):
        begun = time.thread_time()
        fetcher.fetch("wide", requests, at=at)
        ours.append(time.thread_time() - begun)
        begun = time.thread_time()
        with dataset.snapshot() as snapshot:
            snapshot.get_many(asked)
        gets.append(time.thread_time() - begun)
    return float(np.median(ours)) / 100, float(np.median(gets)) / 100


def main(events: int, entities: int) -> None:
    """Print the figures as one JSON object."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        log = published(folder / "log", events, entities, 20)
        alone = LmdbStore(folder / "alone")
        stage, commits = caught_up(log, alone, ["first"])
        puts = put_again(alone, folder / "puts", commits)
        chain, _ = caught_up(log, LmdbStore(folder / "chain"), ["second"])
        fetch, gets = fetched(folder)
        figures = {"stage": stage, "puts": puts, "chain": chain, "fetch": fetch, "gets": gets}
        print(json.dumps({**figures, "events": events, "commits": commits}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
