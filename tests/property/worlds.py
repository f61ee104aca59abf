"""Worlds of chained streams: stages that are stepped in any order, over what happens around them.

    seed ──► a chain of depth 1 to 4 over one to three topics of one to three partitions   (chains)
         ──► history in tables, uploaded at a midnight; the rest published; perhaps a second
             upload, which lands long after it read its tables                             (happenings)
         ──► stages: read, decode, wait, enrich, commit, tend, one step at a time or a batch by
             itself; killed, doubled (the older copy lives on), overtaken within a commit,
             started late; records arrive within a batch
         ──► clients that hold heads, and lag, move, close or expire                       (clients)
         ──► reads at random instants, held to the oracle over all events so far           (judging)

All is drawn from one generator, so a world is its seed. Bounds are small, so that equal times, equal
keys and windows that begin on an event are common.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tests.property.chains import Kind
from tests.property.clients import Clients, Clock
from tests.property.happenings import CUTOFF_MS, TAILS, Happenings
from tests.property.places import Places

from catenary.errors import FencedError, NotYetError
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec
from catenary.ports import statuses
from catenary.serve.fetcher import Fetcher
from catenary.serve.lookup import StoreLookup
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, uploads_of
from catenary.stream.build import children_of, stage_of
from catenary.stream.lanes import SetBackError
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from random import Random

    from catenary.ports import Snapshot, Store
    from catenary.state.records import Lane
    from catenary.stream.stage import Reads, Stage

UNLIMITED_MS: Final = 1000 * DAY_MS
_STEPS_OF_A_BATCH: Final = 8
_KEPT_STEPS: Final = 50_000


def resolve(address: str) -> tuple[str, Mapping[str, str]]:
    """Where a topic is: its address's end."""
    return address.removeprefix("log:///"), {}


@dataclass
class Copy:
    """A running copy of a stage, and the batch that it has in hand."""

    stage: Stage
    reads: Reads | None = None
    cut: Any = None
    enriched: Any = None


