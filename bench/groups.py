"""The groups of rows: which contestants run, on which input, and what their times become."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from bench import brokered, data, peers
from bench.harness import BUILD, Figure, Run, measure, ratio, reported_ratio, run, worker
from bench.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASIC: Final = "sum,count,average"
FULL_DAY: Final = 5
"""The first day that begins after each kind of what is kept was removed once: tiles and uploads."""


def windows(rounds: int) -> dict[str, Figure]:
    """The main row: five windows of sums, counts and averages."""
    folder = data.windows(10_000_000, 1_000_000, keys=100_000)
    _assert_equal(folder, BASIC, peers=("duckdb", "polars"))
    runs = measure(
        {name: _windows(name, folder) for name in ("catenary", "duckdb", "polars")}, rounds=rounds
    )
    return {
        f"windows/{peer}": ratio(runs[peer], runs["catenary"], runs["catenary"])
        for peer in ("duckdb", "polars")
    }


def extremes(rounds: int) -> dict[str, Figure]:
    """The main row with MIN and MAX."""
    folder = data.windows(10_000_000, 1_000_000, keys=100_000)
    operations = BASIC + ",min,max"
    _assert_equal(folder, operations, peers=("polars",))
    runs = measure(
        {name: _windows(name, folder, operations) for name in ("catenary", "polars")}, rounds=rounds
    )
    return {"extremes/polars": ratio(runs["polars"], runs["catenary"], runs["catenary"])}


def small(rounds: int) -> dict[str, Figure]:
    """A small job, where the cold start decides."""
    folder = data.windows(1_000_000, 100_000, keys=10_000)
    _assert_equal(folder, BASIC, peers=("duckdb", "polars"))
    runs = measure(
        {name: _windows(name, folder) for name in ("catenary", "duckdb", "polars")}, rounds=rounds
    )
    best = [
        min(pair, key=lambda each: each.seconds)
        for pair in zip(runs["duckdb"], runs["polars"], strict=True)
    ]
    return {"small/best": ratio(best, runs["catenary"], runs["catenary"])}


def operations(rounds: int) -> dict[str, Figure]:
    """Every other operation beside SUM, over the same five windows."""
    folder = data.windows(4_000_000, 400_000, keys=40_000)
    names = [row.name.split("/")[1] for row in ROWS if row.name.startswith("operations/")]
    runs = measure(
        {name: _windows("catenary", folder, name) for name in ("sum", *names)}, rounds=rounds
    )
    return {f"operations/{name}": ratio(runs[name], runs["sum"], runs[name]) for name in names}


def wide(rounds: int) -> dict[str, Figure]:
    """Values whose exponents differ by up to 80 beside the plain ones."""
    folders = {
        kind: data.windows(10_000_000, 1_000_000, keys=100_000, kind=kind)
        for kind in ("plain", "wide")
    }
    runs = measure(
        {kind: _windows("catenary", folder, "sum") for kind, folder in folders.items()},
        rounds=rounds,
    )
    return {"wide/time": ratio(runs["wide"], runs["plain"], runs["wide"])}


def scale(rounds: int) -> dict[str, Figure]:
    """Cost per event as events grow, and with a hot key."""
    sizes = {
        1: data.windows(1_000_000, 100_000, keys=10_000),
        50: data.windows(50_000_000, 5_000_000, keys=500_000),
    }
    runs = measure(
        {str(size): _windows("catenary", folder) for size, folder in sizes.items()}, rounds=rounds
    )
    per_event = tuple(
        big.reported["kernel"] / small_.reported["kernel"] / 50
        for big, small_ in zip(runs["50"], runs["1"], strict=True)
    )
    folders = {
        kind: data.windows(10_000_000, 1_000_000, keys=100_000, kind=kind)
        for kind in ("plain", "hot")
    }
    hot = measure(
        {kind: _windows("catenary", folder) for kind, folder in folders.items()}, rounds=rounds
    )
    return {
        "scale/events": Figure(per_event, max(each.peak_bytes for each in runs["50"])),
        "scale/hot_key": ratio(hot["hot"], hot["plain"], hot["hot"]),
    }


def memory(rounds: int) -> dict[str, Figure]:
    """An input larger than the memory that it is given."""
    folder = data.backfill(50_000_000, 5_000_000, keys=500_000)
    runs = measure(
        {limit: worker("backfill_catenary", folder, limit) for limit in ("2GB", "64GB")},
        rounds=rounds,
    )
    peaks = tuple(each.peak_bytes / 1e9 for each in runs["2GB"])
    return {
        "memory/speed": ratio(runs["64GB"], runs["2GB"], runs["2GB"]),
        "memory/peak": Figure(peaks, max(each.peak_bytes for each in runs["2GB"])),
    }


def expressions(rounds: int) -> dict[str, Figure]:
    """One row, and a batch beside Polars written by hand."""
    runs = measure({"ours": worker("expressions_catenary")}, rounds=rounds)["ours"]
    peak = max(each.peak_bytes for each in runs)
    return {
        "expressions/row": Figure(tuple(each.reported["row_us"] for each in runs), peak),
        "expressions/batch": Figure(
            tuple(each.reported["polars"] / each.reported["batch"] for each in runs), peak
        ),
    }


def codecs(rounds: int) -> dict[str, Figure]:
    """Batches of Avro and Protobuf records beside fastavro and the `protobuf` package, record by record."""
    found: dict[str, Figure] = {}
    for name, peer in (("avro", "fastavro"), ("protobuf", "package")):
        runs = measure({"ours": worker(f"codecs_{name}")}, rounds=rounds)["ours"]
        peak = max(each.peak_bytes for each in runs)
        for size in (100, 10_000):
            ratios = (
                each.reported[f"{peer}_{size}"] / each.reported[f"ours_{size}"] for each in runs
            )
            found[f"codecs/{name}_{size}"] = Figure(tuple(ratios), peak)
    return found


def live(rounds: int) -> dict[str, Figure]:
    """Stages at saturation and fetches, beside LMDB putting and getting the same bytes."""
    runs = measure({"ours": worker("live_catenary", 300_000, 100_000)}, rounds=rounds)["ours"]
    peak = max(each.peak_bytes for each in runs)

    def figure(value: Callable[[dict[str, float]], float]) -> Figure:
        return Figure(tuple(value(each.reported) for each in runs), peak)

    return {
        "live/stage": figure(lambda x: x["events"] / x["stage"] / 1000),
        "live/stage_puts": figure(lambda x: x["puts"] / x["stage"]),
        "live/chain": figure(lambda x: x["events"] / x["chain"] / 1000),
        "live/fetch_many": figure(lambda x: x["fetch"] / x["gets"]),
    }


def redis(rounds: int) -> dict[str, Figure]:
    """A stage and a fetch over a Redis server, beside redis-py setting and getting the same bytes."""
    runs = measure({"ours": worker("redis_catenary", 200_000, 10_000)}, rounds=rounds)["ours"]
    return {
        "redis/stage_puts": _reported_ratio_of(runs, "puts", "stage"),
        "redis/fetch_one": _reported_ratio_of(runs, "fetch", "gets"),
    }


def fresh(rounds: int) -> dict[str, Figure]:
    """From an append to an answer elsewhere, at 10 k events/s, by what the append survives."""
    contestants = {
        durability: worker("freshness_catenary", durability, 600)
        for durability in ("power", "process")
    }
    runs = measure(contestants, rounds=rounds)
    peak = max(each.peak_bytes for some in runs.values() for each in some)
    found = {
        f"fresh/{name}": Figure(tuple(each.reported["first_p99"] for each in some), peak)
        for name, some in runs.items()
    }
    ratios = tuple(
        each.reported["second_p50"] / each.reported["first_p50"] for each in runs["power"]
    )
    return {**found, "fresh/chain": Figure(ratios, peak)}


def fetch(rounds: int) -> dict[str, Figure]:
    """One entity's row beside Feast's, which serves what ours has answered in the same round."""
    answers = BUILD / "answers.parquet"
    contestants = {
        "catenary": worker("fetch_catenary", answers),
        "feast": worker("fetch_feast", answers, python=peers.python("feast")),
    }
    runs = measure(contestants, rounds=rounds)
    return {"fetch/one": reported_ratio("p50", runs["feast"], runs["catenary"], runs["catenary"])}


def depth(rounds: int) -> dict[str, Figure]:
    """From an append to an answer elsewhere: four stages beside one, 1 k events/s."""
    runs = measure(
        {str(stages): worker("depth_catenary", stages, 600) for stages in (1, 4)}, rounds=rounds
    )
    return {"depth/four": reported_ratio("p50", runs["4"], runs["1"], runs["4"])}


def restart(rounds: int) -> dict[str, Figure]:
    """A killed stage's way back; each round with a copy of the same store."""
    state = BUILD / "million"
    shutil.rmtree(state, ignore_errors=True)  # another release's store may lie there
    run(worker("million_catenary", state))
    runs = measure({"ours": worker("restart_catenary", state)}, rounds=rounds)["ours"]
    seconds = tuple(each.reported["seconds"] for each in runs)
    return {"restart/million": Figure(seconds, max(each.peak_bytes for each in runs))}


