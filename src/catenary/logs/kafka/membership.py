"""A consumer group as a means of assignment: it says which partitions are ours, and nothing else.

    subscribe ──► assigned ──► the stage takes the lanes (raises their epochs)
              ──► revoked, lost ──► it lets them go; a commit that is under way is refused by the epoch

The member's consumer fetches nothing and commits nothing: positions are the store's.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from catenary.ports.token import SourcePartition

if TYPE_CHECKING:
    from collections.abc import Collection

    from catenary.logs.kafka.client import Client

_POLL_S: Final = 0.1
_BACKOFF_S: Final = 1.0
SETTINGS: Final = {
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # A member that was killed is missed after this long.
    "session.timeout.ms": 10_000,
    # Partitions that are added are noticed after this long.
    "topic.metadata.refresh.interval.ms": 5_000,
}


class GroupMembership:
    """A member, and the thread that keeps it one. Fulfils `catenary.ports.Membership`."""

    def __init__(self, client: Client, group: str, topics: Collection[str]) -> None:
        self._end: int = client.library.OFFSET_END
        self._place: Any = client.library.TopicPartition
        self._lock = threading.Lock()
        self._number = 0
        self._places: frozenset[SourcePartition] = frozenset()
        self._closed = threading.Event()
        self._consumer: Any = client.made(client.library.Consumer, {**SETTINGS, "group.id": group})
        self._consumer.subscribe(
            sorted(topics), on_assign=self._given, on_revoke=self._taken, on_lost=self._taken
        )
        self._thread = threading.Thread(target=self._stay, name=f"group-{group}", daemon=True)
        self._thread.start()

    def assigned(self) -> tuple[int, frozenset[SourcePartition]]:
        """See `catenary.ports.Membership.assigned`."""
        with self._lock:
            return self._number, self._places

    def close(self) -> None:
        """See `catenary.ports.Membership.close`."""
        self._closed.set()
        self._thread.join()

    def _stay(self) -> None:
        while not self._closed.is_set():
            message = self._consumer.poll(_POLL_S)
            if message is not None and message.error() is not None:
                # The broker is away, or a topic is: the stage is told when it reads.
                self._closed.wait(_BACKOFF_S)
        self._consumer.close()

    def _given(self, consumer: Any, partitions: list[Any]) -> None:
        # From their ends, and held up at once: nothing is to be fetched here.
        at = [self._place(each.topic, each.partition, self._end) for each in partitions]
        consumer.incremental_assign(at)
        consumer.pause(at)
        self._change(_places(partitions), frozenset())

    def _taken(self, consumer: Any, partitions: list[Any]) -> None:
        consumer.incremental_unassign(partitions)
        self._change(frozenset(), _places(partitions))

    def _change(self, more: frozenset[SourcePartition], less: frozenset[SourcePartition]) -> None:
        with self._lock:
            self._number += 1
            self._places = (self._places | more) - less


def _places(partitions: list[Any]) -> frozenset[SourcePartition]:
    return frozenset(SourcePartition(each.topic, each.partition) for each in partitions)
