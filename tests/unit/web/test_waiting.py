"""Requests that wait for a token go on as soon as it is reflected, and only then."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.serve.conftest import DAY, World, clicks, spending

from catenary.errors import NotYetError, StorageError
from catenary.ports import Token
from catenary.serve.fetcher import Fetcher
from catenary.web.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> World:
    found = World(spending())
    found.stream("spending", clicks(("ann", 1.0, DAY)))
    return found


@pytest.fixture
def waiting(world: World) -> Iterator[Waiting]:
    found = Waiting(world.fetcher, world.store)
    yield found
    found.close()


def test_what_is_reflected_is_not_waited_for(waiting: Waiting) -> None:
    asyncio.run(waiting.reflected("spending", Token.parse("shop/clicks/0:1"), 0.0))


def test_all_who_wait_go_on_with_the_commit_that_they_wait_for(
    world: World, waiting: Waiting
) -> None:
    token = Token.parse("shop/clicks/0:3")

    async def many() -> None:
        asked = [
            asyncio.create_task(waiting.reflected("spending", token, 30.0)) for _ in range(300)
        ]
        _, left = await asyncio.wait(asked, timeout=0.05)
        assert len(left) == 300
        world.stream("spending", clicks(("ann", 1.0, DAY)))
        _, left = await asyncio.wait(asked, timeout=0.05)
        assert len(left) == 300, "one of two rows is there"
        world.stream("spending", clicks(("ann", 1.0, DAY)))
        await asyncio.gather(*asked)

    asyncio.run(many())


def test_a_token_that_does_not_come_is_named_with_what_lacks_it(waiting: Waiting) -> None:
    token = Token.parse("shop/clicks/0:9")
    lacking = "after 0.02 s: spending is at 1 in shop/clicks/0, 9 is asked for"
    with pytest.raises(NotYetError, match=lacking):
        asyncio.run(waiting.reflected("spending", token, 0.02))


def test_a_token_of_which_nothing_was_published_says_so(world: World) -> None:
    ends = "shop/clicks/0 ends at 1"
    fetcher = Fetcher(world.plan, world.store, beyond=lambda _: ends)
    waiting = Waiting(fetcher, world.store)
    with pytest.raises(NotYetError, match=f"{ends}: nothing that far was published"):
        asyncio.run(waiting.reflected("spending", Token.parse("shop/clicks/0:9"), 0.02))
    waiting.close()


def test_a_store_that_cannot_be_reached_is_told_to_all_who_wait_and_ends_nothing(
    world: World, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Token.parse("shop/clicks/0:2")

    async def asked() -> None:
        task = asyncio.create_task(waiting.reflected("spending", token, 30.0))
        await asyncio.wait([task], timeout=0.05)

        def version() -> int:
            raise StorageError("the store is gone")

        with monkeypatch.context() as broken:
            broken.setattr(world.store, "version", version)
            with pytest.raises(StorageError, match="the store is gone"):
                await task
        task = asyncio.create_task(waiting.reflected("spending", token, 30.0))
        await asyncio.wait([task], timeout=0.05)
        world.stream("spending", clicks(("ann", 1.0, DAY)))
        await task

    asyncio.run(asked())


def test_what_cannot_be_read_for_one_is_no_matter_to_the_others(
    world: World, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other = Token.parse("shop/clicks/0:2"), Token.parse("shop/clicks/0:3")
    lacking = world.fetcher.lacking

    def read(name: str, wanted: Token) -> str | None:
        if wanted == other:
            raise ZeroDivisionError("nobody thought of this")
        return lacking(name, wanted)

    async def asked() -> None:
        healthy = asyncio.create_task(waiting.reflected("spending", token, 30.0))
        ill = asyncio.create_task(waiting.reflected("spending", other, 30.0))
        await asyncio.wait([healthy, ill], timeout=0.05)
        monkeypatch.setattr(world.fetcher, "lacking", read)
        with pytest.raises(ZeroDivisionError):
            await ill
        assert not healthy.done()
        world.stream("spending", clicks(("ann", 1.0, DAY)))
        await healthy

    asyncio.run(asked())


def test_a_store_that_is_silent_holds_nobody_beyond_the_timeout(
    world: World, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = threading.Event()

    def silent(name: str, token: Token) -> None:
        assert heard.wait(60)

    async def asked() -> None:
        monkeypatch.setattr(world.fetcher, "lacking", silent)
        token = Token.parse("shop/clicks/0:2")
        many = [waiting.reflected("spending", token, 0.02) for _ in range(20)]
        for error in await asyncio.gather(*many, return_exceptions=True):
            assert isinstance(error, NotYetError)
            assert "the store does not answer" in str(error)

    try:
        asyncio.run(asked())
    finally:
        heard.set()
