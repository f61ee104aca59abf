"""A primary of a Redis cluster dies or hands its slots over under a stage: nothing is lost or doubled."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis
from tests.crash.running import PATIENCE_S, Running

from catenary.errors import UnreachableError
from catenary.ports import Extent
from catenary.stores.redis import RedisStore
from catenary.stores.redis.address import Address
from catenary.stores.redis.failures import Failures
from catenary.stores.redis.nodes import Command
from catenary.stores.redis.reaching import reached
from catenary.testing.services.ports import HOST
from catenary.testing.services.redis_cluster import PRIMARIES, RedisCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.ports import Dataset
    from catenary.testing.services.redis import RedisServer

pytestmark = [pytest.mark.crash, pytest.mark.redis]

META = "catenary:{d}:meta"


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
    assert isinstance(running.server, RedisCluster)
    with running.following():
        running.publish(20)
        running.until(20)
        killed = primary_of(running)
        killed.kill()
        running.publish(20)
        running.until(40)
    assert running.failed == []
    assert (running.visits(), running.position()) == (40, 40)
    # Whoever begins now is led by the first of the names that answers.
    hosts = f"{HOST}:{killed.port},{HOST}:{running.server.servers[-1].port}"
    assert RedisStore(f"redis://{hosts}/0").datasets() == running.store.datasets()


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


def elsewhere(cluster: RedisCluster, key: str) -> RedisServer:
    """A primary that has not the key's slot."""
    return next(each for each in cluster.servers[:PRIMARIES] if each is not cluster.holder(key))


def test_a_stage_follows_a_slot_that_is_moved_while_somebody_reads(running: Running) -> None:
    assert isinstance(running.server, RedisCluster)
    with running.following() as stage:
        running.publish(20)
        running.until(20)
        (name,) = running.store.datasets()
        meta, undo = (f"catenary:{{{name}}}:{each}" for each in ("meta", "undo"))
        target = elsewhere(running.server, meta)
        dataset = running.store.dataset(name)
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            before = list(snapshot.scan(b""))
            with running.server.moving(running.server.slot(meta), target) as migrate:
                # Nothing has moved yet: all is done where it was.
                running.publish(20)
                running.until(40)
                # Some has: nothing can be done, and it is waited.
                migrate(undo)
                running.publish(20)
                until = time.monotonic() + PATIENCE_S
                while "cannot answer now" not in stage.status.waiting_for:
                    assert time.monotonic() < until, running.failed
                    time.sleep(0.01)
                time.sleep(1.0)  # longer than the store's patience, several times
            running.until(60)
            assert list(snapshot.scan(b"")) == before
        assert primary_of(running) is target
    assert running.failed == []
    assert (running.visits(), running.position()) == (60, 60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def made(cluster: RedisCluster) -> tuple[RedisStore, Dataset]:
    """A store, and a new dataset in it."""
    for each in cluster.servers:
        each.command("FLUSHALL")
        each.command("SCRIPT", "FLUSH")
    store = RedisStore(cluster.address(), patience_s=0.2)
    dataset = store.dataset("d", create=True)
    assert dataset is not None
    return store, dataset


def seen(store: RedisStore) -> bytes | None:
    """What a fetch reads."""
    return store.views({"d": Extent([b"a"])})["d"].get(b"a")


def test_a_dataset_is_written_and_read_as_soon_as_all_of_it_has_moved(
    cluster: RedisCluster,
) -> None:
    store, dataset = made(cluster)
    assert dataset.commit({}, [(b"a", b"1")])
    with cluster.moving(cluster.slot(META), elsewhere(cluster, META)) as migrate:
        migrate(*(f"catenary:{{d}}:{each}" for each in ("meta", "keys", "rows", "done", "undo")))
        assert seen(store) == b"1"
        assert dataset.commit({b"a": b"1"}, [(b"a", b"2")])
        with dataset.snapshot() as snapshot:
            assert snapshot.get(b"a") == b"2"
    assert seen(store) == b"2"


def test_a_server_that_got_a_slot_is_told_the_scripts(cluster: RedisCluster) -> None:
    store, dataset = made(cluster)
    assert dataset.commit({}, [(b"a", b"1")])
    for _ in range(2):
        assert seen(store) == b"1"
        target = elsewhere(cluster, META)
        cluster.move(cluster.slot(META), target)
        target.command("SCRIPT", "FLUSH")
    assert seen(store) == b"1"


def test_a_snapshot_never_shows_newer_rows_while_its_slot_moves(cluster: RedisCluster) -> None:
    _, dataset = made(cluster)
    old, new = ([(each, value) for each in (b"a", b"b")] for value in (b"old", b"new"))
    assert dataset.commit({}, old)
    with dataset.snapshot() as snapshot:
        assert snapshot.get(b"a") == b"old"
        assert dataset.commit({}, new)
        target = elsewhere(cluster, META)
        with cluster.moving(cluster.slot(META), target) as migrate:
            for each in ("meta", "keys", "rows", "done"):
                migrate(f"catenary:{{d}}:{each}")
                with pytest.raises(UnreachableError):
                    snapshot.get(b"b")
        assert snapshot.get(b"b") == b"old"


def test_who_looks_again_whose_slots_are_leaves_the_calls_of_others_alone(
    cluster: RedisCluster,
) -> None:
    address = Address.parse(cluster.address())
    nodes = reached(redis, address, Failures(redis.exceptions, address))
    key = b"catenary:{d}:queue"
    holder = cluster.holder(key.decode())
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(nodes.execute, Command(key, ("BLPOP", key, PATIENCE_S)))
        until = time.monotonic() + PATIENCE_S
        while b"blocked_clients:1" not in holder.command("INFO", "clients"):
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.01)
        assert nodes.look_again()
        assert nodes.execute(Command(key, ("RPUSH", key, b"1"))) == 1
        assert waiting.result() == (key, b"1")
    nodes.close()


def test_datasets_of_all_primaries_are_viewed_together(cluster: RedisCluster) -> None:
    store, _ = made(cluster)
    names = [f"d{at}" for at in range(24)]
    for name in names:
        dataset = store.dataset(name, create=True)
        assert dataset is not None
        assert dataset.commit({}, [(b"k", name.encode())])
    metas = [f"catenary:{{{name}}}:meta" for name in names]
    assert len({cluster.holder(each).port for each in metas}) == 3
    other = RedisStore(cluster.address())
    views = other.views(dict.fromkeys(names, Extent([b"k"])))
    assert [view.get(b"k") for view in views.values()] == [name.encode() for name in names]
    other.close()
