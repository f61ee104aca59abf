"""Several logs as one: each topic has its own, the rest lies in one log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from catenary.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from catenary.ports.log import Log, Membership, Records
    from catenary.ports.token import SourcePartition, Token

_TURN_S: Final = 0.05
"""How long one log is waited for before another one, where somebody waits for topics of several."""


class RoutedLog:
    """Logs by topic. Fulfils `catenary.ports.Log`.

    Args:
        rest: where topics lie that are not named.
        by_topic: where the others lie.
    """

    def __init__(self, rest: Log, by_topic: Mapping[str, Log]) -> None:
        self._rest = rest
        self._by_topic = dict(by_topic)

    def _of(self, topic: str) -> Log:
        return self._by_topic.get(topic, self._rest)

    def create(self, topic: str, *, partitions: int = 1) -> None:
        """See `catenary.ports.Log.create`."""
        self._of(topic).create(topic, partitions=partitions)

    def topics(self) -> tuple[str, ...]:
        """See `catenary.ports.Log.topics`; each log's own, of those that lie there."""
        logs = {id(each): each for each in (self._rest, *self._by_topic.values())}
        found = {
            topic for each in logs.values() for topic in each.topics() if self._of(topic) is each
        }
        return tuple(sorted(found))

    def partitions(self, topic: str) -> tuple[SourcePartition, ...]:
        """See `catenary.ports.Log.partitions`."""
        return self._of(topic).partitions(topic)

    def append(
        self,
        topic: str,
        values: Sequence[bytes] | pa.LargeBinaryArray,
        *,
        keys: Sequence[bytes | None] | pa.LargeBinaryArray | None = None,
        partition: int = 0,
    ) -> Token:
        """See `catenary.ports.Log.append`."""
        return self._of(topic).append(topic, values, keys=keys, partition=partition)

    def read(
        self, place: SourcePartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Records:
        """See `catenary.ports.Log.read`."""
        log = self._of(place.topic)
        return log.read(place, offset, max_records=max_records, max_bytes=max_bytes)

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.ends`."""
        return {
            place: end for log, own in self._split(places) for place, end in log.ends(own).items()
        }

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """See `catenary.ports.Log.starts`."""
        return {
            place: start
            for log, own in self._split(places)
            for place, start in log.starts(own).items()
        }

    def incarnation(self, place: SourcePartition) -> int:
        """See `catenary.ports.Log.incarnation`."""
        return self._of(place.topic).incarnation(place)

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        """See `catenary.ports.Log.wait`; logs are waited for in turns."""
        parts = [
            (log, {place: positions[place] for place in own})
            for log, own in self._split(tuple(positions))
        ]
        if len(parts) < 2:
            log, own = parts[0] if parts else (self._rest, {})
            return log.wait(own, timeout_s)
        until = time.monotonic() + timeout_s
        while True:
            for log, own in parts:
                left = until - time.monotonic()
                if log.wait(own, min(max(left, 0.0), _TURN_S)):
                    return True
            if time.monotonic() >= until:
                return False

    def join(self, group: str, topics: Collection[str]) -> Membership:
        """See `catenary.ports.Log.join`; all topics must lie in one log."""
        logs = {id(log): log for log in map(self._of, topics)}
        if len(logs) > 1:
            raise UnsupportedError(
                f"topics {', '.join(sorted(topics))} lie in several logs, group {group!r} in one",
                hint="leave the group out, or keep the topics of one GroupBy in one cluster",
            )
        (log,) = logs.values()
        return log.join(group, topics)

    def _split(self, places: Sequence[SourcePartition]) -> list[tuple[Log, list[SourcePartition]]]:
        """Each log with its own."""
        found: dict[int, tuple[Log, list[SourcePartition]]] = {}
        for place in places:
            log = self._of(place.topic)
            found.setdefault(id(log), (log, []))[1].append(place)
        return list(found.values())

    def close(self) -> None:
        """Close them all."""
        for each in {id(each): each for each in (self._rest, *self._by_topic.values())}.values():
            each.close()
