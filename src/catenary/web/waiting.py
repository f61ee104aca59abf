"""Requests that wait for a token: any number of them, one thread, none in the way of others.

reflected ──► looked at once ──► already there
└──► held with the others ──► looked at after each commit ──► future resolved
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catenary.errors import NotYetError

if TYPE_CHECKING:
    from catenary.ports import Store, Token
    from catenary.serve.fetcher import Fetcher

_PATIENCE_S: Final = 1.0
_GRACE_S: Final = 0.5
"""How much longer than it wants to wait a request waits for a store to say what is lacking."""
_LOOKERS: Final = 4
"""Threads for the first look and the last, in whose place nothing else can stand."""


@dataclass(eq=False)
class _Held:
    """One request that waits."""

    name: str
    token: Token
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Exception | None]
    """Done once the token is reflected, or with why that cannot be known."""


class Waiting:
    """Resolves waiting requests as stages commit.

    Args:
        fetcher: who knows what is reflected.
        store: whose commits are heard of.
    """

    def __init__(self, fetcher: Fetcher, store: Store) -> None:
        self._fetcher = fetcher
        self._store = store
        self._held: set[_Held] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._lookers = ThreadPoolExecutor(_LOOKERS, "tokens")
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._thread.start()

    async def reflected(self, name: str, token: Token, timeout_s: float) -> None:
        """Come back once everything below a definition reflects a token.

        Raises:
            NotYetError: after the timeout; says which stage lacks what, if the store does.
        """
        loop = asyncio.get_running_loop()
        held = _Held(name, token, loop, loop.create_future())
        # Held before it is looked at: a commit in between is one that the thread will hear of.
        with self._changed:
            self._held.add(held)
        try:
            async with asyncio.timeout(timeout_s + _GRACE_S):
                await self._awaited(held, loop.time() + timeout_s, timeout_s)
        except TimeoutError:
            problem = f"{name} does not reflect the token after {timeout_s:g} s, as far as is known"
            hint = "the store does not answer: is its server up, and is it too busy?"
            raise NotYetError(problem, hint=hint) from None
        finally:
            with self._changed:
                self._held.discard(held)

    async def _awaited(self, held: _Held, until_s: float, timeout_s: float) -> None:
        loop, asked = held.loop, (held.name, held.token)
        if await loop.run_in_executor(self._lookers, self._fetcher.lacking, *asked) is None:
            return
        with self._changed:
            self._changed.notify()
        try:
            async with asyncio.timeout_at(until_s):
                error = await held.future
        except TimeoutError:
            overdue = await loop.run_in_executor(
                self._lookers, self._fetcher.overdue, *asked, timeout_s
            )
            if overdue is not None:  # else it has come at the last moment
                raise overdue from None
            return
        if error is not None:
            raise error

    def close(self) -> None:
        """Stop listening; what waits runs into its timeout."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._lookers.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._held or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                held = list(self._held)
            self._look(held)

    def _look(self, held: list[_Held]) -> None:
        """Resolve what is reflected, else wait for the next commit.

        No error may end the thread, on which all depend that will ever wait.
        """
        try:
            version = self._store.version()
            for each in held:
                self._look_at(each)
            if not all(each.future.done() for each in held):
                self._store.wait(version, _PATIENCE_S)
        except Exception as error:  # of a store that cannot be reached, for whoever waits
            for each in held:
                self._resolve(each, error)

    def _look_at(self, held: _Held) -> None:
        try:
            if self._fetcher.lacking(held.name, held.token) is not None:
                return
        except Exception as error:  # of what one definition reads, which is nothing to the others
            self._resolve(held, error)
        else:
            self._resolve(held)

    def _resolve(self, held: _Held, error: Exception | None = None) -> None:
        with self._changed:
            self._held.discard(held)
        held.loop.call_soon_threadsafe(_set, held.future, error)


def _set(future: asyncio.Future[Exception | None], error: Exception | None) -> None:
    if not future.done():
        future.set_result(error)
