"""Where a world's log and store lie: in its folder, or on servers that worlds share under names of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.ports import SourcePartition, Token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from catenary.ports import Log, Records, Store


@dataclass(frozen=True)
class Places:
    """A world's log and store.

    Attributes:
        kafka: a broker's `host:port`; empty for an embedded log.
        redis: a server's address; empty for LMDB.
        world: what the names of topics and datasets on servers begin with.
    """

    kafka: str = ""
    redis: str = ""
    world: str = ""

    def log(self, folder: Path) -> Log:
        """The log; of a world without a broker in that folder."""
        if self.kafka:
            from catenary.logs.kafka import KafkaLog

            return NamedLog(KafkaLog(self.kafka), f"{self.world}.")
        from catenary.logs.embedded import EmbeddedLog

        return EmbeddedLog(folder, durability="process")

    def store(self, folder: Path) -> Store:
        """The store; of a world without a server in that folder."""
        if self.redis:
            from catenary.stores.redis import RedisStore

            return RedisStore(f"{self.redis}?prefix={self.world}" if self.world else self.redis)
        from catenary.stores.lmdb import LmdbStore

        return LmdbStore(folder, durability="process")


class NamedLog:
    """A log whose topics have longer names below: worlds that share a broker do not meet.

    Fulfils `ports.Log`.
    """

    def __init__(self, below: Log, prefix: str) -> None:
        self._below = below
        self._prefix = prefix

    def create(self, topic: str, *, partitions: int = 1) -> None:
        self._below.create(self._prefix + topic, partitions=partitions)

    def topics(self) -> tuple[str, ...]:
        found = (each for each in self._below.topics() if each.startswith(self._prefix))
        return tuple(each.removeprefix(self._prefix) for each in found)

    def partitions(self, topic: str) -> tuple[SourcePartition, ...]:
        return tuple(map(self._out, self._below.partitions(self._prefix + topic)))

    def append(self, topic: str, values: Any, *, keys: Any = None, partition: int = 0) -> Token:
        token = self._below.append(self._prefix + topic, values, keys=keys, partition=partition)
        return Token({self._out(place): at for place, at in token.positions.items()})

    def read(
        self, place: SourcePartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Records:
        return self._below.read(
            self._in(place), offset, max_records=max_records, max_bytes=max_bytes
        )

    def ends(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        found = self._below.ends([self._in(each) for each in places])
        return {self._out(place): end for place, end in found.items()}

    def starts(self, places: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        found = self._below.starts([self._in(each) for each in places])
        return {self._out(place): start for place, start in found.items()}

    def incarnation(self, place: SourcePartition) -> int:
        return self._below.incarnation(self._in(place))

    def wait(self, positions: Mapping[SourcePartition, int], timeout_s: float) -> bool:
        return self._below.wait({self._in(place): at for place, at in positions.items()}, timeout_s)

    def close(self) -> None:
        self._below.close()

    def _in(self, place: SourcePartition) -> SourcePartition:
        return SourcePartition(self._prefix + place.topic, place.partition)

    def _out(self, place: SourcePartition) -> SourcePartition:
        return SourcePartition(place.topic.removeprefix(self._prefix), place.partition)
