"""What must be true of stages that were killed, whatever log and store they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.crash.nursery import PHASES

if TYPE_CHECKING:
    from tests.crash.killing import Toll


class NothingIsLost:
    """Claims about a `toll`, a fixture, of so many `kills`, another."""

    def test_each_phase_has_its_share_of_the_kills(self, toll: Toll, kills: int) -> None:
        assert toll.kills >= kills
        share = max(1, kills * 15 // 200)
        assert {phase: toll.died[phase] for phase in PHASES if toll.died[phase] < share} == {}

    def test_stages_are_killed_at_every_depth_and_while_they_wait_for_parents(
        self, toll: Toll, kills: int
    ) -> None:
        assert toll.stages[0] >= kills // 10
        assert toll.stages[1] >= kills // 10
        assert toll.waited > 0

    def test_workers_end_only_by_being_killed_or_having_finished(self, toll: Toll) -> None:
        assert toll.errors == []

    def test_no_record_is_lost_and_none_is_counted_twice(self, toll: Toll) -> None:
        assert (toll.lost, toll.doubled) == (0, 0)

    def test_no_value_differs_from_the_oracles(self, toll: Toll) -> None:
        assert toll.differing == []
        assert toll.sure >= 0.6 * toll.cells > 0

    def test_the_dead_letters_are_complete(self, toll: Toll) -> None:
        assert toll.expected_letters > 0
        assert toll.letters == []
