"""What every store must keep to, as tests that the author of a store inherits.

    class TestMyStore(StoreConformance):
        def opened(self, folder: Path) -> Store:
            return MyStore(folder)

Each test gets an empty folder from pytest. A store that lives in one process only says so by
`of_one_process = True`; what concerns several processes is then skipped. What the keys mean does
not belong here.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Final
from unittest import SkipTest

from catenary.ports import Extent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary.ports import Dataset, Snapshot, Store

__all__ = ["StoreConformance"]

_WIDE: Final = 3_000_000
_KEYS: Final = tuple(b"k%02d" % at for at in range(40))
_KILLS: Final = 12
_MANY: Final = 9_000
"""More than a store that talks to a server says at once."""
_LOOKS: Final = 40
_EACH: Final = [b"k%05d" % at for at in range(3_000)]
"""Prefixes of all keys of a generation, most of which there is nothing of."""


class StoreConformance:
    """Inherit, name `opened`, and pytest runs the rest."""

    of_one_process = False
    patience_s = 20.0
    """How long a test waits for what must happen; most of it is never needed."""

    def opened(self, folder: Path) -> Store:
        """The store of that folder; called several times, a store of several processes is shared."""
        raise AssertionError(
            f"{type(self).__name__} does not say how to open its store in {folder}"
        )

    def _made(self, folder: Path) -> Dataset:
        return _there(self.opened(folder).dataset("d", create=True))

    def _needs_processes(self) -> None:
        if self.of_one_process:
            raise SkipTest("this store ends with its process")

    def test_a_dataset_is_there_once_it_was_made(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        assert store.dataset("d") is None
        assert store.datasets() == ()
        for name in ("d", "b/c", "..", ".d", "é ü", "D"):
            _there(store.dataset(name, create=True)).commit({}, [(b"k", name.encode())])
        assert store.datasets() == tuple(sorted(("d", "b/c", "..", ".d", "é ü", "D")))
        for name in store.datasets():
            assert _there(store.dataset(name)).name == name
            assert _value(_there(store.dataset(name)), b"k") == name.encode()

    def test_keys_are_read_in_the_order_of_their_bytes(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        keys = [b"a", b"a\x00", b"a\x00\xff", b"a\x7f", b"a\x80", b"a\xff", b"b", b"\xff" * 480]
        dataset.commit({}, [(key, key[:3]) for key in reversed(keys)])
        with dataset.snapshot() as snapshot:
            assert list(snapshot.scan(b"")) == [(key, key[:3]) for key in keys]
            assert [key for key, _ in snapshot.scan(b"a")] == keys[:6]
            assert [key for key, _ in snapshot.scan(b"a", after=b"a\x7f")] == keys[4:6]
            assert [key for key, _ in snapshot.scan(b"a", after=b"A")] == keys[:6]
            assert list(snapshot.scan(b"a", after=b"b")) == []
            walk, other = snapshot.walk(), snapshot.walk()
            assert [key for key, _ in walk(b"a\x80")] == keys[4:]
            assert next(walk(b"a\x00\x01")) == (keys[2], keys[2][:3])
            rows = other(b"a\x01")
            assert next(walk(b"")) == (keys[0], b"a")
            assert [key for key, _ in rows] == keys[3:]
            assert list(walk(b"\xff" * 481)) == []
            assert snapshot.get_many([b"b", b"nothing", b"a"]) == [b"b", None, b"a"]
            assert snapshot.get(b"nothing") is None

    def test_values_may_be_empty_or_wide(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        wide = random.Random(1).randbytes(_WIDE)
        dataset.commit({}, [(b"empty", b""), (b"wide", wide)])
        assert _value(dataset, b"empty") == b""
        assert _value(dataset, b"wide") == wide

    def test_deletes_come_before_puts(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(b"a", b"1"), (b"b", b"1")])
        assert dataset.commit({}, [(b"a", b"2")], [b"a", b"b", b"nothing"])
        with dataset.snapshot() as snapshot:
            assert list(snapshot.scan(b"")) == [(b"a", b"2")]

    def test_the_last_put_of_a_key_stands(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")])
        assert _value(dataset, b"a") == b"2"

    def test_a_commit_may_put_and_delete_thousands(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        keys = [b"k%06d" % at for at in range(_MANY)]
        assert dataset.commit({}, [(key, key[1:]) for key in keys])
        with dataset.snapshot() as snapshot:
            assert snapshot.get_many(keys) == [key[1:] for key in keys]
            assert list(snapshot.scan(b"k")) == [(key, key[1:]) for key in keys]
            assert [key for key, _ in snapshot.walk()(keys[17])] == keys[17:]
        expects: dict[bytes, bytes | None] = {key: key[1:] for key in keys}
        assert not dataset.commit({**expects, b"nothing": b"1"}, [], keys)
        assert dataset.commit({**expects, b"nothing": None}, [(b"left", b"1")], keys)
        with dataset.snapshot() as snapshot:
            assert list(snapshot.scan(b"")) == [(b"left", b"1")]

    def test_what_is_asked_for_beforehand_is_read_as_all_is(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        assert isinstance(store.is_remote, bool)
        dataset = _there(store.dataset("d", create=True))
        rows = [(b"%c%03d" % (first, at), b"%d" % at) for first in b"abc" for at in range(300)]
        dataset.commit({}, [*rows, (b"\xff", b"last"), (b"\xff\xff", b"")])
        extent = Extent([b"\xff\xff", b"nothing", b"a007"], [b"b00", b"c1", b"d"])
        view = store.views({"d": extent})["d"]
        assert view.get_many(extent.keys) == [b"", None, b"7"]
        assert view.get(b"b009") == b"9"
        assert [key for key, _ in view.scan(b"b00")] == [b"b%03d" % at for at in range(10)]
        assert list(view.scan(b"c1")) == [(b"c%03d" % at, b"%d" % at) for at in range(100, 200)]
        assert list(view.scan(b"d")) == []
        walk = view.walk()
        assert next(walk(b"c1505")) == (b"c151", b"151")
        assert next(walk(b"b00")) == (b"b000", b"0")
        view = store.views({"d": Extent((), [b"\xff"])})["d"]
        assert list(view.scan(b"\xff")) == [(b"\xff", b"last"), (b"\xff\xff", b"")]

    def test_datasets_are_viewed_together_each_by_itself(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        for name in ("d", "e"):
            _there(store.dataset(name, create=True)).commit({}, [(b"k", name.encode())])
        own = Extent([b"k"], [b"x"])
        views = store.views({"e": own, "nothing": own, "d": own})
        assert {name: view.get(b"k") for name, view in views.items()} == {"d": b"d", "e": b"e"}
        _there(store.dataset("d")).commit({}, [(b"k", b"2"), (b"x1", b"")])
        assert views["d"].get(b"k") == b"d"
        assert list(views["d"].scan(b"x")) == []
        assert list(store.views({"d": own})["d"].scan(b"x")) == [(b"x1", b"")]
        assert list(store.views({"d": Extent()})) == ["d"]
        assert store.views({}) == {}

    def test_nothing_is_written_if_one_condition_fails(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(b"epoch", b"1"), (b"empty", b"")])
        for expects in (
            {b"epoch": b"2"},
            {b"epoch": None},
            {b"nothing": b""},
            {b"empty": None},
            {b"epoch": b"1", b"nothing": b"1"},
        ):
            assert not dataset.commit(expects, [(b"x", b"1")], [b"epoch"])
            with dataset.snapshot() as snapshot:
                assert list(snapshot.scan(b"")) == [(b"empty", b""), (b"epoch", b"1")]
        assert dataset.commit({b"epoch": b"1", b"nothing": None}, [(b"epoch", b"2")])
        assert _value(dataset, b"epoch") == b"2"

    def test_who_was_fenced_off_writes_nothing_more(self, tmp_path: Path) -> None:
        first = self._made(tmp_path)
        assert first.commit({}, [(b"owner", b"first")])
        second = first if self.of_one_process else self._made(tmp_path)
        assert second.commit({b"owner": b"first"}, [(b"owner", b"second")])
        assert not first.commit({b"owner": b"first"}, [(b"late", b"1")])
        assert _value(second, b"late") is None

    def test_of_threads_that_expect_the_same_one_wins(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(b"count", b"0")])
        won: list[int] = []

        def raise_it() -> None:
            while len(won) < 100:
                count = _value(dataset, b"count") or b""
                more = b"%d" % (int(count) + 1)
                if dataset.commit({b"count": count}, [(b"count", more), (b"n" + more, b"")]):
                    won.append(int(more))

        _in_threads(4, raise_it)
        assert sorted(won) == list(range(1, len(won) + 1))
        with dataset.snapshot() as snapshot:
            assert snapshot.get(b"count") == b"%d" % len(won)
            assert len(list(snapshot.scan(b"n"))) == len(won)

    def test_a_snapshot_stays_as_it_was(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(b"a", b"1"), (b"b", b"1")])
        with dataset.snapshot() as before:
            other = threading.Thread(target=dataset.commit, args=({}, [(b"a", b"2")], [b"b"]))
            other.start()
            other.join()
            assert list(before.scan(b"")) == [(b"a", b"1"), (b"b", b"1")]
            with dataset.snapshot() as after:
                assert list(after.scan(b"")) == [(b"a", b"2")]
            assert before.get_many([b"a", b"b"]) == [b"1", b"1"]

    def test_a_snapshot_is_read_in_pieces_while_commits_run(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        assert dataset.commit({}, _generation(0))
        with dataset.snapshot() as before:
            begun = before.scan(b"k")
            first = next(begun)
            for number in range(1, 4):
                old = [key for key, _ in _generation(number - 1)]
                assert dataset.commit({}, _generation(number), old)
                with dataset.snapshot() as after:
                    _holds(after, number)
            assert [first, *begun] == _generation(0)[:-1]
            _holds(before, 0)

    def test_no_snapshot_mixes_two_instants_of_another_process(self, tmp_path: Path) -> None:
        self._needs_processes()

        def write() -> None:
            mine = self._made(tmp_path)
            number = 0
            while True:
                old = [key for key, _ in _generation(number)]
                number += 1
                assert mine.commit({}, _generation(number), old)

        child = _forked(write)
        try:
            seen: set[int] = set()
            store = self.opened(tmp_path)
            dataset = _there(store.dataset("d", create=True))
            until = time.monotonic() + 3 * self.patience_s
            while len(seen) < _LOOKS and time.monotonic() < until:
                with dataset.snapshot() as snapshot:
                    number = snapshot.get(b"number")
                    if number is not None:
                        _holds(snapshot, int(number))
                        seen.add(int(number))
                for prefixes in ([b"k"], _EACH):
                    view = store.views({"d": Extent([b"number"], prefixes)})["d"]
                    if (number := view.get(b"number")) is not None:
                        _holds(view, int(number))
            assert len(seen) == _LOOKS, "the other process does not come on"
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_no_reader_sees_half_a_commit(self, tmp_path: Path) -> None:
        dataset = self._made(tmp_path)
        dataset.commit({}, [(key, b"0") for key in _KEYS])
        seen: set[int] = set()
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                with dataset.snapshot() as snapshot:
                    seen.add(len({value for _, value in snapshot.scan(b"k")}))

        readers = [threading.Thread(target=look) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(200):
            dataset.commit({}, [(key, b"%d" % number) for key in _KEYS])
        done.set()
        for reader in readers:
            reader.join()
        assert seen == {1}

    def test_the_version_changes_with_every_commit_to_any_dataset(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        watching = store if self.of_one_process else self.opened(tmp_path)
        versions = [watching.version()]
        for name in ("d", "e", "d"):
            dataset = _there(store.dataset(name, create=True))
            dataset.commit({}, [(b"a", b"1")])
            assert watching.wait(versions[-1], self.patience_s)
            versions.append(watching.version())
        assert len(set(versions)) == len(versions), versions

    def test_a_commit_wakes_who_waits(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        dataset = _there(store.dataset("d", create=True))
        version = store.version()
        assert not store.wait(version, 0.01)
        late = threading.Timer(0.05, dataset.commit, ({}, [(b"a", b"1")]))
        late.start()
        begun = time.monotonic()
        assert store.wait(version, self.patience_s)
        assert time.monotonic() - begun < self.patience_s / 2
        late.join()
        assert store.wait(version, 0.0)

    def test_a_commit_wakes_who_waits_for_its_dataset_amid_others(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)
        meant, other = (_there(store.dataset(name, create=True)) for name in ("d", "e"))

        def write() -> None:
            other.commit({}, [(b"a", b"1")])
            meant.commit({}, [(b"a", b"1")])

        late = threading.Timer(0.05, write)
        late.start()
        begun = time.monotonic()
        while True:
            version = store.version()
            with meant.snapshot() as snapshot:
                if snapshot.get(b"a") is not None:
                    break
            store.wait(version, self.patience_s, dataset="d")
        assert time.monotonic() - begun < self.patience_s / 2
        late.join()

    def test_a_dataset_that_is_not_there_yet_is_waited_for(self, tmp_path: Path) -> None:
        store = self.opened(tmp_path)

        def make() -> None:
            _there(store.dataset("d", create=True)).commit({}, [(b"a", b"1")])

        late = threading.Timer(0.05, make)
        version = store.version()
        late.start()
        begun = time.monotonic()
        assert store.wait(version, self.patience_s, dataset="d")
        assert time.monotonic() - begun < self.patience_s / 2
        late.join()

    def test_what_was_committed_is_there_after_closing(self, tmp_path: Path) -> None:
        self._needs_processes()
        store = self.opened(tmp_path)
        _there(store.dataset("d", create=True)).commit({}, [(b"a", b"1")])
        store.close()
        assert _value(_there(self.opened(tmp_path).dataset("d")), b"a") == b"1"

    def test_processes_share_a_dataset(self, tmp_path: Path) -> None:
        self._needs_processes()

        def count() -> None:
            mine = self._made(tmp_path)
            won = 0
            while won < 50:
                now = _value(mine, b"count")
                more = b"%d" % (int(now or b"0") + 1)
                won += mine.commit({b"count": now}, [(b"count", more)])

        # Nothing is opened here before the fork: what a child inherits is not its own.
        children = [_forked(count) for _ in range(2)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert _value(self._made(tmp_path), b"count") == b"100"

    def test_a_commit_of_another_process_wakes_who_waits(self, tmp_path: Path) -> None:
        self._needs_processes()

        def write() -> None:
            mine = self._made(tmp_path)
            while True:
                with mine.snapshot() as snapshot:
                    asked, answered = snapshot.get(b"asked"), snapshot.get(b"answered")
                if asked != answered:
                    mine.commit({b"answered": answered}, [(b"answered", asked or b"")])
                time.sleep(0.005)

        child = _forked(write)
        try:
            store = self.opened(tmp_path)
            dataset = _there(store.dataset("d", create=True))
            begun = time.monotonic()
            for number in range(20):
                asked = b"%d" % number
                assert dataset.commit({}, [(b"asked", asked)])
                while True:
                    version = store.version()
                    if _value(dataset, b"answered") == asked:
                        break
                    store.wait(version, self.patience_s, dataset="d" if number % 2 else None)
            assert time.monotonic() - begun < self.patience_s * 3 / 4, "a commit was slept over"
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_a_killed_process_leaves_no_half_commit(self, tmp_path: Path) -> None:
        self._needs_processes()
        chance = random.Random(7)
        reached = tmp_path / "reached"
        reached.write_text("0")

        def write() -> None:
            mine = self._made(tmp_path / "store")
            number = int(_value(mine, _KEYS[0]) or b"0")
            while True:
                number += 1
                mine.commit({}, [(key, b"%d" % number) for key in _KEYS])

        def look() -> None:
            mine = self._made(tmp_path / "store")
            with mine.snapshot() as snapshot:
                values = {value for _, value in snapshot.scan(b"k")}
            assert len(values) < 2, "a commit is there in part"
            number = int(values.pop()) if values else 0
            assert number >= int(reached.read_text()), "a commit that was there has gone"
            assert mine.commit({}, [(b"after", b"%d" % number)])
            reached.write_text(str(number))

        for _ in range(_KILLS):
            child = _forked(write)
            time.sleep(chance.uniform(0.01, 0.1))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            assert os.waitpid(_forked(look), 0)[1] == 0
        assert int(reached.read_text()) > 0, "no process got as far as a commit"


def _generation(number: int) -> list[tuple[bytes, bytes]]:
    """Rows of which none has a key of the generation before, and all the same value; more than a page."""
    rows = [(b"k%05d-%d" % (7 * at, number), b"%d" % number) for at in range(400)]
    return [*rows, (b"number", b"%d" % number)]


def _holds(snapshot: Snapshot, number: int) -> None:
    """Whatever is asked of it, a snapshot shows one generation."""
    rows = _generation(number)[:-1]
    assert snapshot.get(b"number") == b"%d" % number
    assert list(snapshot.scan(b"k")) == rows
    walk = snapshot.walk()
    assert next(walk(b"k00350")) == rows[50]
    assert [next(walk(key))[0] for key, _ in rows[::100]] == [key for key, _ in rows[::100]]
    assert snapshot.get_many([key for key, _ in rows]) == [value for _, value in rows]
    assert list(snapshot.scan(b"k", after=rows[299][0])) == rows[300:]


def _there(dataset: Dataset | None) -> Dataset:
    assert dataset is not None, "the store does not find a dataset that was made"
    return dataset


def _value(dataset: Dataset, key: bytes) -> bytes | None:
    with dataset.snapshot() as snapshot:
        return snapshot.get(key)


def _in_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _forked(work: Callable[[], None]) -> int:
    """A child process that does the work and ends without anything else of this one."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
