"""What events take in the head, and what they take once they are in a closed tile.

    100 k events of 10 k entities within five minutes ──► head ──an event much later──► a tile per entity

Reports bytes of the store's pages in use: `head_event` for each event, `tile` for each tile.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import START_MS, happened
from bench.workers.project import looked_at, made, stored, stream_queued
from catenary.state import tiles
from catenary.windows import HOUR_MS, MINUTE_MS, floor_ms

EVENTS = 100_000
ENTITIES = 10_000
SPAN_MS = 5 * MINUTE_MS
FIRST_MS = floor_ms(START_MS, SPAN_MS)


def tiles_of_level(folder: Path, level: int) -> int:
    """How many tiles of a level lanes hold."""
    with looked_at(folder) as environment, environment.begin() as transaction:
        cursor = transaction.cursor()
        cursor.set_range(tiles.TILE)
        levels = (
            key[-tiles.LANE_SUFFIX + 4]
            for key in cursor.iternext(values=False)
            if key.startswith(tiles.TILE)
        )
        return sum(each == level for each in levels)


def main() -> None:
    """Print the figures as one JSON object."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live = made(folder, ["FIRST"])
        ts = FIRST_MS + np.arange(EVENTS) * SPAN_MS // EVENTS
        live.publish("t", happened(EVENTS, ENTITIES, ts))
        stream_queued(folder)
        head = stored(folder).live
        live.publish("t", happened(1, 1, np.array([FIRST_MS + HOUR_MS])))
        stream_queued(folder)
        closed = stored(folder).live
        many = tiles_of_level(folder, 1)
        assert tiles_of_level(folder, 0) < many / 100, "all but events that are alone are merged"
        live.close()
    print(json.dumps({"head_event": head / EVENTS, "tile": closed / many}))


main()
