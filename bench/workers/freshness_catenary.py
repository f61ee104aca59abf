"""How long after an append its events are readable here, the stages running in processes of their own.

    append 100 events every 10 ms ──► log ──► stage's process ──► store ──► token reflected here

Reports milliseconds: p50 and p99 of one stage, `first`, and of one chained on it, `second`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import KNOWN, SCHEMA, START_MS, happened
from catenary.app.settings import Settings
from catenary.app.workers import Worker
from catenary.codecs import codec
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.ports import Token

EVERY_S = 0.01
ROWS = 100
WARM = 100


def waited(name: str, durability: str, batches: int) -> list[float]:
    """Seconds from each append's beginning until a fetch may reflect it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        settings = Settings(root=folder, durability=durability)
        log = EmbeddedLog(settings.path("log"), durability=durability)
        log.create("t")
        plan = build([KNOWN[name]], {"t": SCHEMA}.__getitem__)
        specs = [
            StageSpec.of(KNOWN, lambda _: SCHEMA, node.name, ChainSettings())
            for node in stages(plan)
        ]
        workers = [Worker(spec, specs, folder=folder, settings=settings) for spec in specs]
        store = LmdbStore(settings.path("store"), durability=durability)
        fetcher = Fetcher(plan, store)
        encoded = _encoded(batches)
        fetcher.wait(name, log.append("t", encoded[0]), 60.0)
        sent: SimpleQueue[tuple[float, Token] | None] = SimpleQueue()
        found: list[float] = []

        def follow() -> None:
            while (each := sent.get()) is not None:
                fetcher.wait(name, each[1], 60.0)
                found.append(time.perf_counter() - each[0])

        reader = threading.Thread(target=follow)
        reader.start()
        due = time.perf_counter()
        for values in encoded[1:]:
            due += EVERY_S
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.perf_counter()
            sent.put((begun, log.append("t", values)))
        sent.put(None)
        reader.join()
        for worker in workers:
            worker.stop()
        log.close()
    return found[WARM:]


def _encoded(batches: int) -> list[pa.LargeBinaryArray]:
    count = batches * ROWS
    rows = happened(count, 10_000, START_MS + np.arange(count) // 10)
    avro = codec("avro", SCHEMA)
    return [avro.encode(rows.slice(at, ROWS)) for at in range(0, count, ROWS)]


def main(durability: str, batches: int) -> None:
    """Print the figures as one JSON object."""
    figures: dict[str, float] = {}
    for name in ("first", "second"):
        found = np.asarray(waited(name, durability, batches)) * 1000
        figures[f"{name}_p50"] = float(np.percentile(found, 50))
        figures[f"{name}_p99"] = float(np.percentile(found, 99))
    print(json.dumps(figures))


main(sys.argv[1], int(sys.argv[2]))
