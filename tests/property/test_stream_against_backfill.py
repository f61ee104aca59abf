"""Oracle = backfill = upload + stream + fetch, bit for bit, wherever the promise holds.

Where everything is promised (nothing late on the edges above, nothing collapsed, at or after the newest
cut-off and the head's floor), the status must say so, too: no doubt may be raised without a reason. A
failing example prints its seed; `World(Random(seed), …)` is the whole of it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.streams import Verdict, story

pytestmark = pytest.mark.property

seeds = st.integers(0, 2**32)


def told(seed: int, tmp_path_factory: pytest.TempPathFactory, *, late: bool) -> Verdict:
    note(f"seed={seed}")
    return story(seed, tmp_path_factory.mktemp("log"), late=late)


@given(seed=seeds)
def test_events_in_order_give_what_the_oracle_gives(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verdict = told(seed, tmp_path_factory, late=False)
    assert not verdict.wrong, verdict.wrong[:3]
    assert not verdict.hedged, verdict.hedged[:3]


@settings(max_examples=max(10, settings.default.max_examples // 2))
@given(seed=seeds)
def test_events_that_come_late_give_what_the_oracle_gives(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verdict = told(seed, tmp_path_factory, late=True)
    assert not verdict.wrong, verdict.wrong[:3]
    assert not verdict.hedged, verdict.hedged[:3]
