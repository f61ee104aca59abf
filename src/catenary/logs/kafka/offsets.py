"""Where partitions begin and end, asked over a connection of its own.

A broker answers the requests of one connection in their order, so a question that shared one with a
consumer would wait for that one's long poll.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import LogError, UnreachableError
from catenary.logs.kafka.client import REQUEST_S
from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from catenary.logs.kafka.client import Client
    from catenary.logs.kafka.directory import Directory

_AGAIN_S: Final = 0.05
_LATEST, _EARLIEST = -1, -2
SETTINGS: Final = {
    # A name is asked for; nothing is assigned, read or committed here.
    "group.id": "catenary",
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
}


class Offsets:
    """Asks for offsets; from any thread."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client = client
        self._directory = directory
        self._asker: Any = client.made(client.library.Consumer, SETTINGS)
        self._place_of: Any = client.library.TopicPartition
        self._failure: type[Exception] = client.library.KafkaException

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """Last stable offsets.

        Raises:
            LogError: if one of them is not there.
            UnreachableError: if the broker does not answer.
        """
        return self._offsets(places, _LATEST)

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """The oldest offsets that are retained; raises as `ends` does."""
        return self._offsets(places, _EARLIEST)

    def close(self) -> None:
        """End the client."""
        self._asker.close()

    def _offsets(self, places: Sequence[SourcePartition], which: int) -> dict[SourcePartition, int]:
        """Offsets of one kind, one request to each broker that leads some of the partitions.

        Raises:
            LogError: if one of them is not there.
        """
        if not places:
            return {}
        wanted = [self._place_of(place.topic, place.partition, which) for place in places]
        doing = f"asking for the offsets of {places[0]}"
        until = time.monotonic() + REQUEST_S
        while True:
            try:
                left = max(until - time.monotonic(), _AGAIN_S)
                found: list[Any] = self._asker.offsets_for_times(wanted, left)
                failed = next((each.error for each in found if each.error is not None), None)
            except self._failure as error:
                found, failed = [], error
            if failed is None:
                return {SourcePartition(each.topic, each.partition): each.offset for each in found}
            self._asker.poll(0)  # what the client has to complain of is told now
            told = self._client.failed(failed, doing)
            if self._client.is_gone(failed):
                self._check_there(places)
                self._learn({place.topic for place in places})
                told = silent(f"{doing}: {failed}", self._client.address)
            if not isinstance(told, UnreachableError) or time.monotonic() > until:
                raise told
            time.sleep(_AGAIN_S)  # it is about to be there, or this client to learn where

    def _learn(self, topics: Collection[str]) -> None:
        """Have the client ask for topics anew: it goes by what it knew of them for minutes."""
        for topic in topics:
            try:
                self._asker.list_topics(topic, timeout=REQUEST_S)
            except self._failure as error:
                raise self._client.failed(error, f"asking for topic {topic!r}") from error

    def _check_there(self, places: Sequence[SourcePartition]) -> None:
        """Whether the broker knows the partitions.

        Raises:
            LogError: for the first that is not there, with the nearest name.
        """
        for place in places:
            many = self._directory.topic(place.topic).partitions
            if not 0 <= place.partition < many:
                raise missing(place, many, self._client.address)


def missing(place: SourcePartition, many: int, address: str) -> LogError:
    """That a topic has no such partition."""
    return LogError(
        f"topic {place.topic!r} has no partition {place.partition}",
        where=f"kafka://{address}",
        hint=f"it has {many}, counted from 0",
    )


def silent(problem: str, address: str) -> UnreachableError:
    """That something did not come in time."""
    return UnreachableError(
        problem,
        where=f"kafka://{address}",
        hint="see that the broker that leads the partition runs",
    )
