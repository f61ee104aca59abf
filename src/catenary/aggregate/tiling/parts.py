"""Partials of accumulators, one Python object each: with a bucket column, or without.

The obvious form, right for every operation; ``native.py`` does the same for the frequent ones in
columns, to the same bytes. `b""` stands for an empty partial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from catenary.aggregate.codec import Reader, Scalar, Writer
from catenary.aggregate.operations.base import Operation, ordering

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.aggregate.feature import Feature


class Part(Protocol):
    """What folding, merging and reading ask of an accumulator."""

    def fold(self, rows: Iterable[tuple[Any, Any, int]]) -> Any:
        """The partial of rows: value, bucket, ts."""
        ...

    def merge(self, partials: list[Any]) -> Any:
        """The partial of all."""
        ...

    def is_empty(self, partial: Any) -> bool:
        """Whether no non-null value is in it."""
        ...

    def overflowed(self, partial: Any) -> bool:
        """Whether an integer result does not fit 64 bits."""
        ...

    def finish(self, partial: Any, feature: Feature) -> Any:
        """The result as a Python value; None for none."""
        ...

    def encode(self, partial: Any) -> bytes:
        """Its bytes."""
        ...

    def decode(self, data: bytes) -> Any:
        """The partial of some bytes; DataError for any that `encode` never writes."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """An accumulator without buckets."""

    operation: Operation[Any]

    def fold(self, rows: Iterable[tuple[Any, Any, int]]) -> Any:
        """The partial of rows; their bucket is nothing."""
        partial = self.operation.empty()
        for value, _, ts in rows:
            partial = self.operation.insert(partial, value, ts)
        return partial

    def merge(self, partials: list[Any]) -> Any:
        """The partial of all."""
        merged = self.operation.empty()
        for each in partials:
            merged = self.operation.merge(merged, each)
        return merged

    def is_empty(self, partial: Any) -> bool:
        """Whether no non-null value is in it."""
        return self.operation.is_empty(partial)

    def overflowed(self, partial: Any) -> bool:
        """Whether an integer result does not fit 64 bits."""
        return self.operation.overflowed(partial)

    def finish(self, partial: Any, feature: Feature) -> Any:
        """The result."""
        return self.operation.finish(partial, feature)

    def encode(self, partial: Any) -> bytes:
        """The operation's bytes."""
        return b"" if self.operation.is_empty(partial) else self.operation.encode(partial)

    def decode(self, data: bytes) -> Any:
        """The operation's partial."""
        return self.operation.decode(data) if data else self.operation.empty()


@dataclass(frozen=True, slots=True)
class Mapped:
    """An accumulator with buckets; its partial is a dict of the operation's, none of them empty."""

    operation: Operation[Any]

    def fold(self, rows: Iterable[tuple[Any, Any, int]]) -> dict[Scalar, Any]:
        """The partial of rows; those with a null bucket are left out."""
        folded: dict[Scalar, Any] = {}
        for value, bucket, ts in rows:
            if bucket is not None:
                partial = folded.get(bucket, self.operation.empty())
                folded[bucket] = self.operation.insert(partial, value, ts)
        empty = [bucket for bucket, each in folded.items() if self.operation.is_empty(each)]
        for bucket in empty:
            del folded[bucket]
        return folded

    def merge(self, partials: list[dict[Scalar, Any]]) -> dict[Scalar, Any]:
        """The partials of equal buckets together."""
        merged: dict[Scalar, Any] = {}
        for each in partials:
            for bucket, partial in each.items():
                held = merged.get(bucket, self.operation.empty())
                merged[bucket] = self.operation.merge(held, partial)
        return merged

    def is_empty(self, partial: dict[Scalar, Any]) -> bool:
        """Whether there is no bucket."""
        return not partial

    def overflowed(self, partial: dict[Scalar, Any]) -> bool:
        """Whether a bucket's integer result does not fit 64 bits."""
        return any(self.operation.overflowed(each) for each in partial.values())

    def finish(self, partial: dict[Scalar, Any], feature: Feature) -> dict[Scalar, Any] | None:
        """The results in bucket order, those that are null left out; None if none is left."""
        results = {
            bucket: result
            for bucket in sorted(partial, key=ordering)
            if (result := self.operation.finish(partial[bucket], feature)) is not None
        }
        return results or None

    def encode(self, partial: dict[Scalar, Any]) -> bytes:
        """The buckets in order."""
        if not partial:
            return b""
        writer = Writer(0)
        for at, bucket in enumerate(sorted(partial, key=ordering)):
            if at == 0:
                writer.kind(bucket)
                writer.uvarint(len(partial))
            writer.value(bucket)
            writer.value(self.operation.encode(partial[bucket]))
        return writer.finish()[2:]  # without the version and the tag of a partial

    def decode(self, data: bytes) -> dict[Scalar, Any]:
        """The buckets and their partials."""
        if not data:
            return {}
        reader = Reader(Writer(0).finish() + data, 0, f"buckets of {self.operation.name}")
        kind = reader.kind()
        binary = 5
        partial: dict[Scalar, Any] = {}
        for _ in range(reader.length()):
            bucket = reader.value(kind)
            own = reader.value(binary)
            assert isinstance(own, bytes)
            partial[bucket] = self.operation.decode(own)
        reader.end()
        if self.encode(partial) != data:
            raise reader.damaged("it is not in normal form")
        return partial
