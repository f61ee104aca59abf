"""Winners: the few values that are kept because they come first in some order.

    MIN MAX TOP_K BOTTOM_K UNIQUE_TOP_K   by value
    FIRST LAST FIRST_K LAST_K             by (ts, value)        (semantics 13)

A partial holds at most `k` winners (one, for those without `k`), best first, so that tiles stay small;
what is gone from it cannot be brought back, hence no `remove`.

Bytes: uvarint k, uvarint number of winners; if there are any, their kind and then for each, best first,
its time as svarint ms (only where it is ordered by time) and its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from catenary.aggregate.codec import Scalar
from catenary.aggregate.operations.base import Operation, finite, ordering
from catenary.schema import array

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.aggregate.codec import Reader, Writer
    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

Winners: TypeAlias = tuple[tuple[int, Scalar], ...]
"""(ts, value), best first; ts is 0 where time does not matter."""


@dataclass(frozen=True, slots=True)
class Kept(Operation[Winners]):
    """An operation whose partial is its winners.

    Attributes:
        timed: whether the order is (ts, value); else it is the value alone.
        greatest: whether the greatest come first; else the least.
        distinct: whether a value wins once at most.
    """

    removable = False
    timed: ClassVar[bool]
    greatest: ClassVar[bool]
    distinct: ClassVar[bool] = False

    def empty(self) -> Winners:
        """No winner."""
        return ()

    def merge(self, a: Winners, b: Winners) -> Winners:
        """The winners among both."""
        return self._best((*a, *b))

    def finish(self, partial: Winners, feature: Feature) -> Any:
        """The winning value, or with `k` the list of them."""
        if not partial:
            return None
        values = [finite(value) for _, value in partial]
        return values if self.needs_k else values[0]

    def _result(self, input_type: Type) -> Type:
        return array(input_type) if self.needs_k else input_type

    @property
    def _limit(self) -> int:
        if not self.needs_k:
            return 1
        assert self.k is not None, "the per-event form is that of `registry.operation_of(feature)`"
        return self.k

    def _insert(self, partial: Winners, value: Scalar, ts: int) -> Winners:
        return self._best((*partial, (ts if self.timed else 0, value)))

    def _best(self, candidates: Iterable[tuple[int, Scalar]]) -> Winners:
        ranked = sorted(candidates, key=_order, reverse=self.greatest)
        if self.distinct:
            ranked = [next(equal) for _, equal in groupby(ranked, key=_order)]
        return tuple(ranked[: self._limit])

    def _write(self, writer: Writer, partial: Winners) -> None:
        writer.uvarint(self._limit)
        writer.uvarint(len(partial))
        for at, (ts, value) in enumerate(partial):
            if at == 0:
                writer.kind(value)
            if self.timed:
                writer.svarint(ts)
            writer.value(value)

    def _read(self, reader: Reader) -> Winners:
        limit = reader.uvarint()
        if limit != self._limit:
            raise reader.damaged(f"it keeps {limit} values, not {self._limit}")
        number = reader.length()
        if not number:
            return ()
        kind = reader.kind()
        winners = [
            (reader.svarint() if self.timed else 0, reader.value(kind)) for _ in range(number)
        ]
        return self._best(winners)


def _order(winner: tuple[int, Scalar]) -> tuple[int, Any]:
    ts, value = winner
    return ts, ordering(value)


def length(feature: Feature) -> int:
    """How many values a feature keeps; its operation has refused to be without."""
    assert feature.k is not None
    return feature.k
