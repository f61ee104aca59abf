"""The stages below a definition: how far each has come, and what of a token it lacks.

    token ──► each stage, on the topics that it follows ──► reached, or who lacks what

Every stage below counts, parents' parents too: a value reflects a record only when all on its way do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from catenary.plan.stage import below, is_stage, streamed_sources
from catenary.ports import SourcePartition, Token
from catenary.state.ahead import frontiers
from catenary.state.layouts import dataset_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.plan.nodes import Node
    from catenary.ports import Dataset, Store

Frontier = dict[SourcePartition, int]


class Lack(NamedTuple):
    """What a stage has not reached of a token.

    Attributes:
        dataset: the stage's.
        words: which stage it is, where it is, and what is asked for.
    """

    dataset: str
    words: str


class Below:
    """All that a definition reads, transitively.

    Args:
        node: a Join or a GroupBy.
        store: where the stages' datasets are.
        topic: a topic's name in tokens, from its address.
    """

    def __init__(self, node: Node, store: Store, topic: Callable[[str], str]) -> None:
        self.nodes = below(node)
        self._store = store
        self._topics = {
            each.name: frozenset(topic(address) for _, _, address in streamed_sources(each))
            for each in self.nodes
            if is_stage(each)
        }
        self.stages = tuple(each for each in self.nodes if is_stage(each))
        self._seen: tuple[int, dict[str, Frontier], Token] | None = None
        self._datasets = [(each.name, dataset_name(each)) for each in self.stages]

    def frontiers(self, version: int) -> tuple[dict[str, Frontier], Token]:
        """Each stage's committed positions, and those that all have reached.

        Args:
            version: the store's, asked for before; what was read at the same one still holds.
        """
        if self._seen is not None and self._seen[0] == version:
            return self._seen[1:]
        found = frontiers(self._store, [dataset for _, dataset in self._datasets])
        reached = {stage: found.get(dataset, {}) for stage, dataset in self._datasets}
        token = reflected(list(reached.values()))
        # A store's version tells nothing of datasets that are not there yet.
        self._seen = None if len(found) < len(self._datasets) else (version, reached, token)
        return reached, token

    def lacking(self, token: Token, reached: dict[str, Frontier]) -> list[Lack]:
        """What stages have not reached of a token, parents first; empty when all is reflected."""
        found: list[Lack] = []
        for stage, dataset in self._datasets:
            have = reached[stage]
            followed = self._topics[stage] | {place.topic for place in have}
            for place, wanted in sorted(token.positions.items()):
                at = have.get(place)
                if place.topic in followed and wanted > (at or 0):
                    where = "has no position" if at is None else f"is at {at}"
                    words = f"{stage} {where} in {place}, {wanted} is asked for"
                    found.append(Lack(dataset, words))
        return found

    def datasets(self) -> list[Dataset]:
        """The stages' datasets; made where a stage has not started yet."""
        found = [self._store.dataset(name, create=True) for _, name in self._datasets]
        return [each for each in found if each is not None]


def reflected(frontiers: Sequence[Frontier]) -> Token:
    """The positions that all of the stages have reached."""
    found: Frontier = {}
    for each in frontiers:
        for place, offset in each.items():
            found[place] = min(offset, found.get(place, offset))
    return Token(found)


def topic_of(address: str) -> str:
    """A topic's name in tokens: its address without scheme, broker and options.

    >>> topic_of("log:///flights/arrivals?codec=avro"), topic_of("clicks/host=a/port=1")
    ('flights/arrivals', 'clicks')
    >>> topic_of("kafka://broker:9092/clicks")
    'clicks'
    """
    scheme, _, rest = address.partition("?")[0].rpartition("://")
    names = [part for part in rest.split("/") if part and "=" not in part]
    return names[-1] if scheme == "kafka" else "/".join(names)
