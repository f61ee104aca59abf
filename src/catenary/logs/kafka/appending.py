"""Appends of many threads through one idempotent producer; those that come together share requests."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import LogError, UnreachableError
from catenary.logs.kafka.client import APPEND_S, REQUEST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from catenary.logs.kafka.client import Client
    from catenary.ports.token import SourcePartition

_RECORDS_AT_ONCE: Final = 10_000
_BYTES_AT_ONCE: Final = 4 << 20
_POLL_S: Final = 0.25
SETTINGS: Final = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 0,
    "message.timeout.ms": int(APPEND_S * 1000),
    "queue.buffering.max.kbytes": 1 << 20,
}


class _Sent:
    """A part of one call, until all of it was acknowledged or refused."""

    def __init__(self, many: int) -> None:
        self.many = self._left = many
        self.refused = 0
        self._done = threading.Event()
        self.end: int | None = 0
        self.error: Any = None

    def heard(self, error: Any, message: Any) -> None:
        """Of one record."""
        if error is not None:
            self.error = error
            self.refused += 1
        elif self.end is not None:
            # A record that was there already, sent again after its answer was lost, has no offset.
            offset = message.offset()
            self.end = None if offset is None else max(self.end, offset + 1)
        self._left -= 1
        if not self._left:
            self._done.set()

    def wait(self, given_up: Callable[[], object]) -> bool:
        """Until all were heard of; False if that takes too long, or the producer has given up."""
        until = time.monotonic() + 2 * APPEND_S
        while not self._done.wait(_POLL_S):
            if given_up() or time.monotonic() > until:
                return False
        return True


class Appender:
    """The producer, and the thread that hears what became of records.

    Attributes:
        given_up: why it takes no records any more; empty while it does.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.given_up = ""
        self._producer: Any = client.made(client.library.Producer, SETTINGS)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._hear, name="kafka-appends", daemon=True)
        self._thread.start()

    def append(
        self,
        place: SourcePartition,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None,
    ) -> int | None:
        """Append; the offset behind the last record, once all are acknowledged; None if not told.

        Raises:
            LogError: if the broker refuses a record; those before it may stand. If it has lost what
                it had acknowledged, this producer gives up.
            UnreachableError: if it does not acknowledge in time; what stands is not known.
        """
        end: int | None = 0
        for start, stop in _parts(values):
            records = (
                [{"value": each} for each in values[start:stop]]
                if keys is None
                else [
                    {"value": value, "key": key}
                    for value, key in zip(values[start:stop], keys[start:stop], strict=True)
                ]
            )
            end = self._sent(place, records)
        return end

    def _sent(self, place: SourcePartition, records: list[dict[str, Any]]) -> int | None:
        """Send records together; the offset behind the last."""
        until = time.monotonic() + APPEND_S
        while True:
            sent = _Sent(len(records))
            queued = self._producer.produce_batch(
                place.topic, records, partition=place.partition, on_delivery=sent.heard
            )
            if queued == len(records):
                break
            error = next(each.pop("_error") for each in records if "_error" in each)
            if queued or not self._client.is_gone(error) or time.monotonic() > until:
                raise self._failed(place, error)
            # It was there when it was asked for: the producer has yet to hear of it.
            self._producer.list_topics(place.topic, timeout=REQUEST_S)
            for each in records:
                each.pop("_error", None)
        if not sent.wait(lambda: self.given_up):
            if self.given_up:
                raise self._lost(place)
            raise UnreachableError(
                f"appending to {place}: nothing was heard of it for {2 * APPEND_S:g} s",
                where=f"kafka://{self._client.address}",
            )
        if sent.error is not None:
            if self.given_up:
                raise self._lost(place)
            raise self._failed(place, sent.error, sent)
        return sent.end

    def close(self) -> None:
        """Send what is under way, and end."""
        if self.given_up:
            self._producer.purge()
        self._producer.flush(APPEND_S)
        self._closed.set()
        self._producer.poll(0)
        self._thread.join(2 * _POLL_S)

    def _failed(
        self, place: SourcePartition, error: Any, sent: _Sent | None = None
    ) -> LogError | UnreachableError:
        many = 1 if sent is None else sent.many
        some = f" {sent.refused:,} of {many:,} records" if sent and many > 1 else ""
        return self._client.failed(error, f"appending{some} to {place}")

    def _lost(self, place: SourcePartition) -> LogError:
        return LogError(
            f"appending to {place}: the broker has lost records that it had acknowledged:"
            f" {self.given_up}",
            where=f"kafka://{self._client.address}",
            hint="its data is older than it was, or was made anew; what was to be appended now is not"
            " there, unless other records of the same call are: look, and append it again",
        )

    def _hear(self) -> None:
        try:
            while not self._closed.is_set():
                self._producer.poll(_POLL_S)
        except self._client.library.KafkaException as error:
            # Only what the producer cannot go on after is raised here.
            self.given_up = self._client.text(error)


def _parts(values: Sequence[bytes | None]) -> Iterator[tuple[int, int]]:
    """From where to where a call's records are sent together, so that none waits for room."""
    start = held = 0
    for at, value in enumerate(values):
        size = len(value or b"")
        if at > start and (at - start == _RECORDS_AT_ONCE or held + size > _BYTES_AT_ONCE):
            yield start, at
            start, held = at, 0
        held += size
    if start < len(values):
        yield start, len(values)
