"""How long after an append its events are readable here, the stages running in processes of their own.

    append 100 events every 10 ms ──► log ──► stage's process ──► store ──► token reflected here

Reports milliseconds: p50 and p99 of one stage, `first`, and of one chained on it, `second`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import KNOWN, SCHEMA
from bench.workers.waiting import encoded, waits
from catenary.app.settings import Settings
from catenary.app.workers import Worker
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore

ROWS = 100


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
        found = waits(log, Fetcher(plan, store), name, encoded(batches, ROWS))
        for worker in workers:
            worker.stop()
        log.close()
    return found


def main(durability: str, batches: int) -> None:
    """Print the figures as one JSON object."""
    figures: dict[str, float] = {}
    for name in ("first", "second"):
        found = np.asarray(waited(name, durability, batches)) * 1000
        figures[f"{name}_p50"] = float(np.percentile(found, 50))
        figures[f"{name}_p99"] = float(np.percentile(found, 99))
    print(json.dumps(figures))


main(sys.argv[1], int(sys.argv[2]))
