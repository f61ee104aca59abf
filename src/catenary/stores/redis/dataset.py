"""One dataset: its commits, its leases, and views of what is asked for at once."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from catenary.ports import Extent
from catenary.stores.memory import MemorySnapshot
from catenary.stores.redis import packing
from catenary.stores.redis.failures import GoneError
from catenary.stores.redis.scripts import Run, Script
from catenary.stores.redis.snapshot import LeasedSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from catenary.ports import Snapshot
    from catenary.stores.redis.client import Client

LEASE_MS: Final = 30_000
"""How long a snapshot is kept after it was last read."""
REMEMBERED_MS: Final = 300_000
"""How long a commit is known to have been done; more than any call's patience."""
_AT_ONCE: Final = 1_000
"""As many keys, and as many prefixes, are read in one round trip."""
_USUAL: Final = 16
"""Keys that come with a lease."""
_COMMIT: Final = Script("commit")
_LEASE: Final = Script("lease")
_READ: Final = Script("read")
_VIEW: Final = Script("view")


class Names(NamedTuple):
    """The server's keys of a dataset, all of one hash tag; a script is told of each that it touches."""

    meta: bytes
    keys: bytes
    rows: bytes
    done: bytes
    undo: bytes

    @staticmethod
    def of(prefix: str, dataset: str) -> Names:
        """Those of a dataset."""
        tag = f"{prefix}:{{{dataset}}}:"
        return Names(*((tag + each).encode() for each in Names._fields))


class Lease:
    """The right to read a dataset as it is at one version.

    Args:
        dataset: of which.
        version: which is shown.
        number: the lease's own.
    """

    def __init__(self, dataset: RedisDataset, version: int, number: bytes) -> None:
        self._dataset = dataset
        self._seen = version
        self.number = number

    def read(self, *wanted: object) -> tuple[list[list[bytes]], list[bytes], list[list[bytes]]]:
        """What commits replaced since the read before, keys of a range, lists of values."""
        self._seen, undone, keys, values = self._dataset.read(self.number, self._seen, wanted)
        return undone, keys, values


