"""Where commands go: to one server, or to the one of a cluster that has their keys.

    command, its key ──► the only server
                    └──► the key's slot ──► whose it is ──► moved? ──► asked again where it lies now

Errors are the client library's. Not here: patience, scripts, what an error means to a user.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Command(NamedTuple):
    """A command, and one of the keys that it names; all of them lie in one slot."""

    key: bytes
    words: Sequence[object]


class Nodes(Protocol):
    """One server or several."""

    def execute(self, command: Command) -> Any:
        """What it returns."""
        ...

    def pipelined(self, commands: Sequence[Command]) -> list[Any]:
        """What commands return, errors among it: one round trip to each server that has some of their keys."""
        ...

    def told(self) -> list[Mapping[str, object]]:
        """What each server says of itself."""
        ...

    def subscription(self) -> Any:
        """Listens to messages that any of them was given."""
        ...

    def look_again(self) -> bool:
        """After an error: other connections have ended as well, and keys may lie elsewhere.

        Returns:
            False if another of the address's names may lead to a server in place of this one.
        """
        ...

    def close(self) -> None:
        """Leave them."""
        ...


class OneServer:
    """A server by itself. Fulfils `Nodes`.

    Args:
        redis: the client library's.
        alone: whether the address names no other.
    """

    def __init__(self, redis: Any, *, alone: bool = True) -> None:
        self._redis = redis
        self._alone = alone

    def execute(self, command: Command) -> Any:
        """What it returns."""
        return self._redis.execute_command(*command.words)

    def pipelined(self, commands: Sequence[Command]) -> list[Any]:
        """What commands return, errors among it."""
        pipeline = self._redis.pipeline(transaction=False)
        for each in commands:
            pipeline.execute_command(*each.words)
        return cast("list[Any]", pipeline.execute(raise_on_error=False))

    def told(self) -> list[Mapping[str, object]]:
        """What it says of itself."""
        return [self._redis.execute_command("INFO")]

    def subscription(self) -> Any:
        """Listens to messages."""
        return self._redis.pubsub()

    def look_again(self) -> bool:
        """Its other connections have ended as well, or lead to a replica now."""
        self._redis.connection_pool.disconnect(inuse_connections=False)
        return self._alone

    def close(self) -> None:
        """Leave it."""
        self._redis.close()


class Cluster:
    """The primaries of a cluster. Fulfils `Nodes`.

    Args:
        redis: the client library's, which knows whose each slot is.
        library: itself.
    """

    def __init__(self, redis: Any, library: Any) -> None:
        self._redis = redis
        self._made = library.cluster.ClusterNode
        self._moved = library.exceptions.MovedError
        self._moving = library.exceptions.AskError
        self._threads = ThreadPoolExecutor(thread_name_prefix="catenary-shards")

    def execute(self, command: Command) -> Any:
        """What it returns, wherever its key lies."""
        try:
            return self._server(self._redis.get_node_from_key(command.key)).execute(command)
        except self._moving as error:
            answer = self._redirected(command, error)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipelined(self, commands: Sequence[Command]) -> list[Any]:
        """What commands return, errors among it; the servers are asked side by side."""
        shares: dict[Any, list[int]] = {}
        for at, each in enumerate(commands):
            shares.setdefault(self._redis.get_node_from_key(each.key), []).append(at)
        listed = list(shares.items())
        asked = [self._threads.submit(self._share, *each, commands) for each in listed[1:]]
        found: dict[int, Any] = {}
        # One is asked here: as a rule there is no other, and a thread takes its time.
        for each in listed[:1]:
            found |= self._share(*each, commands)
        for each in asked:
            found |= each.result()
        for at, answer in found.items():
            if isinstance(answer, self._moving):
                found[at] = self._redirected(commands[at], answer)
        return [found[at] for at in range(len(commands))]

    def _share(self, node: Any, places: list[int], commands: Sequence[Command]) -> dict[int, Any]:
        """What one server returns for its commands, by their places."""
        answers = self._server(node).pipelined([commands[at] for at in places])
        return dict(zip(places, answers, strict=True))

    def told(self) -> list[Mapping[str, object]]:
        """What each primary says of itself."""
        return [self._server(each).told()[0] for each in self._redis.get_primaries()]

    def subscription(self) -> Any:
        """Listens at one of them to what all were given."""
        return self._redis.pubsub()

    def look_again(self) -> bool:
        """Find out anew whose each slot is."""
        for each in self._redis.get_nodes():
            self._server(each).look_again()
        self._redis.nodes_manager.initialize()
        return True

    def close(self) -> None:
        """Leave them."""
        self._threads.shutdown()
        self._redis.close()

    def _redirected(self, command: Command, error: Any) -> Any:
        """What a command returns where the server says that it belongs to which has, or had, its slot.

        Should that one send it on, its error is the answer: servers do not agree yet.
        """
        if isinstance(error, self._moved):
            self._redis.nodes_manager.move_slot(error)
            node = self._redis.get_node_from_key(command.key)
            return self._server(node).pipelined([command])[0]
        # This key only, and this time only: the server that is sent to is still getting the slot.
        asking = Command(command.key, ("ASKING",))
        return self._server(self._named(error)).pipelined([asking, command])[1]

    def _named(self, error: Any) -> Any:
        """The server that a redirection names, which may have had no slot yet."""
        node = self._redis.get_node(error.host, error.port)
        if node is None:
            node = self._made(error.host, error.port, "primary")
            self._redis.nodes_manager.nodes_cache[node.name] = node
        return node

    def _server(self, node: Any) -> OneServer:
        return OneServer(self._redis.get_redis_connection(node))
