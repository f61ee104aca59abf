"""Calls to a store's servers: scripts by their digests, and patience while they are away.

    call ──► answered
         ──► an error that passes ──► again, until patience ends ──► UnreachableError
         ──► another one ──► StorageError

Every call may be made twice: reads change nothing, and commits bear a number. Read next: ``failures.py``,
which errors pass; ``reaching.py``.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import RunError, SettingsError, StorageError, UnsupportedError
from catenary.stores.redis.failures import Failures, passes
from catenary.stores.redis.nodes import Command
from catenary.stores.redis.reaching import CONNECT_S, reached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary.stores.redis.address import Address
    from catenary.stores.redis.nodes import Nodes
    from catenary.stores.redis.scripts import Run

_BACKOFF_S: Final = 0.01
_LONGEST_BACKOFF_S: Final = 0.5
_EVICTING: Final = "allkeys-"
_OLDEST: Final = 7


class Subscription:
    """Messages of one channel.

    Args:
        held: the client's.
        failed: what to say of its errors.
    """

    def __init__(self, held: Any, failed: Callable[[Exception], RunError]) -> None:
        self._held = held
        self._failed = failed

    def next(self, timeout_s: float) -> bytes | None:
        """The next message, if one comes in time.

        Raises:
            UnreachableError: if the connection has ended; messages may be lost then.
        """
        try:
            message = self._held.get_message(timeout=timeout_s)
        except Exception as error:
            raise self._failed(error) from error
        return message["data"] if message and message["type"] == "message" else None

    def close(self) -> None:
        """End it."""
        self._held.close()


class Client:
    """One server, or the servers of a cluster.

    Args:
        address: of the server, or of some of the cluster's.
        patience_s: how long a call waits for a server that is away.

    Raises:
        UnsupportedError: if the library is not installed.
    """

    def __init__(self, address: Address, *, patience_s: float) -> None:
        try:
            import redis
            from redis import exceptions
        except ImportError as error:
            raise UnsupportedError(
                f"store={address.shown} needs the Redis client, which is not installed",
                hint="pip install 'catenary[redis]'",
            ) from error
        if address.authority and not Path(address.authority).is_file():
            raise SettingsError(
                f"store={address.shown}: there is no file ca={address.authority}",
                hint="it holds the certificate, in PEM, of who vouches for the server's",
            )
        self.address = address
        self._patience_s = patience_s
        self._library: Any = redis
        self._errors: Any = exceptions
        self._failures = Failures(exceptions, address)
        self._reached: Nodes | None = None
        self._reaching = threading.Lock()

    def call(self, run: Run) -> Any:
        """What a script returns.

        Raises:
            GoneError: if it does not find its dataset.
            LeaseOverError: if it does not find its lease.
            UnreachableError: if the server is away for longer than is waited.
            StorageError: if it refuses.
        """

        def ask(nodes: Nodes) -> Any:
            try:
                return nodes.execute(run.by_digest())
            except self._errors.NoScriptError:
                return nodes.execute(run.by_text())

        return self._patiently(ask)

    def calls(self, runs: Sequence[Run]) -> list[Any]:
        """What scripts return, in one round trip to each server that has some of the keys; raises as `call`."""
        if not runs:
            return []

        def ask(nodes: Nodes) -> list[Any]:
            found = nodes.pipelined([each.by_digest() for each in runs])
            for at, answer in enumerate(found):
                if isinstance(answer, self._errors.NoScriptError):
                    found[at] = nodes.execute(runs[at].by_text())
            return self._fine(found)

        return self._patiently(ask)

    def execute(self, name: str, key: bytes, *words: object) -> Any:
        """What a command returns that names one key; raises as `call`."""
        return self._patiently(lambda nodes: nodes.execute(Command(key, (name, key, *words))))

    def many(self, name: str, asked: Sequence[tuple[bytes, object]]) -> list[Any]:
        """What a command returns for keys and a word each, in one round trip; raises as `call`."""
        commands = [Command(key, (name, key, word)) for key, word in asked]
        return self._patiently(lambda nodes: self._fine(nodes.pipelined(commands)))

    def check(self) -> None:
        """Refuse servers on which rows would not stay.

        Raises:
            UnsupportedError: for a sentinel, or a server that is too old.
            StorageError: for one that evicts rows when its memory is full.
        """
        for told in self._patiently(lambda nodes: nodes.told()):
            self._check(told)

    def _check(self, told: Mapping[str, object]) -> None:
        mode = told.get("redis_mode", "standalone")
        if mode not in ("standalone", "cluster"):
            raise UnsupportedError(
                f"{self.address.shown} is a {mode}, which this store does not follow",
                hint="name a server or a cluster's, or a primary with its replicas behind one address",
            )
        version = str(told.get("redis_version", ""))
        if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < _OLDEST:
            raise UnsupportedError(
                f"{self.address.shown} is Redis {version}; its scripts know no flags",
                hint=f"Redis {_OLDEST}.0 or later, or Valkey",
            )
        policy = str(told.get("maxmemory_policy", ""))
        if policy.startswith(_EVICTING):
            raise StorageError(
                f"{self.address.shown} evicts rows when its memory is full: {policy}",
                where="maxmemory-policy in the server's configuration",
                hint="set maxmemory-policy noeviction: what a stage has committed must stay",
            )

    def subscribed(self, channel: str) -> Subscription:
        """A subscription to a channel, on a connection of its own; raises as `call`."""

        def ask(nodes: Nodes) -> Any:
            found = nodes.subscription()
            found.subscribe(channel)
            found.get_message(timeout=CONNECT_S)  # which says that it is subscribed
            return found

        return Subscription(self._patiently(ask), self._failures.of)

    def close(self) -> None:
        """Leave the servers; what is asked again connects anew."""
        with self._reaching:
            reached, self._reached = self._reached, None
        if reached is not None:
            reached.close()

    def _nodes(self, tried: Nodes | None = None) -> Nodes:
        """The servers; those that were tried in vain look again, or give way to others."""
        if tried is not None and tried is self._reached and not tried.look_again():
            with self._reaching:
                if tried is self._reached:
                    self._reached = None
        with self._reaching:
            if self._reached is None:
                self._reached = reached(self._library, self.address, self._failures)
            return self._reached

    def _fine(self, answers: list[Any]) -> list[Any]:
        """Answers; raises the first error among them."""
        for each in answers:
            if isinstance(each, Exception):
                raise each
        return answers

    def _patiently(self, ask: Callable[[Nodes], Any]) -> Any:
        until = time.monotonic() + self._patience_s
        pause_s = 0.0
        nodes: Nodes | None = None
        while True:
            try:
                nodes = self._nodes(nodes)
                return ask(nodes)
            except (self._errors.RedisError, self._errors.RedisClusterException) as error:
                failed = self._failures.of(error)
                if not passes(failed) or time.monotonic() + pause_s >= until:
                    raise failed from error
            time.sleep(pause_s)
            pause_s = min(max(2 * pause_s, _BACKOFF_S), _LONGEST_BACKOFF_S)
