"""Oracle = backfill = upload + stream + fetch, bit for bit, wherever the promise holds.

Where everything is promised (nothing late on the edges above, nothing collapsed, at or after the newest
cut-off and the head's floor), the status must say so, too: no doubt may be raised without a reason. A failing example
prints its seed; `World(Random(seed), …)` is the whole of it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.streams import Verdict, World, judge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.property

seeds = st.integers(0, 2**32)


def story(seed: int, tmp_path_factory: pytest.TempPathFactory, *, late: bool) -> Verdict:
    folder: Path = tmp_path_factory.mktemp("log")
    world = World(Random(seed), folder, late=late)
    world.run()
    verdict = judge(world)
    for earlier in world.verdicts:
        verdict.wrong += earlier.wrong
        verdict.hedged += earlier.hedged
    note(f"seed={seed}")
    world.log.close()
    return verdict


@given(seed=seeds)
def test_events_in_order_give_what_the_oracle_gives(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verdict = story(seed, tmp_path_factory, late=False)
    assert not verdict.wrong, verdict.wrong[:3]
    assert not verdict.hedged, verdict.hedged[:3]


@settings(max_examples=max(10, settings.default.max_examples // 2))
@given(seed=seeds)
def test_events_that_come_late_give_what_the_oracle_gives(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verdict = story(seed, tmp_path_factory, late=True)
    assert not verdict.wrong, verdict.wrong[:3]
    assert not verdict.hedged, verdict.hedged[:3]
