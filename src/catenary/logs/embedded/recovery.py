"""What a writer does first: find the last whole frame, cut what is behind it.

    last known end ──► frames, each checked, on into later segments ──► the last whole one
                                                                         └► cut behind it

A frame that is whole stays, though its append may never have been acknowledged. What is torn was
never acknowledged as long as durability was kept, and is cut. The incarnation is raised if more than
that is lost: records that were visible, or whole frames behind a torn one, or if the former end is
unknown. Frames before the known end are not looked at here, unless a power failure may have taken them
(they were written in process durability, and the machine was started anew since): damage there
is found by whoever reads it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from catenary.errors import UnreadableError
from catenary.logs.embedded import frames
from catenary.logs.embedded.end import NOTHING, End, EndFile, fresh, new_incarnation
from catenary.logs.embedded.layout import (
    END_FILE,
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    boot,
    check_format,
    segment_bases,
    segment_name,
    sync_file,
    sync_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


class _At(NamedTuple):
    """A place between frames."""

    segment: int
    position: int
    offset: int


def recover(folder: Path) -> tuple[EndFile, End, int]:
    """Bring a partition that this process has locked to a whole end.

    Returns:
        its end file, its end, and when its last record was appended, if that was seen.

    Raises:
        OSError: if the disk refuses.
        UnreadableError: if the files are of another format.
    """
    last = _last_end(folder)
    bases = segment_bases(tuple(sorted(os.listdir(folder))))
    known = last or End(incarnation=new_incarnation())
    start = _start(folder, last, bases)
    if start is None:
        lost, appended_ms = known.position > 0, 0
        reached = _At(known.end, 0, known.end)
    else:
        reached, appended_ms = _walk(folder, start, bases)
        lost = _cut(folder, reached, bases) or reached.offset < known.end
        if reached.offset > known.end:
            _sync_from(folder, start.segment, bases)
    end = End(
        known.incarnation + lost,
        reached.offset,
        reached.segment,
        reached.position,
        known.unsynced if known.boot == boot() else NOTHING,
        boot(),
    )
    path = folder / END_FILE
    if last is None:
        path.write_bytes(fresh(end))  # in place: readers have it open
    file = EndFile(path, writing=True)
    if end != last:
        file.write(end)
        file.sync()
    return file, end, appended_ms


def _last_end(folder: Path) -> End | None:
    """The end as the last writer left it; None if it is not known."""
    path = folder / END_FILE
    return EndFile(path).known() if path.exists() else None


def _start(folder: Path, last: End | None, bases: list[int]) -> _At | None:
    """Where to look from; None if there are no segments."""
    if not bases:
        return None
    if last is None:
        return _At(bases[0], SEGMENT_HEADER_BYTES, bases[0])
    if last.unsynced == NOTHING or last.boot == boot():
        path = folder / segment_name(last.segment)
        if last.segment in bases and path.stat().st_size >= max(
            last.position, SEGMENT_HEADER_BYTES
        ):
            return _At(last.segment, max(last.position, SEGMENT_HEADER_BYTES), last.end)
        first = max((base for base in bases if base <= last.end), default=bases[0])
    else:
        first = max((base for base in bases if base <= last.unsynced), default=bases[0])
    return _At(first, SEGMENT_HEADER_BYTES, first)


def _walk(folder: Path, start: _At, bases: list[int]) -> tuple[_At, int]:
    """On from a place to behind the last whole frame that follows without a break."""
    at, appended_ms = start, 0
    while True:
        path = folder / segment_name(at.segment)
        if not _has_header(path):
            return at._replace(position=0), appended_ms
        position, offset, appended_ms = _walk_segment(path, at, appended_ms)
        at = _At(at.segment, position, offset)
        whole = position == path.stat().st_size
        if not whole or offset == at.segment or offset not in bases:
            return at, appended_ms
        if not _has_header(folder / segment_name(offset)):
            return at, appended_ms
        at = _At(offset, SEGMENT_HEADER_BYTES, offset)


def _sync_from(folder: Path, segment: int, bases: list[int]) -> None:
    """Make frames durable that become visible now and may not be so."""
    for base in bases:
        path = folder / segment_name(base)
        if base >= segment and path.exists():
            sync_file(path)


def _has_header(path: Path) -> bool:
    """Whether a segment begins as it should.

    Raises:
        UnreadableError: if it is of another format.
    """
    with path.open("rb") as file:
        data = file.read(SEGMENT_HEADER_BYTES)
    if len(data) >= 12 and data[:8] == SegmentHeader(0, 0).encode()[:8]:
        check_format(int.from_bytes(data[8:12], "little"), path)
    try:
        SegmentHeader.decode(data, path)
    except UnreadableError:
        return False
    return True


def _walk_segment(path: Path, at: _At, appended_ms: int) -> tuple[int, int, int]:
    """Byte and offset behind the last whole frame of one segment."""
    position, offset = at.position, at.offset
    with path.open("rb", buffering=0) as file:
        data, start = b"", position
        while True:
            found = frames.header(data, position - start)
            if found is None or position - start + found.size > len(data):
                size = _CHUNK if found is None else max(found.size, _CHUNK)
                data, start = os.pread(file.fileno(), size, position), position
                found = frames.header(data, 0)
                if found is not None and found.size > len(data):
                    data = os.pread(file.fileno(), found.size, position)
            if found is None or found.base != offset:
                return position, offset, appended_ms
            if not frames.is_whole(memoryview(data), position - start, found):
                return position, offset, appended_ms
            position, offset = position + found.size, found.next
            appended_ms = found.append_ms


def _cut(folder: Path, reached: _At, bases: list[int]) -> bool:
    """Remove all behind a place; whether there were whole frames."""
    lost = False
    for base in reversed(bases):
        path = folder / segment_name(base)
        if base > reached.segment or (base == reached.segment and not reached.position):
            lost = _holds_frames(path, 0) or lost
            path.unlink()
        elif base == reached.segment and path.stat().st_size > reached.position:
            lost = _holds_frames(path, reached.position) or lost
            with path.open("r+b") as file:
                file.truncate(reached.position)
                os.fdatasync(file.fileno())
    sync_folder(folder)
    return lost


def _holds_frames(path: Path, start: int) -> bool:
    """Whether a whole frame begins anywhere behind a byte."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    view = memoryview(data)
    at = data.find(frames.MAGIC)
    while at >= 0:
        found = frames.header(data, at)
        if found is not None and frames.is_whole(view, at, found):
            return True
        at = data.find(frames.MAGIC, at + 1)
    return False
