"""Fresh processes, interleaved rounds, and the memory of a process tree.

    measure({"ours": [...], "polars": [...]}, rounds=5) -> {"ours": [Run, ...], "polars": [Run, ...]}

Every run is a new interpreter: imports count. Contestants take turns, so that a machine that slows down
slows all of them; ratios are taken within a round. Peers' memory is capped, since one took it all.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

BUILD = Path("build/bench")
PEER_BYTES = 14 << 30


@dataclass(frozen=True)
class Run:
    """One process: wall seconds from start to end, what it reported, its tree's peak memory."""

    seconds: float
    reported: dict[str, float]
    peak_bytes: int


@dataclass(frozen=True)
class Figure:
    """A row's values, one a round, and the peak memory of our own runs."""

    values: tuple[float, ...]
    peak_bytes: int

    @property
    def median(self) -> float:
        return median(self.values)


def worker(name: str, *arguments: object, python: Path = Path(sys.executable)) -> list[str]:
    """The command of a worker script of `bench/workers`; in a peer's own environment by its `python`."""
    return [
        str(python),
        str(Path(__file__).parent / "workers" / f"{name}.py"),
        *map(str, arguments),
    ]


def pinned(core: int, command: list[str]) -> list[str]:
    """The command on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def run(command: list[str], *, cap: bool = True) -> Run:
    """Runs the command to its end; its last line of output is a JSON object of figures.

    Raises:
        RuntimeError: if it fails; shows the end of its error output.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        preexec_fn=_cap_memory if cap else None,
    )
    watch = _Watch(process.pid)
    out, error = process.communicate()
    seconds = time.perf_counter() - begun
    peak = watch.stop()
    if process.returncode != 0:
        message = f"{' '.join(command)} ended with {process.returncode}:\n{error[-3000:]}"
        raise RuntimeError(message)
    last = out.strip().splitlines()[-1] if out.strip() else "{}"
    return Run(seconds, json.loads(last) if last.startswith("{") else {}, peak)


def measure(contestants: dict[str, list[str]], *, rounds: int) -> dict[str, list[Run]]:
    """All contestants once a round, in turn."""
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, command in contestants.items():
            runs[name].append(run(command))
    return runs


def ratio(top: list[Run], bottom: list[Run], ours: list[Run]) -> Figure:
    """Seconds of `top` over seconds of `bottom`, round by round."""
    pairs = tuple(a.seconds / b.seconds for a, b in zip(top, bottom, strict=True))
    return Figure(pairs, max(each.peak_bytes for each in ours))


def reported_ratio(name: str, top: list[Run], bottom: list[Run], ours: list[Run]) -> Figure:
    """What `top` reported by that name over what `bottom` did, round by round."""
    pairs = zip(top, bottom, strict=True)
    values = tuple(a.reported[name] / b.reported[name] for a, b in pairs)
    return Figure(values, max(each.peak_bytes for each in ours))


def _environment() -> dict[str, str]:
    # Settings for old processors' OpenBLAS slow a current NumPy; nothing here calls BLAS.
    # An installed package has its bytecode; without it every start would compile the sources again.
    dropped = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _cap_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (PEER_BYTES, PEER_BYTES))


class _Watch:
    """Samples the resident memory of a process and its children until stopped."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self.pid = pid
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.02):
            try:
                root = psutil.Process(self.pid)
                tree = [root, *root.children(recursive=True)]
                total = sum(each.memory_info().rss for each in tree)
            except psutil.Error:
                continue
            self.peak = max(self.peak, total)

    def stop(self) -> int:
        self.ended.set()
        self.thread.join()
        return self.peak
