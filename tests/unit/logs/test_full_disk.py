"""A disk that is really full: the append says so, nothing of it shows, and later ones go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.small_disk import small_disk
from tests.unit.logs.helping import PLACE, values

from catenary.errors import StorageError
from catenary.logs.embedded import EmbeddedLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with small_disk(tmp_path, "256k") as folder:
        yield folder


@pytest.mark.parametrize("segment_bytes", [1 << 20, 50_000])
def test_a_full_disk_refuses_appends_until_there_is_space(small: Path, segment_bytes: int) -> None:
    ballast = small / "ballast"
    ballast.write_bytes(bytes(80_000))
    with EmbeddedLog(small, segment_bytes=segment_bytes) as log:
        log.create("t")
        wanted: list[bytes] = []
        said: set[tuple[str, str | None]] = set()
        for each in range(40):
            value = b"%02d" % each * 4000
            try:
                log.append("t", [value])
                wanted.append(value)
            except StorageError as error:
                said.add((error.problem, error.hint))
            assert log.ends([PLACE]) == {PLACE: len(wanted)}
        assert 5 < len(wanted) < 37
        problem = "the log could not be written: No space left on device"
        assert said == {(problem, "make space; nothing of this call was appended")}
        assert values(log) == wanted
        ballast.unlink()
        log.append("t", [b"x" * 40_000])
        assert values(log) == [*wanted, b"x" * 40_000]
        assert log.incarnation(PLACE) == 0
    with EmbeddedLog(small) as log:
        log.append("t", [b"y"])
        assert values(log) == [*wanted, b"x" * 40_000, b"y"]
        assert log.incarnation(PLACE) == 0


def test_a_topic_that_does_not_fit_leaves_nothing(small: Path) -> None:
    with EmbeddedLog(small) as log:
        log.create("t")
        (small / "ballast").write_bytes(bytes(230_000))
        with pytest.raises(StorageError, match="No space left on device"):
            log.create("wide", partitions=50)
        assert log.topics() == ("t",)
        assert not [each for each in small.iterdir() if each.name.startswith(".making")]
        (small / "ballast").unlink()
        log.create("wide", partitions=2)
