"""One thread's consumer: partitions assigned by hand, each read onwards from where it was asked for.

    consume ──► cursors ──► read
                  └── too much waits: the partition is paused, and resumed when it was read

The consumer fetches all partitions that this thread reads, so waiting for any of them is one long poll.
What was fetched is handed out only once the topic's id, asked after fetching, is the one that was told:
records of a topic that was made anew are never taken for the old one's.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import BrokerError, LogError, PositionError
from catenary.logs.kafka.client import REQUEST_S
from catenary.logs.kafka.cursor import Cursor
from catenary.logs.kafka.messages import records_of
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from catenary.logs.kafka.client import Client
    from catenary.logs.kafka.directory import Directory
    from catenary.ports.log import Records

_AT_ONCE: Final = 10_000
_PAUSED_FROM: Final = 16 << 20
_RESUMED_BELOW: Final = 4 << 20
_TOLD_S: Final = 1.0
"""How long an incarnation is taken for granted where nothing was fetched."""
_AGAIN_S: Final = 0.05
_LATEST, _EARLIEST = -1, -2

SETTINGS: Final = {
    # A name is asked for; nothing is committed under it, and no group is joined.
    "group.id": "catenary",
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    # A partition that is newly assigned waits for the poll that is under way.
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 5,
    "fetch.error.backoff.ms": 100,
    "queued.max.messages.kbytes": 32 << 10,
}


class Feed:
    """What one thread reads."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client = client
        self._directory = directory
        library = client.library
        self._consumer: Any = client.made(library.Consumer, SETTINGS)
        self._place_of: Any = library.TopicPartition
        self._failure: type[Exception] = library.KafkaException
        self._message: Any = library.Message
        self._cursors: dict[SourcePartition, Cursor] = {}
        self._told: dict[str, tuple[int, float]] = {}

    def read(
        self, place: SourcePartition, offset: int, max_records: int, max_bytes: int
    ) -> Records:
        """See `catenary.ports.Log.read`."""
        cursor = self._cursor(place, offset)
        if not cursor.has_more:
            self._pump(0.0)
            if not cursor.has_more:
                self._fetch(place, cursor)
        self._raise_failure(place, cursor)
        if not cursor.checked:
            self._check(place.topic)
        found = cursor.take(max_records, max_bytes)
        if cursor.paused and cursor.bytes < _RESUMED_BELOW:
            self._consumer.resume([self._at(place)])
            cursor.paused = False
        return found

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        """See `catenary.ports.Log.wait`."""
        cursors = [self._cursor(place, at) for place, at in positions.items()]
        until = time.monotonic() + timeout_s
        while not any(each.has_more or each.failed for each in cursors):
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._pump(left)
        return True

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """Last stable offsets."""
        return self._offsets(places, _LATEST)

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """The oldest offsets that are retained."""
        return self._offsets(places, _EARLIEST)

    def incarnation(self, topic: str) -> int:
        """The topic's, as it was told last if that is not long ago."""
        told = self._told.get(topic)
        if told is not None and time.monotonic() - told[1] < _TOLD_S:
            return told[0]
        return self._asked(topic)

    def close(self) -> None:
        """End the consumer."""
        self._cursors.clear()
        self._consumer.close()

    def _asked(self, topic: str) -> int:
        """The topic's incarnation, asked now; what was fetched of another one is dropped."""
        now = self._directory.topic(topic).incarnation
        told = self._told.get(topic)
        self._told[topic] = now, time.monotonic()
        if told is not None and told[0] != now:
            for place in [each for each in self._cursors if each.topic == topic]:
                self._drop(place)
        return now

    def _check(self, topic: str) -> None:
        """Whether all that was fetched of a topic is of the incarnation that was told.

        Raises:
            PositionError: if it is not.
        """
        told = self._told.get(topic)
        now = self._asked(topic)
        if told is not None and told[0] != now:
            raise PositionError(
                f"topic {topic!r} was deleted and made anew",
                where=f"kafka://{self._client.address}",
                hint="its offsets begin again: what was read of the former one must be made anew",
            )
        for place, cursor in self._cursors.items():
            if place.topic == topic:
                cursor.checked = True

    def _cursor(self, place: SourcePartition, offset: int) -> Cursor:
        """The cursor that goes on at an offset.

        Raises:
            PositionError: if the offset lies outside of what is retained.
        """
        cursor = self._cursors.get(place)
        if cursor is not None and cursor.at == offset and cursor.failed is None:
            return cursor
        if cursor is not None:
            self._drop(place)
        self._check(place.topic)
        start = self.starts([place])[place]
        if offset < start:
            raise PositionError(
                f"offset {offset} of {place} is no longer retained; the oldest is {start}",
                where=f"kafka://{self._client.address}",
                hint="retention.ms or retention.bytes of the topic removed it before it was read",
            )
        self._check_end(place, offset)
        self._consumer.incremental_assign([self._at(place, offset)])
        self._cursors[place] = cursor = Cursor(offset)
        return cursor

    def _check_end(self, place: SourcePartition, offset: int) -> int:
        """The visible end.

        Raises:
            PositionError: if the offset lies beyond it.
        """
        end = self.ends([place])[place]
        if offset > end:
            raise PositionError(
                f"offset {offset} of {place} lies beyond the end, {end}",
                where=f"kafka://{self._client.address}",
                hint="the topic was made anew, or the loss of a broker cut what had been read",
            )
        return end

    def _fetch(self, place: SourcePartition, cursor: Cursor) -> None:
        """Wait for what is visible but was not fetched yet, if there is anything.

        Raises:
            BrokerError: if it does not come in time.
        """
        end = self._check_end(place, cursor.at)
        until = time.monotonic() + REQUEST_S
        while not cursor.has_more and cursor.at < end and cursor.failed is None:
            left = until - time.monotonic()
            if left <= 0:
                raise self._silent(
                    f"reading {place}: nothing came from offset {cursor.at} on in {REQUEST_S:g} s,"
                    f" though it ends at {end}"
                )
            self._pump(left)

    def _pump(self, timeout_s: float) -> None:
        """Take what was fetched; wait for something if nothing was."""
        try:
            messages = self._consumer.consume(1, timeout_s) if timeout_s else []
            messages += self._consumer.consume(_AT_ONCE, 0)
            self._take(messages)
        except BaseException as error:
            # What was consumed and not kept would be missing: begin again where reads have come to.
            for place in list(self._cursors):
                self._drop(place)
            if isinstance(error, self._failure):
                raise self._client.failed(error, "reading") from error
            raise

    def _take(self, messages: list[Any]) -> None:
        """Keep records, and note what else is told."""
        errors = list(map(self._message.error, messages))
        at = 0
        for until, error in enumerate(errors):
            if error is not None:
                self._sort(messages[at:until])
                self._note(messages[until], error)
                at = until + 1
        self._sort(messages[at:])

    def _sort(self, messages: list[Any]) -> None:
        """To each partition its own."""
        if not messages:
            return
        if len(self._cursors) == 1:
            ((place, cursor),) = self._cursors.items()
            self._give(place, cursor, messages)
            return
        kind = self._message
        places = zip(map(kind.topic, messages), map(kind.partition, messages), strict=True)
        at = 0
        for place, run in groupby(places):
            many = sum(1 for _ in run)
            found = SourcePartition(*place)
            if found in self._cursors:
                self._give(found, self._cursors[found], messages[at : at + many])
            at += many

    def _give(self, place: SourcePartition, cursor: Cursor, messages: list[Any]) -> None:
        cursor.fetched(records_of(messages))
        if cursor.bytes > _PAUSED_FROM and not cursor.paused:
            self._consumer.pause([self._at(place)])
            cursor.paused = True

    def _note(self, message: Any, error: Any) -> None:
        """What the client says of a partition in place of a record."""
        topic, partition = message.topic(), message.partition()
        if topic is None or partition is None:
            return  # of the whole cluster: who asks for something is told by that
        place = SourcePartition(topic, partition)
        cursor = self._cursors.get(place)
        if cursor is None:
            return
        if error.code() == self._client.end_of_partition:
            cursor.ended(message.offset())
            return
        cursor.failed = self._client.failed(error, f"reading {place}")

    def _raise_failure(self, place: SourcePartition, cursor: Cursor) -> None:
        """Tell why fetching ended, once what came before that was read."""
        if cursor.failed is None or cursor.has_more:
            return
        self._drop(place)
        if not isinstance(cursor.failed, PositionError):
            self._check(place.topic)  # it may be gone, or another one
        raise cursor.failed

    def _drop(self, place: SourcePartition) -> None:
        del self._cursors[place]
        self._consumer.incremental_unassign([self._at(place)])

    def _offsets(self, places: Sequence[SourcePartition], which: int) -> dict[SourcePartition, int]:
        """Offsets of one kind, one request to each broker that leads some of the partitions.

        Raises:
            LogError: if one of them is not there.
        """
        if not places:
            return {}
        wanted = [self._at(place, which) for place in places]
        doing = f"asking for the offsets of {places[0]}"
        until = time.monotonic() + REQUEST_S
        while True:
            try:
                left = max(until - time.monotonic(), _AGAIN_S)
                found: list[Any] = self._consumer.offsets_for_times(wanted, left)
                failed = next((each.error for each in found if each.error is not None), None)
            except self._failure as error:
                found, failed = [], error
            if failed is None:
                return {SourcePartition(each.topic, each.partition): each.offset for each in found}
            self._pump(0.0)  # what the client has to complain of is told now
            told = self._client.failed(failed, doing)
            if self._client.is_gone(failed):
                self._check_there(places)
                self._learn({place.topic for place in places})
                told = self._silent(f"{doing}: {failed}")
            if not isinstance(told, BrokerError) or time.monotonic() > until:
                raise told
            time.sleep(_AGAIN_S)  # it is about to be there, or this client to learn where

    def _learn(self, topics: Collection[str]) -> None:
        """Have the client ask for topics anew: it goes by what it knew of them for minutes."""
        for topic in topics:
            try:
                self._consumer.list_topics(topic, timeout=REQUEST_S)
            except self._failure as error:
                raise self._client.failed(error, f"asking for topic {topic!r}") from error

    def _check_there(self, places: Sequence[SourcePartition]) -> None:
        """Whether the broker knows the partitions.

        Raises:
            LogError: for the first that is not there, with the nearest name.
        """
        for place in places:
            many = self._directory.topic(place.topic).partitions
            if place.partition >= many:
                raise missing(place, many, self._client.address)

    def _silent(self, problem: str) -> BrokerError:
        return BrokerError(
            problem,
            where=f"kafka://{self._client.address}",
            hint="see that the broker that leads the partition runs",
        )

    def _at(self, place: SourcePartition, offset: int = 0) -> Any:
        return self._place_of(place.topic, place.partition, offset)


def missing(place: SourcePartition, many: int, address: str) -> LogError:
    """That a topic has no such partition."""
    return LogError(
        f"topic {place.topic!r} has no partition {place.partition}",
        where=f"kafka://{address}",
        hint=f"it has {many}, counted from 0",
    )
