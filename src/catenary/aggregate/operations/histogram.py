"""HISTOGRAM: how often each value was seen, as a map in key order.

With `k`, the `k` greatest counts, the smaller value first on ties (semantics 12); `k` counts only at the
end, so that no partial forgets a value that could still win. Partial: counts by value, see `counted`;
tag 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.aggregate.operations.base import LABELS, ordering
from catenary.aggregate.operations.counted import Counted, Counts, in_order
from catenary.schema import BIGINT, map_of

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type


@dataclass(frozen=True, slots=True)
class Histogram(Counted):
    """Values and their counts."""

    name = "histogram"
    tag = 18
    inputs = LABELS
    takes_k = True

    def finish(self, partial: Counts, feature: Feature) -> Counts | None:
        """The map in key order, cut to the greatest `k` counts where `k` is given."""
        if not partial:
            return None
        ranked = sorted(partial, key=lambda value: (-partial[value], ordering(value)))
        return in_order({value: partial[value] for value in ranked[: feature.k]})

    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        from catenary.aggregate.sweeps import distinct

        return distinct.histograms(column, bounds, feature.k)

    def _result(self, input_type: Type) -> Type:
        return map_of(input_type, BIGINT)
