"""Topics: which there are, their partitions and ids, asked of the broker each time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from catenary.errors import LogError, UnreachableError, nearest
from catenary.logs.kafka.client import REQUEST_S

if TYPE_CHECKING:
    from catenary.logs.kafka.client import Client

_INCARNATIONS: Final = 1 << 62
_AGAIN_S: Final = 0.02


class Topic(NamedTuple):
    """A topic as the broker tells it.

    Attributes:
        partitions: how many; numbered from 0.
        incarnation: made of the topic's id, which no other topic has, not even one of its name.
    """

    partitions: int
    incarnation: int


class Directory:
    """The topics of a cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._admin: Any = client.made(client.administration.AdminClient, {})
        self._failure = client.library.KafkaException

    def names(self) -> tuple[str, ...]:
        """All topics, ascending; not those that are the broker's own."""
        try:
            found = self._admin.list_topics(timeout=REQUEST_S).topics
        except self._failure as error:
            raise self._failed(error, "listing topics") from error
        return tuple(sorted(name for name in found if not name.startswith("__")))

    def topic(self, name: str) -> Topic:
        """A topic as it is now.

        Raises:
            LogError: if there is none of that name; names the nearest one.
        """
        wanted = self._client.library.TopicCollection([name])
        try:
            found = self._admin.describe_topics(wanted, request_timeout=REQUEST_S)[name].result()
        except self._failure as error:
            if self._client.is_gone(error):
                raise LogError(
                    f"there is no topic {name!r}",
                    where=f"kafka://{self._client.address}",
                    hint=f"{nearest(name, self.names())}; `--partitions N` makes it, or Kafka's tools",
                ) from None
            raise self._failed(error, f"asking for topic {name!r}") from error
        id_ = found.topic_id
        bits = id_.get_most_significant_bits() ^ id_.get_least_significant_bits()
        return Topic(len(found.partitions), bits % _INCARNATIONS)

    def create(self, name: str, partitions: int) -> bool:
        """Make a topic, replicated as the broker does by default; False if it is there.

        Raises:
            LogError: if the broker refuses.
        """
        wanted = self._client.administration.NewTopic(name, partitions, -1)
        try:
            self._admin.create_topics(
                [wanted], operation_timeout=REQUEST_S, request_timeout=REQUEST_S
            )[name].result()
        except self._failure as error:
            if error.args[0].code() == self._client.library.KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise self._failed(error, f"making topic {name!r}") from error
        self._await(name)
        return True

    def _await(self, name: str) -> None:
        """Wait until brokers tell of a topic that was made just now."""
        until = time.monotonic() + REQUEST_S
        while True:
            try:
                self.topic(name)
            except UnreachableError:
                raise
            except LogError:
                if time.monotonic() > until:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return

    def _failed(self, error: Exception, doing: str) -> LogError | UnreachableError:
        self._admin.poll(0)  # what the client has to complain of is told now
        return self._client.failed(error, doing)
