"""A Redis cluster of one's own: primaries that share the slots, and replicas that take over from them.

    with RedisCluster(folder, replicas=True) as cluster:
        store = RedisStore(cluster.address())
        cluster.holder(key).kill()

Read next: ``redis.py``, one server.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Self

from catenary.testing.services.ports import HOST, free_ports
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

PRIMARIES: Final = 3
_SLOTS: Final = 16_384
_NODE_TIMEOUT_MS: Final = 1_000
_JOINS_S: Final = 30.0
_MIGRATES_MS: Final = "5000"
_LOOK_S: Final = 0.02


class RedisCluster:
    """Three primaries, each with a third of the slots.

    Args:
        folder: where they write.
        replicas: whether each has one.

    Attributes:
        servers: the primaries, as they begin, and their replicas in the same order.
    """

    def __init__(self, folder: Path, *, replicas: bool = False) -> None:
        self._ports = free_ports(2 * PRIMARIES if replicas else PRIMARIES)
        self.servers = [
            RedisServer(
                folder / str(at),
                appendfsync="everysec",
                cluster_enabled="yes",
                cluster_port=str(port),
                cluster_node_timeout=str(_NODE_TIMEOUT_MS),
                cluster_replica_validity_factor="0",
                repl_diskless_sync_delay="0",
            )
            for at, port in enumerate(self._ports)
        ]
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            for each in self.servers:
                started.enter_context(each)
            self._join()
            self._running = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def address(self, prefix: str = "") -> str:
        """What `store=` says: it names one of them."""
        return self.servers[-1].address(prefix=prefix)

    def holder(self, key: str) -> RedisServer:
        """The primary that has the key's slot."""
        slot = self.slot(key)
        return next(each for each in self.servers if _has(each, slot))

    def slot(self, key: str) -> int:
        """In which a key lies."""
        return int(_words(self.servers[0], "CLUSTER", "KEYSLOT", key)[0].lstrip(":"))

    def move(self, slot: int, to: RedisServer) -> None:
        """Hand a slot over to another primary, with all keys in it."""
        with self.moving(slot, to):
            pass

    @contextmanager
    def moving(self, slot: int, to: RedisServer) -> Generator[Callable[..., None]]:
        """A slot on its way to another primary; at the end it is there, with all keys in it.

        Yields:
            Takes keys there, those that are named.
        """
        source = next(each for each in self.servers if _has(each, slot))
        new = _words(to, "CLUSTER", "MYID")[1]
        old = _words(source, "CLUSTER", "MYID")[1]

        def migrate(*keys: str) -> None:
            _done(source, "MIGRATE", HOST, str(to.port), '""', "0", _MIGRATES_MS, "KEYS", *keys)

        _done(to, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", old)
        _done(source, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", new)
        try:
            yield migrate
        finally:
            while left := _words(source, "CLUSTER", "GETKEYSINSLOT", str(slot), "10")[2::2]:
                migrate(*left)
            # Whoever gets the slot learns of it first: in between, each would send callers to the other.
            primaries = [each for each in self.servers if each not in (to, source) and _leads(each)]
            for each in (to, source, *primaries):
                _done(each, "CLUSTER", "SETSLOT", str(slot), "NODE", new)

    def hand_over(self, primary: RedisServer) -> None:
        """Let a primary's replica take its place, in agreement with it."""
        replica = self.servers[self.servers.index(primary) + PRIMARIES]
        _done(replica, "CLUSTER", "FAILOVER")
        _await(lambda: _leads(replica))

    def _join(self) -> None:
        """Let them meet, share the slots, and follow whom they are to follow."""
        first, *others = self.servers
        for at, each in enumerate(self.servers[:PRIMARIES]):
            begin, end = (_SLOTS * place // PRIMARIES for place in (at, at + 1))
            _done(each, "CLUSTER", "ADDSLOTSRANGE", str(begin), str(end - 1))
            _done(each, "CLUSTER", "SET-CONFIG-EPOCH", str(at + 1))
        for each in others:
            _done(each, "CLUSTER", "MEET", HOST, str(first.port), str(self._ports[0]))
        _await(lambda: all(_knows(each, len(self.servers)) for each in self.servers))
        for primary, each in zip(self.servers, self.servers[PRIMARIES:], strict=False):
            _done(each, "CLUSTER", "REPLICATE", _words(primary, "CLUSTER", "MYID")[1])
            _await(lambda each=each: "master_link_status:up" in _words(each, "INFO", "replication"))
        _await(
            lambda: all(
                "cluster_state:ok" in _words(each, "CLUSTER", "INFO") for each in self.servers
            )
        )


def _has(server: RedisServer, slot: int) -> bool:
    """Whether a slot is a server's; none is a replica's."""
    return any(first <= slot <= last for first, last in _ranges(server))


def _ranges(server: RedisServer) -> Iterator[tuple[int, int]]:
    """First and last of the slots that a server has. One that is moving stands beside them in brackets."""
    for line in server.command("CLUSTER", "NODES").decode().splitlines():
        words = line.split()
        if "myself,master" in words:
            for each in words[8:]:
                if not each.startswith("["):
                    first, _, last = each.partition("-")
                    yield int(first), int(last or first)


def _leads(server: RedisServer) -> bool:
    return "role:master" in _words(server, "INFO", "replication")


def _done(server: RedisServer, *words: str) -> None:
    told = _words(server, *words)
    assert told == ["+OK"], told


def _knows(server: RedisServer, many: int) -> bool:
    """Whether a server has met so many, itself among them, and none is still being met."""
    told = " ".join(_words(server, "CLUSTER", "NODES"))
    return told.count("connected") == many and "handshake" not in told


def _words(server: RedisServer, *words: str) -> list[str]:
    return server.command(*words).decode().split()


def _await(true: Callable[[], bool]) -> None:
    until = time.monotonic() + _JOINS_S
    while not true():
        assert time.monotonic() < until, "the servers do not join"
        time.sleep(_LOOK_S)
