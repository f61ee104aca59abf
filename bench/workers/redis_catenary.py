"""The live half over a Redis server of its own, its append-only file synced once a second.

Reports seconds: `stage` (one stage at saturation, five windowed features), `puts` (redis-py setting the
keys and values that it left, pipelined, in as many round trips as it had commits), `fetch` (100 features
of one entity into a row, some 48 tiles), `gets` (redis-py getting that entity's tiles, pipelined).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.catching_up import caught_up, in_commits
from bench.workers.live_catenary import SERVED, SERVED_EVENTS, SERVED_STEP_MS, published
from bench.workers.live_features import SCHEMA, START_MS, WIDE
from catenary.plan import build
from catenary.serve.fetcher import Fetcher
from catenary.state import tiles
from catenary.state.keys import encode_value
from catenary.stores.redis import RedisStore
from catenary.testing.services.redis import RedisServer

ROUNDS = 300


def put_again(address: str, store: RedisStore, commits: int) -> float:
    """Seconds for redis-py to set the dataset's bytes, in so many pipelines."""
    parts = in_commits(store, commits)
    with redis.Redis.from_url(address) as client:
        begun = time.perf_counter()
        for rows in parts:
            pipeline = client.pipeline(transaction=False)
            for row in rows:
                pipeline.set(*row)
            pipeline.execute()
        return time.perf_counter() - begun


def fetched(server: RedisServer, folder: Path) -> tuple[float, float]:
    """Seconds of a fetch of 100 features of one entity, and of getting its bytes: medians."""
    log = published(folder, SERVED_EVENTS, SERVED, SERVED_STEP_MS)
    store = RedisStore(server.address(prefix="wide"))
    caught_up(log, store, ["wide"])
    fetcher = Fetcher(build([WIDE], {"t": SCHEMA}.__getitem__), store)
    at = START_MS + SERVED_EVENTS * SERVED_STEP_MS
    (name,) = store.datasets()
    dataset = store.dataset(name)
    assert dataset is not None
    with dataset.snapshot() as snapshot:
        held = [list(snapshot.scan(tiles.TILE + encode_value(user))) for user in range(100)]
    ours: list[float] = []
    gets: list[float] = []
    with redis.Redis.from_url(server.address()) as client:
        for rows in held:
            client.mset(dict(rows))
        for turn in range(ROUNDS):
            user = turn % 100
            begun = time.perf_counter()
            row = fetcher.fetch("wide", {"user": user}, at=at)
            ours.append(time.perf_counter() - begun)
            assert row.status == "ok"
            begun = time.perf_counter()
            pipeline = client.pipeline(transaction=False)
            for key, _ in held[user]:
                pipeline.get(key)
            pipeline.execute()
            gets.append(time.perf_counter() - begun)
    store.close()
    return float(np.median(ours)), float(np.median(gets))


def main(events: int, entities: int) -> None:
    """Print the figures as one JSON object."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with RedisServer(folder / "redis", appendfsync="everysec") as server:
            log = published(folder / "log", events, entities, 20)
            store = RedisStore(server.address(prefix="stage"))
            stage, commits = caught_up(log, store, ["first"])
            puts = put_again(server.address(), store, commits)
            store.close()
            fetch, gets = fetched(server, folder / "served")
        figures = {"stage": stage, "puts": puts, "fetch": fetch, "gets": gets}
        print(json.dumps({**figures, "events": events, "commits": commits}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
