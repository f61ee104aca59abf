"""One log and several processes: who writes, who is woken, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from catenary.errors import BusyError
from catenary.logs.embedded import EmbeddedLog
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = SourcePartition("t", 0)

WRITER = """
import sys
from pathlib import Path
from catenary.logs.embedded import EmbeddedLog
log = EmbeddedLog(Path(sys.argv[1]), durability=sys.argv[2], segment_bytes=20_000)
each = int(sys.argv[3])
while True:
    token = log.append("t", [b"%d" % each, b"x" * (each % 700)], keys=[b"%d" % each, None])
    print(each, *token.positions.values(), flush=True)
    each += 1
"""

READER = """
import sys
from pathlib import Path
from catenary.logs.embedded import EmbeddedLog
from catenary.ports.token import SourcePartition
place, at = SourcePartition("t", 0), 0
log = EmbeddedLog(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    assert log.wait({place: at}, 20.0)
    at = log.read(place, at, max_records=1000, max_bytes=1 << 20).next_offset
    print(at, flush=True)
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill it; the whole lines it still said."""
    os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    process.wait()
    return [line for line in said.splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog(tmp_path, durability="process") as log:
        log.create("t")
        yield log


def test_an_append_wakes_a_reader_of_another_process(log: EmbeddedLog, tmp_path: Path) -> None:
    reader = started(READER, tmp_path)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for each in range(1, 30):
        log.append("t", [b"a"])
        assert reader.stdout.readline() == f"{each}\n"
    killed(reader)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_what_was_acknowledged_survives_the_kill_of_its_writer(
    log: EmbeddedLog, tmp_path: Path, durability: str
) -> None:
    following, incarnation = 0, log.incarnation(PLACE)
    for _ in range(6):
        writer = started(WRITER, tmp_path, durability, following)
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(0.15)
        said += killed(writer)
        each, end = map(int, said[-1].split())
        batch = log.read(PLACE, 0, max_records=1 << 30, max_bytes=1 << 30)
        numbers = [key.as_py() for key in batch.keys if key.is_valid]
        assert batch.next_offset >= end
        assert len(numbers) > each
        assert numbers == [b"%d" % number for number in range(len(numbers))]
        assert [value.as_py() for value in batch.values][0::2] == numbers
        # Records that were whole but never acknowledged come up when the next writer opens.
        with EmbeddedLog(tmp_path) as opened:
            opened.append("t", [])
            ends = opened.ends([PLACE])[PLACE]
        assert ends % 2 == 0
        following = ends // 2
    assert log.incarnation(PLACE) == incarnation


def test_a_writer_of_another_process_is_named(log: EmbeddedLog, tmp_path: Path) -> None:
    writer = started(WRITER, tmp_path, "process", 0)
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(BusyError, match=f"process {writer.pid}"):
        log.append("t", [b"a"])
    killed(writer)
    log.append("t", [b"a"])


def test_readers_see_whole_records_only_while_another_process_appends(
    log: EmbeddedLog, tmp_path: Path
) -> None:
    writer = started(WRITER, tmp_path, "process", 0)
    assert writer.stdout is not None
    taking = threading.Thread(target=lambda: [*iter(writer.stdout.readline, "")])
    taking.start()
    at = 0
    while at < 2_000:
        assert log.wait({PLACE: at}, 20.0)
        batch = log.read(PLACE, at, max_records=500, max_bytes=1 << 20)
        assert batch.offsets.tolist() == list(range(at, at + len(batch)))
        for offset, key in zip(batch.offsets.tolist(), batch.keys.to_pylist(), strict=True):
            assert key == (b"%d" % (offset // 2) if offset % 2 == 0 else None)
        at = batch.next_offset
    writer.kill()
    taking.join()
    writer.stdout.close()
    writer.wait()
