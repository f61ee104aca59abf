"""Names of a log's files, a segment's header, and what a refusing disk is called.

A segment begins with 32 bytes, little-endian: magic (8), format version (4), crc32 of the rest (4),
offset of its first record (8), milliseconds when it was made (8). Frames follow, see `frames`.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from catenary.errors import LogError, StorageError, UnreadableError

FORMAT = 1
BELL = ".bell"
TOPIC_FILE = "topic.json"
END_FILE = "end"
LOCK_FILE = "writer"
MAKING = ".making-"
SEGMENT_HEADER_BYTES = 32

_MAGIC = b"CATNYLOG"
_HEAD = struct.Struct("<8sII")
_REST = struct.Struct("<qq")
_SEGMENT_DIGITS = 20


@dataclass(frozen=True)
class SegmentHeader:
    """What a segment says of itself; no record of an older segment is younger than `made_ms`."""

    base: int
    made_ms: int

    def encode(self) -> bytes:
        """The header as bytes."""
        rest = _REST.pack(self.base, self.made_ms)
        return _HEAD.pack(_MAGIC, FORMAT, zlib.crc32(rest)) + rest

    @staticmethod
    def decode(data: bytes, path: Path) -> SegmentHeader:
        """The header of the segment `path`.

        Raises:
            UnreadableError: if it is damaged or of another format.
        """
        if len(data) < SEGMENT_HEADER_BYTES:
            raise damaged(path, 0, "its header is not whole")
        magic, version, crc = _HEAD.unpack_from(data)
        if magic != _MAGIC:
            raise damaged(path, 0, "it does not begin as a log's segment does")
        check_format(version, path)
        rest = data[_HEAD.size : SEGMENT_HEADER_BYTES]
        if zlib.crc32(rest) != crc:
            raise damaged(path, _HEAD.size, "its header's checksum is wrong")
        return SegmentHeader(*_REST.unpack(rest))


def check_format(version: object, path: Path) -> None:
    """Refuse a file of another format.

    Raises:
        UnreadableError: naming both versions.
    """
    if version != FORMAT:
        raise UnreadableError(
            f"{path.name!r} is written in log format {version}; this release reads format {FORMAT}",
            where=str(path),
            hint="read it with the release that wrote it",
        )


def damaged(path: Path, byte: int, why: str) -> UnreadableError:
    """The error for a file that is not as it was written."""
    return UnreadableError(
        f"segment {path.name} is damaged at byte {byte}: {why}",
        where=f"{path} byte {byte}",
        hint="restore the file from a copy; nothing is skipped",
    )


def refused(error: OSError, path: Path | str) -> StorageError:
    """What the disk's refusal is called."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StorageError(
        f"the log could not be written: {error.strerror}",
        where=str(path),
        hint="make space; nothing of this call was appended" if full else None,
    )


def folder_of(topic: str) -> str:
    """The name of a topic's folder.

    Raises:
        LogError: if the topic cannot be called so.

    >>> folder_of("shop/payments")
    'shop%2Fpayments'
    """
    unfit = not topic or topic.startswith(".") or "," in topic or not topic.isprintable()
    name = quote(topic, safe=" :=+@")
    if unfit or len(name) > 200:
        raise LogError(
            f"{topic!r} cannot be a topic's name",
            hint="a name is printable, at most 200 bytes, without commas, and does not begin with a dot",
        )
    return name


def topic_of(folder: str) -> str:
    """The topic whose folder is called so."""
    return unquote(folder)


def segment_name(base: int) -> str:
    """The name of the segment whose first record has this offset."""
    return f"{base:0{_SEGMENT_DIGITS}d}"


def segment_bases(names: tuple[str, ...]) -> list[int]:
    """First offsets of the segments among a folder's names, ascending."""
    return [int(name) for name in names if len(name) == _SEGMENT_DIGITS and name.isdecimal()]


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable, whoever wrote them."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def boot() -> bytes:
    """Eight bytes that tell one start of the machine from the next."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return bytes(8)  # unknown: taken for another start each time
    return bytes.fromhex(text.strip().replace("-", ""))[:8]
