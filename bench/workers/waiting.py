"""Appends at a steady rate, and how long after each its events are readable here."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.workers.live_features import SCHEMA, START_MS, happened
from catenary.codecs import codec

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.ports import Token
    from catenary.ports.log import Log
    from catenary.serve.fetcher import Fetcher

EVERY_S = 0.01
WARM = 100
_PATIENCE_S = 60.0


def encoded(batches: int, rows: int) -> list[pa.LargeBinaryArray]:
    """Values of so many appends of so many rows each; event time goes as fast as the clock."""
    count = batches * rows
    per_ms = rows / (EVERY_S * 1000)
    ts = START_MS + (np.arange(count) / per_ms).astype(np.int64)
    table, avro = happened(count, 10_000, ts), codec("avro", SCHEMA)
    return [avro.encode(table.slice(at, rows)) for at in range(0, count, rows)]


class Reflected(NamedTuple):
    """One append: when it began, when a fetch could reflect it, by the clock of all processes; its token."""

    sent_s: float
    seen_s: float
    token: Token


def waits(log: Log, fetcher: Fetcher, name: str, appends: list[pa.LargeBinaryArray]) -> list[float]:
    """Seconds from each append's beginning until a fetch of `name` may reflect it; see `reflected`."""
    return [each.seen_s - each.sent_s for each in reflected(log, fetcher, name, appends)]


def reflected(
    log: Log, fetcher: Fetcher, name: str, appends: list[pa.LargeBinaryArray]
) -> list[Reflected]:
    """What became of each append, without the first `WARM`.

    The very first append is waited for before the others: the stages that follow have started then.
    """
    fetcher.wait(name, log.append("t", appends[0]), _PATIENCE_S)
    sent: SimpleQueue[tuple[float, Token] | None] = SimpleQueue()
    found: list[Reflected] = []

    def follow() -> None:
        while (each := sent.get()) is not None:
            begun, token = each
            fetcher.wait(name, token, _PATIENCE_S)
            found.append(Reflected(begun, time.perf_counter(), token))

    reader = threading.Thread(target=follow)
    reader.start()
    due = time.perf_counter()
    for values in appends[1:]:
        due += EVERY_S
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        sent.put((begun, log.append("t", values)))
    sent.put(None)
    reader.join()
    assert len(found) == len(appends) - 1, "an append was not reflected in time"
    return found[WARM:]
