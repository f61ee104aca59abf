"""What reads ask of datasets on a server, said beforehand, so that they are one round trip.

    entities ──► small records, their tiles, what the active uploads hold of them ──► a view per dataset

Under which uploads an entity lies is known from the read before; a dataset whose view shows another one is
asked for again, with that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.ports import Extent
from catenary.state import tiles
from catenary.state.records import FORMAT_KEY, LANES, UPLOADS_KEY, frontier, lanes_of, uploads_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary.ports import Snapshot, SourcePartition, Store

RECORDS: Final = Extent([FORMAT_KEY, UPLOADS_KEY], [LANES])
"""How far a dataset has come: its lanes, its uploads."""


class Ahead:
    """What is known of a dataset from the read before.

    Attributes:
        uploads: those that were active.
    """

    def __init__(self) -> None:
        self.uploads: frozenset[int] = frozenset()


class Reads(NamedTuple):
    """What is going to be read of a dataset.

    Attributes:
        ahead: what is known of it.
        entities: their bytes; some may be there twice.
    """

    ahead: Ahead
    entities: Iterable[bytes]


def views(store: Store, reads: Mapping[str, Reads]) -> dict[str, Snapshot]:
    """Datasets as of now, as far as reads of entities need them; those that are not there are left out.

    Args:
        store: that holds them.
        reads: by dataset.
    """
    found: dict[str, Snapshot] = {}
    left = {name: (each.ahead, sorted(set(each.entities))) for name, each in reads.items()}
    while left:
        known = {name: ahead.uploads for name, (ahead, _) in left.items()}
        some = store.views({name: _extent(known[name], own) for name, (_, own) in left.items()})
        found |= some
        again: dict[str, tuple[Ahead, list[bytes]]] = {}
        for name, view in some.items():
            ahead, own = left[name]
            ahead.uploads = frozenset(each.id for each in uploads_of(view)[0].active)
            if not ahead.uploads <= known[name]:
                again[name] = (ahead, own)
        left = again
    return found


def _extent(uploads: frozenset[int], entities: list[bytes]) -> Extent:
    """What reads of entities need, should these uploads be active."""
    own = [tiles.upload_key(each, entity) for each in uploads for entity in entities]
    return Extent(
        [*RECORDS.keys, *own], [*RECORDS.prefixes, *(tiles.TILE + each for each in entities)]
    )


def frontiers(store: Store, datasets: Iterable[str]) -> dict[str, dict[SourcePartition, int]]:
    """How far datasets have come: their lanes' positions; those that are not there are left out."""
    found = store.views(dict.fromkeys(datasets, RECORDS))
    return {name: frontier(lanes_of(view)) for name, view in found.items()}
