"""What comes to stages from outside: records, uploads, midnights' snapshots, cures and lost tails.

    tables of a GroupBy's own topics ──► then its ancestors' ──► backfill ──► upload ──► lands later

The order matters: an own event that is in the tables must find there whatever was published before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.testing.protocol.shapes import ANCIENT
from catenary.testing.protocol.tending import land
from catenary.testing.protocol.uploads import Upload, fill

if TYPE_CHECKING:
    from catenary.testing.protocol.draws import Habits
    from catenary.testing.protocol.processes import Processes
    from catenary.testing.protocol.shapes import Shape
    from catenary.testing.protocol.world import World


class Outside:
    """Publishers and batch runs.

    Args:
        world: that they feed.
        habits: what they do, and how often.
    """

    def __init__(self, world: World, habits: Habits) -> None:
        self.world = world
        self.habits = habits
        self.uploads = habits.uploads
        self.landing: list[tuple[int, Shape, Upload]] = []
        self.snapshots = {shape.number: 0 for shape in world.shapes if shape.snapshot}

    def publish(self) -> None:
        """A record, or a control record."""
        rng, world, habits = self.world.rng, self.world, self.habits
        place = rng.choice([each for places in world.log.places.values() for each in places])
        if habits.markers and rng.random() < 0.3:
            world.mark(place)
            return
        world.now += world.units.span(rng.choice(habits.pace))
        late = rng.randint(0, habits.latest) if rng.random() < habits.late else 0
        poison = rng.random() < habits.poison
        key, other, value = rng.choice("ab"), rng.choice("ab"), rng.randrange(1, 9)
        world.publish(
            place, max(0, world.now - world.units.span(late)), key, other, value, poison=poison
        )

    def upload(self) -> None:
        """Begin an upload of a later midnight than the last, past or to come: read the tables."""
        rng, world = self.world.rng, self.world
        shape = rng.choice(world.shapes)
        if self.habits.newcomer is not None and rng.random() < 0.7:
            shape = world.shapes[self.habits.newcomer]
        known = [each for _, owner, each in self.landing if owner is shape]
        known += world.datasets[shape.number].uploads
        cutoff = (world.now // world.units.day + (rng.random() < 0.3)) * world.units.day
        if shape.snapshot or cutoff <= max([each.cutoff for each in known], default=0):
            return
        self.uploads -= 1
        number = 1 + max([each.number for each in known], default=0)
        # Tables only gain rows: this upload's hold what the one before had.
        held = max([each.extent for each in known], default=0)
        upload = self._filled(shape, number, cutoff, held)
        self.landing.append((world.step + rng.choice((0, 5, 40, 120)), shape, upload))
        self.landing.sort(key=lambda each: each[0])

    def land(self) -> None:
        """The upload that is due is complete."""
        if self.landing and self.landing[0][0] <= self.world.step:
            _, shape, upload = self.landing.pop(0)
            land(self.world, self.world.datasets[shape.number], upload)

    def snapshot(self) -> None:
        """The next day's upload of a snapshot GroupBy lands, some time after its midnight."""
        world = self.world
        for number, cutoff in self.snapshots.items():
            if cutoff <= world.now:
                shape, extent = world.shapes[number], world.log.sequence
                upload = Upload(
                    cutoff // world.units.day + 1, cutoff, {}, ANCIENT, extent, extent, active=True
                )
                fill(upload, shape, world.oracle.backfill(shape, extent, extent))
                world.oracle.snapshot_taken(shape, cutoff, extent)
                dataset = world.datasets[number]
                dataset.uploads.append(upload)
                dataset.late[upload.number] = {}
                world.trace.outside("land", upload, dataset)
                self.snapshots[number] = cutoff + world.units.day

    def letters(self, processes: Processes) -> None:
        """What made rows fail goes away at some time; then dead letters are replayed."""
        rng, world = self.world.rng, self.world
        if not world.cured:
            world.cured = 3 * world.log.sequence > self.habits.records and rng.random() < 0.02
        elif rng.random() < 0.003:
            shape = rng.choice(world.shapes)
            if world.datasets[shape.number].letters:
                processes.replay(shape)

    def lose_tail(self, processes: Processes) -> None:
        """A recovery cuts what was already read; no lane goes on over what is appended instead."""
        world = self.world
        place = max(world.log.entries, key=world.log.end)
        # A lane before the end has only control records to come, and may have them in hand.
        lanes = [
            (lane_id, lane, lane.position)
            for dataset in world.datasets
            for lane_id, lane in dataset.lanes.items()
            if lane_id.place == place and lane.position == world.log.end(place)
        ]
        lost = min(3, world.log.end(place))
        world.log.cut_tail(place, lost)
        for _ in range(lost + 2):
            world.publish(place, world.now, "a", "b", 1)
        world.deaf = True
        for _ in range(200):
            world.step += 1
            if world.rng.random() < self.habits.faults:
                processes.fault()
            processes.go()
        for lane_id, lane, position in lanes:
            if lane.position != position:
                world.found.append(f"{lane_id} went on from {position} of a log that was cut")

    def _filled(self, shape: Shape, number: int, cutoff: int, held: int) -> Upload:
        rng, world = self.world.rng, self.world
        sequence = world.log.sequence
        own = rng.randrange(max(held, sequence // 4), sequence + 1)
        ancestors = rng.randint(own, sequence)
        if not world.rules.children_tabled_first:
            own, ancestors = sequence, rng.randrange(sequence // 2, sequence + 1)
        places = {lane.place for lane in world.lanes[shape.number]}
        reached = world.oracle.reached(shape, own, cutoff)
        if self.habits.unknown and rng.random() < 0.5:
            upload = Upload(number, cutoff, None, reached, own, ancestors)
            world.oracle.upload_of_unknown(shape, cutoff, own)
        else:
            frontier = {place: world.log.extent(place, own) for place in places}
            upload = Upload(number, cutoff, frontier, reached, own, ancestors)
        fill(upload, shape, world.oracle.backfill(shape, own, ancestors))
        return upload
