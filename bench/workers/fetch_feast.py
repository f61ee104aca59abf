"""Feast: the same 100 features of one entity from its SQLite online store, by its SDK. Argument: answers.

An easier job than ours: the values were computed before, and are only got. Runs in Feast's own environment,
where Catenary is not. Reports microseconds, `p50`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.shape import WARM, asked


def filled(folder: Path, answers: Path) -> tuple[FeatureStore, list[str]]:
    """A store that serves those answers, and the references of its features."""
    held = pq.read_table(answers)
    rows = held.to_pandas()
    rows["ts"] = pd.Timestamp.now(tz="UTC")
    source = FileSource(path=str(answers.resolve()), timestamp_field="ts")
    features = [
        Field(name=each.name, dtype=Int64 if str(each.type) == "int64" else Float64)
        for each in held.schema
    ]
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    view = FeatureView(
        name="wide", entities=[user], schema=features, source=source, ttl=timedelta(0)
    )
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )
    store.apply([user, view])
    store.write_to_online_store("wide", rows)
    return store, [f"wide:{name}" for name in held.column_names if name != "user"]


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
