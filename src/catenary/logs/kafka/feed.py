"""One thread's consumer: partitions assigned by hand, each read onwards from where it was asked for.

    consume ──► cursors ──► read
                  └── too much waits: the partition is paused, and resumed when it was read

The consumer fetches all partitions that this thread reads, so waiting for any of them is one long poll.
What was fetched is handed out only once the topic's id, asked after fetching, is the one that was told:
records of a topic that was made anew are never taken for the old one's.
"""

from __future__ import annotations

import time
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from catenary.errors import PositionError
from catenary.logs.kafka.client import REQUEST_S
from catenary.logs.kafka.cursor import Cursor
from catenary.logs.kafka.messages import records_of
from catenary.logs.kafka.offsets import silent
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catenary.logs.kafka.client import Client
    from catenary.logs.kafka.directory import Directory
    from catenary.logs.kafka.offsets import Offsets
    from catenary.ports.log import Records

_AT_ONCE: Final = 50_000
"""Messages taken at once, as many as a batch has: a commit's cost is the same for few."""
_PAUSED_FROM: Final = 16 << 20
_RESUMED_BELOW: Final = 4 << 20
_TOLD_S: Final = 1.0
"""How long an incarnation is taken for granted where nothing was fetched."""

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

    def __init__(self, client: Client, directory: Directory, offsets: Offsets) -> None:
        self._client = client
        self._directory = directory
        self._offsets = offsets
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
        start = self._offsets.starts([place])[place]
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
        end = self._offsets.ends([place])[place]
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
            UnreachableError: if it does not come in time.
        """
        end = self._check_end(place, cursor.at)
        until = time.monotonic() + REQUEST_S
        while not cursor.has_more and cursor.at < end and cursor.failed is None:
            left = until - time.monotonic()
            if left <= 0:
                raise silent(
                    f"reading {place}: nothing came from offset {cursor.at} on in {REQUEST_S:g} s,"
                    f" though it ends at {end}",
                    self._client.address,
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
        known = list(self._cursors.items())
        partitions = map(kind.partition, messages)
        if len({place.topic for place, _ in known}) == 1:
            numbers: dict[Any, int] = {place.partition: at for at, (place, _) in enumerate(known)}
            keys: Iterator[Any] = partitions
        else:
            numbers = {tuple(place): at for at, (place, _) in enumerate(known)}
            keys = zip(map(kind.topic, messages), partitions, strict=True)
        found = np.fromiter(map(numbers.get, keys, repeat(-1)), np.int64, len(messages))
        # They come in runs: what was fetched together of a partition lies together.
        starts = [0, *(np.flatnonzero(np.diff(found)) + 1).tolist(), len(messages)]
        for start, stop in pairwise(starts):
            if found[start] >= 0:
                place, cursor = known[found[start]]
                self._give(place, cursor, messages[start:stop])

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

    def _at(self, place: SourcePartition, offset: int = 0) -> Any:
        return self._place_of(place.topic, place.partition, offset)
