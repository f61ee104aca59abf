"""Datasets by name on a server, and waiting for commits of any process."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from catenary.errors import StorageError, UnreadableError
from catenary.stores.redis.address import Address
from catenary.stores.redis.client import Client
from catenary.stores.redis.dataset import Names, RedisDataset, views
from catenary.stores.redis.listener import Listener
from catenary.stores.redis.scripts import Run, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.ports import Extent, Snapshot

FORMAT: Final = 2
_PATIENCE_S: Final = 5.0
_CREATE: Final = Script("create")


class RedisStore:
    """A store on a Redis or Valkey server, or a cluster of them. Fulfils `ports.Store`.

    Args:
        address: `redis://user:password@host:port,host:port/db`, or `rediss://`; `?prefix=` keeps projects
            apart.
        patience_s: how long a call waits for a server that is away.

    Raises:
        SettingsError: for an address that is none.
        UnsupportedError: if the client is not installed.
    """

    is_remote = True

    def __init__(self, address: str, *, patience_s: float = _PATIENCE_S) -> None:
        found = Address.parse(address)
        self._prefix = found.prefix
        self._where = found.shown
        self._client = Client(found, patience_s=patience_s)
        self._datasets: dict[str, RedisDataset] = {}
        self._listener = self._listening()
        self._checked = False
        self._process = os.getpid()

    def dataset(self, name: str, *, create: bool = False) -> RedisDataset | None:
        """The dataset of that name.

        Raises:
            UnreachableError: if the server is away.
            StorageError: if the server refuses, or would evict rows; if the store was opened before a fork.
            UnreadableError: if another release wrote it.
            UnsupportedError: for a sentinel, or a server that is too old.
        """
        if self._process != os.getpid():
            raise StorageError(
                f"the store at {self._where} was opened before this process was forked",
                hint="open it after the fork, or start the process anew (spawn)",
            )
        known = self._datasets.get(name)
        if known is not None:
            return known
        if not self._checked:
            self._client.check()
            self._checked = True
        names = Names.of(self._prefix, name)
        if create:
            held, incarnation = self._client.call(
                Run(_CREATE, (names.meta, names.undo), (FORMAT, os.urandom(12)))
            )
            self._client.execute("SADD", self._all, name.encode())
        else:
            held, incarnation = self._client.execute("HMGET", names.meta, "format", "incarnation")
        if held is None:
            return None
        if held != b"%d" % FORMAT:
            raise UnreadableError(
                f"the store of {name} has format {held.decode(errors='replace')}; format {FORMAT} is read",
                where=self._where,
                hint="it was written by another release of Catenary",
            )
        made = RedisDataset(
            name,
            names,
            incarnation,
            self._client,
            self._channel.encode(),
            committed=partial(self._committed, name),
            gone=partial(self._forget, name),
        )
        return self._datasets.setdefault(name, made)

    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets."""
        return tuple(sorted(each.decode() for each in self._client.execute("SMEMBERS", self._all)))

    def views(self, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
        """What is asked for of datasets, in one round trip; without those that are not there."""
        held = {name: found for name in wanted if (found := self.dataset(name)) is not None}
        asked = [(dataset, wanted[name]) for name, dataset in held.items()]
        return dict(zip(held, views(self._client, asked), strict=True))

    def version(self) -> int:
        """A number that changes with every commit to any dataset; those of others arrive a moment later."""
        return self._listener.version()

    def wait(self, version: int, timeout_s: float, *, dataset: str | None = None) -> bool:
        """Sleep until `version()` differs; if a dataset is named, until it is committed to."""
        if self._listener.version() != version:
            return True
        return self._listener.wait(version, timeout_s, dataset)

    def close(self) -> None:
        """Leave the server; what is used again connects anew."""
        self._listener.close()
        self._listener = self._listening()
        self._datasets.clear()
        self._client.close()

    @property
    def _all(self) -> bytes:
        return f"{self._prefix}:datasets".encode()

    @property
    def _channel(self) -> str:
        return f"{self._prefix}:commits"

    def _listening(self) -> Listener:
        return Listener(self._client, self._channel, self._versions)

    def _forget(self, name: str) -> None:
        """Whoever asks for the dataset again is given the one that is there by then, if any."""
        self._datasets.pop(name, None)

    def _committed(self, name: str, version: int) -> None:
        self._listener.tell(name, version)

    def _versions(self) -> dict[str, int]:
        """Each dataset's version, as the server has it."""
        names = self.datasets()
        metas = [Names.of(self._prefix, name).meta for name in names]
        found = self._client.many("HGET", [(meta, "version") for meta in metas])
        return {name: int(each or 0) for name, each in zip(names, found, strict=True)}
