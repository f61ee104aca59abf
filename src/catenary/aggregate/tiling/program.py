"""A layout made ready to run: its parts, its windows, the types of its columns.

Accumulators without buckets whose operation ``compiled/partials.h`` knows are *native*: they run in
compiled loops. The others run as Python objects, within the same calls and to the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import registry
from catenary.aggregate.layout import accumulator_of
from catenary.aggregate.operations.count import Count
from catenary.aggregate.operations.counted import Counted
from catenary.aggregate.operations.kept import Kept
from catenary.aggregate.operations.latest_row import LatestRow, kind_of_type
from catenary.aggregate.operations.totals import OfTotals
from catenary.aggregate.tiling.parts import Mapped, Part, Plain
from catenary.aggregate.tiling.values import kind_of, raw_default, reader_of
from catenary.compiled.single import SingleReads
from catenary.schema.arrow import to_arrow

if TYPE_CHECKING:
    from catenary.aggregate.feature import Feature
    from catenary.aggregate.layout import Accumulator, Layout
    from catenary.schema import Type

Array = np.ndarray[Any, Any]
Window = tuple[int | None, int | None]

OTHER: Final = 0
_COUNT, _TOTALS, _KEPT, _LATEST, _WINNERS, _COUNTED = range(1, 7)
_MASK_BITS: Final = 64
_MOST_WINNERS: Final = 1 << 30
_WIDE: Final = (pa.int64(), pa.float64())


@dataclass(frozen=True, eq=False)
class Program:
    """What a layout comes to.

    Attributes:
        accumulators: as in the layout.
        parts: one per accumulator.
        specs: int32[accumulators, 8], what the compiled loops know of each; form 0 for another.
        windows: int64[windows, 2], the distinct (length, hop); length -1 for all of the past.
        needs: uint64[accumulators], a bit for each window that reads it.
        features: as in the layout.
        folds: each feature's accumulator.
        reads: each feature's window.
        outputs: the Arrow type of each feature's column.
        natively: what makes a Python value of each feature's raw result.
        names: of the columns of an answer.
        passthrough: the columns of the latest row.
        columns: the Arrow type of each column that is read from rows.
        types: the type of each of them.
        inners: each accumulator's program without its bucket; None where it has none.
        native: the features of native accumulators, those of a window together.
        native_reads: int32[native, 4], of each the accumulator, whether it is a sample's, `k`, and a number
            that those which have all three in common share.
        native_starts: int32[windows + 1], where the features of each window start.
        sizes: int64, the tiles' lengths by level, in milliseconds.
        reach_ms: how far before a read events may count; None for all of the past.
    """

    accumulators: tuple[Accumulator, ...]
    parts: tuple[Part, ...]
    specs: Array
    windows: Array
    needs: Array
    features: tuple[Feature, ...]
    folds: tuple[int, ...]
    reads: tuple[int, ...]
    outputs: tuple[pa.DataType, ...]
    natively: tuple[Any, ...]
    names: tuple[str, ...]
    passthrough: tuple[str, ...]
    columns: dict[str, pa.DataType]
    types: dict[str, Type]
    inners: tuple[Program | None, ...]
    native: tuple[int, ...]
    native_reads: Array
    native_starts: Array
    sizes: Array
    reach_ms: int | None

    @cached_property
    def others(self) -> list[int]:
        """The accumulators that are not native."""
        return np.flatnonzero(self.specs[:, 0] == OTHER).tolist()

    @cached_property
    def triples(self) -> int:
        """How many distinct (accumulator, whether a sample's, `k`) there are."""
        return int(self.native_reads[:, 3].max(initial=-1)) + 1

    @cached_property
    def native_places(self) -> Array:
        """int64[native], where each of the features, in their order, stands among the native ones."""
        return np.argsort(np.array(self.native, np.int64))

    @cached_property
    def native_defaults(self) -> Array:
        """int64, a row per native read: whether there is a default of 64 bits, and that as a raw result."""
        found = np.zeros((len(self.native_reads), 2), np.int64)
        for at, place in enumerate(self.native):
            raw = raw_default(self.features[place].default, self.outputs[place])
            if raw is not None:
                found[at] = 1, raw
        return found

    @cached_property
    def wide(self) -> list[tuple[int, int, pa.DataType]]:
        """Of native features of 64-bit numbers: (place among the native ones, feature, type)."""
        return [each for each in self._columns if each[2] in _WIDE]

    @cached_property
    def narrow(self) -> list[tuple[int, int, pa.DataType]]:
        """The same of the other native features."""
        return [each for each in self._columns if each[2] not in _WIDE]

    @cached_property
    def schema(self) -> pa.Schema | None:
        """The columns of an answer, if all of them are `wide`."""
        if not self.features or len(self.wide) < len(self.features):
            return None
        return pa.schema(list(zip(self.names, self.outputs, strict=True)))

    @cached_property
    def single(self) -> Any:
        """What reads a single entity without arrays; None where a column is not for it to make."""
        kinds = "".join(kind_of(each) or "" for each in self.outputs)
        if (
            not self.features
            or len(self.native) < len(self.features)
            or len(kinds) < len(self.native)
        ):
            return None
        make: Any = SingleReads  # a class in C, whose __init__ no checker sees
        return make(
            self.specs,
            self.needs,
            self.native_reads,
            self.native_starts,
            self.windows,
            self.native_defaults,
            self.triples,
            self.sizes,
            -1 if self.reach_ms is None else self.reach_ms,
            self.native_places,
            kinds,
            tuple(each.default for each in self.features),
        )

    @property
    def _columns(self) -> list[tuple[int, int, pa.DataType]]:
        return [(at, place, self.outputs[place]) for at, place in enumerate(self.native)]

    def is_bucketed(self, at: int) -> bool:
        """Whether an accumulator that is not native is one within each bucket."""
        inner = self.inners[at]
        return inner is not None and not inner.others

    def inner(self, at: int) -> Program:
        """The program of a bucketed accumulator without its bucket."""
        inner = self.inners[at]
        assert inner is not None, "only accumulators with buckets have one"
        return inner

    def features_of(self, at: int) -> list[int]:
        """The features that are read from an accumulator."""
        return [feature for feature, fold in enumerate(self.folds) if fold == at]

    @staticmethod
    def of(layout: Layout) -> Program:
        """The program of a layout."""
        places = {each: at for at, each in enumerate(layout.accumulators)}
        windows: dict[Window, int] = {}
        for each in layout.features:
            windows.setdefault((each.window_ms, each.hop_ms), len(windows))
        if layout.passthrough:
            windows[None, None] = 0
        folds = tuple(places[accumulator_of(each)] for each in layout.features)
        reads = tuple(windows[each.window_ms, each.hop_ms] for each in layout.features)
        specs = np.zeros((len(places), 8), np.int32)
        for at, each in enumerate(layout.accumulators):
            specs[at] = _spec(each, layout.types)
        native = sorted(
            (at for at, own in enumerate(folds) if specs[own, 0]), key=lambda at: reads[at]
        )
        rows = [
            (folds[at], int(each.sample), each.k or 0)
            for at in native
            for each in (layout.features[at],)
        ]
        by_window = [reads[at] for at in native]
        if layout.passthrough:
            rows, by_window = [(0, 0, 0)], [0]
        triples = {row: at for at, row in enumerate(dict.fromkeys(rows))}
        outputs = tuple(_output(each, layout.types) for each in layout.features)
        used = dict.fromkeys(
            name for each in layout.accumulators for name in (each.input, each.bucket) if name
        ) or dict.fromkeys(layout.passthrough)
        return Program(
            layout.accumulators,
            tuple(_part(each) for each in layout.accumulators),
            specs,
            np.array([(-1 if w is None else w, h or 1) for w, h in windows], np.int64).reshape(
                -1, 2
            ),
            _needs(len(places), zip(folds, reads, strict=True), len(windows)),
            layout.features,
            folds,
            reads,
            outputs,
            tuple(reader_of(each) for each in outputs),
            tuple(each.name for each in layout.features) or layout.passthrough,
            layout.passthrough,
            {name: to_arrow(layout.types[name]) for name in used},
            dict(layout.types),
            tuple(_inner(each, layout) for each in layout.accumulators),
            tuple(native),
            np.array([(*row, triples[row]) for row in rows], np.int32).reshape(-1, 4),
            np.searchsorted(by_window, np.arange(len(windows) + 1)).astype(np.int32),
            np.array(layout.sizes_ms, np.int64),
            layout.reach_ms,
        )


def is_row(accumulator: Accumulator) -> bool:
    """Whether whole rows are folded."""
    return isinstance(accumulator.operation, LatestRow)


def _inner(accumulator: Accumulator, layout: Layout) -> Program | None:
    if accumulator.bucket is None:
        return None
    own = [each for each in layout.features if accumulator_of(each) == accumulator]
    features = tuple(replace(each, bucket=None, default=None) for each in own)
    return Program.of(type(layout)((replace(accumulator, bucket=None),), features, layout.types))


def _part(accumulator: Accumulator) -> Part:
    if accumulator.bucket is not None:
        return Mapped(accumulator.operation)
    return Plain(accumulator.operation)


def _output(feature: Feature, types: Any) -> pa.DataType:
    bucket = types[feature.bucket] if feature.bucket else None
    return to_arrow(registry.column_type(feature, types[feature.input], bucket))


def _needs(many: int, uses: Any, windows: int) -> Array:
    """A bit for each window that reads an accumulator; all bits where there are too many windows."""
    needs = np.zeros(many, np.uint64)
    if windows > _MASK_BITS or windows == 0:
        return ~needs
    for fold, window in uses:
        needs[fold] |= np.uint64(1 << window)
    return needs if needs.all() else ~np.zeros(many, np.uint64)


def _spec(accumulator: Accumulator, types: Any) -> tuple[int, ...]:
    """Form, tag, degree, timed, greatest, kind, limit, distinct; as `catenary_spec`."""
    operation = accumulator.operation
    if isinstance(operation, LatestRow):
        return _LATEST, operation.tag, 0, 0, 0, 0, 0, 0
    kind = 0 if accumulator.bucket is not None else kind_of_type(types[accumulator.input])
    if isinstance(operation, Count) and accumulator.bucket is None:
        return _COUNT, operation.tag, 0, 0, 0, kind, 0, 0
    if kind == 0:
        return OTHER, 0, 0, 0, 0, 0, 0, 0
    if isinstance(operation, OfTotals):
        return _TOTALS, operation.tag, operation.degree, 0, 0, kind, 0, 0
    if isinstance(operation, Counted):
        return _COUNTED, operation.tag, 0, 0, 0, kind, 0, 0
    if isinstance(operation, Kept) and (operation.k or 1) < _MOST_WINNERS:
        form = _WINNERS if operation.needs_k else _KEPT
        order = int(operation.timed), int(operation.greatest)
        return form, operation.tag, 0, *order, kind, operation.k or 1, int(operation.distinct)
    return OTHER, 0, 0, 0, 0, 0, 0, 0
