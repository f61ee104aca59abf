from datetime import UTC, datetime

import pyarrow as pa
import pytest

from catenary.demo.clocks import Zone
from catenary.errors import DataError


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


def first_after(zone: str, instant: str, clock: int) -> int | None:
    found = Zone.load(zone).first_after(pa.array([ms(instant)]), pa.array([clock]))
    return found[0].as_py()


def test_a_reading_later_that_day_is_of_that_day() -> None:
    assert first_after("America/Chicago", "2013-07-01T15:00", 1130) == ms("2013-07-01T16:30")


def test_a_reading_that_has_passed_is_of_the_next_day() -> None:
    assert first_after("America/New_York", "2013-01-02T04:50", 10) == ms("2013-01-02T05:10")


def test_2400_is_the_midnight_to_come() -> None:
    assert first_after("America/New_York", "2013-01-02T04:50", 2400) == ms("2013-01-02T05:00")


def test_a_reading_in_the_hour_that_never_was_is_null() -> None:
    assert first_after("America/New_York", "2013-03-10T04:06", 203) is None


def test_of_an_hour_that_was_twice_the_first_is_meant() -> None:
    assert first_after("America/Los_Angeles", "2013-11-03T02:17", 114) == ms("2013-11-03T08:14")


def test_a_zone_that_the_machine_does_not_know_says_what_to_install() -> None:
    with pytest.raises(DataError, match="pip install tzdata"):
        Zone.load("Nowhere/Land")
