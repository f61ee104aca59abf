"""A store in memory: for tests, and for what one process needs only while it runs.

A snapshot holds the dataset's dictionary as it was; a commit replaces it by a copy.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from catenary.ports import Extent, Snapshot, Store


class MemorySnapshot:
    """Fulfils `ports.Snapshot` over one dictionary that nobody changes."""

    def __init__(self, held: dict[bytes, bytes]) -> None:
        self._held = held
        self._sorted: list[bytes] | None = None

    def get(self, key: bytes) -> bytes | None:
        """The key's value."""
        return self._held.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the keys' order."""
        return [self._held.get(key) for key in keys]

    def scan(self, prefix: bytes, *, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys with this prefix and their values, ascending."""
        keys = self._in_order()
        at = bisect_left(keys, prefix)
        if after is not None:
            at = max(at, bisect_right(keys, after))
        while at < len(keys) and keys[at].startswith(prefix):
            yield keys[at], self._held[keys[at]]
            at += 1

    def walk(self) -> Callable[[bytes], Iterator[tuple[bytes, bytes]]]:
        """From a key to the rows from it on."""
        keys = self._in_order()
        held, many = self._held, len(keys)
        return lambda key: (
            (keys[at], held[keys[at]]) for at in range(bisect_left(keys, key), many)
        )

    def _in_order(self) -> list[bytes]:
        if self._sorted is None:
            self._sorted = sorted(self._held)
        return self._sorted


def views_of(store: Store, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
    """What `ports.Store.views` gives, read from a snapshot of each dataset and kept beyond its end."""
    found: dict[str, Snapshot] = {}
    for name, extent in wanted.items():
        dataset = store.dataset(name)
        if dataset is not None:
            with dataset.snapshot() as snapshot:
                values = zip(extent.keys, snapshot.get_many(extent.keys), strict=True)
                held = {key: value for key, value in values if value is not None}
                for prefix in extent.prefixes:
                    held.update(snapshot.scan(prefix))
            found[name] = MemorySnapshot(held)
    return found


class MemoryDataset:
    """Fulfils `ports.Dataset`."""

    def __init__(self, name: str, store: MemoryStore) -> None:
        self.name = name
        self._store = store
        self._held: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    @contextmanager
    def snapshot(self) -> Generator[MemorySnapshot]:
        """The dataset as of now, all of it."""
        yield MemorySnapshot(self._held)

    def commit(
        self,
        expects: Mapping[bytes, bytes | None],
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
    ) -> bool:
        """Write all of it if every key in `expects` has its value."""
        with self._lock:
            if any(self._held.get(key) != value for key, value in expects.items()):
                return False
            held = dict(self._held)
            for key in deletes:
                held.pop(key, None)
            held.update(puts)
            self._held = held
        self._store.changed()
        return True


class MemoryStore:
    """Fulfils `ports.Store`."""

    is_remote = False

    def __init__(self) -> None:
        self._datasets: dict[str, MemoryDataset] = {}
        self._version = 0
        self._condition = threading.Condition()

    def dataset(self, name: str, *, create: bool = False) -> MemoryDataset | None:
        """The dataset of that name."""
        if create:
            with self._condition:
                return self._datasets.setdefault(name, MemoryDataset(name, self))
        return self._datasets.get(name)

    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets."""
        return tuple(sorted(self._datasets))

    def views(self, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
        """What is asked for of datasets, each as of now."""
        return views_of(self, wanted)

    def version(self) -> int:
        """How many commits there were."""
        return self._version

    def wait(self, version: int, timeout_s: float, *, dataset: str | None = None) -> bool:
        """Sleep until `version()` differs; any dataset's commit wakes, whichever is meant."""
        del dataset
        with self._condition:
            return self._condition.wait_for(lambda: self._version != version, timeout_s)

    def changed(self) -> None:
        """A dataset was written."""
        with self._condition:
            self._version += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Nothing to release."""
