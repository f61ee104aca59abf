"""The tiles behind one read, as they lie there: for explaining a value, not for computing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catenary.aggregate import tiles as kernel
from catenary.schema.arrow import to_arrow
from catenary.state.held import OWN, Span, of_lanes
from catenary.state.records import ANCIENT_MS, lanes_of, uploads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.aggregate.layout import Layout
    from catenary.ports import Snapshot
    from catenary.state.records import Upload


@dataclass(frozen=True)
class TracedTile:
    """One tile behind a read.

    Attributes:
        origin: `head`, `closed`, `late` or `upload`: where it lies.
        start_ms, end_ms: the event times that it covers.
        status: of the rows folded into it.
        collapsed: an upload's tile that is longer than a window's hop.
        packed: its partials.
    """

    origin: str
    start_ms: int
    end_ms: int
    status: int
    collapsed: bool
    packed: bytes


def trace(
    layout: Layout, snapshot: Snapshot, entity: bytes, at_ms: int
) -> tuple[Upload | None, list[TracedTile]]:
    """The upload and all tiles before an instant that a read of one entity may merge, in order."""
    uploads, _ = uploads_of(snapshot)
    upload = uploads.newest(at_ms)
    span = Span(ANCIENT_MS, at_ms)
    found = of_lanes(layout, snapshot, [entity], span, lanes_of(snapshot), upload)
    packed = found.packed.to_pylist()
    return upload, [
        TracedTile(
            _origin(int(found.upload[row]), int(found.level[row])),
            int(found.start[row]),
            int(found.end[row]),
            int(found.status[row]),
            bool(found.collapsed[row]),
            packed[row],
        )
        for row in range(len(found))
    ]


def packed(layout: Layout, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """What rows fold to: the partials of a tile that holds just these.

    Args:
        layout: of the GroupBy.
        rows: at least one, with the accumulators' inputs and `ts`.
        names: of these columns.
    """
    types = {name: pa.int64() if name == "ts" else to_arrow(layout.types[name]) for name in names}
    table = pa.table({name: pa.array([each[name] for each in rows], types[name]) for name in names})
    (found,) = kernel.fold(layout, table, np.zeros(len(rows), np.int32), 1).to_pylist()
    return found


def _origin(upload: int, level: int) -> str:
    if upload:
        return "upload" if upload == OWN else "late"
    return "closed" if level else "head"
