"""Ours: a broker's topic `t` folded into five windowed features, from its first record until all is committed.

Arguments: address folder [store]. The store is LMDB's, power-durable, unless a server's address is given; then
`puts` are the seconds in which that server takes the bytes that were left, pipelined, in as many round trips
as there were commits. Reports `seconds` and `records`; what is read as of AT_MS are the values that `events_kafka` expects.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.catching_up import caught_up
from bench.workers.live_features import FIVE, SCHEMA
from bench.workers.redis_catenary import put_again
from bench.workers.shape import AT_MS
from catenary.logs.kafka import KafkaLog
from catenary.plan import build
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore
from catenary.stores.redis import RedisStore


def checked(store: LmdbStore | RedisStore, expected: list[dict[str, float]]) -> None:
    """What is fetched of all entities are the expected values, and nothing where there are none."""
    fetcher = Fetcher(build([FIVE], {"t": SCHEMA}.__getitem__), store)
    known = max(int(user) for each in expected for user in each) + 1
    columns = fetcher.fetch("five", pa.table({"user": np.arange(known)}), at=AT_MS).columns
    for column, values in zip(columns.columns, expected, strict=True):
        found = {str(at): each for at, each in enumerate(column.to_pylist()) if each}
        assert found == {user: each for user, each in values.items() if each}, "values differ"


def main(address: str, folder: Path, server: str | None) -> None:
    """Print the figures as one JSON object."""
    told = json.loads((folder / "t.json").read_text())
    with tempfile.TemporaryDirectory(dir=folder) as made, KafkaLog(address) as log:
        store = RedisStore(server) if server else LmdbStore(Path(made), durability="power")
        done = caught_up(log, store, ["five"])
        checked(store, told["folded"])
        figures = {"seconds": done.seconds, "records": told["records"], "commits": done.commits}
        if server:
            figures["puts"] = put_again(server, store, done.commits)
        store.close()
    print(json.dumps(figures))


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
