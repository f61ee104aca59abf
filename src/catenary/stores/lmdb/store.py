"""Datasets by name, each opened once per process; waiting for commits of any process."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import lmdb

from catenary.errors import StorageError, UnreadableError
from catenary.stores.lmdb.dataset import BELL, LmdbDataset
from catenary.stores.memory import views_of
from catenary.wakes import Bell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catenary.ports import Extent, Snapshot

FORMAT: Final = 1
_FORMAT_FILE: Final = "format"
_MAP_BYTES: Final = 64 << 30
_SETTLED_NS: Final = 2_000_000_000
_LOOK_S: Final = 0.05
_MEET_S: Final = 0.005
"""From one look for datasets of others to the next: it takes as long as half a read of an entity."""

# LMDB forbids to open a file twice in one process, so stores of one folder share their datasets.
_open: dict[str, LmdbDataset] = {}
_lock = threading.Lock()


class LmdbStore:
    """A store in a folder. Fulfils `ports.Store`.

    Args:
        folder: made with the first dataset.
        durability: what a commit survives: `power`, a power failure; `process`, a killed process.
        map_bytes: how large each dataset may grow.
    """

    is_remote = False

    def __init__(
        self, folder: Path, *, durability: str = "power", map_bytes: int = _MAP_BYTES
    ) -> None:
        assert durability in ("power", "process"), "settings check it"
        self._folder = folder
        self._power = durability == "power"
        self._map_bytes = map_bytes
        self._bell = Bell(folder / BELL)
        self._mine: dict[str, LmdbDataset] = {}
        self._met = -1
        self._meets_s = 0.0

    def dataset(self, name: str, *, create: bool = False) -> LmdbDataset | None:
        """The dataset of that name.

        Raises:
            StorageError: if it cannot be opened or made, or was opened before a fork.
            UnreadableError: if it is damaged, or of another release.
        """
        found = self._mine.get(name)
        if found is not None:
            return _own(found)
        folder = self._folder / _folder_name(name)
        if not self._is_made(name):
            if not create:
                return None
            self._make(folder)
        self._check(folder, name)
        with _lock:
            # A folder that was removed and made again is another one.
            key = f"{folder.resolve()} {folder.stat().st_ino}"
            found = _open.get(key)
            if found is None:
                found = LmdbDataset(
                    name,
                    folder,
                    power=self._power,
                    map_bytes=self._map_bytes,
                    committed=self._bell.ring,
                )
                _open[key] = found
        self._mine[name] = _own(found)
        return found

    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets."""
        if not self._folder.is_dir():
            return ()
        return tuple(sorted(each for each in self._named() if self._is_made(each)))

    def views(self, wanted: Mapping[str, Extent]) -> dict[str, Snapshot]:
        """What is asked for of datasets, each as of now; without those that are not there."""
        return views_of(self, wanted)

    def version(self) -> int:
        """A number that changes with every commit to any dataset, of any process.

        A dataset that another process has made counts some milliseconds later, or once it is waited.
        """
        if time.monotonic() >= self._meets_s:
            self._meet()
        return sum(each.version() for each in self._mine.copy().values())

    def _meet(self) -> None:
        """Open the datasets that others made meanwhile: their commits count, too."""
        self._meets_s = time.monotonic() + _MEET_S
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed == self._met:
                return
            named = self._named()
        except FileNotFoundError:
            return
        # A clock's tick may hold two changes, and a folder is there before its format is.
        settled = time.time_ns() - changed > _SETTLED_NS
        for name in named:
            if name not in self._mine and self._is_made(name):
                try:
                    self.dataset(name)
                except (StorageError, UnreadableError):
                    continue  # whoever asks for that one is told
        if settled:
            self._met = changed

    def _named(self) -> list[str]:
        """Names of whatever lies in the folder."""
        return [unquote(each) for each in os.listdir(self._folder)]

    def _is_made(self, name: str) -> bool:
        """Whether it is a dataset, and whole."""
        return (self._folder / _folder_name(name) / _FORMAT_FILE).is_file()

    def wait(self, version: int, timeout_s: float, *, dataset: str | None = None) -> bool:
        """Sleep until `version()` differs; if a dataset is named, until it is committed to."""
        meant = None if dataset is None else self.dataset(dataset)
        if not all(each.writable for each in self._mine.copy().values()):
            # A waiter is a socket in the store's folder: who may not write there looks now and then.
            until = time.monotonic() + timeout_s
            while self._version_now() == version and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, _LOOK_S))
            return self._version_now() != version
        bell = self._bell if meant is None else meant.bell
        with bell.waiting() as waiter:
            if self._version_now() == version:
                waiter.wait(timeout_s)
        return self._version_now() != version

    def _version_now(self) -> int:
        """`version()`, with all datasets that others have made."""
        self._meets_s = 0.0
        return self.version()

    def close(self) -> None:
        """Forget the datasets; their files are shared within the process and stay open."""
        self._mine.clear()
        self._met = -1
        self._bell.close()

    def _make(self, folder: Path) -> None:
        """The dataset's folder, whole or not at all: its format comes last."""
        text = json.dumps({"format": FORMAT, "lmdb": list(lmdb.version())})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made = folder / f".{_FORMAT_FILE}.{os.getpid()}.{threading.get_ident()}"
            made.write_text(text, encoding="utf-8")
            made.replace(folder / _FORMAT_FILE)
        except OSError as error:
            raise StorageError(
                f"the dataset cannot be made: {error.strerror}", where=str(folder)
            ) from error

    def _check(self, folder: Path, name: str) -> None:
        try:
            held = json.loads((folder / _FORMAT_FILE).read_text(encoding="utf-8"))["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableError(
                f"the store of {name} does not say who wrote it: {error}", where=str(folder)
            ) from error
        if held != FORMAT:
            raise UnreadableError(
                f"the store of {name} has format {held}; format {FORMAT} is read",
                where=str(folder),
                hint="it was written by another release of Catenary",
            )


def _own(dataset: LmdbDataset) -> LmdbDataset:
    """The dataset, unless it was opened before a fork: LMDB's locks are not inherited."""
    if dataset.process != os.getpid():
        raise StorageError(
            f"the store of {dataset.name} was opened before this process was forked",
            hint="open it after the fork, or start the process anew (spawn)",
        )
    return dataset


def _folder_name(name: str) -> str:
    """The name as a folder's; never one that leads elsewhere or that the store keeps for itself."""
    assert name, "definitions have names"
    safe = quote(name, safe="@")
    return "%2E" + safe[1:] if safe.startswith(".") else safe
