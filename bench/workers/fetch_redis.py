"""Ours from Redis: 100 features of one entity into a row, beside a bare pipelined GET of the bytes that it is made of.

Argument: the server's address. Both go through redis-py, by turns, each on a connection of its own; each request is of another
entity. Reports microseconds: `p50`, and `gets_p50`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from bisect import bisect_left
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.fetch_catenary import AT_MS, filled
from bench.workers.shape import WARM, asked
from catenary.state import tiles
from catenary.state.keys import encode_value
from catenary.stores.redis import RedisStore


def of_entity(stored: list[bytes], user: int) -> list[bytes]:
    """The keys of one entity's tiles, among all in order."""
    prefix = tiles.TILE + encode_value(user)
    following = islice(stored, bisect_left(stored, prefix), None)
    return list(takewhile(lambda key: key.startswith(prefix), following))


def main(address: str) -> None:
    """Print the figures as one JSON object."""
    store = RedisStore(address)
    with tempfile.TemporaryDirectory() as made:
        fetcher = filled(Path(made), store)
    (name,) = store.datasets()
    dataset = store.dataset(name)
    assert dataset is not None
    with dataset.snapshot() as snapshot:
        rows = list(snapshot.scan(tiles.TILE))
    client = redis.Redis.from_url(address, protocol=2)
    for at in range(0, len(rows), 10_000):
        client.mset(dict(rows[at : at + 10_000]))
    stored = [key for key, _ in rows]
    keys = {user: of_entity(stored, user) for user in set(asked())}
    ours: list[float] = []
    gets: list[float] = []
    for user in asked():
        begun = time.perf_counter()
        status = fetcher.fetch("wide", {"user": user}, at=AT_MS).status
        ours.append(time.perf_counter() - begun)
        assert status == "ok"
        begun = time.perf_counter()
        pipeline = client.pipeline(transaction=False)
        for key in keys[user]:
            pipeline.get(key)
        pipeline.execute()
        gets.append(time.perf_counter() - begun)
    figures = {"p50": np.median(ours[WARM:]), "gets_p50": np.median(gets[WARM:])}
    print(json.dumps({each: float(value) * 1e6 for each, value in figures.items()}))


main(sys.argv[1])
