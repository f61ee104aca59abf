"""Oracle = backfill = upload + stream + fetch, bit for bit, wherever the promise holds.

Where everything is promised (nothing late on the edges above, nothing collapsed, at or after the newest
cut-off and the head's floor, or where a client holds the heads), the status must say so, too: no doubt
may be raised without a reason. Where something is late or fails, each status needs its reason. A failing
example prints its seed; `World(Random(seed), …)` is the whole of it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.chains import Kind, Refusing
from tests.property.judging import Verdict, story

from catenary.plan.settings import ChainSettings, OnEnrichError, OnParentLate, OnSnapshotLate

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.property

SEEDS = st.integers(0, 2**32)
FEWER = max(10, settings.default.max_examples // 2)


def many(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: Callable[[int], tuple[Kind, ChainSettings]],
    examples: int,
) -> Verdict:
    """Worlds, each of which is right; and what was seen in all of them."""
    total = Verdict()

    @settings(max_examples=examples)
    @given(seed=SEEDS)
    def worlds(seed: int) -> None:
        note(f"seed={seed}, {drawn(seed)}")
        found = story(seed, tmp_path_factory.mktemp("log"), *drawn(seed))
        assert not found.wrong, found.wrong[:3]
        assert not found.hedged, found.hedged[:3]
        total.add(found)

    worlds()
    print(f"\n{total.tally}, values differ under {sorted(total.excused)}")  # noqa: T201
    return total


def test_events_in_order_give_what_the_oracle_gives_and_nine_cells_of_ten_are_ok_or_missing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = many(
        tmp_path_factory, lambda _: (Kind(), ChainSettings()), settings.default.max_examples
    )
    tally = found.tally
    assert tally["cells held, ok or missing"] >= 0.9 * tally["cells held"] > 0
    assert tally["reads by clients"] > 0
    assert tally["heads that rose when clients had left"] > 0
    assert tally["fetches in a hurry"] > 0


def test_events_that_come_late_give_what_the_oracle_gives(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    many(tmp_path_factory, lambda _: (Kind(late=True), ChainSettings()), FEWER)


def troubled(seed: int) -> tuple[Kind, ChainSettings]:
    """A chain that goes on when parents are late, rows fail, or snapshots have not landed."""
    rng = Random(f"troubles of {seed}")
    trouble = rng.choice(["parents", "rows", "snapshots", "times", "all"])
    kind, given = Kind(), ChainSettings()
    if trouble in ("rows", "all"):
        refusing: Refusing = rng.choice([each for each in get_args(Refusing) if each])
        kind = Kind(refusing=refusing)
    if trouble in ("snapshots", "all"):
        kind = Kind(snapshot=True, refusing=kind.refusing)
    on_parent_late: OnParentLate = "hold"
    if trouble in ("parents", "all"):
        on_parent_late = rng.choice([each for each in get_args(OnParentLate) if each != "hold"])
    on_enrich_error: OnEnrichError = rng.choice(
        [each for each in get_args(OnEnrichError) if each != "fail"]
    )
    # What is held for comes by an upload, which computes all rows of its tables, and fails with any.
    on_snapshot_late: OnSnapshotLate = rng.choice(
        [each for each in get_args(OnSnapshotLate) if not (kind.refusing and each == "hold")]
    )
    others = trouble == "times"
    given = ChainSettings(
        on_parent_late=on_parent_late,
        max_wait_ms=rng.choice([0, 1, 5]),
        on_enrich_error=on_enrich_error,
        retries=0,
        on_snapshot_late=on_snapshot_late,
        query_shift_ms=rng.choice([-1000, -60_000]) if others else 0,
        event_time_query=not (others and rng.random() < 0.5),
    )
    return kind, given


def test_chains_that_go_on_regardless_say_so_wherever_a_value_is_not_the_oracles(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    many(tmp_path_factory, troubled, FEWER)
