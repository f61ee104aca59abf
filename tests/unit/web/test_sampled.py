"""Which requests are logged depends on their key alone; what cannot be logged is counted."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.errors import BusyError
from catenary.logs.embedded import EmbeddedLog
from catenary.ports import SourcePartition, Token
from catenary.serve.answers import Row
from catenary.web.counters import LOGGED, UNLOGGED
from catenary.web.sampled import RequestLog, is_sampled

KEYS = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=5))
ROW = Row({"n": 1}, 0, {"spending": 0}, None, Token())


@pytest.mark.property
@given(KEYS, st.floats(0, 100), st.floats(0, 100))
def test_a_key_that_is_sampled_stays_so_at_any_greater_percentage(
    keys: dict[str, object], one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert is_sampled(keys, less) <= is_sampled(keys, more)
    assert is_sampled(dict(reversed(keys.items())), less) == is_sampled(keys, less)
    assert is_sampled(keys, 100)
    assert not is_sampled(keys, 0)


def test_about_as_many_keys_are_sampled_as_were_asked_for() -> None:
    many = sum(is_sampled({"user": f"u{at}"}, 10) for at in range(20_000))
    assert 1_800 < many < 2_200


def test_records_are_in_the_log_when_it_is_closed(tmp_path) -> None:
    counted: list[tuple[str, int]] = []
    log = EmbeddedLog(tmp_path)
    log.create("requests")
    requests = RequestLog(
        log, "requests", 0, 100.0, [{"name": "spending"}], lambda *each: counted.append(each)
    )
    for at in range(2_500):
        requests.offer("spending", "f00", ("user",), {"user": f"u{at}", "amount": 1}, at, ROW)
    requests.close()
    records = log.read(SourcePartition("requests", 0), 0, max_records=9_999, max_bytes=1 << 30)
    first, *others = [json.loads(each) for each in records.values.to_pylist()]
    log.close()
    assert first == {"kind": "schema", "name": "spending"}
    assert [each["ts"] for each in others] == list(range(2_500))
    assert others[7] == {
        "kind": "request",
        "name": "spending",
        "schema": "f00",
        "ts": 7,
        "keys": {"user": "u7", "amount": 1},
        "features": {"n": 1},
        "status": "ok",
        "token": "",
    }
    assert sum(many for kind, many in counted if kind == LOGGED) == 2_501


class Refusing:
    """A log whose partition somebody else writes, once it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def append(self, *_: object, **__: object) -> Token:
        self.go.wait(20)
        raise BusyError("another process is the partition's writer")


def test_a_log_that_refuses_or_is_slow_fails_no_answer_and_what_it_misses_is_counted() -> None:
    counted: list[tuple[str, int]] = []
    log = Refusing()
    requests = RequestLog(log, "requests", 0, 100.0, [], lambda *each: counted.append(each))
    for at in range(12_000):  # more than the queue holds
        requests.offer("spending", "f00", ("user",), {"user": at}, at, ROW)
    log.go.set()
    requests.close()
    assert {kind for kind, _ in counted} == {UNLOGGED}
    assert sum(many for _, many in counted) == 12_000
