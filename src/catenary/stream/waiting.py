"""Waiting for facts: the cut that a batch's parents must have reached, and whether they have.

The cut is asked of the log after the batch was read, so whatever was published before an event of the
batch lies before it. Only the parents' own source partitions count; each parent has waited for its own
parents in the same way. (protocol 10 and 11)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.state.ahead import RECORDS
from catenary.state.layouts import dataset_name
from catenary.state.records import frontier, lanes_of

if TYPE_CHECKING:
    from catenary.plan.nodes import GroupByNode
    from catenary.ports import Log, SourcePartition, Store


@dataclass(frozen=True)
class Edge:
    """A parent whose stream is waited for.

    Attributes:
        parent: the GroupBy.
        dataset: where its frontier is.
        places: its source partitions.
    """

    parent: GroupByNode
    dataset: str
    places: tuple[SourcePartition, ...]


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
        self._places = sorted({place for each in edges for place in each.places})

    def cut(self) -> dict[SourcePartition, int]:
        """Visible end offsets of all source partitions of all parents, as of now."""
        return self._log.ends(self._places) if self._places else {}

    def lacking(self, cut: dict[SourcePartition, int]) -> list[Lacking]:
        """What the parents have not reached of a cut; empty when the batch may be enriched.

        A parent that has not taken its lanes is behind whatever was published: read now, it could
        not say that it knows of nothing.
        """
        found: list[Lacking] = []
        for edge in self.edges:
            reached = self._frontier(edge)
            for place in edge.places:
                position = reached.get(place)
                if position is None or position < cut[place]:
                    name = edge.parent.name
                    found.append(Lacking(name, edge.dataset, place, position, cut[place]))
        return found

    def _frontier(self, edge: Edge) -> dict[SourcePartition, int]:
        dataset = self._store.dataset(edge.dataset)
        if dataset is None:
            return {}
        with dataset.snapshot(RECORDS) as snapshot:
            return frontier(lanes_of(snapshot))


def edge_of(parent: GroupByNode, places: tuple[SourcePartition, ...]) -> Edge:
    """The edge to a parent that follows these source partitions."""
    return Edge(parent, dataset_name(parent), places)
