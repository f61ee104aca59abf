"""One dataset: an LMDB environment, its snapshots, its commits.

Durability `power` syncs each commit. `process` leaves that to the operating system: what was written
survives a killed process, since it lies in the page cache; after a power failure the file may be
damaged, and is uploaded and streamed anew.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final

import lmdb

from catenary.errors import StorageError, UnreadableError
from catenary.stores.lmdb.pages import lost
from catenary.wakes import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


BELL: Final = ".bell"
LONGEST_KEY: Final = 480
_DATA: Final = "data.mdb"
_ANEW: Final = "remove its folder, upload again and stream from the upload's frontier"
_KEPT_COMMITS: Final = 1
_READERS: Final = 512
_NO_SPACE_BYTES: Final = 1 << 20


class LmdbSnapshot:
    """Fulfils `ports.Snapshot` within one read transaction, which is as long as its context.

    Args:
        transaction: of the environment.
        check: told the transaction's commit at the end; it refuses what may not have held so long.
    """

    def __init__(self, transaction: Any, check: Callable[[int], None] | None = None) -> None:
        self._transaction = transaction  # its methods are typed for memoryviews, too
        self._check = check

    def __enter__(self) -> LmdbSnapshot:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._check is not None:
                self._check(self._transaction.id())
        finally:
            self._transaction.abort()

    def get(self, key: bytes) -> bytes | None:
        """The key's value."""
        return self._transaction.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the keys' order."""
        get = self._transaction.get
        return [get(key) for key in keys]

    def scan(self, prefix: bytes, *, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys with this prefix and their values, ascending."""
        with self._transaction.cursor() as cursor:
            start = prefix if after is None or after < prefix else after + b"\0"
            if not cursor.set_range(start):
                return
            for key, value in cursor.iternext():
                if not key.startswith(prefix):
                    return
                yield key, value

    def walk(self) -> Callable[[bytes], Iterator[tuple[bytes, bytes]]]:
        """From a key to the rows from it on, by one cursor; it ends with the transaction."""
        cursor = self._transaction.cursor()
        seek, rows = cursor.set_range, cursor.iternext
        return lambda key: rows() if seek(key) else iter(())


class LmdbDataset:
    """Fulfils `ports.Dataset`.

    Args:
        name: the dataset's.
        folder: its own.
        power: whether commits are synced.
        map_bytes: how large the file may grow; address space, not disk.
        committed: called after each commit.

    Attributes:
        bell: rung after each commit.
        writable: whether this process may write to the file; if not, it may still read.
    """

    def __init__(
        self, name: str, folder: Path, *, power: bool, map_bytes: int, committed: Callable[[], None]
    ) -> None:
        self.name = name
        self.bell = Bell(folder / BELL)
        self._committed = committed
        self._folder = folder
        try:
            self._env, self.writable = _opened(folder, power=power, map_bytes=map_bytes)
            self._env.reader_check()
            with self._env.begin():
                # Without a lock file to write to, LMDB knows of no reader, this one included.
                self._counted = self._env.info()["num_readers"] > 0
            self._file = folder / _DATA
            self._check_length()
        except lmdb.Error as error:
            raise _opening(name, folder, error) from error
        self._is = _identity(self._file)
        self.process = os.getpid()

    def _check_length(self) -> None:
        """Refuse a file that ends before what lies in it: reading on would kill the process.

        Raises:
            UnreadableError: if it does.
        """
        many: int | None = None
        while many is None:
            with self._env.begin() as transaction:
                many = lost(self._file, self._env.stat()["psize"], transaction.id())
        if many:
            self._env.close()
            raise UnreadableError(
                f"the store of {self.name} is damaged: its file ends {many} pages before its data",
                where=str(self._file),
                hint=_ANEW,
            )

    def _check_same(self) -> None:
        """Refuse to write to a file that was replaced, or taken away, while it was open.

        Raises:
            StorageError: if it was; nobody else would ever see what is written.
        """
        try:
            same = _identity(self._file) == self._is
        except FileNotFoundError:
            same = False
        if not same:
            raise StorageError(
                f"the store of {self.name} was replaced or removed while it was open",
                where=str(self._file),
                hint="start this process anew; replace a store's files while nothing runs on them",
            )

    def version(self) -> int:
        """The number of the last commit, of any process."""
        found: int = self._env.info()["last_txnid"]
        return found

    def snapshot(self) -> LmdbSnapshot:
        """The dataset as of now, all of it."""
        transaction = self._env.begin(buffers=False)
        return LmdbSnapshot(transaction, None if self._counted else self._check_untouched)

    def _check_untouched(self, commit: int) -> None:
        """Refuse what was read without a lock, if a writer may have used its pages again meanwhile.

        A writer keeps the pages of the commit before its own for readers that it does not know.

        Raises:
            StorageError: if it may.
        """
        if self.version() - commit > _KEPT_COMMITS:
            raise StorageError(
                f"the store of {self.name} was written to while it was read without its lock",
                where=str(self._folder),
                hint="let readers write to lock.mdb, or give them a copy that nobody writes to",
            )

    def commit(
        self,
        expects: Mapping[bytes, bytes | None],
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
    ) -> bool:
        """Write all of it if every key in `expects` has its value."""
        for key, _ in puts:
            assert len(key) <= LONGEST_KEY, "state keeps its keys short"
        if not self.writable:
            raise StorageError(
                f"the store of {self.name} is read-only here",
                where=str(self._folder),
                hint="fetches read it so; stages, uploads and readers that hold a head write to it",
            )
        self._check_same()
        try:
            with self._env.begin(write=True) as transaction:
                for key, value in expects.items():
                    if transaction.get(key) != value:
                        transaction.abort()
                        return False
                for key in deletes:
                    transaction.delete(key)
                with transaction.cursor() as cursor:
                    cursor.putmulti(list(puts))
        except lmdb.Error as error:
            raise _refused(self.name, self._folder, error) from error
        self.bell.ring()
        self._committed()
        return True

    def close(self) -> None:
        """Release the file."""
        self._env.close()


def _opened(folder: Path, *, power: bool, map_bytes: int) -> tuple[lmdb.Environment, bool]:
    """The environment, and whether it may be written to.

    Where that is forbidden, it is opened to be read: with its lock, by which writers know of readers, if
    that may be written; without it, where permissions or a read-only file system forbid that, too.
    """
    refused: lmdb.Error | None = None
    for readonly, lock in ((False, True), (True, True), (True, False)):
        try:
            environment = lmdb.open(
                str(folder),
                map_size=map_bytes,
                max_readers=_READERS,
                sync=power,
                metasync=power,
                readahead=False,
                meminit=False,
                readonly=readonly,
                lock=lock,
            )
        except lmdb.Error as error:
            if not (
                isinstance(error, lmdb.ReadonlyError) or os.strerror(errno.EROFS) in str(error)
            ):
                raise
            refused = refused or error
        else:
            return environment, not readonly
    assert refused is not None, "it returns or is refused"
    raise refused


def _identity(file: Path) -> tuple[int, int]:
    """What tells a file from another of its name."""
    found = file.stat()
    return found.st_dev, found.st_ino


def _opening(name: str, folder: Path, error: lmdb.Error) -> Exception:
    if isinstance(error, (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)):
        return UnreadableError(
            f"the store of {name} is damaged, or no LMDB file of this release: {error}",
            where=str(folder),
            hint=_ANEW,
        )
    return StorageError(f"the store of {name} cannot be opened: {error}", where=str(folder))


def _refused(name: str, folder: Path, error: lmdb.Error) -> Exception:
    if isinstance(error, lmdb.CorruptedError):
        return UnreadableError(
            f"the store of {name} is damaged: {error}",
            hint=_ANEW,
        )
    full = isinstance(error, lmdb.MapFullError) or os.strerror(errno.ENOSPC) in str(error)
    if os.strerror(errno.EIO) in str(error):
        # LMDB says so of a write that ended early, which is how a full disk shows first.
        disk = os.statvfs(folder)
        full = disk.f_bavail * disk.f_bsize < _NO_SPACE_BYTES
    return StorageError(
        f"the store of {name} refused a commit: {error}",
        where=str(folder),
        hint="there is no space left; nothing of it was written" if full else None,
    )
