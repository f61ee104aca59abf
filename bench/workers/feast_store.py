"""Feast's SQLite online store, filled with answers of ours; in Feast's own environment, where Catenary is not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

if TYPE_CHECKING:
    from pathlib import Path


def filled(folder: Path, answers: Path) -> tuple[FeatureStore, list[str]]:
    """A store in a folder that serves those answers, and the references of its features."""
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
    config = {
        "project": "bench",
        "provider": "local",
        "registry": str(folder / "registry.db"),
        "online_store": {"type": "sqlite", "path": str(folder / "online.db")},
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(json.dumps(config))
    store = FeatureStore(repo_path=str(folder))
    store.apply([user, view])
    store.write_to_online_store("wide", rows)
    return store, [f"wide:{name}" for name in held.column_names if name != "user"]
