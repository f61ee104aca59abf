"""The groups of rows on a real broker and real servers: what runs where, and what its figures become.

Of the machine's two cores, one is the servers' (the broker, Redis, or whoever asks a measured server), the
other the contestants'. Over HTTP it is the measured servers that are contestants: ours, Feast's, Redis.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bench import peers, servers
from bench.harness import BUILD, Figure, Run, measure, pinned, reported_ratio, run, worker
from bench.peers import PeerMissingError
from bench.workers.shape import CONTESTANTS, SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

EVENTS: Final = 300_000
FEWER: Final = 15_000
DURABILITY: Final = {
    "ours": "each batch's tiles and position in one LMDB commit that a power failure does not undo",
    "quix": "exactly once: a broker's transaction over changelog and offsets every 5 s (default), RocksDB beside it; nothing is synced by the broker",
    "bytewax": "recovery: positions and state in SQLite once an epoch of 10 s (default)",
}


def kafka(rounds: int) -> dict[str, Figure]:
    """Five windowed features from a topic, at saturation, beside stream processors in Python."""
    found = {each: python for each in ("quix", "bytewax") if (python := _installed(each))}
    if not found:
        raise PeerMissingError(
            "neither Quix Streams nor Bytewax can be installed; kafka has no figures"
        )
    for name in ("ours", *found):
        print(f"durability of {name}: {DURABILITY[name]}", file=sys.stderr, flush=True)
    with servers.kafka() as broker, _folder() as folder:
        address = broker.address
        run(worker("events_kafka", address, folder, EVENTS, FEWER))
        commands = {"ours": worker("events_catenary", address, folder)}
        for name, python in found.items():
            commands[name] = worker(f"events_{name}", address, folder, python=python)
        runs = measure(
            {name: pinned(CONTESTANTS, each) for name, each in commands.items()}, rounds=rounds
        )
        stored = [_into_redis(address, folder) for _ in range(rounds)]
    rates = {name: [_rate(each) for each in some] for name, some in runs.items()}
    ours = rates.pop("ours")
    fastest = [max(each) for each in zip(*rates.values(), strict=True)]
    peak = max(each.peak_bytes for each in runs["ours"])
    ratios = tuple(mine / theirs for mine, theirs in zip(ours, fastest, strict=True))
    return {
        "kafka/events": Figure(tuple(each / 1000 for each in ours), peak),
        "kafka/peers": Figure(ratios, peak),
        "kafka/redis_puts": _figure(stored, lambda x: x["puts"] / x["seconds"]),
    }


def kafka_fresh(rounds: int) -> dict[str, Figure]:
    """From a producer's send to an answer elsewhere, beside a bare consumer of the same records."""
    runs = _fresh({each: ("first", each, 100) for each in ("power", "process")}, rounds)
    return {
        f"kafka_fresh/{name}": _figure(some, lambda x: x["p99"] / x["bare_p99"])
        for name, some in runs.items()
    }


def kafka_chain(rounds: int) -> dict[str, Figure]:
    """From a producer's send to an answer in the last of chained stages."""
    runs = _fresh({"two": ("second", "power", 50), "four": ("fourth", "power", 50)}, rounds)
    found = {
        f"kafka_chain/{name}": _figure(some, lambda x: x["p99"]) for name, some in runs.items()
    }
    return {**found, "kafka_chain/wait": _figure(runs["four"], lambda x: x["waited_p50"])}


def http(rounds: int) -> dict[str, Figure]:
    """One entity's features over HTTP, beside Redis's GET of the same bytes and Feast's server."""
    feast = peers.python("feast")
    with servers.redis(core=CONTESTANTS) as server, _folder() as folder:
        answers = folder / "answers.parquet"
        run(worker("http_project", folder / "project", answers))
        commands = {
            "ours": worker("http_catenary", folder / "project", answers, server.port),
            "feast": worker("http_feast", answers, python=feast),
        }
        runs = measure(
            {name: pinned(SERVERS, each) for name, each in commands.items()}, rounds=rounds
        )
    ours = runs["ours"]
    return {
        "http/get": _figure(ours, lambda x: x["p50"] / x["get_p50"]),
        "http/feast": reported_ratio("per_second", ours, runs["feast"], ours),
    }


GROUPS: Final[dict[str, Callable[[int], dict[str, Figure]]]] = {
    "kafka": kafka,
    "kafka_fresh": kafka_fresh,
    "kafka_chain": kafka_chain,
    "http": http,
}


def _installed(peer: str) -> Path | None:
    """The peer's interpreter; None, and a word about it, where it cannot be installed."""
    try:
        return peers.python(peer)
    except PeerMissingError as error:
        print(error, file=sys.stderr, flush=True)
        return None


@contextmanager
def _folder() -> Generator[Path]:
    """A folder on the disk that the build is on; gone after the block."""
    with TemporaryDirectory(dir=BUILD.absolute(), prefix="rows-") as made:
        yield Path(made)


def _fresh(asked: dict[str, tuple[str, str, int]], rounds: int) -> dict[str, list[Run]]:
    """Definitions by durability and rows an append, all through one broker; it and the clients share a core."""
    with servers.kafka() as broker:
        return measure(
            {
                name: pinned(SERVERS, worker("freshness_kafka", broker.address, *each, 600))
                for name, each in asked.items()
            },
            rounds=rounds,
        )


def _into_redis(address: str, folder: Path) -> Run:
    """The same events into a Redis server that syncs each write, and the bytes that they leave."""
    with servers.redis() as server:
        return run(
            pinned(CONTESTANTS, worker("events_catenary", address, folder, server.address()))
        )


def _rate(one: Run) -> float:
    """Records a second."""
    return one.reported["records"] / one.reported["seconds"]


def _figure(runs: list[Run], value: Callable[[dict[str, float]], float]) -> Figure:
    """What each run's report comes to."""
    return Figure(
        tuple(value(each.reported) for each in runs), max(each.peak_bytes for each in runs)
    )
