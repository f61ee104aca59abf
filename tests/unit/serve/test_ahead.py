"""What a fetch asks a server for beforehand is all that it reads, and is asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.definitions import JoinPart
from catenary.serve.fetcher import Fetcher
from catenary.stores.memory import MemorySnapshot
from catenary.windows import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.ports import Extent, Snapshot, Store


class Strict(MemorySnapshot):
    """Holds what was asked for, and refuses to say anything of other keys."""

    def __init__(self, view: Snapshot, extent: Extent) -> None:
        super().__init__(dict(view.scan(b"")))
        self._extent = extent

    def get(self, key):
        known = key in self._extent.keys or key.startswith(tuple(self._extent.prefixes))
        assert known, f"{key} was not asked for"
        return super().get(key)

    def get_many(self, keys):
        return [self.get(key) for key in keys]


class Remote:
    """Another store as if it were a server: what a fetch reads is asked for beforehand, not from a dataset.

    Attributes:
        asked: what was asked for, a mapping for each round trip.
    """

    is_remote = True

    def __init__(self, store: Store) -> None:
        self.asked: list[Mapping[str, Extent]] = []
        self.version, self.wait = store.version, store.wait
        self._store = store

    def views(self, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
        self.asked.append(wanted)
        return {
            name: Strict(view, wanted[name]) for name, view in self._store.views(wanted).items()
        }


@pytest.fixture
def world(made):
    parts = [made.spending(), JoinPart(made.spending(), prefix="again"), made.people()]
    found = made.World(made.offer(parts), made.daily())
    found.stream(
        "spending", made.clicks(*[("ann", 2.0, found.now - HOUR_MS), ("bob", 3.0, made.DAY)])
    )
    found.entities_uploaded([("ann", 30), ("bob", 40)], made.DAY)
    found.upload("daily", made.clicks(("ann", 5.0, made.DAY - HOUR_MS)), made.DAY)
    return found


def reads_of(asked: list[Mapping[str, Extent]]) -> list[list[str]]:
    """The datasets of which tiles were asked for, a list for each round trip that asked for some."""
    found = [
        sorted(
            name.partition("@")[0]
            for name, extent in each.items()
            if any(prefix.startswith(b"t") for prefix in extent.prefixes)
        )
        for each in asked
    ]
    return [each for each in found if each]


def test_answers_are_those_of_a_store_that_is_near(world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    for name in ("offer", "spending", "daily", "people"):
        requests = [{"user": user} for user in ("ann", "bob", "eve", "ann", None)]
        for at in (world.now, world.now - DAY_MS, world.now - 2 * DAY_MS):
            near = world.fetcher.fetch(name, requests, at=at)
            many = far.fetch(name, requests, at=at)
            assert many.columns.equals(near.columns), name
            assert many.status == near.status
            for place, request in enumerate(requests):
                one = far.fetch(name, request, at=at)
                assert (dict(one), one.status) == (near.rows()[place], near.status[place])


def test_all_datasets_are_asked_at_once_for_all_entities_of_all_parts(world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    far.fetch("offer", [{"user": "ann"}])  # which uploads are active is known from now on
    for requests in ({"user": "bob"}, [{"user": user} for user in ("ann", "bob", "eve")]):
        remote.asked.clear()
        far.fetch("offer", requests)
        assert reads_of(remote.asked) == [["people", "spending"]]


def test_how_far_stages_have_come_is_asked_at_once_and_only_after_a_commit(world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    for asked in (2, 1):
        remote.asked.clear()
        far.fetch("spending", {"user": "ann"})
        assert len(remote.asked) == asked


def test_an_upload_that_came_since_is_asked_for_at_once(made, world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    assert far.fetch("people", {"user": "ann"})["age"] == 30
    world.now += DAY_MS
    world.entities_uploaded([("ann", 31)], made.DAY + DAY_MS)
    for asked in (2, 1):
        remote.asked.clear()
        assert far.fetch("people", {"user": "ann"})["age"] == 31
        assert reads_of(remote.asked) == [["people"]] * asked
