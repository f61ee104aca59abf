"""A primary of a Redis cluster dies or hands its slots over under a stage: nothing is lost or doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.crash.running import Running

from catenary.ports import Extent
from catenary.stores.redis import RedisStore
from catenary.testing.services.redis_cluster import RedisCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.testing.services.redis import RedisServer

pytestmark = [pytest.mark.crash, pytest.mark.redis]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with RedisCluster(tmp_path / "redis", replicas=True) as cluster:
        found = Running(tmp_path, cluster)
        yield found
        found.store.close()
        found.log.close()


def primary_of(running: Running) -> RedisServer:
    """Which has what the stage writes."""
    assert isinstance(running.server, RedisCluster)
    (name,) = running.store.datasets()
    return running.server.holder(f"catenary:{{{name}}}:meta")


def test_a_stage_goes_on_with_the_replica_that_takes_over_from_a_killed_primary(
    running: Running,
) -> None:
    with running.following():
        running.publish(20)
        running.until(20)
        primary_of(running).kill()
        running.publish(20)
        running.until(40)
    assert running.failed == []
    assert (running.visits(), running.position()) == (40, 40)


def test_a_stage_follows_its_slot_to_another_server(running: Running) -> None:
    assert isinstance(running.server, RedisCluster)
    with running.following():
        running.publish(20)
        running.until(20)
        before = primary_of(running)
        running.server.hand_over(before)
        running.publish(20)
        running.until(40)
        assert primary_of(running) is not before
    assert running.failed == []
    assert (running.visits(), running.position()) == (40, 40)


def test_datasets_of_all_primaries_are_viewed_together(running: Running) -> None:
    assert isinstance(running.server, RedisCluster)
    names = [f"d{at}" for at in range(24)]
    for name in names:
        dataset = running.store.dataset(name, create=True)
        assert dataset is not None
        assert dataset.commit({}, [(b"k", name.encode())])
    metas = [f"catenary:{{{name}}}:meta" for name in names]
    assert len({running.server.holder(each).port for each in metas}) == 3
    other = RedisStore(running.server.address())
    views = other.views(dict.fromkeys(names, Extent([b"k"])))
    assert [view.get(b"k") for view in views.values()] == [name.encode() for name in names]
    other.close()
