"""A partition's visible end: one small file, written by the partition's writer, read by everyone.

Little-endian: magic (8), format version (4), nothing (4), then two slots of 64 bytes, written in turn:

    number (8)       counts writings; the greater of two whole slots holds
    incarnation (8)  see `catenary.ports.log`
    end (8)          the offset behind the last visible record
    segment (8)      first offset of the segment that `end` lies in
    position (8)     byte in that segment behind the last visible frame
    unsynced (8)     first segment whose visible records may not survive a power failure, -1: none
    boot (8)         the machine's start in which it was written
    crc32 (4), nothing (4)

A slot that is being written, or whose writer died amid it, has a wrong checksum; the other one is
whole then. So readers need no lock, and a crash leaves the former end.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple

from catenary.errors import UnreadableError
from catenary.logs.embedded.layout import FORMAT, boot, check_format

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = -1

_MAGIC = b"CATNYEND"
_HEAD = struct.Struct("<8sII")
_SLOT = struct.Struct("<qqqqqq8s")
_SLOT_BYTES = 64
_CRC = struct.Struct("<II")
_SIZE = _HEAD.size + 2 * _SLOT_BYTES
_TRIES = 200


class End(NamedTuple):
    """What is visible of a partition."""

    incarnation: int = 0
    end: int = 0
    segment: int = 0
    position: int = 0
    unsynced: int = NOTHING
    boot: bytes = bytes(8)


class EndFile:
    """The end of one partition, opened. Readers of any thread; one writer, under its own lock."""

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self._path = path
        self._number = 0
        self._file = -1
        self._last: tuple[bytes | None, tuple[int, End]] = (None, (0, End()))
        try:
            self._file = os.open(path, (os.O_RDWR if writing else os.O_RDONLY) | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._damaged("missing") from None
        if writing:
            self._number = max((number for number, _ in self._slots()[0]), default=0)

    def read(self) -> End:
        """The end as it is now; it never goes back but by a raised incarnation.

        Raises:
            UnreadableError: if neither slot is whole, or the file is of another format.
        """
        end = self.known()
        if end is None:
            raise self._damaged("damaged")
        return end

    def known(self) -> End | None:
        """The end as it is now; None if neither slot is whole.

        Raises:
            UnreadableError: if the file is of another format.
        """
        whole: list[tuple[int, End]] = []
        for _ in range(_TRIES):
            whole, both = self._slots()
            # With one slot being written, the other may have been read before it was replaced.
            if both:
                break
        return max(whole, key=lambda slot: slot[0])[1] if whole else None

    def _damaged(self, how: str) -> UnreadableError:
        return UnreadableError(
            f"the end of a partition is {how}",
            where=str(self._path),
            hint="append to the partition: its writer finds the end and raises the incarnation",
        )

    def _slots(self) -> tuple[list[tuple[int, End]], bool]:
        """The whole slots, and whether both are."""
        data = os.pread(self._file, _SIZE, 0)
        seen, newest = self._last
        if data == seen:
            return [newest], True
        if len(data) < _SIZE or data[:8] != _MAGIC:
            return [], False
        check_format(_HEAD.unpack_from(data)[1], self._path)
        whole: list[tuple[int, End]] = []
        for at in (_HEAD.size, _HEAD.size + _SLOT_BYTES):
            body = data[at : at + _SLOT.size]
            if zlib.crc32(body) == _CRC.unpack_from(data, at + _SLOT.size)[0]:
                number, *fields = _SLOT.unpack(body)
                whole.append((number, End(*fields)))
        if len(whole) == 2:
            self._last = (data, max(whole, key=lambda slot: slot[0]))
        return whole, len(whole) == 2

    def write(self, end: End) -> None:
        """Make this the visible end."""
        self._number += 1
        at = _HEAD.size + _SLOT_BYTES * (self._number % 2)
        os.pwrite(self._file, _slot(self._number, end), at)

    def sync(self) -> None:
        """Make it survive a power failure; needed only where it says what the segments cannot."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Release the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()


def _slot(number: int, end: End) -> bytes:
    body = _SLOT.pack(number, *end)
    return body + _CRC.pack(zlib.crc32(body), 0)


def new_incarnation() -> int:
    """An incarnation that no log of this name has had: of one made anew, or whose former is unknown."""
    return time.time_ns() // 1_000


def fresh(end: End | None = None) -> bytes:
    """The bytes of an end file, of an empty partition made now unless said otherwise."""
    first = end or End(incarnation=new_incarnation(), boot=boot())
    return _HEAD.pack(_MAGIC, FORMAT, 0) + _slot(0, first) + _slot(1, first)
