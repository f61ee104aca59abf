"""Chains that read their parents earlier (`query_shift_ms`): oracle = backfill = upload + stream + fetch."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.chains import COLUMNS, Kind
from tests.property.happenings import Happenings
from tests.property.judging import story
from tests.property.places import Places

from catenary.plan.settings import ChainSettings
from catenary.testing import differences, events, features
from catenary.testing.oracle import Oracle
from catenary.windows import HOUR_MS, MINUTE_MS, ds_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.property

SHIFTS = (-1_000, -MINUTE_MS, -HOUR_MS, -26 * HOUR_MS)
FEWER = max(10, settings.default.max_examples // 2)
seeds, shifts = st.integers(0, 2**32), st.sampled_from(SHIFTS)


def compared(seed: int, folder: Path, shift_ms: int) -> tuple[list[str], bool]:
    """How a backfill differs from the oracle; and whether the shift changed any value."""
    world = Happenings(Random(seed), Places().log(folder), Kind(), shift_ms)
    world.log.close()
    world.history = world.happen(30)
    asks = [
        (each.row["ts"] + 1, each.row["user"], each.row["item"], None, None, ds_of(each.row["ts"]))
        for each in world.history
    ]
    tables = {**world.rows(), "asks": events(COLUMNS, *asks)}
    found = features(world.chain.top, tables, query_shift_ms=shift_ms)
    expected = Oracle(tables, query_shift_ms=shift_ms).join(world.chain.top)
    return differences(found, expected), expected != Oracle(tables).join(world.chain.top)


@settings(max_examples=FEWER)
@given(seed=seeds, shift_ms=shifts)
def test_a_backfill_gives_what_the_oracle_gives(
    seed: int, shift_ms: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note(f"seed={seed}")
    different, _ = compared(seed, tmp_path_factory.mktemp("log"), shift_ms)
    assert not different, different[:3]


@pytest.mark.parametrize("shift_ms", SHIFTS)
def test_every_shift_does_change_values(
    shift_ms: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = (compared(seed, tmp_path_factory.mktemp("log"), shift_ms)[1] for seed in range(200))
    assert any(changed)


@settings(max_examples=FEWER)
@given(seed=seeds, shift_ms=shifts, late=st.booleans())
def test_what_is_sure_is_what_the_oracle_gives_and_no_row_is_called_shifted(
    seed: int, shift_ms: int, late: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note(f"seed={seed}")
    given = ChainSettings(query_shift_ms=shift_ms)
    found = story(seed, tmp_path_factory.mktemp("log"), Kind(late=late), given)
    assert not found.wrong, found.wrong[:3]
    assert "shifted" not in found.told | found.enriched
    # Where heads have no limit, none has risen past what its children's rows read.
    assert late or "as_of_tile" not in found.enriched
