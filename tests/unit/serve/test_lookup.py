"""Reads from hand-made datasets against the kernel over the same events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from catenary.aggregate import tiles as kernel
from catenary.definitions import Aggregation, Derivation, GroupBy, JoinPart, Operation
from catenary.errors import NotYetError, UnreadableError
from catenary.expressions import register_function
from catenary.ports import statuses
from catenary.schema import BIGINT
from catenary.serve.lookup import StoreLookup
from catenary.state import tiles
from catenary.state.keys import encode_key
from catenary.state.layouts import layout_of
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS


def looked_up(world, name, requests, at, **more):
    rows = pa.Table.from_pylist(requests)
    lookup = StoreLookup(world.store, **more)
    return lookup.join(world.node(name), rows, np.asarray(at, np.int64))


@pytest.fixture
def clicks(made):
    """Three days of two users, some rows in the same millisecond, one without a value."""
    rng = np.random.default_rng(7)
    at = np.sort(made.DAY + rng.integers(-2 * DAY_MS, 12 * HOUR_MS, 300))
    rows = [
        (("ann", "bob")[int(rng.integers(2))], float(rng.integers(1, 100)) / 4, int(ts))
        for ts in at
    ]
    return made.clicks(*rows, ("ann", None, made.DAY), (None, 5.0, made.DAY))


def asked(made, count=60):
    rng = np.random.default_rng(8)
    at = made.DAY + rng.integers(0, 13 * HOUR_MS, count)
    users = [("ann", "bob", "nobody", None)[int(which)] for which in rng.integers(0, 4, count)]
    return users, at


def test_reads_in_the_head_are_the_kernels_to_the_millisecond(made, clicks):
    world = made.World(made.offer([made.spending()]))
    world.stream("spending", clicks)
    users, at = asked(made)
    looked = looked_up(world, "offer", [{"user": user, "shop": 1} for user in users], at)
    expected = world.expected("spending", clicks, [(user,) for user in users], at)
    names = {f"spending_{name}": name for name in world.node("spending").schema}
    found = looked.columns.rename_columns([names[each] for each in looked.columns.column_names])
    assert found.to_pylist() == expected
    known = [user in ("ann", "bob") for user in users]
    assert looked.status.tolist() == [0 if each else statuses.MISSING for each in known]


def test_reads_merge_an_upload_with_late_tiles_closed_tiles_and_the_head(made, clicks):
    world = made.World(made.offer([made.spending()]))
    ts = clicks.column("ts").to_numpy()
    late = np.zeros(len(ts), bool)
    late[np.flatnonzero(ts < made.DAY)[::7]] = True
    in_tables = clicks.filter(pa.array((ts < made.DAY) & ~late))
    rest = pa.concat_tables(
        [clicks.filter(pa.array(late)), clicks.filter(pa.array((ts >= made.DAY) & ~late))]
    )
    world.upload("spending", in_tables, made.DAY, frontier={"shop/clicks/0": 0})
    world.stream("spending", rest, floor=made.DAY + HOUR_MS)
    users, at = asked(made)
    at = np.where(at < made.DAY + HOUR_MS, at // (5 * MINUTE_MS) * (5 * MINUTE_MS), at)
    looked = looked_up(world, "offer", [{"user": user, "shop": 1} for user in users], at)
    expected = world.expected("spending", clicks, [(user,) for user in users], at)
    assert [list(each.values()) for each in looked.columns.to_pylist()] == [
        list(each.values()) for each in expected
    ]
    assert set(looked.status.tolist()) == {0, statuses.MISSING}


def recent(made, *windows):
    return GroupBy(
        "recent",
        sources=made.spending().sources,
        keys="user",
        aggregations=[Aggregation("amount", Operation.SUM, windows=list(windows))],
    )


def test_tiles_outside_the_windows_are_passed_over_in_every_lane(made):
    world = made.World(recent(made, "1h", "1d"))
    rng = np.random.default_rng(11)
    users = [f"user {number}" for number in range(12)]
    lanes = []
    for partition in range(3):
        at = np.sort(made.DAY + rng.integers(-9 * DAY_MS, 9 * HOUR_MS, 900))
        rows = [(users[int(rng.integers(12))], float(rng.integers(64)), int(ts)) for ts in at]
        lanes.append(made.clicks(*rows))
        floor = made.DAY + partition * HOUR_MS
        world.stream("recent", lanes[-1], floor=floor, partition=partition)
    asked = rng.permutation([*users, "nobody", "somebody", users[3]]).tolist()
    at = made.DAY + rng.integers(3 * HOUR_MS, 8 * HOUR_MS, len(asked))
    answer = world.fetcher.fetch("recent", [{"user": user} for user in asked], at=at)
    expected = world.expected("recent", pa.concat_tables(lanes), [(user,) for user in asked], at)
    assert answer.rows() == expected
    assert answer.status == ["missing" if user not in users else "ok" for user in asked]


@pytest.mark.parametrize("many", [False, True])
def test_a_read_that_ends_early_counts_the_windows_before_its_end(made, many):
    world = made.World(recent(made, "1h"))
    world.stream("recent", made.clicks(("ann", 5.0, made.DAY - 30 * MINUTE_MS)), floor=made.DAY)
    layout = layout_of(world.node("recent"))
    rows = made.clicks(("ann", 7.0, made.DAY + HOUR_MS))
    (packed,) = kernel.fold(layout, rows, np.zeros(1, np.int32), 1).to_pylist()
    level = layout.sizes_ms.index(DAY_MS)
    day = tiles.tile(ENTITY, tiles.lane_middle(bytes(3)), level, tiles.instant(made.DAY))
    assert world.dataset("recent").commit({}, [(day, tiles.value(0, packed))])
    at = made.DAY + 12 * HOUR_MS
    if many:
        row = world.fetcher.fetch("recent", [{"user": "bob"}, {"user": "ann"}], at=at).row(1)
    else:
        row = world.fetcher.fetch("recent", {"user": "ann"}, at=at)
    assert row == {"amount_sum_1h": 5.0}
    assert row.status == "as_of_tile"


ENTITY = encode_key(["ann"])
LANE = tiles.TILE + ENTITY + tiles.OF_LANE + bytes(3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (LANE + b"\x00" + tiles.instant(0)[:7], bytes(9)),
        (LANE + b"\x00" + tiles.instant(0) + b"\x00", bytes(9)),
        (tiles.tile(ENTITY, tiles.late_middle(1, bytes(3)), 9, tiles.instant(0)), bytes(9)),
        (LANE + b"\x00" + tiles.instant(0), bytes(3)),
        (tiles.upload_key(1, ENTITY), b"\x01\x00\x00"),
        (tiles.upload_key(1, ENTITY), b"\x02\x00\x00\x00" + bytes(21)),
        (tiles.upload_key(1, ENTITY), b"\x01\x00\x00\x00" + bytes(16) + b"\x05" + bytes(4)),
        (tiles.upload_key(1, ENTITY), b"\x00\x00\x00\x00trailing"),
    ],
    ids=["short key", "long key", "level", "short", "no count", "no sizes", "size", "trailing"],
)
def test_a_row_that_is_no_tile_is_refused_with_what_mends_it(made, key, value):
    world = made.World(made.spending())
    rows = made.clicks(("ann", 1.0, made.DAY - HOUR_MS))
    world.stream("spending", rows)
    if not key.startswith(LANE):
        world.upload("spending", rows, made.DAY)
    assert world.dataset("spending").commit({}, [(key, value)])
    for requests in ({"user": "ann"}, [{"user": "ann"}, {"user": "bob"}]):
        with pytest.raises(UnreadableError, match="a tile of the store is damaged") as caught:
            world.fetcher.fetch("spending", requests, at=made.DAY + HOUR_MS)
        assert "upload again" in str(caught.value.hint)


def test_a_read_before_the_head_is_as_of_the_last_tile_boundary(made):
    world = made.World(made.offer([made.spending()]))
    tile = made.DAY + HOUR_MS
    world.stream(
        "spending",
        made.clicks(("ann", 1.0, tile - 1), ("ann", 2.0, tile + 1), ("ann", 4.0, tile + 2)),
        floor=made.DAY + 2 * HOUR_MS,
    )
    looked = looked_up(world, "offer", [{"user": "ann", "shop": 1}], [tile + 2])
    assert looked.status.tolist() == [statuses.AS_OF_TILE]
    assert looked.columns.column("spending_amount_sum_1h").to_pylist() == [1.0]


def test_a_window_that_begins_in_a_collapsed_tile_is_a_stale_batch(made):
    world = made.World(made.offer([made.spending()]))
    rows = made.clicks(("ann", 1.0, made.DAY - 2 * DAY_MS + 1), ("ann", 2.0, made.DAY - 1))
    world.upload("spending", rows, made.DAY, size=DAY_MS, collapsed=True)
    looked = looked_up(world, "offer", [{"user": "ann", "shop": 1}], [made.DAY + HOUR_MS])
    assert looked.status.tolist() == [statuses.STALE_BATCH]


def test_what_was_never_uploaded_nor_streamed_is_missing_upload_without_defaults(made):
    world = made.World(made.offer([made.spending(), made.people()]))
    requests = [{"user": "ann", "shop": 1}, {"user": None, "shop": 1}]
    looked = looked_up(world, "offer", requests, [made.DAY] * 2)
    assert looked.status.tolist() == [statuses.MISSING_UPLOAD, statuses.MISSING]
    assert looked.columns.to_pylist() == [dict.fromkeys(looked.columns.column_names)] * 2


def test_a_read_before_all_uploads_is_refused(made):
    world = made.World(made.offer([made.spending()]))
    world.upload("spending", made.clicks(("ann", 2.0, made.DAY - 1)), made.DAY)
    looked = looked_up(world, "offer", [{"user": "ann", "shop": 1}], [made.DAY - HOUR_MS])
    assert looked.status.tolist() == [statuses.BEFORE_RETENTION | statuses.MISSING]
    assert set(looked.columns.to_pylist()[0].values()) == {None}
    assert "2022-01-07 00:00 or earlier would be needed" in looked.refused[0]


def test_a_read_is_refused_where_tiles_between_upload_and_window_are_gone(made):
    world = made.World(made.offer([made.spending()]))
    world.upload("spending", made.clicks(("ann", 2.0, made.DAY - 1)), made.DAY)
    world.stream("spending", made.clicks(("ann", 3.0, made.DAY + 4 * DAY_MS)))
    world.change_lane("spending", kept_ms=made.DAY + 3 * DAY_MS)
    looked = looked_up(
        world, "offer", [{"user": "ann", "shop": 1}], [made.DAY + 3 * DAY_MS + HOUR_MS]
    )
    assert looked.status[0] & statuses.BEFORE_RETENTION


def test_a_read_is_refused_where_the_lane_began_after_the_upload_that_fits(made):
    world = made.World(made.offer([made.spending()]))
    topic = "shop/clicks/0"
    world.upload("spending", made.clicks(("ann", 2.0, made.DAY - 1)), made.DAY, frontier={topic: 0})
    second = made.DAY + DAY_MS
    rows = made.clicks(("ann", 2.0, made.DAY - 1), ("ann", 1.0, made.DAY + 1))
    world.upload("spending", rows, second, frontier={topic: 5})
    world.stream("spending", made.clicks(("ann", 3.0, second + 1)))
    world.change_lane("spending", position=6, covered_ms=second, since_ms=second)
    requests = [{"user": "ann", "shop": 1}] * 2
    looked = looked_up(world, "offer", requests, [second - 1, second + 2])
    assert [bool(bits & statuses.BEFORE_RETENTION) for bits in looked.status] == [True, False]
    assert looked.columns.column("spending_amount_sum_2d").to_pylist() == [None, 6.0]


def test_an_upload_makes_up_for_what_a_log_had_lost_before_its_lane_began(made):
    world = made.World(made.offer([made.spending()]))
    world.stream("spending", made.clicks(("ann", 3.0, made.DAY + 1)))
    world.change_lane("spending", position=8, began=7, since_ms=1 << 61)
    requests, at = [{"user": "ann", "shop": 1}], [made.DAY + 2]
    assert looked_up(world, "offer", requests, at).status.tolist() == [statuses.MISSING_UPLOAD]
    rows = made.clicks(("ann", 2.0, made.DAY - 1))
    world.upload("spending", rows, made.DAY, frontier={"shop/clicks/0": 8})
    looked = looked_up(world, "offer", requests, at)
    assert looked.status.tolist() == [0]
    assert looked.columns.column("spending_amount_sum_2d").to_pylist() == [5.0]


def test_statuses_of_rows_are_inherited_by_reads(made):
    world = made.World(made.offer([made.spending()]))
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)), status=statuses.LATE_PARENT)
    looked = looked_up(world, "offer", [{"user": "ann", "shop": 1}] * 2, [made.DAY, made.DAY + 1])
    assert looked.status.tolist() == [statuses.MISSING, statuses.LATE_PARENT]


def test_rule_03_a_snapshot_is_read_as_of_the_last_midnight(made):
    world = made.World(made.offer([made.people(), made.daily()]))
    rows = made.clicks(("ann", 1.0, made.DAY - 1), ("ann", 2.0, made.DAY - DAY_MS - 1))
    world.upload("daily", rows, made.DAY, size=HOUR_MS)
    world.entities_uploaded([("ann", 30), ("bob", 40)], made.DAY)
    world.entities_uploaded([("ann", 31)], made.DAY + DAY_MS)
    requests = [{"user": user, "shop": 1} for user in ("ann", "ann", "bob", "ann")]
    at = [made.DAY, made.DAY + DAY_MS - 1, made.DAY + DAY_MS, made.DAY + 3 * DAY_MS]
    looked = looked_up(world, "offer", requests, at)
    assert looked.columns.column("people_age").to_pylist() == [30, 30, None, 31]
    people = looked.parts["people"].tolist()
    assert people == [0, 0, statuses.MISSING, statuses.STALE_BATCH]
    assert looked.columns.column("daily_amount_sum_2d").to_pylist()[:2] == [3.0, 3.0]
    assert looked.parts["daily"].tolist()[:2] == [0, 0]


def test_a_late_snapshot_is_null_or_held_when_asked_so(made):
    world = made.World(made.offer([made.people()]))
    world.entities_uploaded([("ann", 30)], made.DAY)
    requests, late = [{"user": "ann", "shop": 1}], [made.DAY + DAY_MS]
    nothing = looked_up(world, "offer", requests, late, on_snapshot_late="null")
    assert nothing.columns.to_pylist() == [{"people_age": None}]
    assert nothing.status.tolist() == [statuses.STALE_BATCH]
    holding = StoreLookup(world.store, on_snapshot_late="hold")
    join = world.node("offer")
    assert holding.ready(join, np.array([made.DAY]))
    assert not holding.ready(join, np.array([made.DAY, *late]))
    with pytest.raises(NotYetError, match="people has no snapshot as of 2022-01-09 00:00"):
        looked_up(world, "offer", requests, late, on_snapshot_late="hold")


def test_a_snapshot_that_holds_is_never_late(made):
    world = made.World(made.offer([made.people(holds=True)]))
    lookup = StoreLookup(world.store)
    at = np.array([made.DAY + 9 * DAY_MS])
    assert not lookup.ready(world.node("offer"), at)
    world.entities_uploaded([("ann", 30)], made.DAY)
    assert lookup.ready(world.node("offer"), at)
    assert looked_up(world, "offer", [{"user": "ann", "shop": 1}], at).status.tolist() == [0]


def test_derivations_see_keys_instants_and_left_columns_beside_features(made):
    part = made.spending(
        derivations=[
            Derivation("*", "*"),
            Derivation("told", "concat(user, ' ', ds, ' ', CAST(ts % 1000 AS string))"),
        ]
    )
    join = made.offer(
        [part],
        contextual=["note"],
        derivations=[
            Derivation("shout", "upper(note)"),
            Derivation("twice", "spending_amount_sum_2d * 2"),
            Derivation("told", "spending_told"),
        ],
    )
    world = made.World(join)
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    requests = [{"user": "ann", "shop": 1, "note": "hm"}]
    looked = looked_up(world, "offer", requests, [made.DAY + 7])
    assert looked.columns.to_pylist() == [{"shout": "HM", "twice": 3.0, "told": "ann 2022-01-08 7"}]


def test_a_derivation_that_raises_fails_its_rows_alone(made):
    name = "serve_picky"

    @register_function(name, arguments=[BIGINT], returns=BIGINT)
    def picky(values):
        if any(each == 2 for each in values.to_pylist()):
            problem = "two is too much"
            raise ValueError(problem)
        return values

    join = made.offer(
        [made.spending()], derivations=[Derivation("n", f"{name}(spending_amount_count)")]
    )
    world = made.World(join)
    world.stream(
        "spending",
        made.clicks(("ann", 1.0, made.DAY), ("bob", 1.0, made.DAY), ("bob", 1.0, made.DAY + 1)),
    )
    requests = [{"user": user, "shop": 1} for user in ("ann", "bob", "ann", "nobody")]
    looked = looked_up(world, "offer", requests, [made.DAY + 9] * 4)
    assert looked.columns.column("n").to_pylist() == [1, None, 1, 0]
    assert list(looked.failed) == [1]
    assert "two is too much" in looked.failed[1]
    assert looked.status[1] & statuses.ERROR


@pytest.mark.parametrize("of_the_join", [False, True])
def test_a_row_without_an_answer_says_so_in_each_of_its_parts(made, of_the_join):
    name = "serve_never"

    @register_function(name, arguments=[BIGINT], returns=BIGINT)
    def never(values):
        raise ValueError("never")

    raising = [Derivation("n", f"{name}(amount_count)")]
    joined = [Derivation("n", f"{name}(spending_amount_count)")] if of_the_join else None
    failing = made.spending("failing", derivations=None if of_the_join else raising)
    world = made.World(made.offer([made.spending(), failing], derivations=joined))
    for part in ("spending", "failing"):
        world.stream(part, made.clicks(("ann", 1.0, made.DAY)))
    request = {"user": "ann", "shop": 1} if of_the_join else {"user": "ann"}
    for row in (
        world.fetcher.fetch("offer", request, at=made.DAY + 9),
        world.fetcher.fetch("offer", [request], at=made.DAY + 9).row(0),
    ):
        assert set(row.values()) == {None}
        assert row.statuses == {"spending": ("error",), "failing": ("error",)}
        assert "never" in row.reason


def test_parts_of_one_group_by_are_read_from_one_snapshot(made):
    again = made.spending()
    world = made.World(made.offer([JoinPart(again, prefix="a"), JoinPart(again, prefix="b")]))
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    dataset, opened = world.dataset("spending"), []
    taken = dataset.snapshot

    def snapshot():
        opened.append(1)
        return taken()

    dataset.snapshot = snapshot
    looked = looked_up(world, "offer", [{"user": "ann", "shop": 1}], [made.DAY + 1])
    assert len(opened) == 1
    assert looked.columns.column("b_spending_amount_count").to_pylist() == [1]
