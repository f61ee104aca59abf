"""What a read of entities asks of a dataset on a server, said beforehand, so that it is one round trip.

    entities ──► small records, their tiles, what the active uploads hold of them ──► one view

Under which uploads an entity lies is known from the read before; a view that shows another one is asked
for again, with that.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from catenary.ports import Extent
from catenary.state import tiles
from catenary.state.records import FORMAT_KEY, LANES, UPLOADS_KEY, uploads_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from catenary.ports import Dataset, Snapshot

RECORDS = Extent([FORMAT_KEY, UPLOADS_KEY], [LANES])
"""How far a dataset has come: its lanes, its uploads."""


class Ahead:
    """Reads of one dataset; remembers which uploads were active."""

    def __init__(self) -> None:
        self._uploads: frozenset[int] = frozenset()

    @contextmanager
    def snapshot(self, dataset: Dataset, entities: Iterable[bytes]) -> Generator[Snapshot]:
        """The dataset as of now, as far as reads of these entities need it.

        Args:
            dataset: of the GroupBy.
            entities: their bytes; some may be there twice.
        """
        known = sorted(set(entities))
        while True:
            uploads = self._uploads
            own = [tiles.upload_key(each, entity) for each in uploads for entity in known]
            extent = Extent(
                [*RECORDS.keys, *own], [*RECORDS.prefixes, *(tiles.TILE + each for each in known)]
            )
            with dataset.snapshot(extent) as snapshot:
                active = frozenset(each.id for each in uploads_of(snapshot)[0].active)
                if active <= uploads:
                    yield snapshot
                    return
            self._uploads = active
