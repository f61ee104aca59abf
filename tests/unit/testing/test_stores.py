"""The kit for stores finds stores that break the port: one small break each, and which test it fails."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import SkipTest

import pytest

from catenary.ports import Extent
from catenary.stores.memory import MemoryDataset, MemorySnapshot, MemoryStore
from catenary.testing.stores import StoreConformance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Live(MemoryDataset):
    """A snapshot shows what is committed while it is open."""

    @contextmanager
    def snapshot(self):
        dataset = self

        class Now(MemorySnapshot):
            @property
            def _held(self):
                return dataset._held

            @_held.setter
            def _held(self, held):
                pass

        yield Now({})


class Unconditional(MemoryDataset):
    """Writes whatever is expected."""

    def commit(self, expects, puts, deletes=()):
        return super().commit({}, puts, deletes)


class Absent(MemoryDataset):
    """Takes an empty value for none."""

    def commit(self, expects, puts, deletes=()):
        with self.snapshot() as snapshot:
            holds = all(
                (snapshot.get(key) or None) == (value or None) for key, value in expects.items()
            )
        return holds and super().commit({}, puts, deletes)


class Backwards(MemoryDataset):
    """Deletes after it has put."""

    def commit(self, expects, puts, deletes=()):
        gone = set(deletes)
        return super().commit(expects, [row for row in puts if row[0] not in gone], deletes)


class Torn(MemoryDataset):
    """Writes one row, and the others a moment later."""

    def commit(self, expects, puts, deletes=()):
        written = super().commit(expects, puts[:1], deletes)
        if written and puts[1:]:
            time.sleep(0.001)  # readers get their turn
            super().commit({}, puts[1:])
        return written


class Endless(MemoryDataset):
    """Does not end a scan with its prefix."""

    @contextmanager
    def snapshot(self):
        class Beyond(MemorySnapshot):
            def scan(self, prefix, *, after=None):
                begin = prefix if after is None or after < prefix else after + b"\0"
                return self.walk()(begin)

        yield Beyond(self._held)


class Counted(MemoryDataset):
    """Puts no more than some thousand rows."""

    def commit(self, expects, puts, deletes=()):
        return super().commit(expects, puts[:5_000], deletes)


class Silent(MemoryDataset):
    """Tells nobody of a commit."""

    def commit(self, expects, puts, deletes=()):
        self._store.changed = lambda: None
        return super().commit(expects, puts, deletes)


class Store(MemoryStore):
    """Datasets of one kind."""

    def __init__(self, kind: type[MemoryDataset]) -> None:
        super().__init__()
        self._kind = kind

    def dataset(self, name, *, create=False):
        if create and name not in self._datasets:
            self._datasets[name] = self._kind(name, self)
        return super().dataset(name)


class Short(MemoryStore):
    """Does not bring all that is asked for beforehand."""

    def views(self, wanted):
        return super().views({name: Extent(each.keys) for name, each in wanted.items()})


class Lacking(MemoryStore):
    """Knows nothing of a dataset that is viewed beside another."""

    def views(self, wanted):
        return super().views(dict(sorted(wanted.items())[:1]))


BROKEN = {
    Live: "test_a_snapshot_stays_as_it_was",
    Unconditional: "test_nothing_is_written_if_one_condition_fails",
    Absent: "test_nothing_is_written_if_one_condition_fails",
    Backwards: "test_deletes_come_before_puts",
    Torn: "test_no_reader_sees_half_a_commit",
    Endless: "test_keys_are_read_in_the_order_of_their_bytes",
    Short: "test_what_is_asked_for_beforehand_is_read_as_all_is",
    Lacking: "test_datasets_are_viewed_together_each_by_itself",
    Counted: "test_a_commit_may_put_and_delete_thousands",
    Silent: "test_a_commit_wakes_who_waits",
}


def kit_over(kind: type[MemoryDataset] | type[MemoryStore]) -> StoreConformance:
    class Kit(StoreConformance):
        of_one_process = True
        patience_s = 0.5

        def opened(self, folder: Path) -> MemoryStore:
            return kind() if issubclass(kind, MemoryStore) else Store(kind)

    return Kit()


def those_of(kit: StoreConformance) -> dict[str, Callable[[Path], None]]:
    return {name: getattr(kit, name) for name in dir(kit) if name.startswith("test_")}


def test_a_store_that_keeps_to_the_port_passes(tmp_path: Path) -> None:
    for test in those_of(kit_over(MemoryDataset)).values():
        try:
            test(tmp_path)
        except SkipTest:
            continue


@pytest.mark.parametrize(
    ("kind", "name"), BROKEN.items(), ids=lambda each: getattr(each, "__name__", "")
)
def test_a_store_that_breaks_it_fails_by_the_test_of_that_name(
    kind: type[MemoryDataset] | type[MemoryStore], name: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        those_of(kit_over(kind))[name](tmp_path)