def disk(rounds: int) -> dict[str, Figure]:
    """What state takes; sizes do not depend on the machine, so that one round says it."""
    del rounds
    made = {name: worker(name) for name in ("tiles_catenary", "growth_catenary")}
    runs = {name: each for name, (each,) in measure(made, rounds=1).items()}
    tiles, growth = runs["tiles_catenary"].reported, runs["growth_catenary"].reported

    def grown(size: str) -> float:
        return growth[f"{size}_10"] / growth[f"{size}_{FULL_DAY}"]

    values = {
        "disk/head_event": tiles["head_event"],
        "disk/tile": tiles["tile"],
        "disk/growth": grown("live"),
        "disk/growth_file": grown("file"),
    }
    peak = max(each.peak_bytes for each in runs.values())
    return {name: Figure((value,), peak) for name, value in values.items()}


def cold(rounds: int) -> dict[str, Figure]:
    """The command line in a cold process."""
    folder = data.flights()
    runs = measure(
        {
            "help": worker("cli_catenary", "--help"),
            "plan": worker("cli_catenary", "plan", "--root", folder),
        },
        rounds=rounds,
    )
    return {f"cold/{name}": _seconds(each) for name, each in runs.items()}


GROUPS: Final[dict[str, Callable[[int], dict[str, Figure]]]] = {
    "windows": windows,
    "extremes": extremes,
    "small": small,
    "operations": operations,
    "memory": memory,
    "wide": wide,
    "scale": scale,
    "expressions": expressions,
    "codecs": codecs,
    "live": live,
    "redis": redis,
    "fresh": fresh,
    "fetch": fetch,
    "depth": depth,
    "restart": restart,
    "disk": disk,
    "cold": cold,
    **brokered.GROUPS,
}


