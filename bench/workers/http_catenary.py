"""Ours over HTTP: `catenary serve` with one worker; one entity's hundred features a request.

Arguments: folder answers redis-port. The server is on one core, this client on the other; then a Redis server, on the core of
ours, is asked by `redis-benchmark` for the bytes of one answer. Reports `p50` and `get_p50`, microseconds over one
connection, and `per_second` over 16.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.harness import pinned
from bench.workers.http_client import ask, requests
from bench.workers.live_features import START_MS, WIDE_MS
from bench.workers.project import catenary
from bench.workers.shape import CONNECTIONS, CONTESTANTS, served

ALONE = 3_000
TOGETHER = 10_000
GETS = 10_000


def got(port: int, value: bytes) -> float:
    """Microseconds in which Redis answers a GET of a value, the median as its own tool has it."""
    with redis.Redis(port=port) as client:
        client.set("answer", value)
    command = ["redis-benchmark", "-p", str(port), "-c", "1", "-n", str(GETS), "--csv"]
    said = subprocess.run([*command, "GET", "answer"], capture_output=True, text=True, check=True)
    (row,) = csv.DictReader(said.stdout.splitlines())
    return float(row["p50_latency_ms"]) * 1000


def main(folder: Path, answers: Path, redis_port: int) -> None:
    """Print the figures as one JSON object."""
    wanted = pq.read_table(answers)
    command = catenary("serve", "wide", "--root", folder, "--port", 0, "--json")
    server = subprocess.Popen(pinned(CONTESTANTS, command), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(json.loads(server.stdout.readline())["address"].rpartition(":")[2])
        target = f"/v1/features/groupby/wide?at={START_MS + WIDE_MS}"
        users = served(ALONE)
        asked = requests(port, target, [json.dumps([{"user": each}]).encode() for each in users])
        warm, alone = ask(port, asked[: ALONE // 10], 1), ask(port, asked, 1)
        for user, body in zip(users, warm.bodies, strict=False):
            (answer,) = json.loads(body)["results"]
            row = {**answer["features"], **answer["entityKeys"]}
            assert answer["rowStatus"] == "ok"
            assert row == wanted.slice(user, 1).to_pylist()[0], "it serves what is fetched"
        together = ask(port, (asked * (TOGETHER // ALONE + 1))[:TOGETHER], CONNECTIONS)
    finally:
        server.terminate()
        server.wait()
    figures = {
        "p50": float(np.median(alone.each_s)) * 1e6,
        "get_p50": got(redis_port, alone.bodies[0]),
        "per_second": TOGETHER / together.seconds,
    }
    print(json.dumps(figures))


main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
