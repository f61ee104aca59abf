"""Whether an LMDB file is as long as what lies in it: the pages that it needs, and those it has.

    meta page ──► last page ──► beyond the file's end? ──► listed as free ──► never written: nothing is lost
                                                      └──► in use ────────► the file was cut

LMDB maps the file, and the system kills a process that reads beyond its end. A file may rightly end before
its last page: one that a commit took and gave back was never written. Such pages are in the list of free
ones, which is read here by the layout of LMDB's data file, version 1, of 64-bit machines.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER: Final = 16
_PAGE: Final = struct.Struct("<QHHHH")
"""Of each page: number, pad, flags, the end of the node pointers, the beginning of the nodes."""
_FREE_ROOT: Final = _HEADER + 24 + 40
"""In a meta page: after magic, version, address and size, the last field of the free list's tree."""
_AFTER_TREES: Final = _HEADER + 24 + 2 * 48
_LAST: Final = struct.Struct("<QQ")
"""There: the last page that was taken, and the commit's number."""
_NODE: Final = struct.Struct("<HHHH")
_NUMBER: Final = struct.Struct("<Q")
_BRANCH: Final = 1
_BIG: Final = 1
_NONE: Final = (1 << 64) - 1


def lost(file: Path, page_bytes: int, transaction: int) -> int | None:
    """How many pages that are in use lie beyond the file's end.

    Args:
        file: the data file.
        page_bytes: of one page.
        transaction: the commit as of which; a reader must hold it, so that its pages stay.

    Returns:
        None if two more commits have come since, and taken the place of its meta page.
    """
    with file.open("rb") as opened:
        pages = _Pages(opened.fileno(), page_bytes)
        meta = pages.meta(transaction)
        if meta is None:
            return None
        root, last_page = meta
        # Asked for last: other processes only ever let the file grow.
        whole = os.fstat(opened.fileno()).st_size // page_bytes
        if last_page < whole:
            return 0
        beyond = set(range(whole, last_page + 1))
        try:
            return len(beyond.difference(() if root == _NONE else pages.free(root)))
        except struct.error:  # the list itself is beyond the end
            return len(beyond)


class _Pages:
    """Pages of an open file, read as bytes, not mapped."""

    def __init__(self, descriptor: int, page_bytes: int) -> None:
        self._descriptor = descriptor
        self._bytes = page_bytes

    def meta(self, transaction: int) -> tuple[int, int] | None:
        """As of a commit, the root of the list of free pages, and the last page that was ever taken."""
        for page in (self._read(0), self._read(1)):
            last, held = _LAST.unpack_from(page, _AFTER_TREES)
            if held == transaction:
                return _NUMBER.unpack_from(page, _FREE_ROOT)[0], last
        return None

    def free(self, number: int) -> Iterator[int]:
        """The numbers of free pages that a page of the list's tree holds, and those below it.

        Raises:
            struct.error: if one of the list's own pages is not there.
        """
        page = self._read(number)
        _, _, flags, lower, _ = _PAGE.unpack_from(page)
        for at in struct.unpack_from(f"<{(lower - _HEADER) // 2}H", page, _HEADER):
            low, high, node_flags, key_bytes = _NODE.unpack_from(page, at)
            if flags & _BRANCH:
                yield from self.free(low | high << 16 | node_flags << 32)
                continue
            data = page[at + _NODE.size + key_bytes :][: low | high << 16]
            if node_flags & _BIG:
                first = _NUMBER.unpack_from(data)[0]
                (count,) = _NUMBER.unpack(self._at(first * self._bytes + _HEADER, _NUMBER.size))
                data = self._at(first * self._bytes + _HEADER, (count + 1) * _NUMBER.size)
            (count,) = _NUMBER.unpack_from(data)
            yield from struct.unpack_from(f"<{count}Q", data, _NUMBER.size)

    def _read(self, number: int) -> bytes:
        return self._at(number * self._bytes, self._bytes)

    def _at(self, offset: int, many: int) -> bytes:
        return os.pread(self._descriptor, many, offset)
