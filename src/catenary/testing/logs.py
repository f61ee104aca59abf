"""What every log must keep to, as tests that the author of a log inherits.

    class TestMyLog(LogConformance):
        def opened(self, folder: Path) -> Log:
            return MyLog(folder)

Each test gets an empty folder from pytest, and asks `topic` for a name of its own, so that logs of one
server do not meet. Logs that were opened here are closed after each test.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from catenary.errors import CatenaryError, LogError, PositionError
from catenary.ports.token import SourcePartition, Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary.ports.log import Log, Records

__all__ = ["LogConformance", "Row", "rows_of"]

_ALL: Final = 1 << 30
_SOON_S: Final = 20.0

_Error = TypeVar("_Error", bound=CatenaryError)
Row = tuple[int, bytes | None, bytes | None]


def rows_of(log: Log, place: SourcePartition, start: int = 0, *, max_records: int = 7) -> list[Row]:
    """All records from an offset on: offset, key, value; read in small batches until the end."""
    found: list[Row] = []
    at = start
    while True:
        batch = log.read(place, at, max_records=max_records, max_bytes=_ALL)
        assert len(batch) <= max_records, "no more than asked for"
        found.extend(
            zip(
                batch.offsets.tolist(),
                batch.keys.to_pylist(),
                batch.values.to_pylist(),
                strict=True,
            )
        )
        if batch.next_offset == at:
            assert not len(batch), "a batch with records leads past them"
            return found
        assert batch.next_offset > at, "a read never leads back"
        at = batch.next_offset


class LogConformance:
    """Inherit, name `opened`, and pytest runs the rest."""

    def opened(self, folder: Path) -> Log:
        """The log of that folder; called several times, it is the same log."""
        raise AssertionError(f"{type(self).__name__} does not say how to open its log in {folder}")

    def topic(self) -> str:
        """A name that no other test has."""
        return f"topic-{uuid4().hex[:12]}"

    def _one(self, folder: Path, partitions: int = 1) -> tuple[Log, SourcePartition]:
        """A log with a topic of its own, and its first partition."""
        log, topic = self.opened(folder), self.topic()
        log.create(topic, partitions=partitions)
        return log, SourcePartition(topic, 0)

    def test_a_topic_has_the_partitions_that_it_was_made_with(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path, partitions=3)
        assert log.partitions(place.topic) == tuple(
            SourcePartition(place.topic, each) for each in range(3)
        )
        assert place.topic in log.topics()
        log.create(place.topic, partitions=3)
        error = _raised(LogError, lambda: log.create(place.topic, partitions=2))
        assert "has 3 partitions, not 2" in error.problem

    def test_a_topic_that_is_not_there_is_told_with_the_nearest_name(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        wrong = place.topic + "s"
        for act in (
            lambda: log.partitions(wrong),
            lambda: log.append(wrong, [b"x"]),
            lambda: log.ends([SourcePartition(wrong, 0)]),
            lambda: log.incarnation(SourcePartition(wrong, 0)),
            lambda: _read(log, SourcePartition(wrong, 0), 0),
        ):
            error = _raised(LogError, act)
            assert f"there is no topic {wrong!r}" in error.problem
            assert f"did you mean {place.topic!r}?" in (error.hint or "")
        assert wrong not in log.topics()

    def test_a_partition_that_is_not_there_is_told_with_those_that_are(
        self, tmp_path: Path
    ) -> None:
        log, place = self._one(tmp_path, partitions=2)
        for partition in (2, -1):
            beyond = SourcePartition(place.topic, partition)
            for act in (
                partial(log.append, place.topic, [b"x"], partition=partition),
                partial(log.ends, [beyond]),
                partial(_read, log, beyond, 0),
            ):
                error = _raised(LogError, act)
                assert f"has no partition {partition}" in error.problem
                assert error.hint == "it has 2, counted from 0"
        assert log.ends([place]) == {place: 0}

    def test_an_empty_partition_begins_and_ends_at_nothing(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        assert log.starts([place]) == log.ends([place]) == {place: 0}
        batch = _read(log, place, 0)
        assert (len(batch), batch.next_offset) == (0, 0)
        assert log.ends([]) == {}

    def test_what_was_appended_is_read_in_order_with_its_keys(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        before = time.time_ns() // 1_000_000
        assert log.append(place.topic, [b"a", b""]) == Token({place: 2})
        assert log.append(place.topic, [b"c"], keys=[b"k"]) == Token({place: 3})
        assert log.append(place.topic, [b"d", b"e"], keys=[None, b""]) == Token({place: 5})
        assert rows_of(log, place) == [
            (0, None, b"a"), (1, None, b""), (2, b"k", b"c"), (3, None, b"d"), (4, b"", b"e"),
        ]  # fmt: skip
        assert rows_of(log, place, 3) == [(3, None, b"d"), (4, b"", b"e")]
        times = _read(log, place, 0).append_ms.tolist()
        assert all(before <= each <= time.time_ns() // 1_000_000 for each in times)
        assert log.ends([place]) == {place: 5}

    def test_columns_are_appended_as_lists_are(self, tmp_path: Path) -> None:
        import pyarrow as pa

        log, place = self._one(tmp_path)
        values = pa.array([b"a", b"bb"], pa.large_binary())
        log.append(place.topic, values, keys=pa.array([None, b"k"], pa.large_binary()))
        assert rows_of(log, place) == [(0, None, b"a"), (1, b"k", b"bb")]

    def test_partitions_are_apart(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path, partitions=3)
        other, empty = SourcePartition(place.topic, 1), SourcePartition(place.topic, 2)
        log.append(place.topic, [b"a"])
        log.append(place.topic, [b"b", b"c"], partition=1)
        assert log.ends([place, other, empty]) == {place: 1, other: 2, empty: 0}
        # In turns, as a stage with several lanes reads.
        assert [value for _, _, value in rows_of(log, place)] == [b"a"]
        assert [value for _, _, value in rows_of(log, other, max_records=1)] == [b"b", b"c"]
        assert rows_of(log, empty) == []
        log.append(place.topic, [b"d"], partition=2)
        assert [value for _, _, value in rows_of(log, empty)] == [b"d"]
        assert [value for _, _, value in rows_of(log, place, 1)] == []

    def test_a_read_is_bounded_but_gives_one_record_at_least(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        log.append(place.topic, [bytes(1000)] * 5)
        assert len(log.read(place, 0, max_records=3, max_bytes=_ALL)) == 3
        one = log.read(place, 3, max_records=10, max_bytes=1)
        assert one.offsets.tolist()[:1] == [3]
        assert len(log.read(place, 0, max_records=1, max_bytes=1)) == 1

    def test_any_offset_may_be_read_again(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        values = [b"%d" % each for each in range(50)]
        log.append(place.topic, values)
        for at in (0, 30, 10, 10, 49, 50, 0):
            assert [value for _, _, value in rows_of(log, place, at)] == values[at:]

    def test_a_position_beyond_the_end_is_refused(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        log.append(place.topic, [b"a"])
        error = _raised(PositionError, lambda: _read(log, place, 2))
        assert "2" in error.problem
        assert "1" in error.problem
        assert rows_of(log, place) == [(0, None, b"a")]

    def test_a_read_at_the_end_goes_on_when_there_is_more(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        for at in range(20):
            assert not len(_read(log, place, at))
            log.append(place.topic, [b"%d" % at])
            assert _read(log, place, at).values.to_pylist() == [b"%d" % at]

    def test_whoever_waits_is_woken_by_an_append_of_any_log(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path, partitions=2)
        other = SourcePartition(place.topic, 1)
        assert not log.wait({place: 0, other: 0}, 0.05)
        second = self.opened(tmp_path)
        timer = threading.Timer(
            0.2, lambda: second.append(place.topic, [b"a"], partition=1) and None
        )
        timer.start()
        assert log.wait({place: 0, other: 0}, _SOON_S)
        timer.join()
        assert log.wait({place: 0, other: 0}, 0.0)
        assert [value for _, _, value in rows_of(log, other)] == [b"a"]
        assert not log.wait({place: 0, other: 1}, 0.05)

    def test_appends_of_many_threads_stand_each_once_and_in_their_order(
        self, tmp_path: Path
    ) -> None:
        log, place = self._one(tmp_path)
        many, times = 4, 25
        tokens: list[Token] = []

        def append(number: int) -> None:
            for each in range(times):
                tokens.append(log.append(place.topic, [b"%d %d" % (number, each)] * 2))

        threads = [threading.Thread(target=append, args=(each,)) for each in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [value for _, _, value in rows_of(log, place, max_records=1000)]
        assert len(found) == many * times * 2
        for number in range(many):
            own = [each for each in found if each and each.split()[0] == b"%d" % number]
            assert own == [b"%d %d" % (number, at // 2) for at in range(times * 2)]
        assert len(set(map(str, tokens))) == len(tokens)

    def test_threads_read_at_their_own_positions(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        log.append(place.topic, [b"%d" % each for each in range(500)])
        found: dict[int, int] = {}

        def read(start: int) -> None:
            found[start] = len(rows_of(log, place, start, max_records=3 + start % 5))

        threads = [threading.Thread(target=read, args=(each,)) for each in (0, 7, 100, 499)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {0: 500, 7: 493, 100: 400, 499: 1}

    def test_another_log_object_sees_the_same(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        log.append(place.topic, [b"a"])
        second = self.opened(tmp_path)
        assert rows_of(second, place) == [(0, None, b"a")]
        assert second.incarnation(place) == log.incarnation(place)
        assert second.ends([place]) == {place: 1}

    def test_topics_do_not_share_an_incarnation(self, tmp_path: Path) -> None:
        log, place = self._one(tmp_path)
        other = self.topic()
        log.create(other)
        assert log.incarnation(place) != log.incarnation(SourcePartition(other, 0))


def _read(log: Log, place: SourcePartition, at: int) -> Records:
    return log.read(place, at, max_records=1000, max_bytes=_ALL)


def _raised(kind: type[_Error], act: Callable[[], object]) -> _Error:
    """The error that something must raise."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"a {kind.__name__} was expected")
