"""What the tests of the embedded log share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.logs.embedded import EmbeddedLog

PLACE = SourcePartition("t", 0)
ALL = 1 << 30

Row = tuple[int, bytes | None, bytes | None]


def rows(log: EmbeddedLog, start: int = 0, *, place: SourcePartition = PLACE) -> list[Row]:
    """All records from an offset on: offset, key, value."""
    found: list[Row] = []
    at = start
    while True:
        batch = log.read(place, at, max_records=7, max_bytes=ALL)
        found.extend(
            zip(
                batch.offsets.tolist(),
                batch.keys.to_pylist(),
                batch.values.to_pylist(),
                strict=True,
            )
        )
        if not len(batch):
            assert batch.next_offset == log.ends([place])[place]
            return found
        assert batch.next_offset > at
        at = batch.next_offset


def values(log: EmbeddedLog, start: int = 0) -> list[bytes | None]:
    return [value for _, _, value in rows(log, start)]


def partition_folder(folder: Path) -> Path:
    return folder / "t" / "0"


def segments(folder: Path) -> list[Path]:
    return sorted(each for each in partition_folder(folder).iterdir() if each.name.isdecimal())
