"""A stage that begins after an upload of a day that is not over reads its parents exactly, all the same."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.chains import Kind
from tests.property.happenings import TAILS
from tests.property.judging import Verdict, judge
from tests.property.worlds import World

from catenary.windows import DAY_MS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.property


class Unfinished(World):
    """The last stage of the chain begins after an upload that lands while its day goes on."""

    def __init__(self, seed: int, folder: Path) -> None:
        super().__init__(Random(seed), folder, Kind())
        self.begins_late = True

    def publish_next(self) -> None:
        super().publish_next()
        # Stages that run have nothing to settle: what they would enrich anew is not what is shown.
        if self.begun is not None:
            self.land_upload(self.rng.choice(TAILS))

    def _midnight(self) -> int:
        return (self.now // DAY_MS + 1) * DAY_MS

    def edges(self) -> Counter[str]:
        """How many rows were enriched with what status."""
        counted: Counter[str] = Counter()
        for copy in (*self.copies, *self.zombies):
            for (_, status), many in copy.stage.status.edges.items():
                counted[status] += many
        return counted


@settings(max_examples=max(10, settings.default.max_examples // 4))
@given(seed=st.integers(0, 2**32))
def test_its_first_rows_are_as_exact_as_its_last(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note(f"seed={seed}")
    world = Unfinished(seed, tmp_path_factory.mktemp("log"))
    found = Verdict()
    with world.clock.everywhere():
        world.run(lambda: found.add(judge(world)) if world.caught_up() else None)
        found.add(judge(world))
    world.log.close()
    assert not found.wrong, found.wrong[:3]
    assert not found.hedged, found.hedged[:3]
    assert not {"as_of_tile", "before_retention"} & set(world.edges())