class World(Happenings):
    """Stages over what happens, and what becomes of them.

    Args:
        rng: draws all.
        folder: of the log, unless it is on a broker.
        kind: what sort of world it is.
        settings: of the chain; bounds of heads and batches are drawn.
        places: where its log is; its store is in memory until it is `on` another.

    Attributes:
        patience_s: how long a fetch waits for what was published.
    """

    def __init__(
        self,
        rng: Random,
        folder: Path,
        kind: Kind = Kind(),  # noqa: B008 - frozen
        settings: ChainSettings = ChainSettings(),  # noqa: B008 - frozen
        places: Places = Places(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(rng, places.log(folder), kind, settings.query_shift_ms)
        self.settings = replace(
            settings,
            head_horizon_ms=rng.choice([0, 10 * MINUTE_MS]),
            head_limit_ms=rng.choice([HOUR_MS, DAY_MS, UNLIMITED_MS])
            if kind.late
            else UNLIMITED_MS,
            history_ms=rng.choice([0, 2 * DAY_MS]),
            max_batch_rows=rng.choice([1, 3, 1000]),
        )
        self.on(self.store)
        self.clock = Clock()
        self.clients = Clients(rng, self.clock)
        self.patience_s = 0.0
        self.copies: list[Copy] = []
        self.zombies: list[Copy] = []
        self.fenced = self.batches = 0
        self.hurry = rng.choice([0.1, 0.3, 0.8])
        self._busy: list[Copy] = []

    @property
    def asked_at_end(self) -> list[tuple[str, str]]:
        """Who is asked for as of the end, besides those that are drawn."""
        return []

    def on(self, store: Store) -> None:
        """Let uploads, stages of this process and reads use that store."""
        self.store = store
        late = self.settings.on_snapshot_late
        self._enriching = StoreLookup(store, on_snapshot_late=late)
        # Whoever reads a world takes what there is.
        late = "previous" if late == "hold" else late
        self.lookup = StoreLookup(store, on_snapshot_late=late)
        self.fetcher = Fetcher(
            self.plan, store, on_snapshot_late=late, horizon_ms=self.settings.head_horizon_ms
        )

    @property
    def promises(self) -> bool:
        """Whether everything is promised of events that come in order."""
        given = self.settings
        return (
            given.on_parent_late == "hold"
            and given.event_time_query
            and given.query_shift_ms == 0
            and not self.kind.refusing
            and not self.kind.snapshot
        )

    @cached_property
    def specs(self) -> dict[str, bytes]:
        """Each stage's spec, by name."""
        known = {each.name or "": each for each in self.chain.definitions}
        return {
            node.name: StageSpec.of(
                known, self.schemas.__getitem__, node.name, self.settings
            ).encode()
            for node in self.nodes
        }

    def stage(self, name: str) -> Stage:
        """A copy of a stage, from its spec's bytes."""
        spec = StageSpec.decode(self.specs[name])
        node = spec.node()
        return stage_of(
            spec,
            self.log,
            self.store,
            self._enriching,
            resolve,
            children=children_of(node, self.nodes),
            owner=f"copy {len(self.copies) + len(self.zombies)}",
            phase=lambda phase: self.moment(name, phase),
        )

    def moment(self, name: str, phase: str) -> None:
        """What happens while a stage is within a step: records arrive, another copy takes over."""
        if not self._busy:
            return
        if phase in ("read", "decode", "wait") and self.rng.random() < 0.3:
            for _ in range(min(self.left, self.rng.randint(1, 3))):
                self.publish_next()
        if phase == "transaction" and self.rng.random() < 0.03:
            taken = self.stage(name)
            taken.take()
            self.copies = [each for each in self.copies if each.stage.node.name != name]
            self.copies.append(Copy(taken))

    def start(self, name: str) -> None:
        """A copy takes the stage's lanes; one that runs already lives on, or is gone."""
        running = [each for each in self.copies if each.stage.node.name == name]
        if running and self.rng.random() < 0.5:
            self.zombies += running
        self.copies = [each for each in self.copies if each not in running]
        stage = self.stage(name)
        stage.take()
        self.copies.append(Copy(stage))

    def step(self, copy: Copy) -> None:
        """One step of one copy, or a whole batch as it runs by itself."""
        self._busy.append(copy)
        try:
            if copy.reads is None and self.rng.random() < 0.3:
                self.batches += copy.stage.step(self.meanwhile())
            else:
                self.small_step(copy, self.meanwhile())
        except SetBackError as error:
            raise AssertionError("the store of a world loses no commit") from error
        finally:
            self._busy.pop()

    def meanwhile(self) -> Callable[[], bool]:
        """Lets the others work while a copy waits; gives up when that does not help."""
        patience = iter(range(60))

        def stopped() -> bool:
            if self.settings.on_parent_late != "hold":
                self.clock.tick()
            others = [each for each in self.copies if each not in self._busy]
            version = self.store.version()
            for _ in range(_STEPS_OF_A_BATCH):
                for each in others:
                    with suppress(FencedError):
                        self.small_step(each, lambda: True)
                if self.store.version() != version:
                    break
            else:
                return True
            return next(patience, None) is None

        return stopped

    def small_step(self, copy: Copy, stopped: Callable[[], bool]) -> None:
        """One step of one copy."""
        stage = copy.stage
        if copy.reads is None:
            copy.reads = stage.read()
            if copy.reads is None:
                stage.tend(stopped)
        elif copy.cut is None:
            copy.cut = stage.cut()
            stage.decode(copy.reads)
        elif copy.enriched is None:
            self._enrich(copy)
        else:
            stage.commit(copy.reads, copy.enriched)
            self.batches += 1
            copy.reads = copy.cut = copy.enriched = None

    def _enrich(self, copy: Copy) -> None:
        """The rows of a batch, once its parents are there, or need not be."""
        stage = copy.stage
        if stage.ready(copy.cut):
            inherited = statuses.OK
        elif self.settings.on_parent_late == "hold" or self.rng.random() < 0.7:
            return
        else:
            inherited = stage.wait(copy.cut, self.clock.tick)
            assert inherited is not None, "nobody stops it"
        assert copy.reads is not None
        try:
            copy.enriched = stage.enrich(copy.reads, inherited)
        except NotYetError:  # a snapshot that is held for has not landed
            stage.decode(copy.reads)

    def work(self) -> None:
        """One step of some copy, or a kill."""
        if self.zombies and self.rng.random() < 0.2:
            zombie = self.rng.choice(self.zombies)
            try:
                self.step(zombie)
            except FencedError:
                self.fenced += 1
                self.zombies.remove(zombie)
            return
        copy = self.rng.choice(self.copies)
        if self.rng.random() < 0.03:
            self.start(copy.stage.node.name)
            return
        try:
            self.step(copy)
        except FencedError:  # overtaken in its commit
            self.fenced += 1
            assert copy not in self.copies

    def caught_up(self) -> bool:
        """Whether every stage has committed all that was published."""
        return len(self.copies) == len(self.nodes) and all(
            each.reads is None and each.stage.lag() == 0 for each in self.copies
        )

    # -- a whole story --------------------------------------------------------------------------

    def run(self, look: Callable[[], None] = lambda: None) -> None:
        """History, an upload, a stream, perhaps another upload, until all are caught up.

        Args:
            look: called now and then.
        """
        rng = self.rng
        # An upload computes all rows of its tables; those that raise would fail it.
        begins_with_upload = rng.random() < 0.7 and not self.kind.refusing
        if begins_with_upload:
            self.history = [e for e in self.happen(rng.randint(0, 12)) if e.row["ts"] < CUTOFF_MS]
            self.upload(CUTOFF_MS)
            self.now = max(self.now, CUTOFF_MS)
        names = [node.name for node in self.nodes]
        last = names.pop() if len(names) > 1 and self.begins_late else None
        for name in names:
            self.start(name)
        self.left = rng.randint(1, 40)
        self.second = self.left // 2 if begins_with_upload and rng.random() < 0.5 else -1
        for _ in range(_KEPT_STEPS):
            if self.left and rng.random() < self.hurry:
                self.publish_next()
            self._land()
            if last is not None and (not self.left or rng.random() < 0.01):
                self.start(last)
                last = None
            self.clients.act(self.fetcher, self.now, self.kept_from)
            self.work()
            if not self.left and self.begun is None and last is None and self.caught_up():
                break
            if rng.random() < 0.02:
                look()
        else:
            raise AssertionError("the stages did not catch up")
        for copy in self.copies:
            for _ in range(rng.choice([0, 3, 100])):
                if not copy.stage.tend():
                    break

    def settle(self) -> None:
        """Clients leave, and all upkeep is done."""
        self.clients.end()
        for copy in self.copies:
            while copy.stage.tend():
                pass

    def _land(self) -> None:
        """An upload lands, now or at the end; what is held for does come."""
        if self.begun is not None and (not self.left or self.rng.random() < 0.05):
            self.land_upload(self.rng.choice(TAILS))
        held = self.kind.snapshot and self.settings.on_snapshot_late == "hold"
        midnight = self.now // DAY_MS * DAY_MS
        if held and not self.left and self.kept_from() < midnight:
            self.upload(midnight)

    # -- what the store holds -------------------------------------------------------------------

    def kept_from(self) -> int:
        """The first instant for which there is all that is needed: the newest upload's cut-off."""
        uploads = (uploads_of(snapshot)[0].held for _, snapshot in self.stored())
        return max((each.cutoff_ms for some in uploads for each in some), default=0)

    def lanes(self) -> dict[str, list[Lane]]:
        """What each stage has committed, by its name."""
        return {name: list(lanes_of(snapshot).values()) for name, snapshot in self.stored()}

    def floors(self) -> dict[str, int]:
        """From which instant each GroupBy can be read to the millisecond."""
        floors = {
            name: max((lane.floor_ms for lane in lanes), default=0)
            for name, lanes in self.lanes().items()
        }
        return {name: floor for name, floor in floors.items() if floor > 0}

    def stored(self) -> Iterator[tuple[str, Snapshot]]:
        """The stages' datasets as they are."""
        for node in self.nodes:
            dataset = self.store.dataset(dataset_name(node))
            if dataset is not None:
                with dataset.snapshot() as snapshot:
                    yield node.name, snapshot
