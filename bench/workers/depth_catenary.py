"""How long after an append its events are readable here in the last of so many chained stages.

    append 10 events every 10 ms ──► log ──► `catenary stream --all` ──► store ──► token reflected here

The stages run as the command runs them unless told otherwise: all in threads of one process, each
committing for itself. Arguments: depth batches. Reports milliseconds: `p50`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.project import made, streaming
from bench.workers.waiting import encoded, waits

CHAIN = ("FIRST", "SECOND", "THIRD", "FOURTH")
ROWS = 10


def main(depth: int, batches: int) -> None:
    """Print the figure as one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        live = made(Path(folder), CHAIN[:depth])
        appends = encoded(batches, ROWS)
        with streaming(Path(folder)):
            found = waits(live.log, live.fetcher, CHAIN[depth - 1].lower(), appends)
        live.close()
    print(json.dumps({"p50": float(np.median(found)) * 1000}))


main(int(sys.argv[1]), int(sys.argv[2]))