class RedisDataset:
    """Fulfils `ports.Dataset`.

    Args:
        name: the dataset's.
        names: of its keys.
        incarnation: that was found when it was opened; another one is another dataset.
        client: of the server.
        channel: where commits are told of.
        committed: told of each commit of this process, with the version.
        gone: called when it is found to be gone.
    """

    def __init__(
        self,
        name: str,
        names: Names,
        incarnation: bytes,
        client: Client,
        channel: bytes,
        committed: Callable[[int], None],
        gone: Callable[[], None],
    ) -> None:
        self.name = name
        self.incarnation = incarnation
        self._names = names
        self._client = client
        self._channel = channel
        self._committed = committed
        self.gone = gone
        self._ended: list[bytes] = []
        self._usual: tuple[bytes, ...] = ()
        self._lock = threading.Lock()

    @contextmanager
    def snapshot(self) -> Generator[LeasedSnapshot]:
        """The dataset as of now, leased."""
        lease, known = self._leased()
        try:
            yield LeasedSnapshot(lease, known, self._wished)
        finally:
            # The server is told with the next call; should none follow, the lease ends by itself.
            with self._lock:
                self._ended.append(lease.number)

    def commit(
        self,
        expects: Mapping[bytes, bytes | None],
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
    ) -> bool:
        """Write all of it if every key in `expects` has its value; once, however often it is sent."""
        names = self._names
        values = [b"0" if value is None else b"1" + value for value in expects.values()]
        deleted = list(packing.lists(deletes))
        written, version = self._call(
            _COMMIT,
            names,
            os.urandom(12),
            REMEMBERED_MS,
            self._channel,
            self.name.encode(),
            packing.packed(list(expects)),
            packing.packed(values),
            self._taken(),
            len(deleted),
            *deleted,
            *packing.pairs(puts),
        )
        if written:
            self._committed(version)
        return bool(written)

    def read(self, lease: bytes, seen: int, wanted: Sequence[object]) -> Any:
        """Rows beside what commits after a version replaced; see ``read.lua``."""
        names = self._names
        keys = (names.meta, names.keys, names.rows, names.undo)
        return self._call(_READ, keys, lease, LEASE_MS, seen, *wanted)

    def _leased(self) -> tuple[Lease, dict[bytes, bytes | None]]:
        """A lease, and what the keys that are usually read hold in it."""
        number, usual = b"lease:" + os.urandom(12), list(self._usual)
        keys = (self._names.meta, self._names.rows)
        given = (number, LEASE_MS, self._taken(), packing.packed(usual))
        version, values = self._call(_LEASE, keys, *given)
        return Lease(self, version, number), dict(zip(usual, values, strict=True))

    def _wished(self, key: bytes) -> None:
        """Let the key come with the leases to follow, in place of the one that came first."""
        with self._lock:
            if key not in self._usual:
                self._usual = (*self._usual[1 - _USUAL :], key)

    def viewing(self, extent: Extent) -> Run:
        """What reads what is asked for; see ``view.lua``."""
        ranges = [
            bound
            for prefix in extent.prefixes
            for bound in (packing.at_least(prefix), packing.end_of(prefix))
        ]
        wanted = list(packing.lists(extent.keys))
        arguments = (self.incarnation, len(wanted), *wanted, *packing.lists(ranges))
        return Run(_VIEW, self._names[:3], arguments)

    def _taken(self) -> bytes:
        """The leases that have ended, for a script that gives them up."""
        with self._lock:
            ended, self._ended = self._ended[: packing.MOST], self._ended[packing.MOST :]
        return packing.packed(ended)

    def _call(self, script: Script, keys: Sequence[bytes], *arguments: object) -> Any:
        try:
            return self._client.call(Run(script, keys, (self.incarnation, *arguments)))
        except GoneError:
            self.gone()
            raise


def views(client: Client, wanted: Sequence[tuple[RedisDataset, Extent]]) -> list[Snapshot]:
    """What is asked for of datasets, in one round trip.

    What is asked for of many entities is read in several, so that other clients have their turn in between;
    if a commit came in between, all of it is asked for at once.

    Raises:
        GoneError: if one is not there as it was opened.
    """
    found: list[dict[bytes, bytes]] = [{} for _ in wanted]
    versions: list[set[bytes]] = [set() for _ in wanted]

    def ask(asked: Sequence[tuple[int, Extent]]) -> None:
        told = client.calls([wanted[at][0].viewing(part) for at, part in asked])
        for (at, _), (version, keys, values) in zip(asked, told, strict=True):
            versions[at].add(version)
            rows = zip(chain.from_iterable(keys), chain.from_iterable(values), strict=True)
            found[at].update((key, value) for key, value in rows if value is not None)

    try:
        for trip in _trips([extent for _, extent in wanted]):
            ask(trip)
        mixed = [at for at, seen in enumerate(versions) if len(seen) > 1]
        for at in mixed:
            found[at].clear()
        ask([(at, wanted[at][1]) for at in mixed])
    except GoneError:
        for dataset, _ in wanted:
            dataset.gone()
        raise
    return [MemorySnapshot(each) for each in found]


def _trips(extents: Sequence[Extent]) -> Iterator[list[tuple[int, Extent]]]:
    """Parts of extents, by place, that are asked for together: each read takes some milliseconds at most."""
    trip: list[tuple[int, Extent]] = []
    size = 0
    for at, extent in enumerate(extents):
        many = max(len(extent.keys), len(extent.prefixes), 1)
        for first in range(0, many, _AT_ONCE):
            last = first + _AT_ONCE
            part = Extent(extent.keys[first:last], extent.prefixes[first:last])
            more = max(len(part.keys), len(part.prefixes))
            if trip and size + more > _AT_ONCE:
                yield trip
                trip, size = [], 0
            trip.append((at, part))
            size += more
    if trip:
        yield trip
