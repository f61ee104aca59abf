"""Tiles where their answers are easy to see, what they refuse, and many of them at once."""

from __future__ import annotations

import gc
import math
import os
import pickle
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from catenary.aggregate import tiles
from catenary.aggregate.feature import Feature
from catenary.aggregate.kernel import aggregate
from catenary.aggregate.layout import Layout
from catenary.aggregate.registry import operation_of
from catenary.aggregate.tiling.packing import unpack
from catenary.errors import DataError
from catenary.schema import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP, Type
from catenary.schema.arrow import to_arrow

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000
FUZZED = int(os.environ.get("CATENARY_TEST_EXAMPLES", "20")) * 10


def layout_of(*features: Feature, **types: Type) -> Layout:
    return Layout.of(features, (), types or {"x": BIGINT})


def one_tile(layout: Layout, ts: list[int], **columns: list[Any]) -> bytes:
    rows = pa.table(
        {
            "ts": pa.array(ts, pa.int64()),
            **{
                name: pa.array(each, to_arrow(layout.types[name])) for name, each in columns.items()
            },
        }
    )
    return tiles.fold(layout, rows, np.zeros(len(ts), np.int32), 1)[0].as_py()


def tiles_of(
    *rows: tuple[int, int, bytes], collapsed: bool = False, status: int = 0
) -> tiles.Tiles:
    return tiles.Tiles(
        np.array([each[0] for each in rows], np.int64),
        np.array([each[1] for each in rows], np.int64),
        np.full(len(rows), status, np.int64),
        np.full(len(rows), collapsed),
        pa.array([each[2] for each in rows], pa.large_binary()),
    )


def read(layout: Layout, held: tiles.Tiles, *ts: int, entity: int = 0) -> tiles.Answers:
    offsets = np.array([0, len(held)], np.int64)
    return tiles.answer(
        layout, held, offsets, np.full(len(ts), entity, np.int32), np.array(ts, np.int64)
    )


COUNT = Feature("n", "count", "x", 60, 10)


# -- layout ----------------------------------------------------------------------------------------


def test_windows_of_one_fold_share_its_accumulator() -> None:
    layout = layout_of(
        Feature("a", "last_k", "x", DAY, HOUR, k=2),
        Feature("b", "last_k", "x", HOUR, MINUTE, k=2),
        Feature("c", "last_k", "x", k=3),
        Feature("d", "last_k", "x", k=3, bucket="b"),
        x=BIGINT,
        b=STRING,
    )
    assert [(each.operation.k, each.bucket) for each in layout.accumulators] == [
        (2, None),
        (3, None),
        (3, "b"),
    ]


@pytest.mark.parametrize(
    ("windows", "sizes"),
    [
        ([], (1, 300_000, DAY)),
        ([(30 * DAY, DAY)], (1, 300_000, DAY)),
        ([(DAY, HOUR), (HOUR, 300_000)], (1, 300_000, HOUR, DAY)),
        ([(DAY, HOUR), (HOUR, MINUTE)], (1, MINUTE, HOUR, DAY)),
        # 7 minutes are no multiple of 5: tiles are of what divides both, and so merge whole.
        ([(DAY, 7 * MINUTE)], (1, MINUTE, DAY)),
        # 36 hours: a tile of a day would straddle every other hop.
        ([(9 * DAY, 36 * HOUR)], (1, 300_000, 12 * HOUR)),
    ],
)
def test_every_size_of_tiles_divides_the_next(
    windows: list[tuple[int, int]], sizes: tuple[int, ...]
) -> None:
    features = [Feature(f"f{at}", "count", "x", *each) for at, each in enumerate(windows)]
    assert layout_of(*features).sizes_ms == sizes


def test_the_reach_is_that_of_the_longest_window() -> None:
    short, unwindowed = Feature("s", "count", "x", HOUR, MINUTE), Feature("u", "count", "x")
    assert layout_of(short, COUNT).reach_ms == HOUR + MINUTE
    assert layout_of(short, unwindowed).reach_ms is None
    assert Layout.of((), ("x",), {"x": BIGINT}).reach_ms is None


