"""Tiles against the kernel: however events are cut into tiles, reads are what it gives over the events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.values import LAWS, VALUES, features, types_of

from catenary.aggregate import registry, tiles
from catenary.aggregate.kernel import aggregate, latest
from catenary.aggregate.layout import Layout
from catenary.aggregate.tiling.packing import pack
from catenary.schema import BIGINT, BOOLEAN, STRING, Type, array, map_of, struct
from catenary.schema.arrow import to_arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.aggregate.feature import Feature

pytestmark = pytest.mark.property

# Every way in which a window's start can lie between others: short and long hops, hop 1, no window.
WINDOWS = [(10, 5), (60, 10), (7, 1), (61, 60), (None, None)]
BUCKETS = [STRING, BIGINT, BOOLEAN]
# SKEW and KURTOSIS agree to 1e-9 with the exact per-event form (semantics 14).
NEARLY = ("skew", "kurtosis")
ENTITIES = 2
LANES = 2


@dataclass(frozen=True)
class Case:
    """A layout, its events (entity, lane, ts, values) and reads (entity or -1, ts)."""

    layout: Layout
    events: list[tuple[int, int, int, dict[str, Any]]]
    reads: list[tuple[int, int]]


@st.composite
def layouts(draw: st.DrawFn, names: Sequence[str]) -> Layout:
    chosen: list[Feature] = []
    types: dict[str, Type] = {}
    for at, name in enumerate(names):
        feature = draw(features(name))
        type_ = draw(st.sampled_from(types_of(registry.operation(name))))
        column = f"x_{type_.name}"
        types[column] = type_
        bucket = draw(st.none() | st.none() | st.sampled_from(BUCKETS))
        if bucket is not None:
            types[f"b_{bucket.name}"] = bucket
        for window, hop in draw(st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=3)):
            own = replace(
                feature,
                name=f"f{at}_{len(chosen)}",
                input=column,
                window_ms=window,
                hop_ms=hop,
                bucket=None if bucket is None else f"b_{bucket.name}",
            )
            chosen.append(replace(own, default=draw(defaults(own, types))))
    return Layout.of(tuple(chosen), (), types)


def defaults(feature: Feature, types: dict[str, Type]) -> st.SearchStrategy[Any]:
    bucket = None if feature.bucket is None else types[feature.bucket]
    result = registry.column_type(feature, types[feature.input], bucket)
    known = {"bigint": 7, "double": 0.5, "string": "none", "boolean": True, "array": ()}
    return st.none() | st.just(known.get(result.name))


@st.composite
def cases(draw: st.DrawFn, layout: Layout) -> Case:
    times = st.integers(-70, 70)
    rows = {name: st.none() | VALUES[type_] for name, type_ in layout.types.items()}
    event = st.tuples(
        st.integers(0, ENTITIES - 1), st.integers(0, LANES - 1), times, st.fixed_dictionaries(rows)
    )
    read = st.tuples(st.integers(-1, ENTITIES), st.integers(-70, 140))
    return Case(
        layout,
        draw(st.lists(event, max_size=10)),
        draw(st.lists(read, min_size=1, max_size=4)),
    )


def cut_into_tiles(case: Case, data: st.DataObject) -> tuple[tiles.Tiles, np.ndarray]:
    """Tiles whose boundaries are those that the reads need and any others; merged from pieces."""
    needed = {ts for _, ts in case.reads}
    for _, ts in case.reads:
        for each in case.layout.features:
            if each.window_ms is not None:
                hop = each.hop_ms or 1
                needed.add((ts - each.window_ms) // hop * hop)
    drawn: list[tuple[int, int, int, bytes]] = []
    for entity in range(ENTITIES + 1):
        for lane in range(LANES):
            own = [each for each in case.events if each[:2] == (entity, lane)]
            more = data.draw(st.sets(st.integers(-70, 140), max_size=4))
            marks = [tiles.ANCIENT_MS, *sorted(needed | more), 1 << 40]
            for start, end in pairwise(marks):
                inside = [each for each in own if start <= each[2] < end]
                if inside:
                    drawn.append((entity, start, end, packed_of(case.layout, inside, data)))
    drawn.sort(key=lambda each: each[:3])
    held = tiles.Tiles(
        np.array([each[1] for each in drawn], np.int64),
        np.array([each[2] for each in drawn], np.int64),
        np.arange(len(drawn), dtype=np.int64) % 8,
        np.zeros(len(drawn), bool),
        pa.array([each[3] for each in drawn], pa.large_binary()),
    )
    owners = [each[0] for each in drawn]
    return held, np.searchsorted(owners, np.arange(ENTITIES + 2)).astype(np.int64)


def packed_of(layout: Layout, events: list[Any], data: st.DataObject) -> bytes:
    """Their tile, folded at once or merged from pieces in any order."""
    pieces = data.draw(st.integers(1, 3))
    groups = data.draw(
        st.lists(st.integers(0, pieces - 1), min_size=len(events), max_size=len(events))
    )
    folded = tiles.fold(layout, table_of(layout, events), np.array(groups, np.int32), pieces)
    order = data.draw(st.permutations(range(pieces)))
    shuffled = pa.array([folded[at].as_py() for at in order], pa.large_binary())
    return tiles.merge(layout, shuffled, np.array([0, pieces], np.int64))[0].as_py()


def table_of(layout: Layout, events: list[Any]) -> pa.Table:
    columns = {
        name: pa.array([each[3][name] for each in events], to_arrow(type_))
        for name, type_ in layout.types.items()
    }
    return pa.table(
        {
            "entity": pa.array([each[0] for each in events], pa.int64()),
            "ts": pa.array([each[2] for each in events], pa.int64()),
            **columns,
        }
    )


def reads_of(case: Case) -> pa.Table:
    entities = [None if entity < 0 else entity for entity, _ in case.reads]
    return pa.table(
        {
            "entity": pa.array(entities, pa.int64()),
            "ts": pa.array([ts for _, ts in case.reads], pa.int64()),
        }
    )


def answers_of(case: Case, held: tiles.Tiles, offsets: np.ndarray) -> tiles.Answers:
    entity = np.array([each for each, _ in case.reads], np.int32)
    return tiles.answer(case.layout, held, offsets, entity, np.array([ts for _, ts in case.reads]))


def exactly(case: Case, feature: Feature) -> list[Any]:
    """The feature by the per-event form: what every path must give."""
    operation = registry.operation_of(feature)
    results: list[Any] = []
    for entity, ts in case.reads:
        low = -math.inf
        if feature.window_ms is not None:
            low = (ts - feature.window_ms) // (feature.hop_ms or 1) * (feature.hop_ms or 1)
        folded: dict[Any, Any] = {}
        for owner, _, at, values in case.events:
            bucket = values[feature.bucket] if feature.bucket else 0
            if owner == entity and low <= at < ts and bucket is not None:
                partial = folded.get(bucket, operation.empty())
                folded[bucket] = operation.insert(partial, values[feature.input], at)
        finished = {
            bucket: value
            for bucket in sorted(
                folded, key=lambda each: str(each).encode() if isinstance(each, str) else each
            )
            if (value := operation.finish(folded[bucket], feature)) is not None
        }
        if feature.bucket:
            results.append(list(finished.items()) or None)
        elif all(operation.is_empty(each) for each in folded.values()):
            results.append(feature.default if entity >= 0 else None)
        else:
            results.append(finished.get(0))
    return results


def approximately(column: list[Any]) -> list[Any]:
    if any(isinstance(each, list) for each in column):
        return [
            [(label, pytest.approx(result, rel=1e-9, abs=1e-9)) for label, result in each]
            if each
            else each
            for each in column
        ]
    return [each if each is None else pytest.approx(each, rel=1e-9, abs=1e-9) for each in column]


def check(case: Case, held: tiles.Tiles, offsets: np.ndarray) -> None:
    got = answers_of(case, held, offsets)
    events = table_of(case.layout, case.events)
    wanted = aggregate(events, reads_of(case), keys=["entity"], features=case.layout.features)
    overflowing = np.zeros(len(case.reads), bool)
    for feature in case.layout.features:
        column = wanted.columns[feature.name].to_pylist()
        own = got.columns[feature.name].to_pylist()
        if feature.operation in NEARLY:
            column = exactly(case, feature)
            assert own == approximately(column), feature
        else:
            assert repr(own) == repr(column), feature
        if feature.operation == "sum" and feature.bucket is None:
            empty = aggregate(
                events,
                reads_of(case),
                keys=["entity"],
                features=[replace(feature, operation="count", default=None)],
            ).columns[0]
            integral = case.layout.types[feature.input].is_integer
            lost = [value is None for value in column] & np.array([v.is_valid for v in empty])
            overflowing |= lost if integral else False
    if not any(each.bucket for each in case.layout.features):
        assert got.overflow.tolist() == overflowing.tolist()
    assert not got.stale.any()
    assert not got.cut.any()
    rows(case, held, offsets, got)


def rows(case: Case, held: tiles.Tiles, offsets: np.ndarray, got: tiles.Answers) -> None:
    """A read by itself gives what it gives among others."""
    for at, (entity, ts) in enumerate(case.reads):
        if entity < 0:
            continue
        own = slice(*offsets[entity : entity + 2].tolist())
        single = tiles.Tiles(
            held.start[own],
            held.end[own],
            held.status[own],
            held.collapsed[own],
            held.packed.slice(own.start, own.stop - own.start),
        )
        row, *said = tiles.answer_one(case.layout, single, ts)
        assert row == tiles.answer_row(case.layout, single, ts)
        many = (got.status, got.seen, got.overflow, got.stale, got.cut)
        assert said == [each[at] for each in many]
        columns = got.columns.slice(at, 1).columns
        wanted = tuple(column[0].as_py(maps_as_pydicts="strict") for column in columns)
        assert shown(row) == shown(wanted)


def shown(value: Any) -> str:
    """Its text, doubles to the last bit; two time zones that are UTC are one."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(shown(each) for each in value)}]"
    return repr(value.astimezone(UTC) if isinstance(value, datetime) else value)


