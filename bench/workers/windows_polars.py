"""Polars: running totals and as-of joins; MIN and MAX from hop tiles and the head. Arguments: folder operations [save].

A window [floor(q - W, hop), q) is the whole hops from there to floor(q, hop), a rolling extreme over hop
tiles, and the head [floor(q, hop), q), a running extreme within the hop.
"""

import json
import os
import sys
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "2"
sys.path.insert(0, str(Path(__file__).parents[2]))

import polars as pl

from bench.workers.shape import WINDOWS

folder, operations = Path(sys.argv[1]), sys.argv[2].split(",")
events = pl.read_ipc(folder / "events.arrow").sort("k", "ts", maintain_order=True)
asked = pl.read_ipc(folder / "queries.arrow").with_row_index("id")


def start(window: int, hop: int) -> pl.Expr:
    return (pl.col("ts") - window).floordiv(hop) * hop


def before(left: pl.DataFrame, right: pl.DataFrame, *, on: str, by: list[str]) -> pl.DataFrame:
    return left.sort(on).join_asof(
        right, left_on=on, right_on="ts", by=by, strategy="backward", allow_exact_matches=False, coalesce=False,
        check_sortedness=False, suffix="_r",
    )  # fmt: skip


out = asked.select("id").sort("id")
if {"sum", "count", "average"} & set(operations):
    totals = events.select(
        "k", "ts", s=pl.col("v").cum_sum().over("k"), c=pl.int_range(1, pl.len() + 1).over("k")
    ).sort("ts", maintain_order=True)
    high = before(asked, totals, on="ts", by=["k"]).select("id", "k", "ts", s="s", c="c")
    for name, window, hop in WINDOWS:
        if window is None:
            wide = high.with_columns(c=pl.col("c").fill_null(0))
        else:
            low = before(
                high.with_columns(at=start(window, hop)),
                totals.rename({"s": "s0", "c": "c0"}),
                on="at",
                by=["k"],
            )
            wide = low.with_columns(
                s=pl.col("s") - pl.col("s0").fill_null(0.0),
                c=pl.col("c").fill_null(0) - pl.col("c0").fill_null(0),
            )
        some = pl.col("c") > 0
        columns = wide.sort("id").select(
            pl.when(some).then("s").alias(f"sum_{name}"),
            pl.when(some).then("c").alias(f"count_{name}"),
            pl.when(some).then(pl.col("s") / pl.col("c")).alias(f"average_{name}"),
        )
        out = out.hstack(columns)
if {"min", "max"} <= set(operations):
    unasked = pl.lit(None, pl.UInt32)
    both = (pl.col("lo").min(), pl.col("hi").max())
    for name, window, hop in WINDOWS:
        hour = pl.lit(0, pl.Int64) if hop is None else pl.col("ts").floordiv(hop) * hop
        reach = 1 << 60 if hop is None else hop
        parts = events.select("k", "ts", h=hour, lo="v", hi="v", id=unasked)
        points = asked.select(
            "k", "ts", h=hour, lo=pl.lit(None, pl.Float64), hi=pl.lit(None, pl.Float64), id="id"
        )
        mixed = pl.concat([parts, points]).sort("k", "ts")
        head = mixed.rolling("ts", period=f"{reach}i", closed="left", group_by=["k", "h"]).agg(
            *both
        )
        found = head.hstack(mixed.select("id")).filter(pl.col("id").is_not_null())
        if window is not None:
            tiles = parts.group_by("k", "h").agg(*both).with_columns(id=unasked)
            mixed = pl.concat([tiles, points.select("k", "h", "lo", "hi", "id")]).sort("k", "h")
            whole = mixed.rolling("h", period=f"{window}i", closed="left", group_by="k").agg(*both)
            closed = whole.hstack(mixed.select("id")).filter(pl.col("id").is_not_null())
            found = pl.concat([found.select("id", "lo", "hi"), closed.select("id", "lo", "hi")])
            found = found.group_by("id").agg(*both)
        out = out.hstack(
            found.sort("id").select(
                pl.col("lo").alias(f"min_{name}"), pl.col("hi").alias(f"max_{name}")
            )
        )
result = out.drop("id")
if len(sys.argv) > 3:
    result.write_ipc(sys.argv[3])
print(json.dumps({"rows": result.height}))
