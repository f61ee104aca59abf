"""The port: topics of one Kafka cluster."""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from catenary.errors import LogError
from catenary.logs.kafka.appending import Appender
from catenary.logs.kafka.client import Client
from catenary.logs.kafka.directory import Directory
from catenary.logs.kafka.feed import Feed
from catenary.logs.kafka.membership import GroupMembership
from catenary.logs.kafka.offsets import Offsets, missing
from catenary.ports.token import SourcePartition, Token

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from catenary.ports.log import Membership, Records


class KafkaLog:
    """A Kafka cluster as a log. Fulfils `catenary.ports.Log`.

    Args:
        address: `host:port` of any of its brokers.
        options: settings of the client library (librdkafka) by name, such as `security.protocol`.

    Raises:
        UnsupportedError: if the client library is not installed.
        LogError: if it refuses an option. Whether a broker is there is found out by the first use.

    Example:
        with KafkaLog("localhost:9092") as log:
            log.create("payments", partitions=4)
            token = log.append("payments", [b'{"amount": 3}'], partition=2)
    """

    def __init__(self, address: str, options: Mapping[str, str] | None = None) -> None:
        self._client = Client(address, options or {})
        self._directory = Directory(self._client)
        self._offsets = Offsets(self._client, self._directory)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._local = threading.local()
        # A thread's feed goes with its thread.
        self._feeds: weakref.WeakSet[Feed] = weakref.WeakSet()

    def create(self, topic: str, *, partitions: int = 1) -> None:
        """See `catenary.ports.Log.create`."""
        if partitions < 1:
            raise LogError(f"topic {topic!r} cannot have {partitions} partitions; it needs one")
        if self._directory.create(topic, partitions):
            return
        held = self._directory.topic(topic).partitions
        if held != partitions:
            raise LogError(
                f"topic {topic!r} has {held} partitions, not {partitions}",
                where=f"kafka://{self._client.address}",
                hint="partitions are added to a topic with Kafka's own tools",
            )

    def topics(self) -> tuple[str, ...]:
        """See `catenary.ports.Log.topics`; without those of the broker's own."""
        return self._directory.names()

    def partitions(self, topic: str) -> tuple[SourcePartition, ...]:
        """See `catenary.ports.Log.partitions`."""
        self._counts[topic] = many = self._directory.topic(topic).partitions
        return tuple(SourcePartition(topic, each) for each in range(many))

    def append(
        self,
        topic: str,
        values: Sequence[bytes] | pa.LargeBinaryArray,
        *,
        keys: Sequence[bytes | None] | pa.LargeBinaryArray | None = None,
        partition: int = 0,
    ) -> Token:
        """See `catenary.ports.Log.append`."""
        place = SourcePartition(topic, partition)
        # Asked first: a producer's own question would make a topic that is not there.
        if not 0 <= partition < self._counts.get(topic, 0):
            many = len(self.partitions(topic))
            if not 0 <= partition < many:
                raise missing(place, many, self._client.address)
        listed = _listed(values)
        end = self._appender.append(place, listed, _listed(keys)) if listed else None
        return Token({place: self.ends([place])[place] if end is None else end})

    @cached_property
    def _appending(self) -> Appender:
        return Appender(self._client)

    @property
    def _appender(self) -> Appender:
        with self._lock:
            if "_appending" in vars(self) and self._appending.given_up:
                vars(self).pop("_appending").close()
            return self._appending

    def read(
        self, place: SourcePartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Records:
        """See `catenary.ports.Log.read`."""
        return self._feed.read(place, offset, max_records, max_bytes)

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.ends`; the last stable offsets."""
        return self._offsets.ends(places)

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.starts`."""
        return self._offsets.starts(places)

    def incarnation(self, place: SourcePartition) -> int:
        """See `catenary.ports.Log.incarnation`."""
        return self._feed.incarnation(place.topic)

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        """See `catenary.ports.Log.wait`; one long poll."""
        return self._feed.wait(positions, timeout_s)

    def join(self, group: str, topics: Collection[str]) -> Membership:
        """See `catenary.ports.Log.join`: a consumer group, which reads and commits nothing."""
        return GroupMembership(self._client, group, topics)

    @property
    def _feed(self) -> Feed:
        """This thread's."""
        found: Feed | None = getattr(self._local, "feed", None)
        if found is None:
            found = self._local.feed = Feed(self._client, self._directory, self._offsets)
            with self._lock:
                self._feeds.add(found)
        return found

    def close(self) -> None:
        """End the clients; no other thread may be amid a call."""
        with self._lock:
            if "_appending" in vars(self):
                self._appending.close()
            for feed in tuple(self._feeds):
                feed.close()
            self._offsets.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listed(items: Any) -> Any:
    """A column, or what is listed already, as a list."""
    return items.to_pylist() if hasattr(items, "to_pylist") else items
