"""A world whose stages run in other processes, over a store that they share; beside it an undisturbed twin.

    the same log ──► stages elsewhere ──► a store ──┐
                 ──► stages here, alone ──► memory ─┴──► the same rows, letters and values, and the oracle's

The twin runs once all is published, so that lost and doubled records are counted per lane as well as
seen in values. Not here: who runs the stages elsewhere, and what becomes of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.property.happenings import CUTOFF_MS, TAILS
from tests.property.judging import fetched, judge, unlike, world_asks
from tests.property.places import Places
from tests.property.worlds import World

from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of
from catenary.stores.memory import MemoryStore
from catenary.stream.letters import letters_of

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from catenary.stream.stage import Stage

SPOILT: Final = (b'{"ts": 17', b"", b'{"ts": "never"}', b"\xff\x00")


@dataclass
class Count:
    """How a world compares with its twin, its log and the oracle.

    Attributes:
        lost, doubled: records, by lane.
        differing: what is not the oracle's, or not the twin's.
        letters: dead letters that are missing, or that nobody expected.
        sure, cells: compared values whose status promises them; and all.
        expected_letters: how many there had to be.
    """

    lost: int = 0
    doubled: int = 0
    differing: list[str] = field(default_factory=list[str])
    letters: list[str] = field(default_factory=list[str])
    sure: int = 0
    cells: int = 0
    expected_letters: int = 0

    @property
    def mistakes(self) -> tuple[int, int, list[str], list[str]]:
        """All that must be nothing."""
        return self.lost, self.doubled, self.differing, self.letters


class TwinWorld(World):
    """A world with two stores.

    Args:
        rng: draws all.
        root: the folder of the log and of the store that stages elsewhere share.
        places: where these are, if not there.
    """

    def __init__(self, rng: Random, root: Path, places: Places = Places()) -> None:  # noqa: B008 - frozen
        super().__init__(rng, root / "log", places=places)
        self.root = root
        self.shared = places.store(root / "store")
        self.twin = MemoryStore()
        self.spoilt: set[tuple[str, int, int]] = set()

    @property
    def asked_at_end(self) -> list[tuple[str, str]]:
        """Every entity."""
        return [(user, item) for user in "uvw" for item in "pq"]

    def upload_all(self, cutoff_ms: int) -> None:
        """The same upload into both stores; reads go on from the shared one."""
        self.begin_upload(cutoff_ms)
        begun, tail_ms = self.begun, self.rng.choice(TAILS)
        for store in (self.twin, self.shared):
            self.on(store)
            self.begun = begun
            self.land_upload(tail_ms)

    def begin(self) -> None:
        """History and an upload, mostly."""
        if self.rng.random() < 0.7:
            self.history = [e for e in self.happen(10) if e.row["ts"] < CUTOFF_MS]
            self.upload_all(CUTOFF_MS)
            self.now = max(self.now, CUTOFF_MS)
        # Lanes begin here on both sides: one that begins after a second upload counts fewer rows.
        self.on(self.twin)
        self.undisturbed = self.take_all()
        self.on(self.shared)
        self.take_all()

    def publish_some(self) -> None:
        """A few events, and at times a record that nobody can read."""
        for _ in range(self.rng.choice([1, 2, 4])):
            self.publish_one()
        if self.rng.random() < 0.2:
            topic = self.rng.choice(self.chain.tables)
            place = self.rng.choice(self.log.partitions(topic))
            token = self.append(topic, self.rng.choice(SPOILT), place.partition)
            self.spoilt.add((topic, place.partition, token.positions[place] - 1))

    def take_all(self) -> list[Stage]:
        """A copy of every stage that has taken its lanes, parents first."""
        stages = [self.stage(node.name) for node in self.nodes]
        for stage in stages:
            stage.take()
        return stages

    def counted(self, count: Count) -> None:
        """Run the twin; compare with it, with the log and with the oracle; leave."""
        for stage in self.undisturbed:
            while stage.step():
                pass
        for node in self.nodes:
            self._count_lanes(node.name, dataset_name(node), count)
        verdict = judge(self)
        count.differing += verdict.wrong + verdict.hedged
        count.sure += verdict.tally["cells that are sure"]
        count.cells += verdict.tally["cells"]
        asks = world_asks(self)
        elsewhere = fetched(self, asks)
        self.on(self.twin)
        here = fetched(self, asks)
        count.differing += unlike(elsewhere, here.rows(), here.bits)
        self.log.close()

    def _count_lanes(self, stage: str, dataset: str, count: Count) -> None:
        mine, theirs = self.shared.dataset(dataset), self.twin.dataset(dataset)
        assert mine is not None
        assert theirs is not None
        with mine.snapshot() as here, theirs.snapshot() as there:
            lanes, wanted = lanes_of(here), lanes_of(there)
            found = Counter((x.topic, x.partition, x.offset, x.source) for x in letters_of(here))
        assert lanes.keys() == wanted.keys()
        for key, lane in lanes.items():
            assert lane.position == self.log.ends([lane.place])[lane.place]
            for got, want in (
                (lane.rows, wanted[key].rows),
                (lane.set_aside, wanted[key].set_aside),
            ):
                count.lost += max(0, want - got)
                count.doubled += max(0, got - want)
        due = Counter(
            (*letter, lane.source)
            for lane in lanes.values()
            for letter in self.spoilt
            if letter[:2] == (lane.topic, lane.partition)
        )
        count.expected_letters += due.total()
        count.letters += [f"{stage}: lacks {each}" for each in due - found]
        count.letters += [f"{stage}: {each} unasked" for each in found - due]
