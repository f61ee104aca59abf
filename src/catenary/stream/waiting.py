"""Waiting for facts: the cut that a batch's parents must have reached, and whether they have.

The cut is asked of the log after the batch was read, so whatever was published before an event of the
batch lies before it. Only the parents' own source partitions count; each parent has waited for its own
parents in the same way. (protocol 10 and 11)

Where a parent's first upload has landed and its stage has yet to settle it, that is waited for, too: rows
that are enriched without an upload say so for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.state.ahead import RECORDS
from catenary.state.layouts import dataset_name
from catenary.state.records import frontier, lanes_of, uploads_of

if TYPE_CHECKING:
    from catenary.plan.nodes import GroupByNode
    from catenary.ports import Log, SourcePartition, Store
    from catenary.state.records import Uploads


@dataclass(frozen=True)
class Edge:
    """A parent whose stream is waited for.

    Attributes:
        parent: the GroupBy.
        dataset: where its frontier is.
        topics: that it follows.
    """

    parent: GroupByNode
    dataset: str
    topics: frozenset[str]


@dataclass(frozen=True)
class Lacking:
    """What one parent has not reached yet.

    Attributes:
        parent: the GroupBy's name.
        dataset: where its frontier is.
        place: the source partition.
        position: how far it has come; None without a frontier.
        wanted: how far it has to come.
    """

    parent: str
    dataset: str
    place: SourcePartition
    position: int | None
    wanted: int

    @property
    def reached(self) -> object:
        """What changes as the parent comes on."""
        return self.place, self.position

    def __str__(self) -> str:
        at = "has no frontier" if self.position is None else f"is at {self.position}"
        return f"{self.parent} {at} in {self.place}, {self.wanted} is awaited"


@dataclass(frozen=True)
class Unsettled:
    """A parent's first upload, which its stage has yet to settle.

    Attributes:
        parent: the GroupBy's name.
        dataset: where the upload is.
        lanes: how many lanes have yet to settle it.
    """

    parent: str
    dataset: str
    lanes: int

    @property
    def reached(self) -> object:
        """What changes as the parent comes on."""
        return self.lanes

    def __str__(self) -> str:
        return f"{self.parent} has yet to settle its first upload, which its stage does"


class Parents:
    """The parents of one stage.

    Args:
        edges: those whose streams are waited for.
        log: where cuts come from.
        store: where frontiers are.
    """

    def __init__(self, edges: tuple[Edge, ...], log: Log, store: Store) -> None:
        self.edges = edges
        self._log = log
        self._store = store
        self.names = tuple(each.parent.name for each in edges)
        self._topics = sorted({topic for each in edges for topic in each.topics})

    def cut(self) -> dict[SourcePartition, int]:
        """Visible end offsets of all source partitions of all parents, as of now.

        Which partitions there are is asked of the log, too: one that was added holds events as well.
        """
        places = [place for topic in self._topics for place in self._log.partitions(topic)]
        return self._log.ends(places) if places else {}

    def lacking(self, cut: dict[SourcePartition, int]) -> list[Lacking | Unsettled]:
        """What the parents have not reached of a cut; empty when the batch may be enriched.

        A parent that has not taken its lanes is behind whatever was published: read now, it could
        not say that it knows of nothing.

        Args:
            cut: positions that they must have reached; a first upload that has landed must be
                settled, too.
        """
        found: list[Lacking | Unsettled] = []
        views = self._store.views({each.dataset: RECORDS for each in self.edges})
        for edge in self.edges:
            view = views.get(edge.dataset)
            reached = {} if view is None else frontier(lanes_of(view))
            lanes = 0 if view is None else _unsettled(uploads_of(view)[0])
            if lanes:
                found.append(Unsettled(edge.parent.name, edge.dataset, lanes))
            for place, wanted in cut.items():
                position = reached.get(place)
                if place.topic in edge.topics and (position is None or position < wanted):
                    name = edge.parent.name
                    found.append(Lacking(name, edge.dataset, place, position, wanted))
        return found


def _unsettled(uploads: Uploads) -> int:
    """Lanes that have yet to settle what has landed, where it is the first."""
    if uploads.active:
        return 0
    return sum(len(each.unsettled) for each in uploads.held if each.state == "landed")


def edge_of(parent: GroupByNode, topics: frozenset[str]) -> Edge:
    """The edge to a parent that follows these topics."""
    return Edge(parent, dataset_name(parent), topics)
