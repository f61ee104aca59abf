"""A project of the live definitions in a folder, and the command that streams it, as a user has them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import numpy as np
import pyarrow.parquet as pq

from bench.workers.live_features import START_MS, happened
from catenary.app.live import Live
from catenary.app.settings import Settings
from catenary.app.wiring import Project
from catenary.windows import ds_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa

_ROOT = Path(__file__).resolve().parents[2]


def made(folder: Path, names: Sequence[str], *, durability: str = "power") -> Live:
    """A project of these definitions, with one event in its table and its topics there.

    Args:
        folder: the project's; made with it.
        names: variables of `live_features`.
        durability: what appends and commits survive; as of any project unless told otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.py").write_text(
        f"import sys\n\nsys.path.insert(0, {str(_ROOT)!r})\n"
        f"from bench.workers.live_features import {', '.join(names)}\n"
    )
    (folder / "catenary.toml").write_text(
        f'definitions = "features.py"\ndurability = "{durability}"\n'
    )
    write_day(folder, happened(1, 1, np.array([START_MS])))
    live = opened(folder)
    live.create_topics()
    return live


def opened(folder: Path) -> Live:
    """The project that `made` left there."""
    project = Project(Settings.load(folder))
    return Live(project, project.plan())


def write_day(folder: Path, events: pa.Table) -> str:
    """The table's partition of the day on which these events happened; its name."""
    ds = ds_of(int(events["ts"][0].as_py()))
    path = folder / "tables" / "t" / f"ds={ds}"
    path.mkdir(parents=True, exist_ok=True)
    pq.write_table(events, path / "part-0.parquet", compression="lz4")
    return ds


def catenary(*arguments: object) -> list[str]:
    """The command, as it was installed beside this interpreter."""
    return [str(Path(sys.executable).with_name("catenary")), *map(str, arguments)]


def run(command: list[str]) -> None:
    """The command to its end, of which only errors are seen."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def streaming(folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """`catenary stream --all` over the project, until the end of the block; SIGKILL ends it, too."""
    command = catenary("stream", "--all", "--root", folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def stream_queued(folder: Path, *settings: str) -> None:
    """`catenary stream --all` until nothing is queued, nor left to be tended."""
    given = [word for each in settings for word in ("--conf", each)]
    run(catenary("stream", "--all", "--until-caught-up", "--root", folder, *given))


@dataclass(frozen=True)
class Stored:
    """What a dataset's file holds, in bytes: the pages in use, and all of it."""

    live: int
    file: int


@contextmanager
def looked_at(folder: Path) -> Generator[lmdb.Environment]:
    """The LMDB file of the project's only dataset; no process streams meanwhile."""
    (data,) = (folder / "store").glob("*/data.mdb")
    with lmdb.open(str(data.parent), readonly=True) as environment:
        yield environment


def stored(folder: Path) -> Stored:
    """How much the project's only dataset takes."""
    with looked_at(folder) as environment:
        held = environment.stat()
        pages = held["branch_pages"] + held["leaf_pages"] + held["overflow_pages"]
        return Stored(pages * held["psize"], Path(environment.path(), "data.mdb").stat().st_size)