def test_another_process_gets_the_layout_and_makes_its_own_program() -> None:
    layout = layout_of(COUNT)
    packed = one_tile(layout, [1], x=[1])
    again = pickle.loads(pickle.dumps(layout))
    assert "program" not in again.__dict__
    assert again.accumulators == layout.accumulators
    assert one_tile(again, [1], x=[1]) == packed


# -- fold and merge --------------------------------------------------------------------------------


def test_a_group_without_rows_is_no_bytes_and_one_of_nulls_is_some() -> None:
    rows = pa.table({"ts": [1, 2, 3], "x": pa.array([1, None, 3], pa.int64())})
    groups = np.array([0, 2, -1], np.int32)
    packed = tiles.fold(layout_of(COUNT), rows, groups, 3).to_pylist()
    assert packed == [b"\x01\x03\x01\x01\x01", b"", b"\x01\x00"]


def test_merging_nothing_gives_nothing() -> None:
    layout = layout_of(COUNT)
    packed = pa.array([b"", one_tile(layout, [1], x=[1]), b"", b""], pa.large_binary())
    merged = tiles.merge(layout, packed, np.array([0, 0, 2, 4], np.int64)).to_pylist()
    assert merged == [b"", packed[1].as_py(), b""]


def test_rows_of_other_types_are_cast_and_those_that_do_not_fit_are_refused() -> None:
    layout, groups = layout_of(COUNT), np.zeros(1, np.int32)
    for fits in (pa.array([1], pa.int16()), pa.array([1.0]), pa.array([1]).dictionary_encode()):
        assert tiles.fold(layout, pa.table({"ts": [1], "x": fits}), groups, 1)[0].is_valid
    with pytest.raises(DataError, match="column 'x' is string, which does not fit int64"):
        tiles.fold(layout, pa.table({"ts": [1], "x": ["a"]}), groups, 1)
    with pytest.raises(DataError, match="no column 'x'"):
        tiles.fold(layout, pa.table({"ts": [1], "y": [1]}), groups, 1)


def test_a_row_without_an_instant_is_in_no_group() -> None:
    rows = pa.table({"ts": pa.array([None, 5], pa.int64()), "x": [1, 2]})
    packed = tiles.fold(layout_of(COUNT), rows, np.zeros(2, np.int32), 1)
    assert packed.to_pylist() == [b"\x01\x03\x01\x01\x01"]


def test_a_slice_of_a_table_is_folded_like_a_table_of_its_own() -> None:
    rows = pa.table(
        {
            "ts": list(range(40)),
            "x": pa.array([None if at % 5 == 0 else at for at in range(40)], pa.int64()),
            "f": pa.array([None if at % 7 == 0 else at % 2 == 0 for at in range(40)]),
            "t": pa.array([None if at % 3 == 0 else "é" * (at % 4) for at in range(40)]),
        }
    )
    types = {"x": BIGINT, "f": BOOLEAN, "t": STRING}
    features = (
        *(Feature(f"last_{name}", "last", name) for name in types),
        Feature("by", "sum", "x", bucket="t"),
    )
    groups = np.arange(13, dtype=np.int32) % 4
    sliced = rows.slice(11, 13)
    alone = pa.Table.from_pylist(sliced.to_pylist(), schema=rows.schema)
    for layout in (Layout.of(features, (), types), Layout.of((), tuple(types), types)):
        folded = [tiles.fold(layout, each, groups, 4) for each in (sliced, alone)]
        assert folded[0].to_pylist() == folded[1].to_pylist()
        offsets = np.array([0, 2], np.int64)
        merged = [tiles.merge(layout, each.slice(1, 2), offsets) for each in folded]
        assert merged[0].to_pylist() == merged[1].to_pylist()


