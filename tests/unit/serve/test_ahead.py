"""What a fetch asks a server for beforehand is all that it reads, and is asked for once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from catenary.definitions import JoinPart
from catenary.serve.fetcher import Fetcher
from catenary.stores.memory import MemorySnapshot
from catenary.windows import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.ports import Dataset, Extent, Snapshot, Store


class Strict(MemorySnapshot):
    """Holds what was asked for, and refuses to say anything of other keys."""

    def __init__(self, whole: Snapshot, extent: Extent) -> None:
        self._extent = extent
        keys = zip(extent.keys, whole.get_many(extent.keys), strict=True)
        rows = {key: value for key, value in keys if value is not None}
        for prefix in extent.prefixes:
            rows.update(whole.scan(prefix))
        super().__init__(rows)

    def get(self, key):
        known = key in self._extent.keys or key.startswith(tuple(self._extent.prefixes))
        assert known, f"{key} was not asked for"
        return super().get(key)

    def get_many(self, keys):
        return [self.get(key) for key in keys]


class Remote:
    """Another store's datasets as if they lay on a server."""

    def __init__(self, store: Store) -> None:
        self.asked: list[tuple[str, Extent]] = []
        self.version, self.wait = store.version, store.wait
        self._store = store

    def dataset(self, name, *, create=False):
        found = self._store.dataset(name, create=create)
        return None if found is None else RemoteDataset(found, self.asked)


class RemoteDataset:
    is_remote = True

    def __init__(self, held: Dataset, asked: list[tuple[str, Extent]]) -> None:
        self.name = held.name
        self._held = held
        self._asked = asked

    @contextmanager
    def snapshot(self, extent: Extent | None = None) -> Iterator[Snapshot]:
        assert extent is not None, "a fetch knows what it is going to read"
        self._asked.append((self.name.partition("@")[0], extent))
        with self._held.snapshot() as snapshot:
            yield Strict(snapshot, extent)


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


def reads_of(extents: list[tuple[str, Extent]]) -> list[str]:
    """The datasets of which tiles were asked for; the others were asked how far they have come."""
    return [name for name, extent in extents if any(x.startswith(b"t") for x in extent.prefixes)]


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


def test_each_dataset_is_asked_once_for_all_entities_of_all_parts(world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    far.fetch("offer", [{"user": "ann"}])  # which uploads are active is known from now on
    for requests in ({"user": "bob"}, [{"user": user} for user in ("ann", "bob", "eve")]):
        remote.asked.clear()
        far.fetch("offer", requests)
        assert sorted(reads_of(remote.asked)) == ["people", "spending"]


def test_an_upload_that_came_since_is_asked_for_at_once(made, world) -> None:
    remote = Remote(world.store)
    far = Fetcher(world.plan, remote, clock=lambda: world.now)
    assert far.fetch("people", {"user": "ann"})["age"] == 30
    world.now += DAY_MS
    world.entities_uploaded([("ann", 31)], made.DAY + DAY_MS)
    for asked in (2, 1):
        remote.asked.clear()
        assert far.fetch("people", {"user": "ann"})["age"] == 31
        assert reads_of(remote.asked) == ["people"] * asked
