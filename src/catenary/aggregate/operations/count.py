"""COUNT: how many values there are that are not null.

Partial: an integer, tag 1. Bytes: uvarint. No value at all is None, not 0 (semantics 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import ANYTHING, Operation
from catenary.schema import BIGINT

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.codec import Reader, Scalar, Writer
    from catenary.aggregate.feature import Feature
    from catenary.schema import Type


@dataclass(frozen=True, slots=True)
class Count(Operation[int]):
    """The number of non-null values."""

    name = "count"
    tag = 1
    inputs = ANYTHING
    removable = True

    def empty(self) -> int:
        """Zero."""
        return 0

    def merge(self, a: int, b: int) -> int:
        """Counts add up."""
        return a + b

    def finish(self, partial: int, feature: Feature) -> int | None:
        """The count; None instead of 0."""
        return partial or None

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import totals

        return totals.counts(column, bounds)

    def _result(self, input_type: Type) -> Type:
        return BIGINT

    def _insert(self, partial: int, value: Scalar, ts: int) -> int:
        return partial + 1

    def _remove(self, partial: int, value: Scalar, ts: int) -> int:
        assert partial > 0, "only what was inserted is removed"
        return partial - 1

    def _write(self, writer: Writer, partial: int) -> None:
        writer.uvarint(partial)

    def _read(self, reader: Reader) -> int:
        return reader.uvarint()
