"""LMDB files that were cut, replaced or taken away, or that may only be read."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

from catenary.errors import StorageError, UnreadableError
from catenary.stores.lmdb import LmdbStore
from catenary.stores.lmdb.pages import lost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.stores.lmdb.dataset import LmdbDataset


def needed(environment: lmdb.Environment) -> tuple[int, int, int]:
    """Bytes of a page, the last page, the last commit."""
    info = environment.info()
    return environment.stat()["psize"], info["last_pgno"], info["last_txnid"]


def test_a_file_that_ends_before_its_last_page_has_lost_nothing_if_that_was_never_written(
    tmp_path: Path,
) -> None:
    ends_early = 0
    for seed in range(10):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        with lmdb.open(str(folder), map_size=1 << 28, sync=False) as environment:
            for _ in range(40):
                with environment.begin(write=True) as transaction:
                    for _ in range(rng.randrange(1, 30)):
                        long = rng.choice([20, 200, 6000])
                        transaction.put(b"%04d" % rng.randrange(300), rng.randbytes(long))
                    for _ in range(rng.randrange(60)):
                        transaction.delete(b"%04d" % rng.randrange(300))
                page, last, commit = needed(environment)
                ends_early += (folder / "data.mdb").stat().st_size < (last + 1) * page
                assert lost(folder / "data.mdb", page, commit) == 0
    assert ends_early > 5


def test_a_cut_file_has_lost_the_pages_that_were_in_use(tmp_path: Path) -> None:
    environment = lmdb.open(str(tmp_path), map_size=1 << 28)
    with environment.begin(write=True) as transaction:
        transaction.put(b"long", bytes(100_000))
    page, last, commit = needed(environment)
    file = tmp_path / "data.mdb"
    for pages in (1, 5, 20):
        with file.open("r+b") as opened:
            opened.truncate((last + 1 - pages) * page)
        assert lost(file, page, commit) == pages


def test_a_commit_whose_meta_page_is_gone_is_to_be_asked_for_anew(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 28) as environment:
        commits: list[int] = []
        for at in range(3):
            with environment.begin(write=True) as transaction:
                transaction.put(b"%d" % at, b"")
            commits.append(environment.info()["last_txnid"])
        page = environment.stat()["psize"]
        found = [lost(tmp_path / "data.mdb", page, each) for each in commits]
    assert found == [None, 0, 0]


def held(folder: Path) -> Path:
    """The data file of a dataset that holds something; closed, as after the process's end."""
    store = LmdbStore(folder)
    dataset = store.dataset("d", create=True)
    assert dataset is not None
    for at in range(50):
        assert dataset.commit({}, [(b"%d" % at, bytes(3_000))])
    dataset.close()
    copy = folder.with_name("copied")
    shutil.copytree(folder, copy)
    return copy / "d" / "data.mdb"


@pytest.mark.parametrize("pages", [2, 3, 10, 40])
def test_a_store_that_was_cut_is_refused_and_kills_nobody(pages: int, tmp_path: Path) -> None:
    file = held(tmp_path / "store")
    with file.open("r+b") as opened:
        opened.truncate(pages * 4096)
    with pytest.raises(UnreadableError, match=r"ends .* pages before its data") as raised:
        LmdbStore(file.parent.parent).dataset("d")
    assert str(file) == raised.value.where
    assert "upload again" in (raised.value.hint or "")


@pytest.mark.parametrize("taken", ["replaced", "removed"])
def test_a_store_that_is_replaced_or_removed_is_not_written_to(taken: str, tmp_path: Path) -> None:
    file = held(tmp_path / "store")
    dataset = LmdbStore(file.parent.parent).dataset("d")
    assert dataset is not None
    assert dataset.commit({}, [(b"a", b"1")])
    if taken == "replaced":
        other = file.with_name("other.mdb")
        shutil.copy(file, other)
        other.replace(file)
    else:
        file.unlink()
    with pytest.raises(StorageError, match="was replaced or removed while it was open"):
        dataset.commit({}, [(b"a", b"2")])


@contextmanager
def on_a_read_only_disk(folder: Path) -> Iterator[Path]:
    """The folder as a file system shows it that cannot be written to."""
    shown = folder.with_name("shown")
    shown.mkdir()
    for words in (["--bind", str(folder), str(shown)], ["-o", "remount,ro,bind", str(shown)]):
        ended = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            pytest.skip(f"no file system could be mounted: {ended.stderr.strip()}")
    try:
        yield shown
    finally:
        subprocess.run(["umount", "-l", str(shown)], check=True)


@contextmanager
def as_somebody(folder: Path, *, with_lock: bool) -> Iterator[Path]:
    """The folder as a user sees it who may read it, and write to its locks or to nothing."""
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
        if each.name == "lock.mdb" and with_lock:
            each.chmod(0o666)
    os.seteuid(65_534)
    try:
        yield folder
    finally:
        os.seteuid(0)


@pytest.fixture(params=["disk", "user", "user with the lock"])
def read_only(request: pytest.FixtureRequest) -> Iterator[tuple[Path, Path]]:
    """A store's folder as its owner has it, and as one sees it who may not write."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system, and become another user")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder = held(Path(made) / "store").parent.parent
        if request.param == "disk":
            with on_a_read_only_disk(folder) as shown:
                yield folder, shown
        else:
            with as_somebody(folder, with_lock="lock" in request.param) as shown:
                yield folder, shown


_WRITES = """
import lmdb, sys
with lmdb.open(sys.argv[1], map_size=64 << 30) as owner:
    for _ in range(int(sys.argv[2])):
        with owner.begin(write=True) as transaction:
            transaction.put(b"7", b"another")
"""


def read(dataset: LmdbDataset, key: bytes) -> bytes | None:
    with dataset.snapshot() as snapshot:
        return snapshot.get(key)


@pytest.mark.root
def test_a_store_that_may_only_be_read_is_read_and_says_so_when_written(
    read_only: tuple[Path, Path],
) -> None:
    _, shown = read_only
    store = LmdbStore(shown)
    dataset = store.dataset("d")
    assert dataset is not None
    assert read(dataset, b"7") == bytes(3_000)
    with pytest.raises(StorageError, match="the store of d is read-only here") as raised:
        dataset.commit({}, [(b"a", b"1")])
    assert "fetches read it so" in (raised.value.hint or "")
    assert not store.wait(store.version(), 0.01)
    assert not store.wait(store.version(), 0.01, dataset="d")


@pytest.mark.root
def test_commits_of_others_are_seen_and_what_they_may_have_torn_is_refused(
    read_only: tuple[Path, Path], request: pytest.FixtureRequest
) -> None:
    folder, shown = read_only
    dataset = LmdbStore(shown).dataset("d")
    assert dataset is not None
    somebody = os.geteuid()

    def written(times: int) -> None:
        os.seteuid(0)
        words = [sys.executable, "-c", _WRITES, str(folder / "d"), str(times)]
        subprocess.run(words, check=True)
        os.seteuid(somebody)

    with dataset.snapshot() as snapshot:
        written(1)
        assert snapshot.get(b"7") == bytes(3_000)
    assert read(dataset, b"7") == b"another"
    if "lock" in request.node.callspec.id:
        with dataset.snapshot():
            written(3)
    else:
        with (
            pytest.raises(StorageError, match="while it was read without its lock"),
            dataset.snapshot(),
        ):
            written(3)
    assert read(dataset, b"7") == b"another"
