"""The path of one row against that of many: the same values, statuses and reasons."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from catenary.definitions import (
    Accuracy,
    Aggregation,
    Derivation,
    EventSource,
    GroupBy,
    JoinPart,
    Operation,
    Query,
)
from catenary.errors import DataError
from catenary.expressions import register_function
from catenary.ports import statuses
from catenary.schema import BIGINT
from catenary.state.layouts import layout_of
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS


def everything(made) -> GroupBy:
    """All kinds of results: numbers, texts, lists, maps, defaults, and those that Python merges."""
    source = EventSource(
        table="visits",
        topic="log:///shop/visits",
        query=Query(["user", "shop", "note"], time_column="at"),
    )
    windows = ["1h", "1d", "2d"]
    folds = [
        Aggregation("shop", Operation.SUM, windows=windows),
        Aggregation("shop", Operation.AVERAGE, windows=windows),
        Aggregation("shop", Operation.SKEW, windows=windows),
        Aggregation("shop", Operation.LAST_K(3), windows=windows),
        Aggregation("shop", Operation.UNIQUE_COUNT, default=0),
        Aggregation("note", Operation.LAST, windows=windows, default="none"),
        Aggregation("note", Operation.HISTOGRAM, windows=windows),
        Aggregation("shop", Operation.MAX, windows=["1d"], buckets=["note"]),
    ]
    return GroupBy("everything", sources=source, keys="user", aggregations=folds)


def compiled(made) -> GroupBy:
    """Kinds of results that one compiled call makes: numbers and texts, with and without defaults."""
    source = EventSource(
        table="visits",
        topic="log:///shop/visits",
        query=Query(
            {"user": "user", "shop": "shop", "note": "note", "odd": "shop % 2 = 1"},
            time_column="at",
        ),
    )
    windows = ["1h", "1d", "2d"]
    folds = [
        Aggregation("shop", Operation.SUM, windows=windows),
        Aggregation("shop", Operation.AVERAGE, windows=windows),
        Aggregation("shop", Operation.VARIANCE, windows=windows),
        Aggregation("shop", Operation.MAX, windows=windows),
        Aggregation("shop", Operation.COUNT, default=0, windows=windows),
        Aggregation("shop", Operation.UNIQUE_COUNT),
        Aggregation("note", Operation.LAST, windows=windows, default="none"),
        Aggregation("note", Operation.MIN, windows=windows),
        Aggregation("odd", Operation.FIRST, windows=windows),
    ]
    return GroupBy("everything", sources=source, keys="user", aggregations=folds)


def latest() -> GroupBy:
    source = EventSource(
        table="visits",
        topic="log:///shop/visits",
        query=Query(["user", "shop", "note"], time_column="at"),
    )
    return GroupBy("latest", sources=source, keys="user")


def unstreamed() -> GroupBy:
    source = EventSource(table="clicks", query=Query(["user", "amount"], time_column="at"))
    folds = [Aggregation("amount", Operation.SUM, windows=["2d"])]
    return GroupBy(
        "unstreamed", sources=source, keys="user", aggregations=folds, accuracy=Accuracy.TEMPORAL
    )


def compare(world, name, requests, at):
    """Each request by itself and all together."""
    many = world.fetcher.fetch(name, requests, at=at)
    for row, (request, ts) in enumerate(zip(requests, at, strict=True)):
        one = world.fetcher.fetch(name, request, at=int(ts))
        together = many.row(row)
        assert dict(one) == dict(together), (request, ts)
        assert list(one) == list(together)
        assert [type(each) for each in one.values()] == [type(each) for each in together.values()]
        assert (one.status, one.statuses) == (together.status, together.statuses), (request, ts)
        assert (one.reason, one.token) == (together.reason, together.token)
    return many


def visited(rng, made, count, since, until):
    notes = np.array(["hm", "ok", "", None], object)
    shops = rng.integers(-9, 9, count)
    return pa.table(
        {
            "user": pa.array(rng.choice(["ann", "bob"], count).tolist()),
            "shop": pa.array(shops, pa.int32()),
            "odd": pa.array(shops % 2 == 1),
            "note": pa.array(notes[rng.integers(0, 4, count)].tolist(), pa.string()),
            "ts": pa.array(np.sort(rng.integers(since, until, count)), pa.int64()),
        }
    )


@pytest.mark.parametrize("folds", [everything, compiled])
@pytest.mark.parametrize("seed", range(4))
def test_one_row_says_what_many_say(made, seed, folds):
    rng = np.random.default_rng(seed)
    spending = made.spending(
        derivations=[
            Derivation("*", "*"),
            Derivation("rate", "amount_sum_2d / amount_count"),
            Derivation("less", "-rate * 0"),
            Derivation("told", "concat(user, ' ', ds)"),
        ]
    )
    folded = folds(made)
    join = made.offer(
        [
            spending,
            made.people(),
            latest(),
            unstreamed(),
            JoinPart(folded, prefix="a"),
            JoinPart(folded, prefix="b"),
        ],
        contextual=["shop"],
        derivations=[
            Derivation("*", "*"),
            Derivation("note", "concat('at ', CAST(ts % 100 AS string))"),
            Derivation("near", "coalesce(people_age, shop) + 1"),
        ],
    )
    world = made.World(join)
    start, end = made.DAY - 2 * DAY_MS, made.DAY + 6 * HOUR_MS
    early = visited(rng, made, 60, start, made.DAY)
    world.upload(
        "everything",
        early,
        made.DAY,
        frontier={"shop/visits/0": 5},
        size=int(rng.choice([5 * MINUTE_MS, DAY_MS])),
        collapsed=True,
    )
    late = visited(rng, made, 12, start, end)
    more = {"topic": "shop/visits", "floor": made.DAY + 5 * HOUR_MS}
    for name in ("everything", "latest"):
        world.stream(name, late, **more)
        world.stream(name, visited(rng, made, 60, made.DAY, end), **more)
    world.stream("everything", late.slice(0, 2), status=statuses.SET_ASIDE, **more)
    if seed % 2:
        world.change_lane("everything", kept_ms=made.DAY + HOUR_MS)
        world.change_lane("latest", since_ms=made.DAY - HOUR_MS)
    clicks = made.clicks(*[("ann", float(at % 7), start + at * HOUR_MS) for at in range(40)])
    world.stream("spending", clicks)
    world.upload("unstreamed", made.clicks(("ann", 2.5, made.DAY - 1)), made.DAY)
    world.entities_uploaded([("ann", 30)], made.DAY)
    far = rng.integers(made.DAY - DAY_MS, made.DAY + 2 * DAY_MS, 25)
    at = np.concatenate([far, rng.integers(made.DAY, end, 25)])
    users = rng.choice(["ann", "bob", "nobody", None], 50).tolist()
    requests = [{"user": user, "shop": int(rng.integers(9))} for user in users]
    for request in requests[::3]:
        request["note"] = "mine"
    many = compare(world, "offer", requests, at)
    seen = {name for part in many.statuses.values() for row in part for name in row}
    assert {"missing", "stale_batch", "as_of_tile", "before_retention"} <= seen
    compare(world, "everything", [{"user": user} for user in users], at)
    compare(world, "latest", [{"user": user} for user in users], at)


@pytest.mark.parametrize("folds", [everything, compiled])
def test_one_row_of_an_entity_with_many_tiles_says_what_many_say(made, folds):
    rng = np.random.default_rng(9)
    world = made.World(folds(made))
    start, end = made.DAY - 6 * DAY_MS, made.DAY + 6 * HOUR_MS
    more = {"topic": "shop/visits", "floor": made.DAY - DAY_MS}
    world.stream("everything", visited(rng, made, 600, start, end), **more)
    at = rng.integers(start, end + DAY_MS, 60)
    compare(world, "everything", [{"user": "ann"}] * 60, at)
    late = visited(rng, made, 40, start, made.DAY)
    world.upload("everything", late.slice(0, 0), made.DAY, frontier={"shop/visits/0": 600})
    world.stream("everything", late, **more)
    compare(world, "everything", [{"user": "ann"}] * 60, at)


def test_numbers_and_texts_are_read_in_one_compiled_call_and_lists_are_not(made):
    for folds, is_compiled in ((compiled, True), (everything, False)):
        layout = layout_of(made.World(folds(made)).node("everything"))
        assert (layout.program.single is not None) == is_compiled


def test_threads_that_read_at_once_get_what_they_get_one_after_the_other(made):
    rng = np.random.default_rng(4)
    world = made.World(compiled(made))
    start, end = made.DAY - 6 * DAY_MS, made.DAY
    world.stream("everything", visited(rng, made, 400, start, end), topic="shop/visits")
    asked = [
        (user, int(ts)) for user in ("ann", "bob") for ts in rng.integers(start, end, 100).tolist()
    ]

    def read(each):
        return dict(world.fetcher.fetch("everything", {"user": each[0]}, at=each[1]))

    alone = [read(each) for each in asked]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a thread may be interrupted wherever Python allows it
    try:
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(read, asked * 5))
    finally:
        sys.setswitchinterval(interval)
    assert together == alone * 5


def test_one_row_of_nothing_says_missing_upload(made):
    world = made.World(made.offer([made.spending(), made.people()]))
    compare(world, "offer", [{"user": "ann"}, {"user": None}], [made.DAY, made.DAY])


def test_a_late_snapshot_is_null_in_one_row_too(made):
    world = made.World(made.offer([made.people()]), on_snapshot_late="null")
    world.entities_uploaded([("ann", 30)], made.DAY)
    many = compare(world, "offer", [{"user": "ann"}] * 2, [made.DAY, made.DAY + DAY_MS])
    assert many.columns.column("people_age").to_pylist() == [30, None]


def test_a_derivation_that_raises_is_told_of_in_one_row_too(made):
    @register_function("serve_none_of_it", arguments=[BIGINT], returns=BIGINT)
    def none_of_it(values):
        problem = "no value will do"
        raise ValueError(problem)

    join = made.offer(
        [made.spending()],
        derivations=[Derivation("n", "serve_none_of_it(spending_amount_count)")],
    )
    world = made.World(join)
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    row = world.fetcher.fetch("offer", {"user": "ann"}, at=made.DAY + 1)
    assert (row.status, row["n"]) == ("error", None)
    assert "no value will do" in row.reason


def test_one_request_is_checked_like_many(made):
    world = made.World(made.ranking(made.shops(made.offer([made.spending()]))))
    with pytest.raises(DataError, match="'shop' is no int: 1099511627776"):
        world.fetcher.fetch("ranking", {"shop": 1 << 40})


def test_a_text_that_utf8_has_no_form_for_is_refused_in_one_request_as_in_many(made):
    world = made.World(made.offer([made.spending()]))
    for requests in ({"user": "\ud800"}, [{"user": "\ud800"}]):
        with pytest.raises(DataError, match=r"'user' is no string: .* surrogates not allowed"):
            world.fetcher.fetch("offer", requests)


@pytest.mark.parametrize("given", [b"ann", bytearray(b"ann")])
def test_bytes_of_any_kind_are_one_key_in_one_request_as_in_many(made, given):
    query = Query({"token": "CAST(user AS BINARY)", "amount": "amount"}, time_column="at")
    source = EventSource(table="clicks", topic="log:///shop/clicks", query=query)
    folds = [Aggregation("amount", Operation.SUM)]
    world = made.World(GroupBy("by_token", sources=source, keys="token", aggregations=folds))
    assert world.fetcher.fetch("by_token", {"token": given}).status == "missing_upload"
    assert world.fetcher.fetch("by_token", [{"token": given}]).status == ["missing_upload"]


def windowed() -> GroupBy:
    """Windows that begin at full hours."""
    source = EventSource(
        table="clicks",
        topic="log:///shop/clicks",
        query=Query(["user", "amount"], time_column="at"),
    )
    folds = [Aggregation("amount", Operation.SUM, windows=["12h", "1d"])]
    return GroupBy("windowed", sources=source, keys="user", aggregations=folds)


def test_a_read_is_doubted_only_if_a_window_begins_before_what_is_known(made):
    world = made.World(windowed())
    world.stream("windowed", made.clicks(("ann", 1.0, made.DAY), ("ann", 2.0, made.DAY + 1)))
    world.change_lane("windowed", since_ms=made.DAY)
    at = made.DAY + DAY_MS + np.array([-1, 0, 1, HOUR_MS - 1])
    many = compare(world, "windowed", [{"user": "ann"}] * 4, at)
    assert [many.row(row).status for row in range(4)] == ["missing_upload", "ok", "ok", "ok"]
    assert many.row(1)["amount_sum_1d"] == 3.0


def test_a_row_that_was_enriched_too_early_in_history_is_a_doubt_and_not_a_refusal(made):
    world = made.World(windowed())
    rows = made.clicks(("ann", 1.0, made.DAY))
    world.stream("windowed", rows, status=statuses.BEFORE_RETENTION)
    many = compare(world, "windowed", [{"user": "ann"}], np.array([made.DAY + 1]))
    one = many.row(0)
    assert (one["amount_sum_1d"], one.status, one.reason) == (1.0, "before_retention", None)
