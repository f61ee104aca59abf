"""What the tiles of one GroupBy hold: which folds, for which features, of which sizes.

    features ──► accumulators   one per distinct (operation, input, bucket): windows share it
             ──► sizes          1 ms, base, hops …, 1 day: each a multiple of the one before

A tile holds one partial per accumulator, in order; how they lie in bytes is ``tiling/packing.py``'s.
Without aggregations the single accumulator is the latest row. Light to import: planning and stores
need sizes and no data.

Read next: ``tiles.py`` (fold, merge, answer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from catenary.aggregate import registry
from catenary.aggregate.operations.latest_row import LatestRow
from catenary.windows import DAY_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.aggregate.feature import Feature
    from catenary.aggregate.operations.base import Operation
    from catenary.aggregate.tiling.program import Program
    from catenary.schema import Type

_BASE_MS: Final = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Accumulator:
    """One distinct fold.

    Attributes:
        operation: with its `k`.
        input: the column that is folded; empty for the latest row, which folds whole rows.
        bucket: the column by whose values it is folded apart; None for none.
    """

    operation: Operation[Any]
    input: str
    bucket: str | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """What a tile holds, and how long tiles are.

    Attributes:
        accumulators: in the order of the bytes.
        features: what is read from them.
        types: of the input, bucket and passthrough columns.
        passthrough: the columns of the latest row, where there are no aggregations.
    """

    accumulators: tuple[Accumulator, ...]
    features: tuple[Feature, ...]
    types: Mapping[str, Type]
    passthrough: tuple[str, ...] = ()

    @staticmethod
    def of(
        features: tuple[Feature, ...], passthrough: tuple[str, ...], types: Mapping[str, Type]
    ) -> Layout:
        """The layout of some features, or of the latest row's columns.

        Raises:
            UnsupportedError, DefinitionError: as `registry.operation_of`.
        """
        assert not (features and passthrough), "rows pass through only where nothing is aggregated"
        if passthrough:
            latest = LatestRow(types=tuple(types[name] for name in passthrough))
            return Layout((Accumulator(latest, ""),), (), types, passthrough)
        folds = dict.fromkeys(accumulator_of(each) for each in features)
        return Layout(tuple(folds), features, types)

    @cached_property
    def base_ms(self) -> int:
        """The shortest tile above the head: 5 minutes, or what divides them and every hop.

        That is the finest hop, where each hop is a multiple of the next finer one.
        """
        return math.gcd(_BASE_MS, *self._hops)

    @cached_property
    def sizes_ms(self) -> tuple[int, ...]:
        """The lengths of tiles, ascending; each divides the next, so that tiles merge whole.

        A hop that does not fit in between is left out: its tiles stay at the next shorter length.
        """
        top = math.gcd(DAY_MS, *(hop for hop in self._hops if hop > DAY_MS))
        sizes = [1]
        for size in (self.base_ms, *self._hops):
            if size > sizes[-1] and size % sizes[-1] == 0 and top % size == 0:
                sizes.append(size)
        return (*sizes, top) if top > sizes[-1] else tuple(sizes)

    @cached_property
    def reach_ms(self) -> int | None:
        """How far before a read events may count; None for all of the past."""
        reach = 0
        for each in self.features:
            if each.window_ms is None:
                return None
            reach = max(reach, each.window_ms + (each.hop_ms or 1))
        return reach if self.features else None

    @cached_property
    def spans_ms(self) -> tuple[tuple[int, int], ...] | None:
        """Windows' lengths and hops, each pair once; None where `reach_ms` is."""
        if self.reach_ms is None:
            return None
        spans = ((each.window_ms or 0, each.hop_ms or 1) for each in self.features)
        return tuple(dict.fromkeys(spans))

    @property
    def _hops(self) -> list[int]:
        return sorted({each.hop_ms or 1 for each in self.features if each.window_ms is not None})

    @cached_property
    def program(self) -> Program:
        """The layout as the loops run it; made at its first use, since it needs Arrow."""
        from catenary.aggregate.tiling.program import Program

        return Program.of(self)

    def __getstate__(self) -> dict[str, Any]:
        """Without the program: another process makes its own."""
        return {name: value for name, value in self.__dict__.items() if name != "program"}


def accumulator_of(feature: Feature) -> Accumulator:
    """The fold that the feature is read from."""
    return Accumulator(registry.operation_of(feature), feature.input, feature.bucket)
