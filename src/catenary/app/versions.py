"""Datasets of definitions as they were: what a change leaves in the store, and how it goes.

    definition changes ──► another fingerprint ──► another dataset, built beside the old one
                                                        old one: listed, removed when asked to

Nothing is removed by itself: whoever still serves the old definitions reads it. See
`docs/decisions/0008-changed-definitions.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catenary.app.status import runs
from catenary.errors import BusyError, DataError, nearest
from catenary.plan import GroupByNode
from catenary.plan.printing import counted
from catenary.ports import Extent
from catenary.state.layouts import dataset_name
from catenary.state.records import (
    FORMAT_KEY,
    READERS_KEY,
    Readers,
    lanes_of,
    pack,
    readers_of,
    uploads_of,
)
from catenary.stream.letters import letters_of
from catenary.windows import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from catenary.app.live import Live
    from catenary.ports import Dataset, Snapshot, Store

_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class OldDataset:
    """A dataset that no definition of the project names.

    Attributes:
        name: of the dataset, `NAME@FINGERPRINT`.
        positions: its stage's committed ones, by source partition as text.
        cutoff_ms: of its newest upload that is read; None without one.
        dead_letters: how many are open; nothing replays them any more.
    """

    name: str
    positions: dict[str, int]
    cutoff_ms: int | None
    dead_letters: int

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {
            "dataset": self.name,
            "positions": self.positions,
            "cutoff_ms": self.cutoff_ms,
            "dead_letters": self.dead_letters,
        }

    def __str__(self) -> str:
        at = ", ".join(f"{place}:{offset}" for place, offset in self.positions.items())
        upto = "" if self.cutoff_ms is None else f", upload up to {format_instant(self.cutoff_ms)}"
        letters = f", {counted(self.dead_letters, 'dead letter')}" if self.dead_letters else ""
        return f"{self.name}: of a definition as it was, at {at or 'no position'}{upto}{letters}"


@dataclass(frozen=True)
class Removed:
    """What went with a dataset.

    Attributes:
        keys: how many it held.
        dead_letters: how many were open among them.
    """

    keys: int
    dead_letters: int


def check_held(store: Store, name: str) -> None:
    """Refuse the name of a dataset that is not there, or that holds nothing any more.

    Raises:
        DataError: which names the nearest that does.
    """
    if not _held(store, [each for each in store.datasets() if each == name]):
        hint = nearest(name, _held(store, store.datasets()))
        raise DataError(f"the store has no dataset {name!r}", hint=hint)


def _held(store: Store, names: Iterable[str]) -> list[str]:
    """Those of the datasets that hold something: what was removed is there in name only."""
    views = store.views(dict.fromkeys(names, Extent([FORMAT_KEY])))
    return [name for name, view in views.items() if view.get(FORMAT_KEY) is not None]


def old_datasets(live: Live) -> list[OldDataset]:
    """The datasets that hold something and belong to none of the project's definitions."""
    is_current = _current(live)
    found: list[OldDataset] = []
    others = (name for name in live.store.datasets() if not is_current(name))
    for name in _held(live.store, others):
        with _dataset(live.store, name).snapshot() as snapshot:
            lanes = lanes_of(snapshot).values()
            uploads, _ = uploads_of(snapshot)
            opened = _opened(snapshot)
        positions = {str(lane.place): lane.position for lane in lanes}
        cutoffs = [each.cutoff_ms for each in uploads.active]
        found.append(OldDataset(name, positions, max(cutoffs, default=None), opened))
    return found


def remove(live: Live, name: str, *, current: bool = False) -> Removed:
    """Remove what a dataset holds.

    Its lanes go first, so that a copy which still runs somewhere stops at its next commit; its format
    goes last, so that a removal which was stopped is seen, and can be asked for again.

    Args:
        live: the project's live half.
        name: of the dataset.
        current: allow it for a dataset of a definition as it is, too.

    Returns:
        How much it held.

    Raises:
        DataError: if there is no such dataset, or it is a definition's as it is.
        BusyError: if a stage on this machine still runs it.
    """
    store = live.store
    check_held(store, name)
    if _current(live)(name) and not current:
        raise DataError(
            f"{name} is the dataset of {name.rpartition('@')[0]} as it is defined now",
            hint="with --current it is removed all the same, and must be uploaded anew",
        )
    dataset = _dataset(store, name)
    with dataset.snapshot() as snapshot:
        lanes, opened = lanes_of(snapshot), _opened(snapshot)
    for lane in lanes.values():
        if runs(lane.owner):
            raise BusyError(f"{name} is run by {lane.owner}", hint="stop it first")
    dataset.commit({}, [], [lane.id.record for lane in lanes.values()])
    many = len(lanes)
    for keys in _keys(dataset):
        dataset.commit({}, [], keys)
        many += len(keys)
    for other in store.datasets():
        _forget(_dataset(store, other), name)
    dataset.commit({}, [], [FORMAT_KEY])
    return Removed(many + 1, opened)


def _opened(snapshot: Snapshot) -> int:
    """How many dead letters are open."""
    return sum(each.is_open for each in letters_of(snapshot))


def _current(live: Live) -> Callable[[str], bool]:
    """Whether a dataset is of one of the project's definitions as it is, asked for or not.

    Where one lacks a table, it is not known which dataset is its own: those of all names that are not
    of other definitions may be.
    """
    plan, lacking = (live.plan, {}) if live.given is not None else live.project.plan_there()
    nodes = [node for node in plan.nodes if isinstance(node, GroupByNode)]
    names, datasets = {node.name for node in nodes}, {dataset_name(node) for node in nodes}
    return lambda name: name in datasets or (bool(lacking) and name.rpartition("@")[0] not in names)


def _dataset(store: Store, name: str) -> Dataset:
    found = store.dataset(name)
    assert found is not None, "it was just listed"
    return found


def _keys(dataset: Dataset) -> Iterator[list[bytes]]:
    """All keys but the format's, some at a time; what was given is expected to be gone by the next."""
    while True:
        keys: list[bytes] = []
        with dataset.snapshot() as snapshot:
            for key, _ in snapshot.walk()(b""):
                if key != FORMAT_KEY:
                    keys.append(key)
                if len(keys) == _AT_ONCE:
                    break
        if not keys:
            return
        yield keys


def _forget(dataset: Dataset, reader: str) -> None:
    """Let a child that is gone hold its parent's head no more: it would, up to the head's limit."""
    while True:
        with dataset.snapshot() as snapshot:
            held, before = readers_of(snapshot)
        if reader not in held.held:
            return
        left = {name: each for name, each in held.held.items() if name != reader}
        if dataset.commit({READERS_KEY: before}, [(READERS_KEY, pack(Readers(left)))]):
            return
