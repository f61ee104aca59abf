"""Which version of a definition is answered: the one that was, until the new one has caught up.

    definition ──► its fingerprint = the record's? ──► it is answered
                       └── no ──► has it caught up? ──► the record is replaced; it is answered
                                      └── no ──► the version that the record holds is answered

The record lies in the store, so that all servers follow, also those that are started anew. Each name moves
alone: an answer is planned from one version as a whole. (decisions/0008)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.errors import CatenaryError
from catenary.plan.stage import StageSpec
from catenary.serve.below import Below, topic_of
from catenary.state.layouts import dataset_name
from catenary.state.records import FORMAT_KEY, pack, unpack, uploads_of

if TYPE_CHECKING:
    from catenary.app.live import Live
    from catenary.plan import GroupByNode, Plan
    from catenary.plan.nodes import Node
    from catenary.ports import Store

DATASET: Final = "@served"
VERSION: Final = b"v"
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """The version of a name that is answered.

    Attributes:
        fingerprint: of the definition.
        spec: all that is needed to plan it, as a stage's is written down.
    """

    fingerprint: str
    spec: bytes


class Version(NamedTuple):
    """A definition as it was, in its plan."""

    node: Node
    plan: Plan


class Served:
    """The versions that a project's servers answer.

    Args:
        live: the project's live half, with the definitions as they are.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        found = live.store.dataset(DATASET, create=True)
        assert found is not None, "a store makes what it is asked to make"
        self._dataset = found
        self._known: dict[tuple[str, str], Version | None] = {}

    def before(self, node: Node) -> Version | None:
        """The version that is answered in place of a definition; None for the definition itself.

        Once that is to be answered, it is written down, and is what all servers answer.
        """
        key = VERSION + node.name.encode()
        while True:
            with self._dataset.snapshot() as snapshot:
                data = snapshot.get(key)
            record = None if data is None else unpack(data, Record)
            if record is not None and record.fingerprint == node.fingerprint:
                return None
            version = None if record is None else self._version(node, record)
            if version is not None and not caught_up(self._live.store, version.node, node):
                return version
            now = Record(node.fingerprint, self._live.spec(node, joins=True).encode())
            if self._dataset.commit({key: data}, [(key, pack(now))]):
                return None

    def _version(self, node: Node, record: Record) -> Version | None:
        """The version that a record holds; None if it cannot be answered here any more."""
        key = (node.name, record.fingerprint)
        if key not in self._known:
            self._known[key] = _planned(node, record)
        return self._known[key]


def _planned(node: Node, record: Record) -> Version | None:
    try:
        plan = StageSpec.decode(record.spec, joins=True).plan()
    except CatenaryError as error:
        _log.warning("%s cannot be answered as it was: %s", node.name, error.problem)
        return None
    found = plan.node(node.name)
    # A GroupBy that has become a Join is asked for elsewhere.
    return Version(found, plan) if type(found) is type(node) else None


def caught_up(store: Store, old: Node, new: Node) -> bool:
    """Whether a version has all that another one answers with: its positions, and its uploads.

    One of which anything has no data, or has them no more, is not worth waiting for.
    """
    before, after = Below(old, store, topic_of), Below(new, store, topic_of)
    were = [_held(store, node) for node in before.nodes]
    if not all(each.is_there for each in were):
        return True
    version = store.version()
    _, token = before.frontiers(version)
    reached, _ = after.frontiers(version)
    if after.lacking(token, reached):
        return False
    least = min((each.cutoff_ms for each in were if each.cutoff_ms is not None), default=None)
    if least is None:
        return True
    now = [_held(store, node).cutoff_ms for node in after.nodes]
    return all(each is not None and each >= least for each in now)


class _Held(NamedTuple):
    """What a GroupBy's dataset holds: whether anything, and the cut-off of the newest upload that is read."""

    is_there: bool
    cutoff_ms: int | None = None


def _held(store: Store, node: GroupByNode) -> _Held:
    dataset = store.dataset(dataset_name(node))
    if dataset is None:
        return _Held(False)
    with dataset.snapshot() as snapshot:
        is_there = snapshot.get(FORMAT_KEY) is not None
        active = uploads_of(snapshot)[0].active
    return _Held(is_there, active[-1].cutoff_ms if active else None)
