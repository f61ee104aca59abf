"""A million entities in the store, a stage killed amid a batch, 100 k events queued: until it has caught up.

    state ──copy──► stream ──► SIGKILL ──► queue filled up ──► stream, timed from its process's start

Argument: the project that `million_catenary` has made. Reports `seconds`: until all of the queue is readable
here, of which imports are a part.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import SCHEMA, START_MS, happened
from bench.workers.million_catenary import ENTITIES
from bench.workers.project import opened, streaming
from catenary.codecs import codec
from catenary.ports import Token
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of

EVENTS = 250_000
BEFORE = 50_000
QUEUED = 100_000
PATIENCE_S = 120.0


def main(state: Path) -> None:
    """Print the figure as one JSON object."""
    with tempfile.TemporaryDirectory(dir=state.parent) as made:
        folder = Path(made) / "project"
        shutil.copytree(state, folder)
        live = opened(folder)
        rows = happened(EVENTS, ENTITIES, START_MS + np.arange(EVENTS) // 10)
        values = codec("avro", SCHEMA).encode(rows)
        with streaming(folder) as process:
            token = live.log.append("t", values.slice(0, BEFORE))
            live.fetcher.wait("first", token, PATIENCE_S)
            live.log.append("t", values.slice(BEFORE, QUEUED))
            time.sleep(0.03)  # into the first batch
            process.kill()
        dataset = live.store.dataset(dataset_name(live.group_by("first")))
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            (lane,) = lanes_of(snapshot).values()
        end = BEFORE + QUEUED
        assert lane.position < end, "it was to be killed before it was done"
        live.log.append("t", values.slice(end, lane.position + QUEUED - end))
        token = Token(live.log.ends(live.log.partitions("t")))
        begun = time.perf_counter()
        with streaming(folder):
            live.fetcher.wait("first", token, PATIENCE_S)
            seconds = time.perf_counter() - begun
        live.close()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
