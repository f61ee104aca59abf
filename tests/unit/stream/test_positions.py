"""A stored position means what it meant, or the stage does not begin (protocol 17)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from tests.unit.stream.helping import SCHEMA, Streamed

from catenary import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.app.live import open_stage
from catenary.errors import PositionError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_709_251_200_000
COUNTED = GroupBy(
    "counted",
    sources=EventSource(table="t", topic="log:///t", query=Query(["user", "x"], time_column="ts")),
    keys="user",
    aggregations=[Aggregation("x", Operation.COUNT)],
)


def begun_anew(made: Streamed, folder: Path) -> None:
    """The stage over the log in a folder, and the store as it is, until nothing is queued."""
    spec = StageSpec.of({"counted": COUNTED}, lambda _: SCHEMA, "counted", ChainSettings())
    with EmbeddedLog(folder) as log:
        stage = open_stage(spec, log, made.store, made.nodes)
        stage.run(lambda: False, lambda: True)


def appended(folder: Path, *users: str) -> None:
    with EmbeddedLog(folder) as log:
        for user in users:
            log.append("t", [b'{"user": "%s", "x": 1.0, "ts": %d}' % (user.encode(), START_MS)])


def test_a_log_that_was_restored_and_went_on_otherwise_is_noticed_however_long_it_is(
    tmp_path: Path,
) -> None:
    folder, older = tmp_path / "log", tmp_path / "older"
    made = Streamed(folder, COUNTED, ChainSettings())
    made.publish([("a", 1.0, START_MS)])
    made.log.close()
    shutil.copytree(folder, older)
    appended(folder, "b", "c")
    begun_anew(made, folder)
    appended(older, "x", "y", "z", "z")
    with pytest.raises(
        PositionError, match="the record at 2 is not the one that it read"
    ) as raised:
        begun_anew(made, older)
    assert "restored from an older copy" in (raised.value.hint or "")
    begun_anew(made, folder)


def test_a_log_that_went_on_as_it_was_and_one_that_forgot_what_was_read_are_followed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "log"
    made = Streamed(folder, COUNTED, ChainSettings())
    made.publish([("a", 1.0, START_MS)])
    made.log.close()
    appended(folder, "a")
    begun_anew(made, folder)
    at = START_MS + 1
    assert made.fetcher.fetch("counted", {"user": "a"}, at=at).x_count == 2
    clock = [10**15]
    with EmbeddedLog(folder, segment_bytes=1, retention_ms=1, clock=lambda: clock[0]) as log:
        for user in ("b", "a"):
            clock[0] += 10
            log.append("t", [b'{"user": "%s", "x": 1.0, "ts": %d}' % (user.encode(), START_MS)])
        (place,) = log.partitions("t")
        assert log.starts([place])[place] >= 2
    begun_anew(made, folder)


def test_a_log_that_was_compacted_behind_the_stage_is_followed(tmp_path: Path) -> None:
    folder, compacted = tmp_path / "log", tmp_path / "compacted"
    made = Streamed(folder, COUNTED, ChainSettings())
    shutil.copytree(folder, compacted)
    made.publish([("a", 1.0, START_MS)])
    made.log.close()
    begun_anew(made, folder)
    with EmbeddedLog(compacted) as log:
        log.append_gap("t", 1)
    appended(compacted, "a")
    begun_anew(made, compacted)
    assert made.fetcher.fetch("counted", {"user": "a"}, at=START_MS + 1).x_count == 2
