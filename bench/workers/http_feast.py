"""Feast over HTTP: `feast serve` with one worker, the same features from its SQLite online store, the same client.

Argument: answers. The server is on one core, this client on the other. Reports `per_second` over 16 connections.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.feast_store import filled
from bench.workers.http_client import ask, await_listening, requests
from bench.workers.shape import CONNECTIONS, CONTESTANTS, served

MANY = 480
WARM = 16


def main(answers: Path) -> None:
    """Print the figure as one JSON object."""
    wanted = pq.read_table(answers)
    with tempfile.TemporaryDirectory() as made:
        _, features = filled(Path(made), answers)
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        feast = str(Path(sys.executable).with_name("feast"))
        command = [feast, "-c", made, "serve", "--port", str(port), "--no-access-log"]
        server = subprocess.Popen(["taskset", "--cpu-list", str(CONTESTANTS), *command])
        try:
            await_listening(port)
            users = served(MANY)
            bodies = [
                json.dumps({"features": features, "entities": {"user": [each]}}).encode()
                for each in users
            ]
            asked = requests(port, "/get-online-features", bodies)
            warm = ask(port, asked[:WARM], 1)
            for user, body in zip(users, warm.bodies, strict=False):
                answer = json.loads(body)
                names = answer["metadata"]["feature_names"]
                row = {
                    name: each["values"][0]
                    for name, each in zip(names, answer["results"], strict=True)
                }
                assert row == wanted.slice(user, 1).to_pylist()[0], "it serves what we answered"
            together = ask(port, asked, CONNECTIONS)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({"per_second": MANY / together.seconds}))


main(Path(sys.argv[1]))
