"""A partition's segment files, opened for reading; and where in them frames lie."""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import TYPE_CHECKING

from catenary.logs.embedded import frames
from catenary.logs.embedded.layout import (
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    damaged,
    segment_name,
)

if TYPE_CHECKING:
    from pathlib import Path

_MARK_EVERY = 1 << 18
_CHUNK = 1 << 18


class Segment:
    """One segment file, open until nobody uses it.

    Raises:
        FileNotFoundError: if it is not there (any more).
        UnreadableError: if its header is damaged or of another format.
    """

    def __init__(self, folder: Path, base: int) -> None:
        self.base = base
        self.path = folder / segment_name(base)
        self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self.header = SegmentHeader.decode(self.read(0, SEGMENT_HEADER_BYTES), self.path)
        if self.header.base != base:
            raise damaged(self.path, 16, f"it says that it begins at offset {self.header.base}")
        # Known frames, ascending: first offset, byte.
        self._offsets: list[int] = [base]
        self._bytes: list[int] = [SEGMENT_HEADER_BYTES]

    def read(self, at: int, size: int) -> bytes:
        """Bytes from a position on; fewer at the file's end."""
        return os.pread(self._file, size, at)

    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._file).st_size

    def frame_of(self, offset: int, limit: int) -> tuple[int, int]:
        """Byte and first offset of the frame that holds an offset, or of the one behind all.

        Args:
            offset: not before the segment's first.
            limit: the byte where the visible frames end.

        Raises:
            UnreadableError: if a header on the way is damaged.
        """
        known = bisect_right(self._offsets, offset) - 1
        base, at = self._offsets[known], self._bytes[known]
        chunk, start = b"", at
        while at < limit:
            found = frames.header(chunk, at - start)
            if found is None:
                chunk, start = self.read(at, min(_CHUNK, limit - at)), at
                found = frames.header(chunk, 0)
            if found is None or found.base != base:
                raise damaged(self.path, at, "no frame begins where one must")
            if found.next > offset:
                break
            base, at = found.next, at + found.size
            self.mark(base, at)
        return at, base

    def mark(self, offset: int, at: int) -> None:
        """Remember that a frame begins there, if nothing near is known."""
        if at - self._bytes[-1] >= _MARK_EVERY and offset > self._offsets[-1]:
            # Bytes first: a thread that looks meanwhile finds one for each offset it sees.
            self._bytes.append(at)
            self._offsets.append(offset)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)
