"""Calls to a store's servers: scripts by their digests, patience while it is away, errors that say what to do.

    call ──► answered
         ──► away (refused, cut off, loading, a replica now)? ──► again, until patience ends ──► UnreachableError
         ──► refused (memory, disk, password, …) ──► StorageError

Every call may be made twice: reads change nothing, and commits bear a number.
"""

from __future__ import annotations

import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import (
    RunError,
    SettingsError,
    StorageError,
    UnreachableError,
    UnsupportedError,
)
from catenary.stores.redis.nodes import Cluster, Command, OneServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary.stores.redis.address import Address
    from catenary.stores.redis.nodes import Nodes
    from catenary.stores.redis.scripts import Run

_ANSWER_S: Final = 20.0
_CONNECT_S: Final = 5.0
_BACKOFF_S: Final = 0.01
_LONGEST_BACKOFF_S: Final = 0.5
_RIGHTS: Final = "+@read +@write +@scripting +@pubsub +@connection +info +time +cluster|slots"
"""What a user of the server must be allowed to do."""
_EVICTING: Final = "allkeys-"
_OLDEST: Final = 7


class GoneError(StorageError):
    """A dataset is not the one any more that was opened."""


class LeaseOverError(UnreachableError):
    """A snapshot is not kept any more: its server was away meanwhile, or its reader was."""


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
        address: of the server, or of any of the cluster's.
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
        self._reached: Nodes | None = None
        self._reaching = threading.Lock()

    @cached_property
    def _away(self) -> tuple[type[Exception], ...]:
        """What says that a server cannot answer now, and may soon."""
        held = self._errors
        return (
            held.BusyLoadingError,
            held.AskError,  # and MovedError: sent on twice, by servers that do not agree yet
            held.ClusterError,
            held.ConnectionError,
            held.TimeoutError,
            held.ReadOnlyError,
            held.RedisClusterException,
            held.TryAgainError,
        )

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
            found.get_message(timeout=_CONNECT_S)  # which says that it is subscribed
            return found

        return Subscription(self._patiently(ask), self._failed)

    def close(self) -> None:
        """Leave the servers; what is asked again connects anew."""
        with self._reaching:
            reached, self._reached = self._reached, None
        if reached is not None:
            reached.close()

    def _nodes(self) -> Nodes:
        """The servers, found out by asking the one that the address names."""
        with self._reaching:
            if self._reached is None:
                one = self._library.Redis.from_url(self.address.url, **self._settings())
                if one.execute_command("INFO").get("redis_mode") == "cluster":
                    one.execute_command("CLUSTER", "SLOTS")  # which says so if it may not be asked
                    one.close()
                    cluster = self._library.RedisCluster.from_url(
                        self.address.url, **self._settings()
                    )
                    self._reached = Cluster(cluster, self._library)
                else:
                    self._reached = OneServer(one)
            return self._reached

    def _settings(self) -> dict[str, Any]:
        """Of all connections; whether and when to try again is decided here alone."""
        return {
            "protocol": 2,
            "socket_timeout": _ANSWER_S,
            "socket_connect_timeout": _CONNECT_S,
            "socket_keepalive": True,
            "retry": self._library.retry.Retry(self._library.backoff.NoBackoff(), 0),
            **({"ssl_ca_certs": self.address.authority} if self.address.authority else {}),
        }

    def _fine(self, answers: list[Any]) -> list[Any]:
        """Answers; raises the first error among them."""
        for each in answers:
            if isinstance(each, Exception):
                raise each
        return answers

    def _patiently(self, ask: Callable[[Nodes], Any]) -> Any:
        until = time.monotonic() + self._patience_s
        pause_s = 0.0
        again = False
        while True:
            try:
                nodes = self._nodes()
                if again:
                    nodes.look_again()
                return ask(nodes)
            except (self._errors.RedisError, self._errors.RedisClusterException) as error:
                failed = self._failed(error)
                passing = isinstance(failed, UnreachableError) and not isinstance(
                    failed, LeaseOverError
                )
                if not passing or time.monotonic() + pause_s >= until:
                    raise failed from error
            again = True
            time.sleep(pause_s)
            pause_s = min(max(2 * pause_s, _BACKOFF_S), _LONGEST_BACKOFF_S)

    def _reached_by(self, text: str) -> str:
        """What to do about a server that cannot be reached."""
        secured = self.address.url.startswith("rediss:")
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "name who vouches for the server's certificate: rediss://…?ca=/path/to/ca.pem"
        if secured and ("SSL" in text or "Timeout" in text):
            return "see that this port speaks TLS, as rediss:// says; else write redis://"
        if not secured and ("reset by peer" in text or "closed by server" in text):
            return "see that it runs; where this port speaks TLS, write rediss://"
        return "start it, or correct store= in catenary.toml; stages go on once it answers"

    def _failed(self, error: Exception) -> RunError:
        """What to say of a client's error."""
        text = str(error)
        if isinstance(error, self._away) and not isinstance(
            error, self._errors.AuthenticationError
        ):
            return UnreachableError(
                f"the store's server cannot be reached: {text}",
                where=self.address.shown,
                hint=self._reached_by(text),
            )
        if text.startswith("CATENARYGONE"):
            return GoneError(
                "a dataset is gone, or is another one than was opened: the server was emptied, or"
                " lost what it held",
                where=self.address.shown,
                hint="upload again and start the stages anew; appendonly yes keeps rows on disk",
            )
        if text.startswith("CATENARYOVER"):
            return LeaseOverError(
                "a snapshot was not read for too long, or the server was restarted meanwhile",
                where=self.address.shown,
                hint="read again",
            )
        hint = "nothing was written; the server's log says more"
        if isinstance(error, self._errors.OutOfMemoryError):
            hint = "nothing was written; raise maxmemory, or remove datasets of old definitions"
        elif isinstance(error, self._errors.AuthenticationError):
            hint = "write redis://user:password@host:port/0, with that user's password"
        elif isinstance(error, self._errors.NoPermissionError):
            hint = f"nothing was written; the user needs ~{self.address.prefix}:* &{self.address.prefix}:* {_RIGHTS}"
        elif text.startswith("SELECT"):
            hint = "a cluster has database 0 alone: leave the number out of the address"
        elif text.startswith("MISCONF"):
            hint = "nothing was written; its disk refuses: make room for its snapshots"
        return StorageError(
            f"the store's server refused: {text}", where=self.address.shown, hint=hint
        )
