"""Lists of bytes as a script takes them, and ranges of keys as the server names them.

A list is one argument, however long it is: arrays and raw strings of MessagePack, in the old form that
the scripts' library reads.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST: Final = 3_000
"""Entries of a list: a script passes them on as arguments, twice as many to undo deletes; Lua takes less than 8,000."""
_ARRAY: Final = struct.Struct(">BI")
_RAW: Final = struct.Struct(">BI")


def packed(items: Sequence[bytes]) -> bytes:
    """One list."""
    parts = [_ARRAY.pack(0xDD, len(items))]
    for each in items:
        parts.append(_RAW.pack(0xDB, len(each)))
        parts.append(each)
    return b"".join(parts)


def lists(items: Sequence[bytes]) -> Iterator[bytes]:
    """As many lists as it takes."""
    for first in range(0, len(items), MOST):
        yield packed(items[first : first + MOST])


def pairs(rows: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Lists in which a value follows its key."""
    for first in range(0, len(rows), MOST // 2):
        yield packed([each for row in rows[first : first + MOST // 2] for each in row])


def at_least(key: bytes) -> bytes:
    """Where a range begins with this key."""
    return b"[" + key


def beyond(key: bytes) -> bytes:
    """Where a range begins after this key."""
    return b"(" + key


def end_of(prefix: bytes) -> bytes:
    """Where the keys with this prefix end."""
    after = successor(prefix)
    return b"+" if after is None else b"(" + after


def successor(prefix: bytes) -> bytes | None:
    r"""The least key that is greater than all with this prefix; None if there is none.

    >>> successor(b"ab"), successor(b"a\xff"), successor(b"\xff")
    (b'ac', b'b', None)
    """
    bare = prefix.rstrip(b"\xff")
    return bare[:-1] + bytes((bare[-1] + 1,)) if bare else None