def _windows(contestant: str, folder: Path, operations: str = BASIC, *save: object) -> list[str]:
    return worker(f"windows_{contestant}", folder, operations, *save)


def _reported_ratio_of(runs: list[Run], top: str, bottom: str) -> Figure:
    """What each run reported by one name over what it reported by the other."""
    values = tuple(each.reported[top] / each.reported[bottom] for each in runs)
    return Figure(values, max(each.peak_bytes for each in runs))


def _seconds(runs: list[Run]) -> Figure:
    return Figure(tuple(each.seconds for each in runs), max(each.peak_bytes for each in runs))


def _assert_equal(folder: Path, operations: str, *, peers: tuple[str, ...]) -> None:
    """Our values and the peers' are the same bits; the inputs leave no room for rounding."""
    saved = {name: BUILD / f"{name}.arrow" for name in ("catenary", *peers)}
    for name, path in saved.items():
        run(_windows(name, folder, operations, path))
    ours = data.read(saved["catenary"])
    for peer in peers:
        theirs = data.read(saved[peer])
        for column in theirs.column_names:
            mine, other = ours[column].combine_chunks(), theirs[column].combine_chunks()
            if not mine.cast(pa.float64()).equals(other.cast(pa.float64())):
                message = f"{column}: our values and {peer}'s differ"
                raise AssertionError(message)