def test_several_threads_give_the_bytes_of_one() -> None:
    many, groups = 240_000, np.arange(240_000, dtype=np.int32) // 2
    rows = pa.table({"ts": np.arange(many), "x": np.arange(many) * 7919 % 10_007})
    layout = layout_of(Feature("s", "sum", "x"), Feature("l", "last_k", "x", k=2))
    half = many // 2
    whole = tiles.fold(layout, rows, groups, half)
    parts = [tiles.fold(layout, rows.slice(at, half), groups[:half], half // 2) for at in (0, half)]
    assert whole.equals(pa.concat_arrays(parts))
    offsets = np.arange(0, half + 1, 4, dtype=np.int64)
    again = tiles.fold(layout, rows, groups // 4, half // 4)
    assert tiles.merge(layout, whole, offsets).equals(again)


# -- damage ----------------------------------------------------------------------------------------

EVERY_FORM = layout_of(
    *(
        Feature(f"{name}_{column}_{bucket}", name, column, bucket=bucket, k=2 if name == "last_k" else None)
        for name, column, bucket in (
            ("count", "x", None), ("sum", "x", None), ("sum", "d", None), ("variance", "d", None),
            ("kurtosis", "x", None), ("min", "t", None), ("last", "d", None), ("first", "t", None),
            ("last_k", "x", None), ("histogram", "t", None), ("last_k", "t", "x"), ("sum", "x", "t"),
            ("unique_count", "d", "t"),
        )
    ),
    x=BIGINT,
    d=DOUBLE,
    t=STRING,
)  # fmt: skip
LATEST = Layout.of((), ("x", "d", "t"), EVERY_FORM.types)


def test_another_version_is_named() -> None:
    layout = layout_of(COUNT)
    held = tiles_of((0, 10, b"\x02\x00"))
    with pytest.raises(DataError, match="a tile has format version 2; version 1 is read"):
        read(layout, held, 20)
    with pytest.raises(DataError, match="a tile has format version 2; version 1 is read"):
        tiles.merge(layout, pa.array([b"\x02\x00"] * 2, pa.large_binary()), np.array([0, 2]))


def test_another_operation_s_partial_is_named() -> None:
    summed = one_tile(layout_of(Feature("s", "sum", "x")), [1], x=[1])
    with pytest.raises(DataError, match="tag 2 is not one of count"):
        read(layout_of(COUNT), tiles_of((0, 10, summed)), 20)


def test_doubles_are_not_read_as_integers() -> None:
    doubles = one_tile(layout_of(Feature("s", "sum", "x"), x=DOUBLE), [1], x=[1.5])
    with pytest.raises(DataError, match="damaged"):
        read(layout_of(Feature("s", "sum", "x")), tiles_of((0, 10, doubles)), 20)


@pytest.mark.parametrize("layout", [EVERY_FORM, LATEST], ids=["features", "rows"])
def test_bytes_that_were_cut_off_or_changed_are_refused_or_read_never_followed(
    layout: Layout,
) -> None:
    r = random.Random(7)
    whole = one_tile(layout, [1, 2, 3], x=[1, -2, 3], d=[0.5, 1e300, -1.0], t=["a", "bc", None])
    refused = 0
    for _ in range(FUZZED):
        data = bytearray(whole)
        for _ in range(r.randrange(3)):
            data[r.randrange(len(data))] = r.randrange(256)
        bad = bytes(data[: r.choice([len(data), r.randrange(1, len(data))])])
        for pair in ((bad, whole), (bad, bad)):
            held = tiles_of((0, 10, pair[0]), (10, 20, pair[1]))
            for run in (
                lambda held=held: read(layout, held, 30),
                lambda held=held: tiles.merge(layout, held.packed, np.array([0, 2], np.int64)),
            ):
                try:
                    run()
                except DataError:
                    refused += 1
    assert refused > FUZZED // 2


def test_a_cut_off_row_is_refused() -> None:
    layout = Layout.of((), ("a", "b"), {"a": STRING, "b": BIGINT})
    whole = one_tile(layout, [5], a=["text"], b=[7])
    for size in range(3, len(whole)):
        bad = bytes([1, size - 2]) + whole[2:size]
        with pytest.raises(DataError):
            read(layout, tiles_of((0, 10, bad)), 20)


def test_texts_that_are_not_utf_8_are_refused() -> None:
    layout = layout_of(Feature("t", "last", "t"), t=STRING)
    whole = one_tile(layout, [5], t=["é"])
    held = tiles_of((0, 10, whole[:-1] + b"("))
    with pytest.raises(DataError, match="UTF-8"):
        read(layout, held, 20)
    with pytest.raises(DataError, match="UTF-8"):
        tiles.answer_row(layout, held, 20)


# -- answers ---------------------------------------------------------------------------------------


def test_rule_01_a_tile_counts_if_it_starts_in_the_window_and_ends_at_the_read() -> None:
    layout = layout_of(COUNT)
    held = tiles_of(*((at, at + 10, one_tile(layout, [at], x=[1])) for at in range(0, 100, 10)))
    counted = read(layout, held, 100, 95, 90, 10, 5).columns["n"].to_pylist()
    assert counted == [6, 6, 6, 1, None]  # [40, 100), [30, 90): not [90, 100), ...


def test_a_collapsed_tile_in_which_a_window_starts_is_taken_whole_and_said_to_be_stale() -> None:
    layout = layout_of(COUNT, Feature("long", "count", "x", 200, 10))
    old, new = one_tile(layout, [1, 2], x=[1, 1]), one_tile(layout, [95], x=[1])
    for collapsed, short, stale, cut in ((True, 3, True, False), (False, 1, False, True)):
        held = tiles_of((-50, 60, old), (90, 100, new), collapsed=collapsed, status=4)
        got = read(layout, held, 100)
        assert got.columns.to_pylist() == [{"n": short, "long": 3}]
        assert (got.stale.tolist(), got.cut.tolist()) == ([stale], [cut])
        assert got.status.tolist() == [4]


def test_tiles_of_lanes_that_overlap_are_all_taken() -> None:
    layout = layout_of(COUNT, Feature("all", "count", "x"))
    one = one_tile(layout, [45], x=[1])
    held = tiles_of((tiles.ANCIENT_MS, 40, one), (40, 50, one), (40, 100, one), (45, 46, one))
    assert read(layout, held, 100).columns.to_pylist() == [{"n": 3, "all": 4}]


def test_rule_10_defaults_stand_in_for_no_value_and_not_for_a_null_key() -> None:
    layout = layout_of(
        Feature("i", "sum", "x", default=7),
        Feature("t", "last", "t", default="none"),
        Feature("l", "last_k", "x", k=1, default=()),
        x=BIGINT,
        t=STRING,
    )
    held = tiles_of((0, 10, one_tile(layout, [1], x=[None], t=[None])))
    got = read(layout, held, 20)
    assert got.columns.to_pylist() == [{"i": 7, "t": "none", "l": []}]
    assert got.seen.tolist() == [False]
    assert tiles.answer_row(layout, held, 20) == (7, "none", [])
    nulls = read(layout, held, 20, entity=-1).columns.to_pylist()
    assert nulls == [{"i": None, "t": None, "l": None}]


def test_columns_of_numbers_are_each_reads_and_stay_when_all_else_is_gone() -> None:
    layout = layout_of(
        Feature("n", "count", "x", 30, 10),
        Feature("mean", "average", "x", 30, 10),
        Feature("filled", "sum", "x", 20, 10, default=-1),
        Feature("all", "sum", "x"),
        x=BIGINT,
    )
    held = tiles_of(
        *((at, at + 10, one_tile(layout, [at], x=[at])) for at in (0, 10, 20, 70, 80, 110))
    )
    instants = [*range(0, 200, 10), 15]
    table = read(layout, held, *instants).columns
    alone = [tiles.answer_row(layout, held, ts) for ts in instants]
    assert [tuple(row.values()) for row in table.to_pylist()] == alone
    columns = [column.chunk(0) for column in table.columns]
    nulls = [column.null_count for column in columns]
    assert nulls == [sum(value is None for value in own) for own in zip(*alone, strict=True)]
    (kept,) = columns[1:2]
    del table, columns, held
    gc.collect()
    assert kept.to_pylist() == [row[1] for row in alone]
    assert pickle.loads(pickle.dumps(kept)).equals(kept)


def test_rule_14_a_sum_that_does_not_fit_is_null_and_said_to_overflow() -> None:
    layout = layout_of(Feature("s", "sum", "x", default=1), Feature("b", "sum", "x", bucket="x"))
    most = one_tile(layout, [1], x=[2**63 - 1])
    held = tiles_of((0, 10, most), (10, 20, one_tile(layout, [11], x=[1])))
    assert read(layout, held, 10).columns["s"].to_pylist() == [2**63 - 1]
    got = read(layout, held, 20)
    assert got.columns["s"].to_pylist() == [None]
    assert got.overflow.tolist() == [True]
    back = tiles_of((0, 10, most), (10, 20, one_tile(layout, [11, 12], x=[1, -1])))
    assert read(layout, back, 20).columns["s"].to_pylist() == [2**63 - 1]


def test_a_single_read_gives_python_values_of_every_type() -> None:
    types = {"x": BIGINT, "d": DOUBLE, "t": STRING, "f": BOOLEAN, "day": DATE, "at": TIMESTAMP}
    layout = Layout.of(tuple(Feature(name, "max", name) for name in types), (), types)
    rows = pa.table(
        {
            "ts": [1],
            "x": [5],
            "d": [2.5],
            "t": ["é"],
            "f": [True],
            "day": pa.array([3], pa.int32()).cast(pa.date32()),
            "at": pa.array([-1], pa.timestamp("us", tz="UTC")),
        }
    )
    held = tiles_of((0, 10, tiles.fold(layout, rows, np.zeros(1, np.int32), 1)[0].as_py()))
    row = tiles.answer_row(layout, held, 10)
    assert [str(each) for each in row] == [
        "5", "2.5", "é", "True", "1970-01-04", "1969-12-31 23:59:59.999999+00:00",
    ]  # fmt: skip


def test_no_features_and_no_reads_are_no_columns_and_no_rows() -> None:
    layout = layout_of()
    packed = tiles.fold(layout, pa.table({"ts": [1]}), np.zeros(1, np.int32), 1)
    got = read(layout, tiles_of((0, 10, packed[0].as_py())), 10, 20)
    assert (got.columns.num_columns, got.columns.num_rows) == (0, 2)
    assert read(layout_of(COUNT), tiles_of()).columns.num_rows == 0
    assert tiles.answer_row(layout, tiles_of(), 5) == ()


@pytest.mark.parametrize("type_", [BIGINT, DOUBLE, STRING])
def test_a_tile_of_many_values_has_the_bytes_of_the_per_event_form(type_: Type) -> None:
    r = random.Random(11)
    names = [
        ("first_k", 30), ("last_k", 30), ("top_k", 30), ("bottom_k", 300), ("unique_top_k", 100),
        ("unique_count", None), ("min", None), ("last", None),
    ]  # fmt: skip
    features = [Feature(name, name, "x", k=k) for name, k in names]
    layout = layout_of(*features, x=type_)
    made = {"bigint": int, "double": lambda each: each / 8, "string": str}[type_.name]
    events = [
        (r.randrange(300), None if r.random() < 0.05 else made(r.randrange(-400, 400)))
        for _ in range(1_200)
    ]
    rows = pa.table(
        {
            "ts": [ts for ts, _ in events],
            "x": pa.array([value for _, value in events], to_arrow(type_)),
        }
    )
    wanted = []
    for feature in features:
        operation = operation_of(feature)
        partial = operation.empty()
        for ts, value in events:
            partial = operation.insert(partial, value, ts)
        wanted.append(operation.encode(partial))
    whole = tiles.fold(layout, rows, np.zeros(len(events), np.int32), 1)
    assert unpack(whole[0].as_py(), len(names)) == wanted
    for pieces in (3, 40, 1_200):
        groups = np.array([r.randrange(pieces) for _ in events], np.int32)
        packed = tiles.fold(layout, rows, groups, pieces)
        assert tiles.merge(layout, packed, np.array([0, pieces])).to_pylist() == whole.to_pylist()


# -- many ------------------------------------------------------------------------------------------


def test_many_reads_of_many_tiles_are_what_the_kernel_gives() -> None:
    """Hot entities, whose tiles are merged in blocks, beside cold ones."""
    r = random.Random(3)
    types = {"x": BIGINT, "d": DOUBLE, "t": STRING, "w": BIGINT}
    features = [
        Feature(
            f"{name}_{column}_{window}_{bucket}", name, column, window, hop, bucket,
            k=30 if "_k" in name else None,
        )
        for bucket in (None, "t", "x")
        for name, column in (
            ("count", "x"), ("sum", "d"), ("sum", "x"), ("average", "x"), ("stddev", "d"), ("min", "d"),
            ("max", "t"), ("last", "t"), ("top_k", "x"), ("unique_count", "w"),
            ("unique_top_k", "w"), ("last_k", "w"), ("histogram", "w"),
        )
        for window, hop in ((400, 10), (5_000, 100), (20_000, 1_000), (None, None))
    ]  # fmt: skip
    layout = Layout.of(tuple(features), (), types)
    events = [
        (r.choice([0, 0, 0, 1, 2]), r.randrange(40_000), r.randrange(-50, 50),
         r.choice([math.inf, r.gauss(0, 1) * 10.0 ** r.randrange(-3, 6)] if r.random() < 0.01 else [0.1, 0.25]),
         r.choice(["a", "b", "ab", None]), r.randrange(2_000))
        for _ in range(6_000)
    ]  # fmt: skip
    table = pa.table(
        {
            "k": [each[0] for each in events],
            "ts": [each[1] for each in events],
            **{name: [each[2 + at] for each in events] for at, name in enumerate(types)},
        }
    )
    groups: dict[tuple[int, int, int], int] = {}
    own = [
        groups.setdefault((key, lane, ts // 10), len(groups))
        for (key, ts, *_), lane in zip(events, (r.randrange(2) for _ in events), strict=True)
    ]
    packed = tiles.fold(layout, table, np.array(own, np.int32), len(groups))
    ordered = sorted(groups, key=lambda each: (each[0], each[2]))
    held = tiles.Tiles(
        np.array([each[2] * 10 for each in ordered], np.int64),
        np.array([each[2] * 10 + 10 for each in ordered], np.int64),
        np.array([1 << each[2] % 9 if each[2] % 100 == 0 else 0 for each in ordered], np.int64),
        np.zeros(len(ordered), bool),
        packed.take(pa.array([groups[each] for each in ordered])),
    )
    offsets = np.searchsorted([each[0] for each in ordered], np.arange(4)).astype(np.int64)
    reads = [(r.choice([0, 0, 0, 1, 3]), r.randrange(4_100) * 10) for _ in range(120)]
    got = tiles.answer(
        layout,
        held,
        offsets[[0, 1, 2, 3, 3]],
        np.array([key for key, _ in reads], np.int32),
        np.array([ts for _, ts in reads], np.int64),
    )
    queries = pa.table({"k": [key for key, _ in reads], "ts": [ts for _, ts in reads]})
    wanted = aggregate(table, queries, keys=["k"], features=features).columns
    for name in wanted.column_names:
        assert repr(got.columns[name].to_pylist()) == repr(wanted[name].to_pylist()), name
    for at, (key, ts) in enumerate(reads):
        used = 0
        for (owner, _, tile), status in zip(ordered, held.status.tolist(), strict=True):
            used |= status if owner == key and tile * 10 + 10 <= ts else 0
        assert got.status[at] == used
