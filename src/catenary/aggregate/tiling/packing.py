"""The bytes of a tile: all its partials, one after the other.

    version (1)   then for each accumulator of the layout, in order:
    uvarint length, and so many bytes: `Operation.encode` of its partial; length 0 for an empty one

With a bucket column the bytes are, instead: the kind of the buckets, uvarint of how many there are, and
for each, ascending, its value, uvarint length, and the bytes of its partial. Kinds, values and uvarints
are those of `codec`. Empty partials and their buckets are left out, so that equal partials have equal
bytes. No bytes at all stand for a tile without rows.
"""

from __future__ import annotations

from typing import Final

from catenary.errors import DataError

VERSION: Final = 1
_SHIFT: Final = 7


def pack(parts: list[bytes]) -> bytes:
    """The bytes of a tile from those of its partials."""
    packed = bytearray((VERSION,))
    for part in parts:
        append_uvarint(packed, len(part))
        packed += part
    return bytes(packed)


def unpack(data: bytes, many: int) -> list[bytes]:
    """The bytes of each of `many` partials; all empty for a tile without rows.

    Raises:
        DataError: for another version, and for bytes that `pack` never writes.
    """
    if not data:
        return [b""] * many
    check_version(data)
    parts: list[bytes] = []
    at = 1
    for _ in range(many):
        size, at = uvarint_at(data, at)
        if size > len(data) - at:
            raise damaged("it ends too early")
        parts.append(data[at : at + size])
        at += size
    if at != len(data):
        raise damaged(f"{len(data) - at} bytes follow its end")
    return parts


def check_version(data: bytes) -> None:
    """Refuse what another release wrote.

    Raises:
        DataError: naming the version.
    """
    if data[0] != VERSION:
        problem = f"a tile has format version {data[0]}; version {VERSION} is read"
        raise DataError(problem, hint="it was written by another release of Catenary")


def append_uvarint(out: bytearray, number: int) -> None:
    """An unsigned integer, as in `codec`."""
    while number >= 1 << _SHIFT:
        out.append(number & 0x7F | 0x80)
        number >>= _SHIFT
    out.append(number)


def uvarint_at(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned integer and where it ends."""
    number = 0
    for shift in range(0, 70, _SHIFT):
        if at >= len(data):
            raise damaged("it ends too early")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise damaged("a length does not end")


def damaged(why: str) -> DataError:
    """The error for bytes that are not a tile's."""
    problem = f"a tile is damaged: {why}"
    return DataError(problem, hint="it was made for another definition, or cut off when written")
