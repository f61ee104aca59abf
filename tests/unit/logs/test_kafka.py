"""What only Kafka has: transactions, compaction, topics that grow or are made anew, brokers that go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from catenary.errors import LogError, PositionError, UnreachableError
from catenary.ports.token import SourcePartition, Token
from catenary.testing.logs import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catenary.logs.kafka import KafkaLog
    from catenary.testing.services.kafka import KafkaBroker

pytestmark = pytest.mark.kafka

ALL = 1 << 30


@pytest.fixture
def log(kafka: KafkaBroker) -> Iterator[KafkaLog]:
    from catenary.logs.kafka import KafkaLog

    with KafkaLog(kafka.address) as opened:
        yield opened


@pytest.fixture
def admin(kafka: KafkaBroker) -> Any:
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": kafka.address})


@pytest.fixture
def place(log: KafkaLog) -> SourcePartition:
    found = SourcePartition(f"t-{uuid4().hex[:8]}", 0)
    log.create(found.topic)
    return found


class Transactions:
    """A producer that appends in transactions."""

    def __init__(self, broker: KafkaBroker, place: SourcePartition) -> None:
        from confluent_kafka import Producer

        self._place = place
        self._producer = Producer(
            {"bootstrap.servers": broker.address, "transactional.id": uuid4().hex, "log_level": 0}
        )
        self._producer.init_transactions(30)

    def begin(self, *values: bytes) -> None:
        self._producer.begin_transaction()
        for each in values:
            self._producer.produce(self._place.topic, each, partition=self._place.partition)
        self._producer.flush(30)

    def commit(self) -> None:
        self._producer.commit_transaction(30)

    def abort(self) -> None:
        self._producer.abort_transaction(30)


def values(log: KafkaLog, place: SourcePartition, start: int = 0) -> list[bytes | None]:
    return [value for _, _, value in rows_of(log, place, start)]


def ended(log: KafkaLog, place: SourcePartition, start: int = 0) -> int:
    """Where reading from an offset on comes to."""
    at = start
    while True:
        batch = log.read(place, at, max_records=5, max_bytes=ALL)
        if batch.next_offset == at:
            return at
        at = batch.next_offset


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_committed_transaction_is_read_and_its_marker_is_passed(
    kafka: KafkaBroker, log: KafkaLog, place: SourcePartition
) -> None:
    writer = Transactions(kafka, place)
    writer.begin(b"a", b"b")
    writer.commit()
    eventually(lambda: log.ends([place])[place] == 3)
    assert rows_of(log, place) == [(0, None, b"a"), (1, None, b"b")]
    assert ended(log, place) == 3, "the end is reached, though a marker lies before it"
    writer.begin(b"c")
    writer.commit()
    eventually(lambda: log.ends([place])[place] == 5)
    assert rows_of(log, place, 3) == [(3, None, b"c")]
    assert rows_of(log, place, 2) == [(3, None, b"c")]


def test_an_aborted_transaction_is_a_gap_that_is_passed(
    kafka: KafkaBroker, log: KafkaLog, place: SourcePartition
) -> None:
    writer = Transactions(kafka, place)
    writer.begin(*[b"no"] * 30)
    writer.abort()
    eventually(lambda: log.ends([place])[place] == 31)
    assert rows_of(log, place) == []
    assert ended(log, place) == 31
    log.append(place.topic, [b"yes"])
    assert rows_of(log, place) == rows_of(log, place, 31) == [(31, None, b"yes")]


def test_an_open_transaction_holds_the_visible_end(
    kafka: KafkaBroker, log: KafkaLog, place: SourcePartition
) -> None:
    log.append(place.topic, [b"before"])
    writer = Transactions(kafka, place)
    writer.begin(b"open")
    assert log.append(place.topic, [b"after"]) == Token({place: 3})
    assert log.ends([place]) == {place: 1}
    assert values(log, place) == [b"before"]
    assert not log.wait({place: 1}, 0.3)
    writer.commit()
    assert log.wait({place: 1}, 20)
    eventually(lambda: log.ends([place])[place] == 4)
    assert values(log, place, 1) == [b"open", b"after"]
    assert ended(log, place) == 4


def test_an_end_of_markers_only_wakes_whoever_waits(
    kafka: KafkaBroker, log: KafkaLog, place: SourcePartition
) -> None:
    writer = Transactions(kafka, place)
    writer.begin(b"no")
    assert not log.wait({place: 0}, 0.3)
    writer.abort()
    assert log.wait({place: 0}, 20)
    eventually(lambda: ended(log, place) == 2)


def test_records_that_compaction_removed_are_a_gap(
    kafka: KafkaBroker, log: KafkaLog, admin: Any
) -> None:
    from confluent_kafka.admin import NewTopic

    topic = f"compacted-{uuid4().hex[:8]}"
    place = SourcePartition(topic, 0)
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
    }
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result()
    for each in range(20):
        log.append(topic, [b"%d" % each], keys=[b"key"])
    # Another append after segment.ms begins a segment; the former one is compacted.
    time.sleep(0.2)
    log.append(topic, [b"last"], keys=[b"other"])

    def offsets() -> list[int]:
        return [offset for offset, _, _ in rows_of(log, place)]

    eventually(lambda: len(offsets()) < 21)
    found = offsets()
    assert found[-1] == 20
    assert ended(log, place) == 21
    for start in range(21):
        assert [o for o, _, _ in rows_of(log, place, start)] == [o for o in found if o >= start]


def test_a_tombstone_has_no_value(log: KafkaLog, place: SourcePartition) -> None:
    log.append(place.topic, [None, b""], keys=[b"k", b""])  # pyright: ignore[reportArgumentType]
    assert rows_of(log, place) == [(0, b"k", None), (1, b"", b"")]


def test_partitions_that_are_added_are_there_at_once(
    log: KafkaLog, admin: Any, place: SourcePartition
) -> None:
    from confluent_kafka.admin import NewPartitions

    assert len(log.partitions(place.topic)) == 1
    admin.create_partitions([NewPartitions(place.topic, 3)])[place.topic].result()
    added = SourcePartition(place.topic, 2)
    eventually(lambda: added in log.partitions(place.topic))
    log.append(place.topic, [b"x"], partition=2)
    assert log.ends([place, added]) == {place: 0, added: 1}
    assert values(log, added) == [b"x"]


def made_anew(log: KafkaLog, admin: Any, topic: str) -> None:
    admin.delete_topics([topic])[topic].result()
    eventually(lambda: topic not in log.topics())
    log.create(topic)


def test_a_topic_that_was_made_anew_is_never_taken_for_the_old_one(
    log: KafkaLog, admin: Any, place: SourcePartition
) -> None:
    log.append(place.topic, [b"old"] * 3)
    assert values(log, place) == [b"old"] * 3
    before = log.incarnation(place)
    made_anew(log, admin, place.topic)
    # Longer than the old one: only the topic's id tells them apart.
    log.append(place.topic, [b"new"] * 10)
    with pytest.raises(PositionError, match="made anew"):
        log.read(place, 3, max_records=9, max_bytes=ALL)
    assert log.incarnation(place) != before
    assert values(log, place) == [b"new"] * 10


def test_a_topic_that_was_deleted_is_told_to_its_readers(
    log: KafkaLog, admin: Any, place: SourcePartition
) -> None:
    log.append(place.topic, [b"a"])
    assert values(log, place) == [b"a"]
    admin.delete_topics([place.topic])[place.topic].result()
    eventually(lambda: place.topic not in log.topics())
    with pytest.raises(LogError, match=f"there is no topic '{place.topic}'"):
        log.read(place, 1, max_records=1, max_bytes=1)


def test_a_position_that_is_no_longer_retained_is_refused(
    log: KafkaLog, admin: Any, place: SourcePartition
) -> None:
    from confluent_kafka import TopicPartition

    log.append(place.topic, [b"%d" % each for each in range(10)])
    assert values(log, place)[0] == b"0"
    for each in admin.delete_records([TopicPartition(place.topic, 0, 4)]).values():
        each.result()
    assert log.starts([place]) == {place: 4}
    with pytest.raises(PositionError, match="no longer retained; the oldest is 4"):
        log.read(place, 2, max_records=1, max_bytes=1)
    assert values(log, place, 4)[0] == b"4"


def test_a_record_that_the_broker_refuses_is_told(log: KafkaLog, place: SourcePartition) -> None:
    with pytest.raises(LogError, match="MSG_SIZE_TOO_LARGE"):
        log.append(place.topic, [bytes(2 << 20)])
    log.append(place.topic, [b"small"])
    assert values(log, place) == [b"small"]


def test_much_is_read_in_large_batches_within_bounds(log: KafkaLog, place: SourcePartition) -> None:
    import pyarrow as pa

    log.create(topic := f"wide-{uuid4().hex[:8]}", partitions=2)
    record = pa.array([bytes(1000)] * 30_000, pa.large_binary())
    for partition in (0, 1):
        log.append(topic, record, partition=partition)
    first, second = log.partitions(topic)
    # The second is not read meanwhile: it waits in a bounded buffer, and nothing of it is lost.
    assert len(rows_of(log, first, max_records=10_000)) == 30_000
    found = rows_of(log, second, max_records=10_000)
    assert [offset for offset, _, _ in found] == list(range(30_000))


def test_a_broker_that_is_not_there_is_told_with_what_to_do() -> None:
    from catenary.logs.kafka import KafkaLog

    with (
        KafkaLog("127.0.0.1:1") as log,
        pytest.raises(UnreachableError, match="does not answer") as told,
    ):
        log.partitions("t")
    assert told.value.where == "kafka://127.0.0.1:1"
    assert told.value.hint is not None
    assert "host and port" in told.value.hint


def test_an_option_that_the_client_does_not_know_is_named() -> None:
    from catenary.logs.kafka import KafkaLog

    with pytest.raises(LogError, match=r"security\.wrong"):
        KafkaLog("127.0.0.1:1", {"security.wrong": "SSL"})


def test_reads_go_on_where_they_were_when_a_broker_comes_back(
    tmp_path: Path, kafka_jars: Path
) -> None:
    from catenary.logs.kafka import KafkaLog
    from catenary.testing.services.kafka import KafkaBroker

    place = SourcePartition("t", 0)
    with KafkaBroker(tmp_path, kafka_jars) as broker, KafkaLog(broker.address) as log:
        log.create("t")
        log.append("t", [b"%d" % each for each in range(10)])
        assert log.read(place, 0, max_records=5, max_bytes=ALL).next_offset == 5
        before = log.incarnation(place)
        broker.kill()
        with pytest.raises(UnreachableError):
            log.ends([place])
        broker.start()
        assert log.incarnation(place) == before
        assert values(log, place, 5) == [b"5", b"6", b"7", b"8", b"9"]
        assert log.append("t", [b"10"]) == Token({place: 11})
        broker.pause()
        with pytest.raises(UnreachableError):
            log.ends([place])
        broker.resume()
        eventually(lambda: values(log, place, 10) == [b"10"])
    # Another broker of the same folder goes on with it, as `make kafka DATA=FOLDER` does.
    with KafkaBroker(tmp_path, kafka_jars) as again, KafkaLog(again.address) as log:
        assert log.incarnation(place) == before
        assert log.append("t", [b"11"]) == Token({place: 12})
