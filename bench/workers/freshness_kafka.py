"""How long after a producer's send its events are readable here, through a broker, beside a bare consumer.

    append every 10 ms ──► broker ──┬─► stages' process ──► LMDB ──► token reflected here
                                    └─► bare consumer

Both take the same records of the same appends. Arguments: address name durability rows batches, with so many rows
an append. Reports milliseconds: `p50` and `p99`; of the bare consumer, `bare_p50` and `bare_p99`; of chained stages' waits
for their parents, `waited_p50`. This process and the consumer are on the broker's core, the stages on the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from confluent_kafka.admin import AdminClient

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.harness import pinned, worker
from bench.workers.live_features import KNOWN, SCHEMA
from bench.workers.shape import CONTESTANTS, SERVERS
from bench.workers.waiting import encoded, reflected
from catenary.logs.kafka import KafkaLog
from catenary.plan import build
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def beside(command: list[str]) -> Generator[dict[str, Any]]:
    """Run a worker during the block; what it prints at its end is given then."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = {}
    try:
        yield told
    finally:
        out, _ = process.communicate()
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    told |= json.loads(out)


def remove(address: str, topic: str) -> None:
    """Leave the broker as it was before."""
    client = AdminClient({"bootstrap.servers": address})
    for removed in client.delete_topics([topic]).values():
        removed.result()


def main(address: str, name: str, durability: str, rows: int, batches: int) -> None:
    """Print the figures as one JSON object."""
    with tempfile.TemporaryDirectory() as folder, KafkaLog(address) as log:
        log.create("t")
        store = LmdbStore(Path(folder), durability=durability)
        fetcher = Fetcher(build([KNOWN[name]], {"t": SCHEMA}.__getitem__), store)
        stages = worker("stages_kafka", address, folder, durability, name)
        bare = worker("receipts_kafka", address)
        appends = encoded(batches, rows)
        with beside(pinned(CONTESTANTS, stages)) as ours, beside(pinned(SERVERS, bare)) as theirs:
            found = reflected(log, fetcher, name, appends)
    remove(address, "t")
    received = theirs["received"]
    lasts = [max(each.token.positions.values()) - 1 for each in found]
    seen = np.array([each.seen_s - each.sent_s for each in found]) * 1000
    got = np.array([received[at] - each.sent_s for at, each in zip(lasts, found, strict=True)])
    figures = {"p50": np.percentile(seen, 50), "p99": np.percentile(seen, 99)}
    figures |= {f"bare_p{each}": np.percentile(got * 1000, each) for each in (50, 99)}
    if ours["waited"]:
        figures["waited_p50"] = np.median(ours["waited"]) * 1000
    print(json.dumps({each: float(value) for each, value in figures.items()}))


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
