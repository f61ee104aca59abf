"""A chain's stages in threads of one process, from a broker's topic into LMDB, until stdin is closed.

Arguments: address store durability name. Then it prints how long the batches of all stages that have
parents waited for them, `waited`, in seconds.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import KNOWN, SCHEMA
from catenary.app.live import open_stage
from catenary.logs.kafka import KafkaLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages
from catenary.stores.lmdb import LmdbStore


class Waited:
    """How long a stage's batches waited: from the phase `wait` to the one after it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._since: float | None = None

    def __call__(self, phase: str) -> None:
        """The stage has come to a phase."""
        if self._since is not None:
            self.seconds.append(time.perf_counter() - self._since)
        self._since = time.perf_counter() if phase == "wait" else None


def _ended(failed: threading.ExceptHookArgs) -> None:
    """A stage that fails ends the process: nobody is to wait for what the others make of it."""
    traceback.print_exception(failed.exc_value)
    os._exit(1)


def main(address: str, folder: Path, durability: str, name: str) -> None:
    """Run until stdin is closed."""
    stopped = threading.Event()
    threading.excepthook = _ended
    with KafkaLog(address) as log:
        store = LmdbStore(folder, durability=durability)
        nodes = stages(build([KNOWN[name]], {"t": SCHEMA}.__getitem__))
        waited = {node.name: Waited() for node in nodes}
        spec = partial(StageSpec.of, KNOWN, lambda _: SCHEMA, settings=ChainSettings())
        opened = [
            open_stage(spec(target=node.name), log, store, nodes, phase=waited[node.name])
            for node in nodes
        ]
        gc.freeze()
        threads = [threading.Thread(target=each.run, args=(stopped.is_set,)) for each in opened]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        stopped.set()
        for thread in threads:
            thread.join()
    del waited[nodes[0].name]
    print(json.dumps({"waited": [each for some in waited.values() for each in some.seconds]}))


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