@pytest.mark.parametrize("name", registry.names())
@LAWS
@given(data=st.data())
def test_reads_of_tiles_are_what_the_kernel_gives_over_the_events(
    name: str, data: st.DataObject
) -> None:
    others = data.draw(st.lists(st.sampled_from(registry.names()), max_size=2))
    case = data.draw(cases(data.draw(layouts([name, *others]))))
    check(case, *cut_into_tiles(case, data))


@pytest.mark.parametrize("name", registry.names())
@LAWS
@given(data=st.data())
def test_the_bytes_of_a_tile_are_those_of_its_partials_per_event(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(data.draw(layouts([name]))))
    operation = registry.operation_of(case.layout.features[0])
    (accumulator,) = case.layout.accumulators
    packed = tiles.fold(
        case.layout, table_of(case.layout, case.events), np.zeros(len(case.events), np.int32), 1
    )
    if accumulator.bucket is None:
        partial = operation.empty()
        for _, _, ts, values in case.events:
            partial = operation.insert(partial, values[accumulator.input], ts)
        encoded = b"" if operation.is_empty(partial) else operation.encode(partial)
        assert packed[0].as_py() == (pack([encoded]) if case.events else b"")
    again = tiles.merge(case.layout, packed, np.array([0, 1], np.int64))
    assert again[0].as_py() == packed[0].as_py()


