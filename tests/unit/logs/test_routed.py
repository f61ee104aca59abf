"""Several logs as one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from catenary.errors import UnsupportedError
from catenary.logs.embedded import EmbeddedLog
from catenary.logs.routed import RoutedLog
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from pathlib import Path

A, B = SourcePartition("a", 0), SourcePartition("b", 0)


def test_each_topic_lies_in_its_own_log(tmp_path: Path) -> None:
    one, other = EmbeddedLog(tmp_path / "one"), EmbeddedLog(tmp_path / "other")
    log = RoutedLog(one, {"b": other})
    other.create("elsewhere")  # of that log, but nobody said that it is looked for there
    for topic in ("a", "b"):
        log.create(topic)
        log.append(topic, [topic.encode()] * 2)
    assert (one.topics(), other.topics()) == (("a",), ("b", "elsewhere"))
    assert log.topics() == ("a", "b")
    assert log.ends([A, B]) == {A: 2, B: 2}
    assert log.starts([B, A]) == {A: 0, B: 0}
    assert log.read(B, 1, max_records=9, max_bytes=9).values.to_pylist() == [b"b"]
    assert [log.incarnation(A), log.incarnation(B)] == [one.incarnation(A), other.incarnation(B)]
    with pytest.raises(UnsupportedError, match="lie in several logs"):
        log.join("g", ["a", "b"])
    log.close()


def test_whoever_waits_for_topics_of_several_logs_is_woken_by_each(tmp_path: Path) -> None:
    log = RoutedLog(EmbeddedLog(tmp_path / "one"), {"b": EmbeddedLog(tmp_path / "other")})
    log.create("a")
    log.create("b")
    assert not log.wait({A: 0, B: 0}, 0.05)
    for number, topic in enumerate("ab"):
        timer = threading.Timer(0.1, log.append, (topic, [b"x"]))
        timer.start()
        assert log.wait({A: number, B: 0}, 20.0)
        timer.join()
    log.close()
