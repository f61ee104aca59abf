"""What a world's answers must be: the oracle's, wherever their status says so, at every public face.

    asks ──► Fetcher.fetch, with instants and a token ──┐
         ──► the row object of one of them              ├──► alike? the oracle's? a status with a reason?
         ──► StoreLookup.join ──────────────────────────┘

Clients ask through their readers, at or after where they hold the heads. What was found is counted, so
that laws over many worlds can be stated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from tests.property.chains import COLUMNS, Kind
from tests.property.places import Places
from tests.property.refusing import registered
from tests.property.worlds import UNLIMITED_MS, World, resolve

from catenary.errors import NotYetError
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import streamed_sources
from catenary.ports import statuses
from catenary.state.layouts import layout_of
from catenary.state.records import ANCIENT_MS
from catenary.testing import events
from catenary.testing.oracle import Oracle
from catenary.windows import ds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.property.clients import Client

    from catenary.serve.fetcher import Answer

_NEVER_MS: Final = 1 << 62


class Ask(NamedTuple):
    """A request, and its instant."""

    at: int
    user: str
    item: str

    @property
    def keys(self) -> dict[str, str]:
        """What is asked for."""
        return {"user": self.user, "item": self.item}


@dataclass
class Verdict:
    """How a world's answers compare.

    Attributes:
        wrong: what must not be, as sentences.
        hedged: reads from where all is promised whose status promises nothing.
        excused: statuses that alone excuse a cell that differs.
        told: all statuses that were told.
        enriched: statuses with which stages read what their rows were enriched with.
        tally: what was seen, by what it is.
    """

    wrong: list[str] = field(default_factory=list[str])
    hedged: list[str] = field(default_factory=list[str])
    excused: set[str] = field(default_factory=set[str])
    told: set[str] = field(default_factory=set[str])
    enriched: set[str] = field(default_factory=set[str])
    tally: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: Verdict) -> None:
        """Count in what was found at another time, or of another world."""
        self.wrong += other.wrong
        self.hedged += other.hedged
        self.excused |= other.excused
        self.told |= other.told
        self.enriched |= other.enriched
        self.tally += other.tally


def story(
    seed: int,
    folder: Path,
    kind: Kind = Kind(),  # noqa: B008 - frozen
    settings: ChainSettings = ChainSettings(),  # noqa: B008 - frozen
    places: Places | None = None,
) -> Verdict:
    """A world from its seed to its end, and what there was to be said of it."""
    found = Verdict()
    with registered():
        world = World(Random(seed), folder, kind, settings, places or Places())
        if places is not None:
            world.on(places.store(folder))
        with world.clock.everywhere():
            _live(world, found)
    world.log.close()
    world.store.close()
    strange = found.told - _explained(world)
    found.wrong += [f"nothing explains the status {each}" for each in sorted(strange)]
    return found


def _live(world: World, found: Verdict) -> None:
    """All of a world's life, judged on the way, at the end, and when all have left."""

    def look() -> None:
        found.add(judge(world) if world.caught_up() else hurried(world))

    world.run(look)
    found.add(judge(world))
    before = world.floors()
    world.settle()
    found.add(judge(world))
    found.add(_left_alone(world, before))
    found.enriched = {name for each in world.copies for _, name in each.stage.status.edges}


def judge(world: World) -> Verdict:
    """Ask as anybody and as each client; compare with the oracle cell by cell."""
    verdict = Verdict()
    asked: list[tuple[Client | None, list[Ask]]] = [(None, world_asks(world))]
    asked += [(client, _asks_of(client, world)) for client in world.clients.open]
    wanted = iter(expected(world, [ask for _, asks in asked for ask in asks]))
    for client, asks in asked:
        answer = fetched(world, asks, client)
        _alike(world, asks, answer, verdict)
        _compare(world, asks, client, answer, [next(wanted) for _ in asks], verdict)
    return verdict


def hurried(world: World) -> Verdict:
    """A fetch that does not wait is answered only if everything that was published is in the answer."""
    verdict = Verdict(tally=Counter({"fetches in a hurry": 1}))
    lacking = _lacks(world)
    try:
        world.fetcher.fetch(
            "top", {"user": "u", "item": "p"}, at=world.now, min_token=world.token, timeout_s=0
        )
    except NotYetError:
        if not lacking:
            verdict.wrong.append("a fetch waits for what is there")
    else:
        if lacking:
            verdict.wrong.append("an answer came before what it was to reflect")
    return verdict


def _lacks(world: World) -> bool:
    """Whether any stage has yet to commit what was published to its topics."""
    lanes = world.lanes()
    for node in world.nodes:
        mine = lanes.get(node.name, [])
        followed = {resolve(topic)[0] for _, _, topic in streamed_sources(node)}
        for place, wanted in world.token.positions.items():
            reached = min((each.position for each in mine if each.place == place), default=0)
            if place.topic in followed and reached < wanted:
                return True
    return False


# -- asking -----------------------------------------------------------------------------------------