@pytest.mark.parametrize("name", registry.names())
@LAWS
@given(data=st.data())
def test_operations_that_no_loop_is_compiled_for_have_the_same_bytes_and_reads(
    name: str, data: st.DataObject
) -> None:
    others = data.draw(st.lists(st.sampled_from(registry.names()), max_size=1))
    case = data.draw(cases(data.draw(layouts([name, *others]))))
    slow = replace(case, layout=interpreted(case.layout))
    held, offsets = cut_into_tiles(case, data)
    check(slow, held, offsets)
    events, many = table_of(case.layout, case.events), len(case.events)
    groups = np.array([each[0] for each in case.events], np.int32)
    folded = [
        tiles.fold(each.layout, events, groups, ENTITIES).to_pylist() for each in (case, slow)
    ]
    assert folded[0] == folded[1]
    single = tiles.fold(case.layout, events, np.arange(many, dtype=np.int32), many)
    whole = np.array([0, many], np.int64)
    merged = [tiles.merge(each.layout, single, whole).to_pylist() for each in (case, slow)]
    assert merged[0] == merged[1]


def interpreted(layout: Layout) -> Layout:
    """The layout as if no operation were among those that are compiled."""
    same, program = replace(layout), layout.program
    same.__dict__["program"] = replace(
        program,
        specs=np.zeros_like(program.specs),
        inners=(None,) * len(program.inners),
        native=(),
        native_reads=np.zeros((0, 4), np.int32),
        native_starts=np.zeros_like(program.native_starts),
    )
    return same


