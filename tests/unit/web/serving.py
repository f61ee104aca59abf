"""A server in a process of its own, over the sample project, and what is asked of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pyarrow as pa
from tests.unit.cli.shop import NOON, ORDER

from catenary.app.live import Live
from catenary.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LATER = NOON + 1
CALL: dict[str, Any] = {"timeout": 20, "verify": False}  # no certificates, which take long to load
LAST_DAY = "2024-01-21"
HORIZON = (
    "--conf",
    "head_horizon_ms=259200000",
)  # all that is streamed is asked about as of its time
TOKEN = "shop/orders/0:61"
SPEND = "/v1/features/groupby/customer_spend"
RISK = "/v1/features/join/return_risk"


class Served(NamedTuple):
    """A running server."""

    url: str
    project: Path
    process: subprocess.Popen[str]

    def post(self, path: str, keys: object, **more: Any) -> httpx.Response:
        """What it answers to key objects."""
        return httpx.post(self.url + path, json=keys, **CALL, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """What it answers."""
        return httpx.get(self.url + path, **CALL, **more)


def sample(folder: Path) -> Path:
    """The sample project: uploaded but for its last day, which is streamed, and one order more."""
    project = folder / "shop"
    orders = folder / "orders.jsonl"
    orders.write_text(json.dumps(ORDER) + "\n")
    day = project / "tables" / "shop.orders" / f"ds={LAST_DAY}" / "part-0.parquet"
    root = ("--root", str(project))
    for words in (
        ("init", str(project)),
        ("upload", "--ds", "2024-01-20", "--frontier", "shop/orders/0:0", *root),
        ("publish", "shop/orders", str(day), *root),
        ("publish", "shop/orders", str(orders), *root),
        ("stream", "--all", "--until-caught-up", *HORIZON, *root),
    ):
        assert main(list(words)) == 0, words
    return project


@contextmanager
def served(project: Path, *words: str, **environment: str) -> Generator[Served]:
    """A server of a project, until the context ends; it must end well."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "catenary", "serve", "--root", str(project)),
            *("--port", "0", "--json", *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Served(json.loads(line)["address"], project, process)
    finally:
        process.send_signal(signal.SIGTERM)
        with process:
            process.wait(20)
    assert process.returncode == 0


def published(project: Path, many: int) -> str:
    """The token of so many more orders on the sample's topic."""
    with Live.open(project) as live:
        orders = pa.Table.from_pylist([ORDER] * many)
        return str(live.publish("shop/orders", orders))


KEYS = f"""
[api_keys.all]
sha256 = "{hashlib.sha256(b"secret-a").hexdigest()}"

[api_keys.spend]
env = "CLIENT_KEY"
definitions = ["customer_spend"]
"""


def key(secret: str) -> dict[str, str]:
    """The header of a key."""
    return {"Authorization": f"Bearer {secret}"}
