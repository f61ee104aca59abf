"""Stages that catch up with what was published before, and the bytes that they leave."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.workers.live_features import KNOWN, SCHEMA
from catenary.app.live import open_stage
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.ports import Log, Store

Rows = list[tuple[bytes, bytes]]


class CaughtUp(NamedTuple):
    """Seconds until all stages had committed everything, one after the other; commits of all."""

    seconds: float
    commits: int


def caught_up(log: Log, store: Store, names: Sequence[str]) -> CaughtUp:
    """Let the definitions' stages follow what the log holds, to its end."""
    plan = build([KNOWN[name] for name in names], {"t": SCHEMA}.__getitem__)
    before = store.version()
    begun = time.perf_counter()
    for node in stages(plan):
        spec = StageSpec.of(KNOWN, lambda _: SCHEMA, node.name, ChainSettings())
        open_stage(spec, log, store, stages(plan)).run(lambda: False, lambda: True)
    return CaughtUp(time.perf_counter() - begun, store.version() - before)


def in_commits(store: Store, commits: int) -> list[Rows]:
    """The rows of a store's only dataset in any order, in so many parts."""
    (name,) = store.datasets()
    dataset = store.dataset(name)
    assert dataset is not None
    with dataset.snapshot() as snapshot:
        held = list(snapshot.scan(b""))
    drawn = [held[place] for place in np.random.default_rng(1).permutation(len(held)).tolist()]
    size = max(1, len(drawn) // max(1, commits))
    return [drawn[at : at + size] for at in range(0, len(drawn), size)]
