"""A real stage does what the protocol's model does, step by step.

One schedule leads both: the model's world, and stages over a real log, a store and uploads of the
engine. After each step both hold the same lanes, tiles, late tiles, uploads, readers and dead letters,
and answer every key alike around every instant that divides one answer from another, statuses included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tests.property.pairs import led

from catenary.testing.protocol import KINDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.property

# A schedule takes half a second; with two hundred examples, all kinds take half a minute.
SCHEDULES = max(1, settings.default.max_examples // 17)


@pytest.mark.parametrize("seed", range(SCHEDULES))
@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_holds_and_answers_what_the_model_does_after_each_step(
    kind: str, seed: int, tmp_path: Path
) -> None:
    assert led(seed, tmp_path, kind=kind).answers > 100


def test_every_kind_of_step_is_led(tmp_path: Path) -> None:
    twins = [
        led(seed, tmp_path / kind, kind=kind) for kind, seed in (("gentle", 1), ("letters", 4))
    ]
    taken = {step.name for twin in twins for step in twin.model.trace.steps}
    assert taken == set(twins[0].acts)
