"""Records that tell their schema by its id in a registry, as Confluent's producers frame them.

    0 │ id, 4 bytes, big-endian │ Protobuf: which message of the file │ the record itself

A batch may hold records of several ids, while producers are being replaced: each is read with the schema
that it was written with, and the rows come in the records' order. A record whose id no registry knows, or
whose schema cannot become the columns, is rejected alone. That a registry does not answer is no record's
fault: it raises.
Source: Confluent Schema Registry, "Wire format".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.codecs import Decoded, Rejected
from catenary.codecs.batches import joined, large, words_of_absent
from catenary.errors import DataError, DefinitionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary.schema import Schema

_HEADER: Final = 5
_FIRST: Final = (0,)
_DEEPEST: Final = 64


@dataclass(frozen=True)
class Registered:
    """A schema as a registry holds it.

    Attributes:
        id: its number there.
        codec: of records with it: `avro`, `json` or `protobuf`.
        text: the schema.
        files: of Protobuf: the same as a FileDescriptorSet, imports before those who import.
        imports: of Avro: the schemas that it refers to, those that are needed first.
    """

    id: int
    codec: str
    text: str
    files: bytes = b""
    imports: tuple[str, ...] = ()


class Registry(Protocol):
    """Where schemas are kept by id; what an id means never changes."""

    def schema(self, id_: int) -> Registered:
        """The schema of an id.

        Raises:
            UnknownSchemaError: if there is none.
            RegistryError: if that cannot be known now.
        """
        ...

    def latest(self, subject: str) -> Registered:
        """The newest schema of a subject; raises as `schema`."""
        ...


class Headed(Protocol):
    """A codec that can leave out what stands before each record."""

    def decode(self, values: pa.LargeBinaryArray, *, header: int = 0) -> Decoded:
        """As `Codec.decode`."""
        ...

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """As `Codec.encode`."""
        ...


class FramedCodec:
    """Reads and writes records with their schemas' ids.

    Args:
        schema: the columns of the rows.
        codec: the one whose schemas are expected.
        registry: where the ids are known.
        subject: of whose newest schema records are written.
        reads: the codec of a registered schema; of Protobuf, of the message at a place in its file.
        place: of Protobuf: where the message stands that is written.
    """

    def __init__(
        self,
        schema: Schema,
        codec: str,
        registry: Registry,
        subject: str,
        reads: Callable[[Registered, tuple[int, ...]], Headed],
        place: Callable[[Registered], tuple[int, ...]],
    ) -> None:
        self.schema = schema
        self._codec = codec
        self._registry = registry
        self._subject = subject
        self._reads = reads
        self._place = place
        self._made: dict[tuple[int, tuple[int, ...]], Headed] = {}

    def decode(self, values: pa.LargeBinaryArray) -> Decoded:
        """Every record becomes a row or is rejected.

        Raises:
            RegistryError: if the registry does not answer; no record is lost or rejected for that.
        """
        values = large(values)
        framed = _Framed(values, indexed=self._codec == "protobuf")
        parts: list[Decoded] = []
        for id_, place, header, rows in framed.groups():
            try:
                reads = self._of(id_, place)
            except (DataError, DefinitionError, UnsupportedError) as error:
                why = f"schema {id_}: {error.problem}"
                framed.rejected += [Rejected(row, why) for row in rows.tolist()]
                continue
            whole = len(rows) == len(values)
            found = reads.decode(values if whole else values.take(pa.array(rows)), header=header)
            parts.append(found if whole else found.among(rows))
        return joined(parts, self.schema, framed.rejected)

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One record per row, with the subject's newest schema.

        Raises:
            DataError: if a value has no form in that schema.
            UnknownSchemaError, RegistryError: what the registry says.
        """
        held = self._registry.latest(self._subject)
        self._check(held)
        place = self._place(held)
        records = self._reads(held, place).encode(rows)
        header = b"\0" + held.id.to_bytes(4, "big")
        if self._codec == "protobuf":
            header += _shown(place)
        before, nothing = (pa.scalar(each, pa.large_binary()) for each in (header, b""))
        return pc.binary_join_element_wise(before, records, nothing)

    def _of(self, id_: int, place: tuple[int, ...]) -> Headed:
        known = self._made.get((id_, place))
        if known is None:
            held = self._registry.schema(id_)
            self._check(held)
            known = self._made[id_, place] = self._reads(held, place)
        return known

    def _check(self, held: Registered) -> None:
        if held.codec != self._codec:
            raise DefinitionError(f"it is one of {held.codec}, but the topic's are {self._codec}")


