"""Commits as the server tells of them: each dataset's version as it is known here, and sleepers.

    commit ──► channel ──► this process ──► versions ──► whoever waits looks again

A message may be lost with its connection, so versions are read after each subscription. A thread follows
the channel from the first question on.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from catenary.errors import StorageError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.stores.redis.client import Client, Subscription

_LISTEN_S: Final = 0.25
_AGAIN_S: Final = 0.2
_ROUND: Final = 1 << 40
_SHOWN: Final = 100
"""As many bytes of a message that is no commit are logged."""
_log: Final = logging.getLogger(__name__)


class Listener:
    """What is known of versions.

    Args:
        client: of the server.
        channel: where commits are told of.
        versions: asks the server for all datasets' versions.
    """

    def __init__(
        self, client: Client, channel: str, versions: Callable[[], dict[str, int]]
    ) -> None:
        self._client = client
        self._channel = channel
        self._ask = versions
        self._condition = threading.Condition()
        self._known: dict[str, int] = {}
        self._rounds = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._puzzled = False

    def version(self) -> int:
        """A number for all that is known; it changes when something does.

        Raises:
            UnreachableError: if the server is away when it is first asked.
        """
        if self._thread is None:
            self._start()
        with self._condition:
            return self._number()

    def tell(self, dataset: str, version: int) -> None:
        """A commit was made."""
        with self._condition:
            if version > self._known.get(dataset, -1):
                self._known[dataset] = version
                self._condition.notify_all()

    def wait(self, version: int, timeout_s: float, dataset: str | None) -> bool:
        """Sleep while `version()` is this; if a dataset is named, until that is committed to."""
        with self._condition:
            if self._number() != version:
                return True
            before = None if dataset is None else self._known.get(dataset)
            found = self._condition.wait_for(
                lambda: (
                    self._number() != version
                    if dataset is None
                    else self._known.get(dataset) != before
                ),
                timeout_s,
            )
        if not found and timeout_s > 0:
            # A message may have been lost, if the connection was.
            self._refresh()
        with self._condition:
            return self._number() != version

    def _refresh(self) -> None:
        """Read all versions: what a lost message would have told."""
        found = self._ask()
        with self._condition:
            for dataset, version in found.items():
                self._known[dataset] = max(version, self._known.get(dataset, -1))
            self._condition.notify_all()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _number(self) -> int:
        return self._rounds * _ROUND + sum(self._known.values())

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                subscription = self._subscribed()
                self._thread = threading.Thread(
                    target=self._listen, args=(subscription,), name="catenary-store", daemon=True
                )
                self._thread.start()

    def _subscribed(self) -> Subscription:
        """A subscription, and all versions read after it began.

        A server that came back without its last commits counts anew, so what was known is forgotten.
        """
        subscription = self._client.subscribed(self._channel)
        found = self._ask()
        with self._condition:
            self._rounds += 1
            self._known = found
            self._condition.notify_all()
        return subscription

    def _listen(self, subscription: Subscription | None) -> None:
        while not self._closed.is_set():
            try:
                if subscription is None:
                    subscription = self._subscribed()
                message = subscription.next(_LISTEN_S)
            except (StorageError, UnreachableError):
                # Whoever reads or writes meanwhile is told; here it is tried again.
                if subscription is not None:
                    subscription.close()
                subscription = None
                self._closed.wait(_AGAIN_S)
                continue
            if message is not None:
                self._hear(message)
        if subscription is not None:
            subscription.close()

    def _hear(self, message: bytes) -> None:
        """Take note of a commit; what others have to say to the channel is none."""
        version, _, dataset = message.partition(b" ")
        if version.isdigit() and dataset:
            self.tell(dataset.decode(errors="replace"), int(version))
        elif not self._puzzled:
            self._puzzled = True
            _log.warning(
                "the channel %s is given messages that are no commits, and passed over: %r",
                self._channel,
                message[:_SHOWN],
            )
