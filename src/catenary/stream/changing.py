"""Which lanes a running stage has: partitions are added to topics, and a group gives and takes them.

partitions that are new ──► lanes begin; taken if they are owned
the group gives         ──► lanes are taken: their epochs rise, the former owner's commits fail
the group takes         ──► lanes are let go
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from catenary.state.records import LaneId, lane_in
from catenary.stream.tending import Tended

if TYPE_CHECKING:
    from catenary.ports import Membership, SourcePartition

_LOOKED_EVERY_S: Final = 1.0


class Changing(Tended):
    """Lanes that come and go while the stage runs."""

    _membership: Membership | None = None
    _assignment = 0
    _looked_s = 0.0

    def enter(self) -> None:
        """Join the group, if there is one; nothing is owned before it says so."""
        if self._join is not None:
            self._owned = frozenset()
            self._membership = self._join()

    def leave(self) -> None:
        """Leave the group, so that others need not wait until this copy is missed."""
        if self._membership is not None:
            self._membership.close()
            self._membership = None

    @property
    def is_idle(self) -> bool:
        """Whether the group has not said yet what this copy owns."""
        return self._membership is not None and not self._assignment

    def look(self) -> None:
        """Have the lanes that are owned by now; a lane that was lost is taken anew after a while.

        Raises:
            PositionError: if a stored position means nothing in the log.
        """
        if self._membership is not None:
            number, owned = self._membership.assigned()
            if number != self._assignment:
                self._assignment, self._owned = number, owned
                self._lanes = {k: lane for k, lane in self._lanes.items() if lane.place in owned}
                self._looked_s = 0.0
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOKED_EVERY_S:
            return
        self._looked_s = now_s
        missing = self._missing()
        if missing:
            self._lanes = {**self._lanes, **self._taken(missing)}
        self.status.places = tuple(sorted({lane.place for lane in self._lanes.values()}))

    def let_go(self) -> bool:
        """Drop the lanes that another copy has taken over; False without a group, which stops then.

        Another member may have been told so, or be late to hear that they are no longer its own.
        """
        if self._membership is None:
            return False
        with self.dataset.snapshot() as snapshot:
            for key, lane in list(self._lanes.items()):
                data = snapshot.get(lane.id.record)
                if data is None or lane_in(data).epoch != lane.epoch:
                    del self._lanes[key]
        self._looked_s = time.monotonic()
        return True

    def _missing(self) -> list[tuple[int, SourcePartition]]:
        """Partitions whose lanes are owned and not held, or have not begun."""
        found = [
            (source, place)
            for source, place in self._places()
            if LaneId(source, place.partition).key not in self._lanes
        ]
        if all(self._owns(place) for _, place in found):
            return found
        with self.dataset.snapshot() as snapshot:
            return [
                (source, place)
                for source, place in found
                if self._owns(place) or snapshot.get(LaneId(source, place.partition).record) is None
            ]
