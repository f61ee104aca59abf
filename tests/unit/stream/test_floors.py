"""How far a head floor rises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catenary.plan.settings import ChainSettings
from catenary.state.records import ANCIENT_MS, Lane
from catenary.stream.floors import risen
from catenary.windows import HOUR_MS, MINUTE_MS

BASE_MS, PASSED_MS = 5 * MINUTE_MS, 10 * HOUR_MS
SETTINGS = ChainSettings(head_horizon_ms=10 * MINUTE_MS, head_limit_ms=2 * HOUR_MS)


@pytest.mark.parametrize(
    ("held_ms", "floor_ms"),
    [
        (None, 10 * HOUR_MS - 10 * MINUTE_MS),
        (9 * HOUR_MS, 9 * HOUR_MS - 10 * MINUTE_MS),
        (9 * HOUR_MS + 1, 9 * HOUR_MS - 10 * MINUTE_MS),
        (11 * HOUR_MS, 10 * HOUR_MS - 10 * MINUTE_MS),
    ],
)
def test_it_trails_the_least_that_was_passed_by_the_horizon(
    held_ms: int | None, floor_ms: int
) -> None:
    lane = Lane("clicks", 0, 0)
    assert risen(lane, PASSED_MS, BASE_MS, SETTINGS, held_ms) == floor_ms


@pytest.mark.parametrize("held_ms", [ANCIENT_MS, 0, 8 * HOUR_MS, 8 * HOUR_MS + 9 * MINUTE_MS])
def test_no_reader_makes_a_head_older_than_its_limit(held_ms: int) -> None:
    lane = Lane("clicks", 0, 0)
    assert risen(lane, PASSED_MS, BASE_MS, SETTINGS, held_ms) == 8 * HOUR_MS


def test_neither_does_the_horizon() -> None:
    lane = Lane("clicks", 0, 0)
    settings = ChainSettings(head_horizon_ms=3 * HOUR_MS, head_limit_ms=2 * HOUR_MS)
    assert risen(lane, PASSED_MS, BASE_MS, settings, None) == 8 * HOUR_MS


def test_it_trails_by_how_much_earlier_children_read_too_within_the_limit() -> None:
    lane = Lane("clicks", 0, 0)
    half_an_hour = replace(SETTINGS, query_shift_ms=-30 * MINUTE_MS)
    risen_to = risen(lane, PASSED_MS, BASE_MS, half_an_hour, 9 * HOUR_MS)
    assert risen_to == 9 * HOUR_MS - 40 * MINUTE_MS
    three_hours = replace(SETTINGS, query_shift_ms=-3 * HOUR_MS)
    assert risen(lane, PASSED_MS, BASE_MS, three_hours, None) == 8 * HOUR_MS


def test_it_never_falls() -> None:
    lane = Lane("clicks", 0, 0, floor_ms=12 * HOUR_MS)
    assert risen(lane, PASSED_MS, BASE_MS, SETTINGS, None) == 12 * HOUR_MS


def test_it_stays_where_nothing_was_passed() -> None:
    assert risen(Lane("clicks", 0, 0), ANCIENT_MS, BASE_MS, SETTINGS, None) == ANCIENT_MS
