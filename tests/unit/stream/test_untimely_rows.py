"""A row whose time cannot be its own is set aside alone: no floor, no other key knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.stream.helping import SCHEMA, Streamed

from catenary import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.app.live import open_stage
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.stream import tending
from catenary.stream.letters import dismiss, reopen
from catenary.windows import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.state.fold import Changes
    from catenary.stream.stage import Stage

START_MS = 1_709_251_200_000
MICROS = START_MS * 1_000
SPENT = GroupBy(
    "spent",
    sources=EventSource(table="t", topic="log:///t", query=Query(["user", "x"], time_column="ts")),
    keys="user",
    aggregations=[Aggregation("x", Operation.SUM, windows=["7d"])],
)


def streamed(folder: Path, **settings: object) -> Streamed:
    return Streamed(folder, SPENT, ChainSettings.parse(settings))


def patient(made: Streamed) -> Stage:
    """A stage that takes events which lie further ahead."""
    settings = ChainSettings(max_ahead_ms=2 * DAY_MS)
    spec = StageSpec.of({"spent": SPENT}, lambda _: SCHEMA, "spent", settings)
    return open_stage(spec, made.log, made.store, made.nodes)


def test_microseconds_sent_as_milliseconds_change_nothing_for_anybody(tmp_path: Path) -> None:
    made = streamed(tmp_path)
    made.publish([("a", 1.0, START_MS)])
    floors = made.floors()
    made.publish([("b", 2.0, MICROS), ("a", 4.0, START_MS + 1)])
    assert made.floors() == floors
    row = made.fetcher.fetch("spent", {"user": "a"}, at=START_MS + 2)
    assert (row.x_sum_7d, row.status) == (5.0, "ok")
    (letter,) = made.letters()
    assert (letter.step, letter.offset) == ("time", 1)
    assert "max_ahead_ms=86400000" in letter.reason
    assert "milliseconds?" in letter.reason


@pytest.mark.parametrize("years", [-(1 << 63), -(1 << 62), -(1 << 61), 1 << 61, (1 << 63) - 1])
def test_a_time_beyond_all_years_does_not_vanish(years: int, tmp_path: Path) -> None:
    made = streamed(tmp_path, max_ahead_ms=1 << 62)
    made.publish([("a", 1.0, years), ("a", 2.0, START_MS)])
    (letter,) = made.letters()
    assert letter.step == "time"
    assert str(years) in letter.reason
    row = made.fetcher.fetch("spent", {"user": "a"}, at=START_MS + 2)
    assert (row.x_sum_7d, row.status) == (2.0, "ok")


def test_a_time_is_held_against_the_append_of_its_record_and_not_against_now(
    tmp_path: Path,
) -> None:
    made = Streamed(tmp_path, SPENT, ChainSettings(max_ahead_ms=10), clock=lambda: START_MS)
    made.publish([("a", 1.0, START_MS + 10), ("a", 2.0, START_MS + 11)])
    (letter,) = made.letters()
    assert (letter.offset, letter.append_ms) == (1, START_MS)
    assert made.stages[-1].replay() == (0, 1)


def test_events_of_the_future_are_facts_where_the_setting_says_so(tmp_path: Path) -> None:
    made = Streamed(tmp_path, SPENT, ChainSettings(), clock=lambda: START_MS)
    ahead = START_MS + DAY_MS + HOUR_MS
    made.publish([("a", 1.0, ahead)])
    assert len(made.letters()) == 1
    assert patient(made).replay() == (1, 0)
    row = made.fetcher.fetch("spent", {"user": "a"}, at=ahead + 1)
    assert row.x_sum_7d == 1.0


def test_what_was_dismissed_is_not_replayed_until_it_is_opened_again(tmp_path: Path) -> None:
    made = Streamed(tmp_path, SPENT, ChainSettings(), clock=lambda: START_MS)
    ahead = START_MS + DAY_MS + HOUR_MS
    made.publish([("a", 1.0, ahead), ("a", 2.0, ahead)])
    stage = patient(made)
    dataset, first = stage.dataset, made.letters()[0]
    assert len(dismiss(dataset, lambda each: each == first, at_ms=7, note="sent anew")) == 1
    assert stage.replay() == (1, 0)
    (kept,) = made.letters()
    assert (kept.offset, kept.dismissed_ms, kept.note) == (0, 7, "sent anew")

    def total() -> float:
        return made.fetcher.fetch("spent", {"user": "a"}, at=ahead + 1).x_sum_7d

    assert total() == 2.0
    assert dismiss(dataset, lambda _: True, at_ms=8) == [], "it is already"
    assert reopen(dataset, lambda _: True) == [first]
    assert stage.replay() == (1, 0)
    assert (total(), made.letters()) == (3.0, [])


def test_a_letter_that_is_dismissed_while_it_is_replayed_is_not_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Streamed(tmp_path, SPENT, ChainSettings(), clock=lambda: START_MS)
    ahead = START_MS + DAY_MS + HOUR_MS
    made.publish([("a", 1.0, ahead)])
    stage, before = patient(made), tending.fold

    def meanwhile(*given: Any) -> Changes:
        dismiss(stage.dataset, lambda _: True, at_ms=7)
        return before(*given)

    monkeypatch.setattr(tending, "fold", meanwhile)
    assert stage.replay() == (0, 1)
    assert made.fetcher.fetch("spent", {"user": "a"}, at=ahead + 1).x_sum_7d is None


def test_seconds_sent_as_milliseconds_are_folded_and_doubted_once(tmp_path: Path) -> None:
    made = streamed(tmp_path)
    for at in range(2):
        made.publish([("a", 1.0, START_MS // 1_000 + at)])
    (stage,) = made.stages
    (said,) = stage.status.remarks.values()
    assert said.startswith("every ts that was read lies before 1971")
    assert said.endswith("are these seconds?")
    assert stage.status.rows == 2


def test_records_without_their_key_are_counted_and_the_key_is_named_once(tmp_path: Path) -> None:
    made = streamed(tmp_path)
    for at in range(2):
        made.log.append("t", [b'{"usr": "a", "x": 1.0, "ts": %d}' % (START_MS + at)])
        made.catch_up()
    (stage,) = made.stages
    assert stage.status.null_keys == 2
    assert stage.status.remarks == {
        "user": "rows whose 'user' is null, or not in their record, belong to no key"
    }
