"""An LMDB file that was cut, replaced or taken away is told, before it is read or written."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import lmdb
import pytest

from catenary.errors import StorageError, UnreadableError
from catenary.stores.lmdb import LmdbStore
from catenary.stores.lmdb.pages import lost

if TYPE_CHECKING:
    from pathlib import Path


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
