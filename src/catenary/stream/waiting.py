"""Waiting for facts: the cut that a batch's parents must have reached, and whether they have.

The cut is asked of the log after the batch was read, so whatever was published before an event of the
batch lies before it. Only the parents' own source partitions count; each parent has waited for its own
parents in the same way. (protocol 10 and 11)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.state.ahead import frontiers
from catenary.state.layouts import dataset_name

if TYPE_CHECKING:
    from catenary.plan.nodes import GroupByNode
    from catenary.ports import Log, SourcePartition, Store


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

    def __str__(self) -> str:
        at = "has no frontier" if self.position is None else f"is at {self.position}"
        return f"{self.parent} {at} in {self.place}, {self.wanted} is awaited"


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

    def lacking(self, cut: dict[SourcePartition, int]) -> list[Lacking]:
        """What the parents have not reached of a cut; empty when the batch may be enriched.

        A parent that has not taken its lanes is behind whatever was published: read now, it could
        not say that it knows of nothing.
        """
        found: list[Lacking] = []
        have = frontiers(self._store, [each.dataset for each in self.edges])
        for edge in self.edges:
            reached = have.get(edge.dataset, {})
            for place, wanted in cut.items():
                position = reached.get(place)
                if place.topic in edge.topics and (position is None or position < wanted):
                    name = edge.parent.name
                    found.append(Lacking(name, edge.dataset, place, position, wanted))
        return found


def edge_of(parent: GroupByNode, topics: frozenset[str]) -> Edge:
    """The edge to a parent that follows these topics."""
    return Edge(parent, dataset_name(parent), topics)
