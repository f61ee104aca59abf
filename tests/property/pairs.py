"""Real stages led by the protocol's model: each of its steps is taken by both, and then compared.

    model's schedule ──step──► Twin ──► the same step of a real stage, log, store or upload
                                 └────► what both datasets hold, and what both answer, is equal

The model draws; nothing is drawn here. A copy of the model that was overtaken has a real copy that was
overtaken, too: what it reads is its own affair, and its commit fails.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pytest
from tests.property.real_shapes import (
    COLUMNS,
    ORIGIN_MS,
    UNITS,
    Ailing,
    Led,
    definitions,
    finished,
    row_of,
    table_of,
    table_row,
)
from tests.property.summaries import id_of, rows_ms, rows_of, same, stored, summary_ms

from catenary.engines.embedded import EmbeddedEngine
from catenary.errors import FencedError, NotYetError
from catenary.logs.embedded import EmbeddedLog
from catenary.plan import build
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec, stages
from catenary.ports import Job, SourcePartition, statuses
from catenary.serve.lookup import StoreLookup
from catenary.serve.readers import ClientReader
from catenary.state.layouts import dataset_name, layout_of
from catenary.stores.memory import MemoryStore
from catenary.stream.build import children_of, stage_of
from catenary.tables.memory import MemoryOutputs
from catenary.testing import events
from catenary.testing.answers import in_memory
from catenary.testing.protocol import PROTOCOL, Schedule
from catenary.testing.protocol.clients import KEYS
from catenary.testing.protocol.reading import Answer, read, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary.ports import Dataset
    from catenary.stream.pipeline import Enriched
    from catenary.stream.stage import Reads, Stage
    from catenary.testing.protocol import Step
    from catenary.testing.protocol.shapes import LaneId, Shape
    from catenary.testing.protocol.stage import Batch, Ready
    from catenary.testing.protocol.topics import Record
    from catenary.testing.protocol.uploads import Upload

_UNLIMITED_MS: Final = 1000 * UNITS.day
_SHOWN: Final = 30


def led(seed: int, folder: Path, *, kind: str) -> Twin:
    """A whole schedule of the model, with real stages that took part in every step.

    Raises:
        AssertionError: where the two differ; tells the last steps.
    """
    schedule = Schedule(seed, kind=kind, units=UNITS, traced=True, whole=True)
    # A real log loses its tail in a recovery, behind its back.
    schedule.habits = replace(schedule.habits, lost_tail=False)
    with EmbeddedLog(folder, durability="process") as log:
        twin = Twin(schedule, log)
        report = schedule.run()
    assert not report.found, report.found[0]
    return twin


@dataclass
class Follower:
    """The real copy of a stage that follows one of the model's.

    Attributes:
        stage: itself.
        epochs: with which the model's copy took its lanes.
        reads, cut, enriched: the batch in hand.
    """

    stage: Stage
    epochs: dict[LaneId, int]
    reads: Reads | None = None
    cut: dict[SourcePartition, int] = field(default_factory=dict[SourcePartition, int])
    enriched: list[Enriched] | None = None


class Twin:
    """What follows a schedule's model.

    Args:
        schedule: not begun yet.
        log: for its topics.

    Attributes:
        answers: how many answers were equal.
    """

    def __init__(self, schedule: Schedule, log: EmbeddedLog) -> None:
        self.model = model = schedule.world
        self.log = log
        for topic, places in model.log.places.items():
            log.create(topic, partitions=len(places))
        chain = definitions(model.shapes)
        schemas = dict.fromkeys(
            [
                table_of(shape, source)
                for shape in model.shapes
                for source in range(len(shape.sources))
            ],
            events(COLUMNS).schema,
        )
        self.plan = build(chain, schemas.__getitem__)
        self.nodes = [self.plan.node(each.name or "") for each in chain]
        known = {each.name or "": each for each in chain}
        self.specs = {
            shape.number: StageSpec.of(
                known, schemas.__getitem__, f"g{shape.number}", self.settings(shape)
            ).encode()
            for shape in model.shapes
        }
        self.store = MemoryStore()
        self.datasets: list[Dataset] = [
            self.store.dataset(dataset_name(node), create=True) for node in self.nodes
        ]
        self.led = Led(log)
        late = model.shapes[0].on_snapshot_late
        self.parents = Ailing(StoreLookup(self.store, on_snapshot_late=late))
        self.lookup = StoreLookup(
            self.store, on_snapshot_late="previous" if late == "hold" else late
        )
        self.copies: dict[int, Follower] = {}
        self.readers: dict[int, ClientReader] = {}
        self.answers = 0
        self._last: dict[int, dict[str, object]] = {}
        self.acts: dict[str, Callable[..., None]] = {
            "publish": self._publish,
            "mark": self._mark,
            "land": self._land,
            "register": self._register,
            "go on": self._go_on,
            "leave": self._leave,
            "take": self._take,
            "read": self._read,
            "cut": self._cut,
            "wait": self._wait,
            "ready": self._ready,
            "enrich": self._enrich,
            "commit": self._commit,
            "settle wait": self._settle_wait,
            "settle": self._settle,
            "tend": self._tend,
            "replay": self._replay,
        }
        model.trace.follower = self.follow

    def settings(self, shape: Shape) -> ChainSettings:
        """Of one stage."""
        limit = self.model.head_limit
        return ChainSettings(
            on_parent_late="proceed" if shape.proceed else "hold",
            max_wait_ms=0,
            on_enrich_error="dead_letter",
            on_snapshot_late=self.model.shapes[0].on_snapshot_late,
            head_horizon_ms=UNITS.horizon,
            head_limit_ms=_UNLIMITED_MS if limit is None else limit,
            history_ms=self.model.history,
        )

    def follow(self, step: Step) -> None:
        """Take the step, too, and compare."""
        try:
            self._act(step)
            if step.after is not None:
                self.compare(step)
        except Exception as error:
            steps = self.model.trace.steps
            told = "\n".join(f"{len(steps) - at} before: {x}" for at, x in enumerate(steps, 1))
            error.add_note("\n".join(told.splitlines()[-_SHOWN:]))
            raise

    def _act(self, step: Step) -> None:
        self.parents.cured = self.model.cured
        act = self.acts[step.name]
        if step.copy:
            act(step.copy, step.shape, step.detail)
        elif step.shape >= 0:
            act(step.shape, step.detail)
        else:
            act(step.detail)

    # -- from outside ---------------------------------------------------------------------------

    def _publish(self, record: Record) -> None:
        topic, partition = record.place
        self.log.append(topic, [json.dumps(row_of(record)).encode()], partition=partition)

    def _mark(self, place: tuple[str, int]) -> None:
        self.log.append_gap(place[0], 1, partition=place[1])

    def _land(self, number: int, upload: Upload) -> None:
        """The backfill of what the upload's tables held, by the engine."""
        rows = {
            table_of(shape, at): events(
                COLUMNS,
                *(
                    table_row(record)
                    for place in self.model.log.places[source.topic]
                    for record in self.model.log.entries[place]
                    if record is not None
                    and record.sequence
                    < (upload.extent if shape.number == number else upload.ancestors)
                ),
            )
            for shape in self.model.shapes
            for at, source in enumerate(shape.sources)
        }
        frontier = upload.frontier
        EmbeddedEngine().upload(
            Job(self.plan, in_memory(rows), MemoryOutputs()),
            self.nodes[number],
            ORIGIN_MS + upload.cutoff,
            self.datasets[number],
            frontier=None
            if frontier is None
            else {str(SourcePartition(*place)): end for place, end in frontier.items()},
            tail_ms=self.model.shapes[number].tail_buffer,
        )

    def _register(self, number: int, name: str) -> None:
        theirs = self.model.datasets[number].readers[name]
        ours = self.readers[number] = ClientReader(
            name,
            [self.datasets[number]],
            from_ms=ORIGIN_MS + theirs.passed,
            ttl_s=1e6,
            step_ms=0,
        )
        ours.__enter__()
        same("held from", ours.from_ms_held, ORIGIN_MS + theirs.exact_from)

    def _go_on(self, number: int, name: str) -> None:
        passed = self.model.datasets[number].readers[name].passed
        self.readers[number].passed(ORIGIN_MS + passed)

    def _leave(self, number: int, _: str) -> None:
        self.readers.pop(number).close()

    # -- copies ---------------------------------------------------------------------------------

    def _stage(self, number: int, places: set[SourcePartition]) -> Stage:
        spec = StageSpec.decode(self.specs[number])
        return stage_of(
            spec,
            self.led,
            self.store,
            self.parents,
            lambda address: (address.removeprefix("log:///"), {}),
            children=children_of(self.nodes[number], stages(self.plan)),
            owned=places,
        )

    def _take(self, copy: int, number: int, epochs: dict[LaneId, int]) -> None:
        places = {SourcePartition(*lane.place) for lane in epochs}
        follower = self.copies[copy] = Follower(self._stage(number, places), dict(epochs))
        follower.stage.take()

    def _holds(self, copy: int, number: int) -> bool:
        lanes = self.model.datasets[number].lanes
        epochs = self.copies[copy].epochs
        return all(lanes[lane].epoch == epoch for lane, epoch in epochs.items())

    def _read(self, copy: int, number: int, parts: list[tuple[LaneId, int, int]]) -> None:
        mine = self.copies[copy]
        mine.enriched = None
        if not self._holds(copy, number):
            mine.reads = mine.stage.read()
            return
        after = {lane: after for lane, _, after in parts}
        lanes = self.model.datasets[number].lanes
        with self.led.reads(after.get(lane, lanes[lane].position) for lane in mine.epochs):
            mine.reads = mine.stage.read()
        found = [] if mine.reads is None else mine.reads.lanes
        same(
            "reads",
            [(id_of(lane), lane.position, records.next_offset) for lane, records in found],
            [(id_of(lane), first, after) for lane, first, after in parts],
        )

    def _cut(self, copy: int, _: int, cut: dict[tuple[int, LaneId], int]) -> None:
        mine = self.copies[copy]
        mine.cut = mine.stage.cut()
        same("cut", mine.cut, _ends(cut))
        if mine.reads is not None:
            mine.stage.decode(mine.reads)

    def _wait(self, copy: int, number: int, lacking: tuple[tuple[Any, ...], ...]) -> None:
        mine = self.copies[copy]
        if mine.reads is None or not self._holds(copy, number):
            return
        if len(lacking[0]) == 3:  # a parent's position, or what it has to settle
            assert not mine.stage.ready(mine.cut)
        else:
            with pytest.raises(NotYetError):
                mine.stage.enrich(mine.reads)
            mine.stage.decode(mine.reads)

    def _ready(self, copy: int, _: int, in_time: bool) -> None:
        mine = self.copies[copy]
        if in_time:
            assert mine.stage.ready(mine.cut)
        if mine.reads is None:
            return
        status = statuses.OK if in_time else statuses.LATE_PARENT
        try:
            mine.enriched = mine.stage.enrich(mine.reads, status)
        except NotYetError:
            mine.enriched = None

    def _enrich(self, copy: int, number: int, rows: list[Ready]) -> None:
        if not self._holds(copy, number):
            return
        mine = self.copies[copy]
        assert mine.reads is not None
        assert mine.enriched is not None, "the model held for nothing"
        same("rows", rows_of(mine.reads, mine.enriched), rows_ms(rows))

    def _commit(self, copy: int, _: int, held: bool) -> None:
        mine = self.copies[copy]
        with nullcontext() if held else pytest.raises(FencedError):
            if held or (mine.reads is not None and mine.enriched is not None):
                assert mine.reads is not None
                assert mine.enriched is not None
                mine.stage.commit(mine.reads, mine.enriched)
            else:
                mine.stage.tend()

    def _settle(self, copy: int, _: int, batch: Batch) -> None:
        with self.led.ends_at(_ends(batch.cut)):
            assert self.copies[copy].stage.tend(lambda: not batch.late)

    def _settle_wait(self, copy: int, number: int, _: object) -> None:
        if self._holds(copy, number):
            assert not self.copies[copy].stage.tend(lambda: True)

    def _tend(self, copy: int, number: int, held: bool) -> None:
        stage = self.copies[copy].stage
        if held:
            while stage.tend():
                self.compare_answers(number, from_floor=True)
        else:
            with pytest.raises(FencedError):
                stage.tend()

    def _replay(self, _: int, number: int, letters: tuple[int, int]) -> None:
        before, left = letters
        same("letters", self._stage(number, set()).replay(), (before - left, left))

    # -- comparing ------------------------------------------------------------------------------

    def compare(self, step: Step) -> None:
        """What both hold and answer after a step."""
        assert step.after is not None
        with self.datasets[step.shape].snapshot() as snapshot:
            ours = stored(snapshot, layout_of(self.nodes[step.shape]).sizes_ms)
        theirs = summary_ms(step.after)
        for name, wanted in theirs.items():
            same(name, ours[name], wanted)
        if self._last.get(step.shape) != theirs:
            self._last[step.shape] = theirs
            self.compare_answers(step.shape)

    def compare_answers(self, number: int, *, from_floor: bool = False) -> None:
        """Each key as of instants around all that divides one answer from another."""
        dataset = self.model.datasets[number]
        shape, floor = dataset.shape, dataset.floor()
        instants = [each for each in self._instants(number) if each >= floor or not from_floor]
        asked = [(key, at) for at in instants for key in KEYS]
        keys = pa.table({"key": pa.array([key for key, _ in asked], pa.string())})
        at = np.asarray([ORIGIN_MS + at for _, at in asked], np.int64)
        found = self.lookup.group_by(self.nodes[number], keys, at)
        ask = read_snapshot if shape.snapshot else read
        for (key, at), columns, status in zip(
            asked, found.columns.to_pylist(), found.status.tolist(), strict=True
        ):
            wanted: Answer = ask(dataset, key, at, PROTOCOL)
            values = tuple(finished(columns, each) for each in range(len(shape.windows)))
            told = statuses.listed(status)
            known = wanted.values, statuses.listed(wanted.status)
            same(f"{key} of {number} at {at}", (values, told), known)
        self.answers += len(asked)

    def _instants(self, number: int) -> list[int]:
        dataset, now = self.model.datasets[number], self.model.now
        bounds = [now, max(0, dataset.floor()), *(each.cutoff for each in dataset.uploads)]
        near = [at + by for at in bounds for by in (-UNITS.span(33), -UNITS.base, -1, 0, 1)]
        return sorted({each for each in near if each >= 0})


def _ends(cut: dict[tuple[int, LaneId], int]) -> dict[SourcePartition, int]:
    """The model's cut as a stage has it."""
    return {SourcePartition(*lane.place): end for (_, lane), end in cut.items()}
