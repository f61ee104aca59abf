"""Fetches: requests that are checked, tokens that are waited for, readers that hold heads."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from catenary.definitions import Aggregation, Derivation, GroupBy, Operation
from catenary.errors import DataError, NotYetError
from catenary.ports import SourcePartition, Token
from catenary.serve.fetcher import Fetcher
from catenary.state.records import PASSED, Passed, readers_of, unpack
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

CLICKS = SourcePartition("shop/clicks", 0)
VISITS = SourcePartition("shop/visits", 0)


@pytest.fixture
def world(made):
    parent = made.offer([made.spending(), made.people()])
    return made.World(made.ranking(made.shops(parent)), parent)


def test_one_request_gets_a_row_with_what_it_says_of_itself(made, world):
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    world.entities_uploaded([("ann", 30)], made.DAY)
    row = world.fetcher.fetch("offer", {"user": "ann"})
    assert row["people_age"] == 30
    assert row.spending_amount_count == 1
    assert (row.status, row.statuses) == ("ok", {"spending": (), "people": ()})
    assert row.token == Token({CLICKS: 1})
    assert row.reason is None
    with pytest.raises(AttributeError, match="no feature 'nothing'"):
        _ = row.nothing


def test_many_requests_get_columns_in_their_order(made, world):
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY), ("bob", 2.0, made.DAY + 1)))
    requests = [{"user": "bob"}, {"user": None}, {"user": "ann"}]
    answer = world.fetcher.fetch("offer", requests, at=[made.DAY + 2, made.DAY, made.DAY])
    assert answer.columns.column("spending_amount_sum_2d").to_pylist() == [2.0, None, None]
    assert answer.columns.column("spending_amount_count").to_pylist() == [1, None, 0]
    assert answer.status == ["missing_upload", "missing", "missing_upload"]
    assert answer.statuses["spending"] == [(), ("missing",), ("missing",)]
    assert answer.rows()[2]["spending_amount_count"] == 0


def test_no_requests_get_no_rows(world):
    for requests in ([], pa.table({"user": pa.array([], pa.string())})):
        answer = world.fetcher.fetch("offer", requests)
        assert (len(answer), answer.status) == (0, [])
        assert answer.columns.column_names == list(world.node("offer").base_schema)


def test_an_arrow_table_of_requests_may_hold_the_output_too(made, world):
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    rows = pa.table({"user": ["ann"], "spending_amount_sum_2d": [7.0]})
    answer = world.fetcher.fetch("offer", rows, at=made.DAY + 1)
    assert answer.columns.column("spending_amount_sum_2d").to_pylist() == [1.5]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_of_requests_is_asked_like_a_table(made, world, library):
    frames = pytest.importorskip(library)
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    asked = frames.DataFrame({"user": ["bob", "ann"]})
    answer = world.fetcher.fetch("spending", asked, at=made.DAY + 1)
    assert answer.columns.column("amount_sum_2d").to_pylist() == [None, 1.5]


def test_a_token_is_taken_as_the_text_that_publishing_printed(made, world):
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    token = str(Token({CLICKS: 1}))
    assert world.fetcher.fetch("spending", {"user": "ann"}, min_token=token).status == "ok"
    assert world.fetcher.wait("spending", token, 0.0) == Token({CLICKS: 1})
    with pytest.raises(NotYetError, match="2 is asked for"):
        world.fetcher.fetch("spending", {"user": "ann"}, min_token="shop/clicks/0:2", timeout_s=0)
    with pytest.raises(DataError, match="no position of a token"):
        world.fetcher.fetch("spending", [{"user": "ann"}], min_token="clicks")


def test_a_group_by_is_fetched_by_its_keys(made, world):
    world.stream("spending", made.clicks(("ann", 1.5, made.DAY)))
    assert world.fetcher.fetch("spending", {"user": "ann"}) == {
        "amount_sum_1h": None,
        "amount_sum_2d": 1.5,
        "amount_count": 1,
    }


@pytest.mark.parametrize(
    "at", [0, datetime(2022, 1, 8, 1, tzinfo=UTC), np.array([19_000 * 86_400_000 + 3_600_000])]
)
def test_an_instant_is_given_in_any_form(made, world, at):
    at = made.DAY + HOUR_MS if isinstance(at, int) else at
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY), ("ann", 2.0, made.DAY + HOUR_MS)))
    answer = world.fetcher.fetch("spending", [{"user": "ann"}], at=at)
    assert answer.at.tolist() == [made.DAY + HOUR_MS]
    assert answer.columns.column("amount_sum_2d").to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("name", "request_", "told"),
    [
        ("ofer", {"user": "ann"}, "did you mean 'offer'"),
        ("offer", {"usr": "ann"}, "did you mean 'user'"),
        ("offer", {"shop": 1}, "offer needs 'user'"),
        ("offer", {"user": 7}, "user=7 of request 0 is int, string is asked"),
        ("ranking", {"shop": "7"}, "shop='7' of request 0 is str, int is asked"),
        ("ranking", {"shop": True}, "shop=True of request 0 is bool, int is asked"),
        ("ranking", {"shop": 1 << 40}, "'shop' is no int"),
        ("offer", ["user"], "request 0 is str, not a mapping"),
        ("offer", pa.table({"user": [1]}), "column 'user' is int64, string is asked"),
        ("offer", pa.table({"user": ["ann"], "odd": [1]}), "offer has no column 'odd'"),
        ("offer", pa.table({"shop": [1]}), "offer needs 'user'"),
        ("offer", None, "requests are NoneType, neither a mapping nor many"),
        ("offer", "user", "requests are str"),
        ("offer", {"user": "ann", "ts": 5}, "at= says as of when"),
        ("spending", [{"user": "ann", "ds": "2024-01-01"}], "at= says as of when"),
        ("offer", pa.table({"user": ["ann"], "ts": [5]}), "offer takes no 'ts' from a request"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_with_what_would(world, name, request_, told):
    with pytest.raises(DataError) as caught:
        world.fetcher.fetch(name, request_)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("soon", "is no instant"),
        (datetime.fromisoformat("2022-01-01"), "no time zone"),
        ([1, 2], "2 instants for 1"),
    ],
)
def test_an_instant_that_is_none_is_refused(world, at, told):
    with pytest.raises(DataError, match=told):
        world.fetcher.fetch("offer", [{"user": "ann"}], at=at)


def test_left_columns_that_derivations_use_must_be_given(made):
    join = made.offer(
        [made.spending()],
        contextual=["note"],
        derivations=[Derivation("*", "*"), Derivation("shout", "upper(note)")],
    )
    world = made.World(join)
    with pytest.raises(DataError, match="offer needs 'note'"):
        world.fetcher.fetch("offer", {"user": "ann"})
    assert world.fetcher.fetch("offer", {"user": "ann", "note": "hm"})["shout"] == "HM"


def test_a_derivation_fills_what_the_request_leaves_null(made):
    join = made.offer(
        [made.spending()],
        derivations=[Derivation("note", "concat('spent ', CAST(spending_amount_count AS string))")],
    )
    world = made.World(join)
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    requests = [{"user": "ann"}, {"user": "ann", "note": None}, {"user": "ann", "note": "mine"}]
    answer = world.fetcher.fetch("offer", requests)
    assert answer.columns.column("note").to_pylist() == ["spent 1", "spent 1", "mine"]


def test_a_read_before_the_retained_history_says_what_would_be_needed(made, world):
    world.upload("spending", made.clicks(("ann", 2.0, made.DAY - 1)), made.DAY)
    row = world.fetcher.fetch("offer", {"user": "ann"}, at=made.DAY - HOUR_MS)
    assert row.status == "before_retention"
    assert row.reason == (
        "spending: 2022-01-07 23:00:00.000 lies before the retained history;"
        " an upload as of 2022-01-07 00:00 or earlier would be needed"
    )


def test_a_token_is_waited_for_until_another_thread_commits(made, world):
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    rows = made.clicks(("ann", 2.0, made.DAY + 1))
    later = threading.Timer(0.15, lambda: world.stream("spending", rows))
    later.start()
    began = time.monotonic()
    row = world.fetcher.fetch("offer", {"user": "ann"}, min_token=Token({CLICKS: 2}))
    later.join()
    assert 0.1 < time.monotonic() - began < 5
    assert row.spending_amount_sum_2d == 3.0
    assert row.token == Token({CLICKS: 2})


def test_a_token_that_is_not_reached_names_the_stage_and_what_it_lacks(made, world):
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    with pytest.raises(NotYetError) as caught:
        world.fetcher.fetch("offer", {"user": "ann"}, min_token=Token({CLICKS: 3}), timeout_s=0.05)
    assert "spending is at 1 in shop/clicks/0, 3 is asked for" in str(caught.value)


def test_a_token_is_awaited_in_stages_of_any_depth_on_their_own_topics(made, world):
    """`ranking` reads `shops`, which follows visits; its rows are enriched by `spending`."""
    visited = pa.table({"shop": pa.array([1], pa.int32()), "worth": [4.0], "ts": [made.DAY]})
    world.stream("shops", visited, topic="shop/visits")
    token = Token({CLICKS: 1, VISITS: 1})
    with pytest.raises(NotYetError, match="spending has no position in shop/clicks/0"):
        world.fetcher.fetch("ranking", {"shop": 1}, min_token=token, timeout_s=0.02)
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    row = world.fetcher.fetch("ranking", {"shop": 1}, min_token=token)
    assert row.shops_worth_max_1d == 4.0
    assert row.token == token


def test_positions_of_topics_that_no_stage_below_follows_are_not_awaited(made, world):
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    token = Token({VISITS: 99, SourcePartition("other", 0): 5})
    row = world.fetcher.fetch("offer", {"user": "ann"}, min_token=token, timeout_s=0.0)
    assert row.spending_amount_count == 1


def test_an_async_fetch_leaves_the_loop_to_others(made, world):
    async def both():
        async def publish():
            await asyncio.sleep(0.05)
            world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))

        wanted = Token({CLICKS: 1})
        row, _ = await asyncio.gather(
            world.fetcher.afetch("offer", {"user": "ann"}, min_token=wanted), publish()
        )
        return row

    assert asyncio.run(both()).spending_amount_count == 1


def histories(made, limit_bytes):
    """A GroupBy whose features are lists and texts, of 3,000 users, with a limit on answers."""
    folds = [Aggregation("note", Operation.LAST_K(3)), Aggregation("note", Operation.LAST)]
    world = made.World(GroupBy("notes", sources=made.visits(), keys="user", aggregations=folds))
    rows = pa.table(
        {
            "user": [f"u{at % 3_000}" for at in range(9_000)],
            "note": [f"{at}" * 20 for at in range(9_000)],
            "ts": pa.array([made.DAY + at for at in range(9_000)], pa.int64()),
        }
    )
    world.stream("notes", rows)
    return Fetcher(world.plan, world.store, limit_bytes=limit_bytes)


def test_an_answer_that_is_read_in_pieces_is_the_whole_one(made):
    requests = [{"user": None if at % 7 == 0 else f"u{at * 31 % 3_500}"} for at in range(5_000)]
    at = [made.DAY + 8_000 + each % 1_000 for each in range(5_000)]
    whole = histories(made, None).fetch("notes", requests, at=at)
    pieces = histories(made, 8 << 20).fetch("notes", requests, at=at)
    assert pieces.columns.equals(whole.columns)
    assert pieces.bits.tolist() == whole.bits.tolist()


@pytest.mark.parametrize("users", [3_000, 1])
def test_an_answer_that_takes_more_memory_than_it_may_is_refused_with_how_to_ask(made, users):
    fetcher = histories(made, 200_000)
    requests = [{"user": f"u{at % users}"} for at in range(3_000)]
    with pytest.raises(DataError, match=r"3,000 requests .* fetch_limit=200,000 bytes") as raised:
        fetcher.fetch("notes", requests, at=made.DAY + DAY_MS)
    assert "ask for fewer at a time" in raised.value.hint
    few = fetcher.fetch("notes", requests[:100], at=made.DAY + DAY_MS)
    assert few.columns.column("note_last3").to_pylist()[0][0] == "6000" * 20


def test_a_late_snapshot_is_waited_for_under_hold(made):
    world = made.World(made.offer([made.people()]), on_snapshot_late="hold")
    world.entities_uploaded([("ann", 30)], made.DAY)
    at = made.DAY + DAY_MS
    with pytest.raises(NotYetError, match="people has no snapshot as of 2022-01-09 00:00"):
        world.fetcher.fetch("offer", {"user": "ann"}, at=at, timeout_s=0.02)
    later = threading.Timer(0.05, lambda: world.entities_uploaded([("ann", 31)], at))
    later.start()
    assert world.fetcher.fetch("offer", {"user": "ann"}, at=at).people_age == 31
    later.join()


@pytest.mark.parametrize("late", ["previous", "hold"])
def test_a_join_that_chains_read_earlier_is_fetched_as_of_earlier(made, late):
    join = made.offer([made.spending(), made.people()])
    world = made.World(
        made.ranking(made.shops(join)), query_shift_ms=-HOUR_MS, on_snapshot_late=late
    )
    midnight, at = made.DAY + DAY_MS, made.DAY + DAY_MS + MINUTE_MS
    world.entities_uploaded([("ann", 30)], made.DAY)
    amounts = (("ann", 1.0, at - HOUR_MS - 1), ("ann", 2.0, at - HOUR_MS), ("ann", 4.0, midnight))
    world.stream("spending", made.clicks(*amounts), floor=made.DAY)
    request, name = {"user": "ann", "shop": 1}, f"offer@{-HOUR_MS}ms"
    row = world.fetcher.fetch(name, request, at=at)
    assert row == world.fetcher.fetch(name, [request], at=at).row(0)
    assert (row.spending_amount_sum_1h, row.people_age, row.status) == (1.0, 30, "ok")


def readers(world, name):
    with world.dataset(name).snapshot() as snapshot:
        passed = snapshot.get(PASSED + b"model")
        return readers_of(snapshot)[0].held, passed and unpack(passed, Passed)


def test_a_reader_is_registered_on_every_stage_below_until_it_closes(made, world):
    rows = made.clicks(("ann", 1.0, made.DAY))
    world.stream("spending", rows, floor=made.DAY - HOUR_MS)
    with world.fetcher.reader("model", "ranking", from_ms=made.DAY - DAY_MS, ttl_s=30) as reader:
        assert reader.from_ms_held == made.DAY - HOUR_MS
        for name in ("spending", "shops"):
            held, passed = readers(world, name)
            assert (held["model"].from_ms, held["model"].child) == (made.DAY - DAY_MS, False)
            assert abs(held["model"].until_ms - time.time_ns() // 1_000_000 - 30_000) < 5_000
            assert passed.passed_ms == made.DAY - DAY_MS
    assert readers(world, "spending") == ({}, None)
    assert readers(world, "shops") == ({}, None)


def test_progress_of_a_reader_is_written_down_at_once_only_if_it_is_large(made, world):
    with world.fetcher.reader("model", "offer", from_ms=made.DAY) as reader:
        before = world.store.version()
        for step in range(50):
            reader.passed(made.DAY + step)
        assert world.store.version() - before <= 1
        world.fetcher.fetch("offer", [{"user": "ann"}], at=made.DAY + DAY_MS, reader=reader)
        assert readers(world, "spending")[1].passed_ms == made.DAY + DAY_MS
        reader.passed(made.DAY)
        assert readers(world, "spending")[1].passed_ms == made.DAY + DAY_MS


def test_reads_of_closed_and_head_tiles_are_counted(made, world):
    world.stream("spending", made.clicks(("ann", 1.0, made.DAY)))
    world.fetcher.fetch("spending", {"user": "ann"})
    assert (world.fetcher.lookup.merged.closed, world.fetcher.lookup.merged.head) == (0, 1)


@pytest.mark.parametrize(
    "given",
    [
        {"from_ms": 1.5},
        {"from_ms": None},
        {"from_ms": 1 << 70},
        {"from_ms": 0, "ttl_s": float("nan")},
        {"from_ms": 0, "ttl_s": 0},
        {"from_ms": 0, "name": ""},
    ],
)
def test_a_reader_that_stages_could_not_read_is_refused(made, given):
    world = made.World(made.ranking(made.shops(made.offer([made.spending()]))))
    with pytest.raises(DataError, match="reader"):
        world.fetcher.reader(given.pop("name", "slow"), "ranking", **given)


def test_what_is_no_instant_is_not_passed(made):
    world = made.World(made.ranking(made.shops(made.offer([made.spending()]))))
    with (
        world.fetcher.reader("slow", "ranking", from_ms=np.int64(5)) as reader,
        pytest.raises(DataError, match=r"ms=100000\.0"),
    ):
        reader.passed(float("1e5"))


@pytest.mark.parametrize("at", [1 << 70, 300_000_000_000_000, np.array([1 << 60]), [1 << 70]])
def test_an_instant_beyond_the_calendar_is_refused(made, at):
    world = made.World(made.offer([made.spending()]))
    request = {"user": "ann", "shop": 1}
    with pytest.raises(DataError, match="in no year from 1 to 9999"):
        world.fetcher.fetch("offer", request if isinstance(at, int) else [request], at=at)
