"""Every store keeps to `ports.Store`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from catenary.errors import StorageError
from catenary.stores.lmdb import LmdbStore
from catenary.stores.memory import MemoryStore
from catenary.stores.redis import RedisStore
from catenary.testing.services.redis import RedisServer
from catenary.testing.services.redis_cluster import RedisCluster
from catenary.testing.stores import StoreConformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.ports.store import Store


class TestLmdbSurvivingPower(StoreConformance):
    def opened(self, folder: Path) -> Store:
        return LmdbStore(folder)


class TestLmdbSurvivingProcesses(StoreConformance):
    def opened(self, folder: Path) -> Store:
        return LmdbStore(folder, durability="process")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="everysec") as found:
        yield found


@pytest.mark.redis
class TestRedis(StoreConformance):
    @pytest.fixture(autouse=True)
    def at(self, server: RedisServer) -> None:
        self.server = server

    def opened(self, folder: Path) -> Store:
        return RedisStore(self.server.address(prefix=str(folder)))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.mark.redis
class TestRedisCluster(StoreConformance):
    @pytest.fixture(autouse=True)
    def at(self, cluster: RedisCluster) -> None:
        self.cluster = cluster

    def opened(self, folder: Path) -> Store:
        return RedisStore(self.cluster.address(prefix=str(folder)))


class TestMemory(StoreConformance):
    of_one_process = True

    def opened(self, folder: Path) -> Store:
        return MemoryStore()


def test_a_forked_child_is_told_that_it_cannot_use_what_its_parent_opened(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    store.dataset("d", create=True)
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(StorageError, match="opened before this process was forked"):
                store.dataset("d")
            with pytest.raises(StorageError, match="opened before this process was forked"):
                LmdbStore(tmp_path).dataset("d")
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = LmdbStore(folder)
    for name in ("..", "../..", ".", ".bell", "/etc", "a/../../b"):
        store.dataset(name, create=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["store"]
    assert store.datasets() == tuple(sorted(("..", "../..", ".", ".bell", "/etc", "a/../../b")))
