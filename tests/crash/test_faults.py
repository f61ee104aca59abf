"""What breaks beneath a running stage is said clearly; nothing is skipped, and it goes on once mended."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.small_disk import small_disk
from tests.unit.logs.helping import PLACE, segments

from catenary import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.app.live import open_stage
from catenary.errors import PositionError, StorageError, UnreadableError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.schema import BIGINT, STRING, Schema
from catenary.serve.fetcher import Fetcher
from catenary.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.stream.stage import Stage

pytestmark = pytest.mark.crash

START_MS = 1_709_251_200_000
SCHEMA = Schema.of({"user": STRING, "n": BIGINT, "ts": BIGINT})
VISITS = GroupBy(
    "visits",
    sources=EventSource(
        table="t", topic="log:///t", query=Query(selects=["user", "n"], time_column="ts")
    ),
    keys="user",
    aggregations=[Aggregation("n", Operation.COUNT)],
)
PLAN = build([VISITS], {"t": SCHEMA}.__getitem__)


@dataclass
class Place:
    """A log and a store in a folder, and how many events of the one user were published."""

    folder: Path
    published: int = 0
    log: EmbeddedLog = field(init=False)
    store: LmdbStore = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.log = EmbeddedLog(self.folder / "log")
        self.store = LmdbStore(self.folder / "store")
        self.log.create("t")

    def publish(self, count: int, users: int = 1) -> None:
        rows = [
            {"user": f"u{at % users}", "n": at, "ts": START_MS + self.published + at}
            for at in range(count)
        ]
        self.log.append("t", [json.dumps(row).encode() for row in rows])
        self.published += count

    def stage(self) -> Stage:
        spec = StageSpec.of({"visits": VISITS}, lambda _: SCHEMA, "visits", ChainSettings())
        return open_stage(spec, self.log, self.store, PLAN.nodes)  # pyright: ignore[reportArgumentType]

    def catch_up(self) -> None:
        self.stage().run(lambda: False, lambda: True)

    def visits(self, user: str = "u0") -> Any:
        row = Fetcher(PLAN, self.store).fetch("visits", {"user": user}, at=START_MS + 10**9)
        return row["n_count"]


@pytest.mark.parametrize("anew", [2, 9])
def test_a_log_that_was_made_anew_behind_a_stage_is_refused_and_a_new_start_recovers(
    anew: int, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    place.publish(5)
    place.catch_up()
    place.log.close()
    shutil.rmtree(tmp_path / "log")
    place.open()
    place.published = 0
    place.publish(anew)
    with pytest.raises(
        PositionError, match=r"offset 5 of t/0 in incarnation \d+; the log is"
    ) as told:
        place.catch_up()
    assert "`catenary remove --current visits@" in (told.value.hint or "")
    assert place.visits() == 5
    place.store.close()
    shutil.rmtree(tmp_path / "store")
    place.open()
    place.catch_up()
    assert place.visits() == anew


def test_a_store_of_another_release_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(1)
    place.catch_up()
    place.store.close()
    (format_,) = (tmp_path / "store").glob("visits*/format")
    format_.write_text(json.dumps({"format": 99}))
    with pytest.raises(UnreadableError, match="has format 99; format 1 is read") as told:
        place.catch_up()
    assert "another release" in (told.value.hint or "")


def test_a_damaged_record_stops_the_stage_before_it_and_nothing_is_skipped(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(3)
    place.catch_up()
    place.publish(1)
    place.publish(3)
    (segment,) = segments(tmp_path / "log")
    whole = segment.read_bytes()
    at = whole.index(str(START_MS + 3).encode())
    segment.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
    with pytest.raises(UnreadableError):
        place.catch_up()
    assert place.visits() == 3
    segment.write_bytes(whole)  # mended from a copy
    place.catch_up()
    assert place.visits() == 7


@pytest.mark.root
def test_a_full_disk_stops_a_commit_whole_and_space_lets_the_stage_go_on(small: Path) -> None:
    place = Place(small)
    users = 20_000
    place.publish(users, users)
    ballast = small / "ballast"
    disk = os.statvfs(small)
    ballast.write_bytes(bytes(disk.f_bavail * disk.f_bsize - 1_000_000))
    with pytest.raises(StorageError) as told:
        place.catch_up()
    assert "no space left" in (told.value.hint or "")
    counted = sum(place.visits(f"u{at}") or 0 for at in range(0, users, 500))
    ballast.unlink()
    place.catch_up()
    assert counted < users // 500
    assert [place.visits(f"u{at}") for at in range(0, users, 500)] == [1] * (users // 500)
    assert place.log.ends([PLACE])[PLACE] == users


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    with small_disk(tmp_path, "12m", lazily=True) as folder:
        yield folder
