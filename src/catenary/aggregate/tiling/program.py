"""A layout made ready to run: its parts, its windows, the types of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.aggregate import registry
from catenary.aggregate.layout import accumulator_of
from catenary.aggregate.operations.latest_row import LatestRow
from catenary.aggregate.tiling.parts import Mapped, Part, Plain
from catenary.schema.arrow import to_arrow

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.aggregate.layout import Accumulator, Layout

Window = tuple[int | None, int | None]


@dataclass(frozen=True)
class Program:
    """What a layout comes to.

    Attributes:
        accumulators: as in the layout.
        parts: one per accumulator.
        windows: the distinct windows (length, hop); (None, None) for all of the past.
        features: as in the layout.
        folds: each feature's accumulator.
        reads: each feature's window.
        outputs: the Arrow type of each feature's column.
        passthrough: the columns of the latest row.
        columns: the Arrow type of each column that is read from rows.
    """

    accumulators: tuple[Accumulator, ...]
    parts: tuple[Part, ...]
    windows: tuple[Window, ...]
    features: tuple[Feature, ...]
    folds: tuple[int, ...]
    reads: tuple[int, ...]
    outputs: tuple[pa.DataType, ...]
    passthrough: tuple[str, ...]
    columns: dict[str, pa.DataType]

    @staticmethod
    def of(layout: Layout) -> Program:
        """The program of a layout."""
        places = {each: at for at, each in enumerate(layout.accumulators)}
        windows: dict[Window, int] = {}
        reads = tuple(
            windows.setdefault((each.window_ms, each.hop_ms), len(windows))
            for each in layout.features
        )
        if layout.passthrough:
            windows[None, None] = 0
        outputs = tuple(
            to_arrow(
                registry.column_type(
                    each,
                    layout.types[each.input],
                    layout.types[each.bucket] if each.bucket else None,
                )
            )
            for each in layout.features
        )
        return Program(
            layout.accumulators,
            tuple(_part(each) for each in layout.accumulators),
            tuple(windows),
            layout.features,
            tuple(places[accumulator_of(each)] for each in layout.features),
            reads,
            outputs,
            layout.passthrough,
            {name: to_arrow(type_) for name, type_ in layout.types.items()},
        )


def _part(accumulator: Accumulator) -> Part:
    if accumulator.bucket is not None:
        return Mapped(accumulator.operation)
    return Plain(accumulator.operation)


def is_row(accumulator: Accumulator) -> bool:
    """Whether whole rows are folded."""
    return isinstance(accumulator.operation, LatestRow)
