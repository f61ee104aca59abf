"""Stores: ordered byte keys per dataset, snapshots to read from, conditional commits.

    snapshot ──► get / scan                one instant of the whole dataset
    commit(expects, puts, deletes)         all of it or nothing, and only if `expects` still holds

A dataset belongs to one GroupBy. What the keys mean is `catenary.state`'s.

Read next: ``catenary/stores/lmdb`` (a file per dataset), ``catenary/stores/redis`` (a server).
Held to account by: the conformance kit, ``catenary.testing.stores``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager


class Extent(NamedTuple):
    """What is going to be read of a dataset.

    Attributes:
        keys: these.
        prefixes: all keys that begin with one of these; none of them begins with another.
    """

    keys: Sequence[bytes] = ()
    prefixes: Sequence[bytes] = ()


class Snapshot(Protocol):
    """A dataset as it was at one instant; valid inside its context only."""

    def get(self, key: bytes) -> bytes | None:
        """The key's value."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the keys' order; fastest for sorted keys."""
        ...

    def scan(self, prefix: bytes, *, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys with this prefix and their values, ascending; `after`: only greater keys."""
        ...

    def walk(self) -> Callable[[bytes], Iterator[tuple[bytes, bytes]]]:
        """A way through the dataset: from a key to the rows from it on, ascending.

        Each call ends the rows of the one before; another `walk` is on its own. Fastest for ascending keys.
        """
        ...


class Dataset(Protocol):
    """One GroupBy's keys and values. Any method may be called from several threads."""

    @property
    def name(self) -> str:
        """The dataset's name."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """The dataset as of now, all of it."""
        ...

    def commit(
        self,
        expects: Mapping[bytes, bytes | None],
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
    ) -> bool:
        """Write all of it, durably, if every key in `expects` has the value it has there.

        Deletes come before puts. Waiters are woken. Several commits of one process may share a sync.

        Returns:
            False if `expects` does not hold; nothing is written then.

        Raises:
            StorageError: if the disk or the server refuses; nothing is written then.
            UnreachableError: if the server is away; whether it is written is known once it is back.
        """
        ...


class Store(Protocol):
    """Datasets by name."""

    @property
    def is_remote(self) -> bool:
        """Whether each read is a round trip, so that it pays to say beforehand what is read."""
        ...

    def dataset(self, name: str, *, create: bool = False) -> Dataset | None:
        """The dataset of that name; made if it is not there and `create` is true, else None.

        Raises:
            StorageError: if it cannot be made or opened.
            UnreadableError: if it was written by a release with another format; names both.
        """
        ...

    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets."""
        ...

    def views(self, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
        """What is asked for of datasets, each as of now; without those that are not there.

        A remote store brings all of it in one round trip. A view lasts for as long as it is held; what lies
        outside of its extent must not be asked of it.
        """
        ...

    def version(self) -> int:
        """A number that changes with every commit to any dataset, of any process.

        A remote store learns of the commits of others a moment later, which is when `wait` ends.
        """
        ...

    def wait(self, version: int, timeout_s: float, *, dataset: str | None = None) -> bool:
        """Sleep until `version()` differs; False after the timeout.

        Args:
            version: as it was before the look that found nothing.
            timeout_s: how long at most.
            dataset: the only one that matters; commits to others need not wake the sleeper.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