def world_asks(world: World) -> list[Ask]:
    """Requests: most as of the end, some as of other instants."""
    rng = world.rng
    seen = [each.row["ts"] for each in (*world.history, *world.published)] or [world.now]
    seen += [floor + rng.choice([0, 1, 7, 200_000]) for floor in world.floors().values()]
    found = [Ask(world.now + 1, user, item) for user, item in world.asked_at_end]
    for _ in range(10):
        at = rng.choice([world.now + 1, world.now + 1, rng.choice(seen), rng.choice(seen) + 1])
        at = max(at, world.kept_from()) if rng.random() < 0.5 else at
        found.append(Ask(at, rng.choice("uvw"), rng.choice("pq")))
    return found


def _asks_of(client: Client, world: World) -> list[Ask]:
    """What a client asks for: at or after where it holds the heads, often right there."""
    rng, held, end = world.rng, client.held_ms, world.now + 1
    instants = [
        held,
        held + 1,
        rng.randint(held, max(held, end)),
        rng.randint(held, max(held, end)),
    ]
    return [Ask(at, rng.choice("uv"), rng.choice("pq")) for at in instants]


def fetched(world: World, asks: Sequence[Ask], client: Client | None = None) -> Answer:
    """What the public fetcher answers."""
    answer = world.fetcher.fetch(
        "top",
        [each.keys for each in asks],
        at=[each.at for each in asks],
        min_token=world.token,
        timeout_s=world.patience_s,
        reader=None if client is None else client.reader,
    )
    if client is not None:
        world.clients.moved(client, min(each.at for each in asks))
    return answer


def expected(world: World, asks: Sequence[Ask]) -> list[Mapping[str, object]]:
    """What the oracle answers."""
    rows = [(each.at, each.user, each.item, None, None, ds_of(each.at)) for each in asks]
    tables = {**world.rows(), "asks": events(COLUMNS, *rows)}
    oracle = Oracle(tables, query_shift_ms=world.settings.query_shift_ms)
    answers = oracle.join(world.forgiving)
    by_ask = {Ask(row["ts"], row["user"], row["item"]): row for row in answers}  # pyright: ignore[reportArgumentType]
    return [by_ask[each] for each in asks]


def unlike(
    answer: Answer, wanted: Sequence[Mapping[str, object]], bits: np.ndarray | None = None
) -> list[str]:
    """How an answer differs from what is wanted, in rows that are sure.

    Args:
        answer: what was fetched.
        wanted: a row for each of its rows.
        bits: the statuses of what is wanted, if it has any.
    """
    doubts = (answer.bits if bits is None else answer.bits | bits) & ~statuses.SURE
    return [
        f"row {at}: {mine}, not {theirs}"
        for at, (mine, theirs) in enumerate(zip(answer.rows(), wanted, strict=True))
        if doubts[at] == 0 and not all(_same(mine[name], theirs[name]) for name in mine)
    ]


# -- comparing --------------------------------------------------------------------------------------


def _alike(world: World, asks: Sequence[Ask], answer: Answer, verdict: Verdict) -> None:
    """The fetcher's table, its row object and the stages' lookup are one answer."""
    left = pa.table(
        {
            "user": pa.array([each.user for each in asks], pa.string()),
            "item": pa.array([each.item for each in asks], pa.string()),
            "ts": pa.array([each.at for each in asks], pa.int64()),
        }
    )
    at = np.asarray([each.at for each in asks], np.int64)
    top: Any = world.plan.node("top")
    looked = world.lookup.join(top, left, at)
    if not answer.columns.equals(looked.columns):
        verdict.wrong.append("the fetcher's columns are not the lookup's")
    for part, bits in looked.parts.items():
        if [statuses.listed(each) for each in bits.tolist()] != answer.statuses[part]:
            verdict.wrong.append(f"the fetcher's statuses of {part} are not the lookup's")
    if answer.status != [statuses.worst(each) for each in looked.status.tolist()]:
        verdict.wrong.append("the fetcher's worst statuses are not the lookup's")
    if not world.token.reached_by(answer.token.positions):
        verdict.wrong.append(f"the answer reflects {answer.token}, {world.token} was asked for")
    place = world.rng.randrange(len(asks))
    ask, of_many = asks[place], answer.row(place)
    row = world.fetcher.fetch("top", ask.keys, at=ask.at, min_token=world.token, timeout_s=0)
    same = row.keys() == of_many.keys() and all(_same(row[name], of_many[name]) for name in row)
    if not same or row.statuses != of_many.statuses or row.status != of_many.status:
        verdict.wrong.append(f"one row of {ask} is {row} {row.statuses}, of many {of_many}")


