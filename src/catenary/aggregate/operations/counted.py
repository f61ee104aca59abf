"""Counts by value: what UNIQUE_COUNT and HISTOGRAM keep, so that removing is exact.

A set of values would do for UNIQUE_COUNT, but could not tell when the last of several equal values is
gone; a count costs one more byte for most values.

Bytes: uvarint number of distinct values; if there are any, their kind and then for each, ascending, the
value and the uvarint of its count, 1 or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from catenary.aggregate.codec import Scalar
from catenary.aggregate.operations.base import Operation, ordering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.aggregate.codec import Reader, Writer

Counts: TypeAlias = dict[Scalar, int]
"""Distinct values and how often each was seen; never changed once made."""


@dataclass(frozen=True, slots=True)
class Counted(Operation[Counts]):
    """An operation whose partial is `Counts`."""

    removable = True

    def empty(self) -> Counts:
        """Nothing was seen."""
        return {}

    def merge(self, a: Counts, b: Counts) -> Counts:
        """Counts of equal values add up."""
        both = dict(a)
        for value, times in b.items():
            both[value] = both.get(value, 0) + times
        return both

    def _insert(self, partial: Counts, value: Scalar, ts: int) -> Counts:
        return self.merge(partial, {value: 1})

    def _remove(self, partial: Counts, value: Scalar, ts: int) -> Counts:
        assert value in partial, "only what was inserted is removed"
        left = {**partial, value: partial[value] - 1}
        if not left[value]:
            del left[value]
        return left

    def _write(self, writer: Writer, partial: Counts) -> None:
        writer.uvarint(len(partial))
        for at, (value, times) in enumerate(in_order(partial).items()):
            if at == 0:
                writer.kind(value)
            writer.value(value)
            writer.uvarint(times)

    def _read(self, reader: Reader) -> Counts:
        distinct = reader.length()
        if not distinct:
            return {}
        kind = reader.kind()
        counts = {reader.value(kind): reader.uvarint() for _ in range(distinct)}
        if not all(counts.values()):
            raise reader.damaged("a value is counted 0 times")
        return counts


def in_order(counts: Mapping[Scalar, int]) -> Counts:
    """The counts by ascending value."""
    return {value: counts[value] for value in sorted(counts, key=ordering)}
