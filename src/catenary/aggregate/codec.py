"""Bytes of partials: one compact, versioned, language-neutral layout for all operations.

    partial ──► version tag body          version  one byte, 1
                                          tag      one byte, the operation's (see its class)
                                          body     as the operation documents, from these pieces:

    uvarint   unsigned, 7 bits a byte, least significant first, high bit set on all but the last
    svarint   signed: uvarint of zigzag, 0 -1 1 -2 … as 0 1 2 3 …
    kind      one byte: what the values that follow are
                1 boolean    uvarint 0 or 1
                2 integer    svarint, 64 bits
                3 double     8 bytes IEEE 754, little-endian; never NaN, never -0.0
                4 text       uvarint of the byte length, then UTF-8
                5 binary     uvarint of the length, then the bytes
                6 date       svarint, days since 1970-01-01
                7 timestamp  svarint, microseconds since 1970-01-01 UTC
    total     an exact integer: uvarint of (limbs * 2 + negative); if there are limbs, uvarint of the
              index of the lowest one, then the 64-bit limbs of the magnitude, little-endian, lowest
              first; the lowest and the highest limb are not zero

Equal partials have equal bytes, and only those bytes are read: whatever is truncated, trailing, out of
range or not in normal form is a `DataError`, as are another version and another operation's bytes.

Read next: ``operations/base.py`` (who calls this).
Held to account by: ``tests/property/test_operation_laws.py``.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias

from catenary.errors import DataError

Scalar: TypeAlias = bool | int | float | str | bytes | date | datetime
"""A non-null value of a column, as Python holds it."""

VERSION: Final = 1

_BOOLEAN, _INTEGER, _DOUBLE, _TEXT, _BINARY, _DATE, _TIMESTAMP = range(1, 8)
_EPOCH_DAY: Final = date(1970, 1, 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LIMB_BITS: Final = 64
_LIMB_BYTES: Final = 8


def kind_of(value: Scalar) -> int:
    """The byte that says what `value` is.

    Raises:
        DataError: for a Python value that no column holds.
    """
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int):
        return _INTEGER
    if isinstance(value, float):
        return _DOUBLE
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, bytes):
        return _BINARY
    if isinstance(value, datetime):
        return _TIMESTAMP
    if isinstance(value, date):  # pyright: ignore[reportUnnecessaryIsInstance] - rows are users' input
        return _DATE
    problem = f"a value of type {type(value).__name__} cannot be part of a partial"
    raise DataError(problem, hint="values are bool, int, float, str, bytes, date or datetime")


class Writer:
    """Collects the pieces of one partial's bytes."""

    def __init__(self, tag: int) -> None:
        self._bytes = bytearray((VERSION, tag))

    def finish(self) -> bytes:
        """All that was written."""
        return bytes(self._bytes)

    def uvarint(self, number: int) -> None:
        """An unsigned integer."""
        assert 0 <= number < 1 << 64, f"{number} is not an unsigned 64-bit integer"
        while number >= 0x80:
            self._bytes.append(number & 0x7F | 0x80)
            number >>= 7
        self._bytes.append(number)

    def svarint(self, number: int) -> None:
        """A signed 64-bit integer."""
        self.uvarint(number << 1 if number >= 0 else -(number << 1) - 1)

    def kind(self, value: Scalar) -> None:
        """What `value`, and all that follow it, are."""
        self._bytes.append(kind_of(value))

    def value(self, value: Scalar) -> None:
        """A value, without its kind."""
        if isinstance(value, (bool, int)):
            self.uvarint(value) if isinstance(value, bool) else self.svarint(value)
        elif isinstance(value, float):
            self._bytes += struct.pack("<d", value)
        elif isinstance(value, (str, bytes)):
            self._sized(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, datetime):
            self.svarint((value - _EPOCH) // _MICROSECOND)
        else:
            self.svarint((value - _EPOCH_DAY).days)

    def total(self, total: int) -> None:
        """An exact integer of any size."""
        magnitude = abs(total)
        if not magnitude:
            self.uvarint(0)
            return
        lowest = ((magnitude & -magnitude).bit_length() - 1) // _LIMB_BITS
        magnitude >>= lowest * _LIMB_BITS
        limbs = -(-magnitude.bit_length() // _LIMB_BITS)
        self.uvarint(limbs << 1 | (total < 0))
        self.uvarint(lowest)
        self._bytes += magnitude.to_bytes(limbs * _LIMB_BYTES, "little")

    def _sized(self, data: bytes) -> None:
        self.uvarint(len(data))
        self._bytes += data


class Reader:
    """Takes one partial's bytes apart, from left to right.

    Args:
        data: the bytes.
        tag: of the operation that reads.
        operation: its name, for messages.

    Raises:
        DataError: from here and from every method, when the bytes are not what was written.
    """

    def __init__(self, data: bytes, tag: int, operation: str) -> None:
        self._data = data
        self._at = 0
        self._operation = operation
        if len(data) < 2:
            raise self.damaged("it is too short to have a version and a tag")
        if data[0] != VERSION:
            problem = (
                f"a partial of {operation} has format version {data[0]}; version {VERSION} is read"
            )
            raise DataError(problem, hint="it was written by another release of Catenary")
        if data[1] != tag:
            problem = (
                f"a partial with operation tag {data[1]} is not one of {operation} (tag {tag})"
            )
            raise DataError(
                problem, hint="the feature's operation changed; rebuild what was stored"
            )
        self._at = 2

    def damaged(self, why: str) -> DataError:
        """The error to raise for bytes that were not written like this."""
        problem = f"a partial of {self._operation} is damaged at byte {self._at}: {why}"
        return DataError(problem)

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return len(self._data) - self._at

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._data):
            raise self.damaged(f"{len(self._data) - self._at} bytes follow its end")

    def uvarint(self) -> int:
        """An unsigned integer below 2^64."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise self.damaged("an integer does not end")
        if number >= 1 << 64:
            raise self.damaged("an integer needs more than 64 bits")
        return number

    def svarint(self) -> int:
        """A signed 64-bit integer."""
        zigzag = self.uvarint()
        return zigzag >> 1 if zigzag & 1 == 0 else -(zigzag >> 1) - 1

    def length(self, item_bytes: int = 1) -> int:
        """How many items follow; never more than there are bytes for."""
        items = self.uvarint()
        if items * item_bytes > len(self._data) - self._at:
            raise self.damaged(f"{items} items are announced, and there are no bytes for them")
        return items

    def kind(self) -> int:
        """What the values that follow are."""
        kind = self._take(1)[0]
        if not _BOOLEAN <= kind <= _TIMESTAMP:
            raise self.damaged(f"there is no value kind {kind}")
        return kind

    def value(self, kind: int) -> Scalar:
        """A value of the given kind."""
        if kind == _BOOLEAN:
            return self._boolean()
        if kind == _INTEGER:
            return self.svarint()
        if kind == _DOUBLE:
            return self._double()
        if kind == _TEXT:
            return self._text()
        if kind == _BINARY:
            return self._take(self.length())
        return self._moment(kind)

    def total(self, limbs_max: int) -> int:
        """An exact integer whose magnitude has at most `limbs_max` limbs."""
        header = self.uvarint()
        limbs, negative = header >> 1, header & 1
        if not limbs:
            return 0
        lowest = self.uvarint()
        if lowest + limbs > limbs_max:
            raise self.damaged(f"a total has {lowest + limbs} limbs; at most {limbs_max} can be")
        magnitude = int.from_bytes(self._take(limbs * _LIMB_BYTES), "little")
        total = magnitude << lowest * _LIMB_BITS
        return -total if negative else total

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise self.damaged("it ends too early")
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def _boolean(self) -> bool:
        number = self.uvarint()
        if number > 1:
            raise self.damaged(f"{number} is not a boolean")
        return number == 1

    def _double(self) -> float:
        number: float = struct.unpack("<d", self._take(8))[0]
        if math.isnan(number):
            raise self.damaged("NaN is never stored")
        if number == 0 and math.copysign(1.0, number) < 0:
            raise self.damaged("-0.0 is never stored")
        return number

    def _text(self) -> str:
        try:
            return self._take(self.length()).decode()
        except UnicodeDecodeError:
            raise self.damaged("a text is not UTF-8") from None

    def _moment(self, kind: int) -> date | datetime:
        number = self.svarint()
        try:
            if kind == _DATE:
                return _EPOCH_DAY + timedelta(days=number)
            return _EPOCH + timedelta(microseconds=number)
        except OverflowError:
            raise self.damaged("a date lies outside the years 1 to 9999") from None
