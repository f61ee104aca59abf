"""Inputs, made once from fixed seeds and kept below `build/bench` as Arrow IPC files.

Values are multiples of 1/8 below 2^20: every sum of them is exact in doubles in any order, so that
peers which add plainly must give the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import BUILD

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
FIRST_DAY = 15_706  # 2013-01-01
BACKFILL_DAYS = 180
CHUNK = 1_000_000


def windows(events: int, queries: int, *, keys: int, kind: str = "plain") -> Path:
    """A folder with `events.arrow` (k, ts, v, c) and `queries.arrow` (k, ts), both in order of time.

    `c` is one of 50 categories, for operations that count distinct values.

    Args:
        events: how many.
        queries: how many.
        keys: how many distinct keys; int64.
        kind: `plain`; `wide` mixes exponents over 2^±40; `hot` gives one key 20 % of all.
    """
    folder = BUILD / f"{kind}-{events}-{queries}-{keys}"
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20130101)
    times = np.sort(random.integers(0, YEAR_MS, events))
    with pa.OSFile(str(folder / "events.arrow"), "wb") as sink:
        schema = pa.schema({"k": pa.int64(), "ts": pa.int64(), "v": pa.float64(), "c": pa.int64()})
        with pa.ipc.new_file(sink, schema) as writer:
            for start in range(0, events, CHUNK):
                ts = times[start : start + CHUNK]
                k = _keys(random, len(ts), keys, hot=kind == "hot")
                values = _values(random, len(ts), wide=kind == "wide")
                columns = [k, ts, values, random.integers(0, 50, len(ts))]
                writer.write_batch(pa.record_batch(columns, schema=schema))
    asked = np.sort(random.integers(YEAR_MS // 4, YEAR_MS, queries))
    table = pa.table({"k": _keys(random, queries, keys, hot=kind == "hot"), "ts": asked})
    path = str(folder / "queries.arrow")
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "done").touch()
    return folder


def backfill(events: int, queries: int, *, keys: int) -> Path:
    """A folder of tables `events` (k, ts, v, c) and `queries` (k, ts), one Parquet file a day.

    Made day by day, so that making them takes no more memory than a day does.
    """
    folder = BUILD / f"tables-{events}-{queries}-{keys}"
    if (folder / "done").exists():
        return folder
    random = np.random.default_rng(20130102)
    for day in range(BACKFILL_DAYS):
        for name, rows in (("events", events), ("queries", queries)):
            count = rows * (day + 1) // BACKFILL_DAYS - rows * day // BACKFILL_DAYS
            times = np.sort(random.integers(0, DAY_MS, count)) + (FIRST_DAY + day) * DAY_MS
            columns = {"k": random.integers(0, keys, count), "ts": times}
            if name == "events":
                columns |= {
                    "v": _values(random, count, wide=False),
                    "c": random.integers(0, 50, count),
                }
            ds = np.datetime64(FIRST_DAY + day, "D")
            path = folder / name / f"ds={ds}"
            path.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                pa.table(columns), path / "part-0.parquet", compression="lz4", use_dictionary=False
            )
    (folder / "done").touch()
    return folder


def read(path: Path) -> pa.Table:
    """A file as a table, mapped into memory rather than read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _keys(random: np.random.Generator, n: int, keys: int, *, hot: bool) -> np.ndarray:
    found = random.integers(0, keys, n)
    if hot:
        found[random.random(n) < 0.2] = keys // 2
    return found


def _values(random: np.random.Generator, n: int, *, wide: bool) -> np.ndarray:
    values = random.integers(-(1 << 23) + 1, 1 << 23, n) / 8.0
    if wide:
        return random.random(n) * np.exp2(random.integers(-40, 41, n).astype(np.float64))
    return values


def flights() -> Path:
    """A project over the flights tables, whose definitions are the demo's own."""
    folder = BUILD / "flights"
    if (folder / "done").exists():
        return folder
    from catenary.demo import data as story
    from catenary.demo import features

    story.prepare(folder)
    (folder / "catenary.toml").write_text(
        f'definitions = "{features.__file__}"\n', encoding="utf-8"
    )
    (folder / "done").touch()
    return folder
