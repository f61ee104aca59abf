"""Feast: the same 100 features of one entity from its SQLite online store, by its SDK. Argument: answers.

An easier job than ours: the values were computed before, and are only got. Runs in Feast's own environment,
where Catenary is not. Reports microseconds, `p50`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.feast_store import filled
from bench.workers.shape import WARM, asked


def main(answers: Path) -> None:
    """Print the figure as one JSON object."""
    wanted = pq.read_table(answers)
    with tempfile.TemporaryDirectory() as made:
        store, features = filled(Path(made), answers)
        spent: list[float] = []
        for number, user in enumerate(asked()):
            begun = time.perf_counter()
            row = store.get_online_features(
                features=features, entity_rows=[{"user": user}]
            ).to_dict()
            spent.append(time.perf_counter() - begun)
            if number < WARM:
                served = {name: value for name, (value,) in row.items()}
                assert served == wanted.slice(user, 1).to_pylist()[0], "it serves what we answered"
    print(json.dumps({"p50": float(np.median(spent[WARM:])) * 1e6}))


main(Path(sys.argv[1]))