class _Framed:
    """The frames of a batch's records."""

    def __init__(self, values: pa.LargeBinaryArray, *, indexed: bool) -> None:
        self._values = values
        self._indexed = indexed
        self.rejected: list[Rejected] = []

    def groups(self) -> Iterator[tuple[int, tuple[int, ...], int, np.ndarray]]:
        """Schema's id, message's place, bytes before the record, numbers of the records."""
        values = self._values
        if not len(values):
            return
        _, offsets, held = values.buffers()
        data = np.frombuffer(held, np.uint8) if held is not None else np.zeros(0, np.uint8)
        bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
        starts, sizes = bounds[:-1], np.diff(bounds)
        there = values.is_valid().to_numpy(zero_copy_only=False) & (sizes > 0)
        for row in np.flatnonzero(~there).tolist():
            self._reject(row, words_of_absent(empty=bool(values[row].is_valid)))
        for row in np.flatnonzero(there & (sizes < _HEADER)).tolist():
            self._reject(row, f"the record has {sizes[row]} bytes, too few for its schema's id")
        rows = np.flatnonzero(there & (sizes >= _HEADER))
        magic = data[starts[rows]]
        for row, byte in zip(rows[magic != 0].tolist(), magic[magic != 0].tolist(), strict=True):
            self._reject(
                row, f"the record begins with {byte}, not with the 0 of a registry's frame"
            )
        rows = rows[magic == 0]
        ids = np.zeros(len(rows), np.int64)
        for at in range(1, _HEADER):
            ids = ids << 8 | data[starts[rows] + at]
        for id_ in np.unique(ids).tolist():
            mine = rows[ids == id_]
            if not self._indexed:
                yield id_, _FIRST, _HEADER, mine
                continue
            for place, header, some in self._places(data, starts, sizes, mine):
                yield id_, place, header, some

    def _places(
        self, data: np.ndarray, starts: np.ndarray, sizes: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[tuple[int, ...], int, np.ndarray]]:
        """Records by the bytes that say which message they are: few differ, so they are read few times."""
        while len(rows):
            first = int(rows[0])
            start, end = int(starts[first]) + _HEADER, int(starts[first] + sizes[first])
            place, header = _place(bytes(data[start : min(end, start + 10 * _DEEPEST)]))
            if place is None:
                self._reject(first, "the record does not say which message of its schema it is")
                rows = rows[1:]
                continue
            same = sizes[rows] >= _HEADER + header
            for at in range(header):
                reached = np.minimum(starts[rows] + _HEADER + at, len(data) - 1)
                same &= data[reached] == data[start + at]
            yield place, _HEADER + header, rows[same]
            rows = rows[~same]

    def _reject(self, row: int, reason: str) -> None:
        self.rejected.append(Rejected(row, reason))


def _place(data: bytes) -> tuple[tuple[int, ...] | None, int]:
    """A message's place in its file, and how many bytes say so; None if they say nothing."""
    numbers: list[int] = []
    at = number = shift = 0
    while not numbers or len(numbers) <= numbers[0]:
        if at == len(data) or shift > 28:
            return None, 0
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            numbers.append(number >> 1 ^ -(number & 1))
            number = shift = 0
            if not 0 <= numbers[0] <= _DEEPEST or numbers[-1] < 0:
                return None, 0
    return (tuple(numbers[1:]) or _FIRST), at


def _shown(place: tuple[int, ...]) -> bytes:
    """The opposite of `_place`; the first message of a file has a short form."""
    if place == _FIRST:
        return b"\0"
    made = bytearray()
    for number in (len(place), *place):
        left = number << 1
        while left > 0x7F:
            made.append(left & 0x7F | 0x80)
            left >>= 7
        made.append(left)
    return bytes(made)