NESTED = {
    "list": (array(BIGINT), st.lists(st.none() | VALUES[BIGINT], max_size=2)),
    "map": (
        map_of(STRING, BIGINT),
        st.lists(st.tuples(VALUES[STRING], st.none() | VALUES[BIGINT]), max_size=2),
    ),
    "struct": (
        struct({"a": BIGINT, "b": array(STRING)}),
        st.fixed_dictionaries(
            {
                "a": st.none() | VALUES[BIGINT],
                "b": st.none() | st.lists(st.none() | VALUES[STRING], max_size=2),
            }
        ),
    ),
}


@LAWS
@given(data=st.data())
def test_the_latest_row_of_tiles_is_the_kernel_s(data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.sampled_from(list(VALUES)), unique=True, min_size=1))
    types = {f"x_{each.name}": each for each in drawn}
    layout = Layout.of((), tuple(types), types)
    case = data.draw(cases(layout))
    got = answers_of(case, *cut_into_tiles(case, data)).columns
    events = table_of(layout, case.events)
    wanted = latest(events, reads_of(case), keys=["entity"], columns=layout.passthrough)
    assert plain(got) == plain(wanted)


@LAWS
@given(data=st.data())
def test_the_latest_row_carries_nested_columns_along(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(sorted(NESTED)), unique=True, min_size=1))
    types = {"n": BIGINT, **{name: NESTED[name][0] for name in chosen}}
    layout = Layout.of((), tuple(types), types)
    values = {"n": st.none(), **{name: st.none() | NESTED[name][1] for name in chosen}}
    drawn = data.draw(
        st.lists(
            st.tuples(st.just(0), st.just(0), st.integers(0, 9), st.fixed_dictionaries(values)),
            max_size=6,
        )
    )
    # The kernel leaves open which of two rows equal in all that is ordered it takes.
    events = [(*each[:3], {**each[3], "n": at}) for at, each in enumerate(drawn)]
    case = Case(layout, events, [(0, 10), (0, 5), (1, 10), (-1, 10)])
    got = answers_of(case, *cut_into_tiles(case, data)).columns
    wanted = latest(
        table_of(layout, events), reads_of(case), keys=["entity"], columns=layout.passthrough
    )
    assert plain(got) == plain(wanted)


@LAWS
@given(data=st.data())
def test_the_bytes_of_the_latest_row_are_those_of_its_per_event_form(data: st.DataObject) -> None:
    """In whatever order rows arrive, those that are alike but for what has no order included."""
    scalars = data.draw(st.lists(st.sampled_from(list(VALUES)), unique=True, max_size=3))
    nested = data.draw(st.lists(st.sampled_from(sorted(NESTED)), unique=True, min_size=1))
    types = {f"x_{each.name}": each for each in scalars}
    types |= {name: NESTED[name][0] for name in nested}
    layout = Layout.of((), tuple(types), types)
    drawn = {f"x_{each.name}": st.none() | VALUES[each] for each in scalars}
    drawn |= {name: st.none() | NESTED[name][1] for name in nested}
    rows = st.tuples(st.just(0), st.just(0), st.integers(0, 1), st.fixed_dictionaries(drawn))
    events = data.draw(st.lists(rows, min_size=1, max_size=6))
    operation = layout.accumulators[0].operation
    partial = operation.empty()
    for _, _, ts, values in events:
        partial = operation.insert(partial, tuple(values[name] for name in types), ts)
    encoded = operation.encode(partial)
    assert operation.encode(operation.decode(encoded)) == encoded
    assert packed_of(layout, data.draw(st.permutations(events)), data) == pack([encoded])


def plain(table: pa.Table) -> str:
    """Its values; NaN is null and -0.0 is 0.0 wherever values enter (semantics 10, 14)."""
    return repr([[value(each) for each in column.to_pylist()] for column in table.columns])


def value(each: Any) -> Any:
    if not isinstance(each, float):
        return each
    return None if math.isnan(each) else each + 0.0