def _compare(
    world: World,
    asks: Sequence[Ask],
    client: Client | None,
    answer: Answer,
    wanted: Sequence[Mapping[str, object]],
    verdict: Verdict,
) -> None:
    """Cells that differ must say so; reads of which all is promised must say that, too."""
    top: Any = world.plan.node("top")
    values = answer.rows()
    promise = Promise(world, client)
    verdict.wrong += promise.broken()
    tally = verdict.tally
    for row, ask in enumerate(asks):
        for part in top.parts:
            name = part.group_by.name
            # A row without an answer has none in any part.
            bits = int(answer.parts[name][row]) | int(answer.bits[row]) & statuses.ERROR
            doubts, listed = bits & ~statuses.SURE, statuses.listed(bits)
            verdict.told |= set(listed)
            if doubts and ask.at >= promise.sure_from(name):
                who = "" if client is None else " by a client"
                verdict.hedged.append(f"{name} of {ask}{who}: {listed}")
            cells = len(part.columns)
            tally["cells"] += cells
            tally["cells that are sure"] += cells * (not doubts)
            if ask.at >= promise.held_from(name):
                tally["cells held"] += cells
                tally["cells held, ok or missing"] += cells * (
                    bits | statuses.MISSING == statuses.MISSING
                )
            if client is not None:
                tally["reads by clients"] += 1
                tally["reads by clients, beyond the limit"] += bool(bits & statuses.AS_OF_TILE)
            for _, column in part.columns:
                mine, theirs = values[row][column], wanted[row][column]
                if _same(mine, theirs):
                    continue
                if doubts:
                    # Of several doubts nobody knows which one excuses the difference.
                    verdict.excused |= (
                        set(statuses.listed(doubts)) if doubts.bit_count() == 1 else set()
                    )
                else:
                    text = f"{column} of {ask}: {mine!r}, not {theirs!r}, {listed}"
                    verdict.wrong.append(text)


class Promise:
    """From which instants on what is promised to whoever reads; to a client, also from where it holds."""

    def __init__(self, world: World, client: Client | None) -> None:
        self._world = world
        self._client = client
        self._lanes = world.lanes()
        self._floors = world.floors()
        since = (lane.since_ms for lanes in self._lanes.values() for lane in lanes)
        self._since = max(since, default=_NEVER_MS)
        self._unlimited = world.settings.head_limit_ms == UNLIMITED_MS

    def held_from(self, name: str) -> int:
        """From where the lanes hold all that reads of a GroupBy need."""
        return max(self._since, self._floors.get(name, 0))

    def sure_from(self, name: str) -> int:
        """From where nothing may be doubted; never, where nothing is promised."""
        world = self._world
        if (
            not world.promises
            or world.collapsed
            # No head is held for rows of a chain that an upload makes it settle.
            or ((world.kind.late or world.settles_chains) and name != world.nodes[0].name)
        ):
            return _NEVER_MS
        if self._client is None:
            return max(world.kept_from(), self._floors.get(name, 0))
        # Later uploads take nothing from a client; a stage that began later may.
        kept = max(self._client.kept_from, self._since)
        return max(kept, self._client.held_ms if self._unlimited else self._floors.get(name, 0))

    def broken(self) -> list[str]:
        """Heads that a client holds, and that have risen beyond all the same."""
        is_crowded = self._world.settings.head_limit_bytes < ChainSettings().head_limit_bytes
        if self._client is None or is_crowded:
            return []
        limit, held = self._world.settings.head_limit_ms, self._client.held_ms
        return [
            f"the head of {name} is at {lane.floor_ms}, and a client at {held}"
            for name, lanes in self._lanes.items()
            for lane in lanes
            if lane.floor_ms > max(held, lane.passed_ms - limit)
        ]


def _left_alone(world: World, before: Mapping[str, int]) -> Verdict:
    """When no reader is left, and all upkeep is done, heads reach back by what they trail and no further."""
    verdict = Verdict()
    given = world.settings
    trailing = min(given.head_horizon_ms - given.query_shift_ms, given.head_limit_ms)
    for node in world.nodes:
        base = layout_of(node).base_ms
        for lane in world.lanes()[node.name]:
            free = (lane.passed_ms - trailing) // base * base
            if lane.passed_ms != ANCIENT_MS and lane.floor_ms != free:
                text = f"the head of {node.name} is at {lane.floor_ms}, not at {free}, and nobody reads"
                verdict.wrong.append(text)
    risen = sum(floor > before.get(name, 0) for name, floor in world.floors().items())
    verdict.tally["heads that rose when clients had left"] += risen
    return verdict


def _explained(world: World) -> set[str]:
    """The statuses that something in a world is a reason for."""
    settings, kind = world.settings, world.kind
    # Reads from before the head, before or without an upload are among what is asked for.
    found = {"missing", "overflow", "as_of_tile", "missing_upload", "before_retention"}
    found |= {"late_parent"} if settings.on_parent_late != "hold" else set()
    found |= {"set_aside"} if settings.on_parent_late == "dead_letter" or kind.refusing else set()
    found |= {"error"} if kind.refusing == "part" else set()
    found |= {"stale_batch"} if kind.snapshot or world.collapsed else set()
    return found if settings.event_time_query else found | {"shifted"}


def _same(mine: object, theirs: object) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return bool(np.float64(mine).view(np.int64) == np.float64(theirs).view(np.int64))
    return mine == theirs
