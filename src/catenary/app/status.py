"""What the stages of a project have committed, as their datasets tell it."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from catenary.app.upload import uploaded
from catenary.definitions import GroupBy
from catenary.errors import CatenaryError, LogError, PositionError, UnreachableError
from catenary.plan.printing import counted
from catenary.state.layouts import dataset_name
from catenary.state.records import ANCIENT_MS, lanes_of, readers_of, told_in, uploads_of
from catenary.stream.letters import letters_of
from catenary.windows import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.state.records import Lane, Reader, Told, Upload

_HEARD_OF_MS = 10_000
"""A stage says something of itself each half second."""


@dataclass(frozen=True)
class LaneState:
    """One lane, and how far behind its log it is.

    Attributes:
        lane: as of its last commit.
        end: of its source partition; None if the log has no such topic, or does not answer.
        queued_ms: how long the oldest record that is queued has been in the log; 0 if none is.
        ended: whether the process that took the lane last is known to be gone.
        error: why its log cannot be read; None if it can.
        away: why the log does not say; empty if it does.
    """

    lane: Lane
    end: int | None
    queued_ms: int
    ended: bool
    error: CatenaryError | None = None
    away: str = ""

    @property
    def lag(self) -> int | None:
        """Records that are queued; None if the log does not say."""
        return None if self.end is None else self.end - self.lane.position


@dataclass(frozen=True)
class StageState:
    """One GroupBy as its dataset tells it: a stage as of its last commits, and what was uploaded.

    Attributes:
        streamed: whether it follows a topic; one that does not has uploads only.
        readers: who hold its head: children and clients.
        dead_letters: that are open.
        dismissed: dead letters that somebody dismissed.
        told: what the copies that run it say of themselves.
        error: why its dataset cannot be read; None if it can.
    """

    name: str
    streamed: bool = True
    lanes: tuple[LaneState, ...] = ()
    uploads: tuple[Upload, ...] = ()
    readers: tuple[Reader, ...] = ()
    dead_letters: int = 0
    dismissed: int = 0
    told: tuple[Told, ...] = ()
    error: CatenaryError | None = None

    @property
    def failed(self) -> bool:
        """Whether something of it cannot be read."""
        return self.error is not None or any(each.error is not None for each in self.lanes)

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {
            "stage": self.name,
            "streamed": self.streamed,
            "error": _facts_of(self.error),
            "lanes": [
                {
                    **asdict(each.lane),
                    "end": each.end,
                    "lag": each.lag,
                    "queued_ms": each.queued_ms,
                    "ended": each.ended,
                    "error": _facts_of(each.error),
                    "away": each.away,
                }
                for each in self.lanes
            ],
            "uploads": [asdict(each) for each in self.uploads],
            "readers": [each.name for each in self.readers],
            "dead_letters": self.dead_letters,
            "dismissed": self.dismissed,
            "copies": [
                {"owner": each.owner, "at_ms": each.at_ms, **each.facts} for each in self.told
            ],
        }

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.name}: {_words_of(self.error)}"
        about = counted(self.dead_letters, "dead letter") if self.streamed else "follows no topic"
        about += f", {self.dismissed:,} dismissed" if self.dismissed else ""
        lines = [f"{self.name}: {about}"]
        for each in self.lanes:
            lane = each.lane
            behind = "lag unknown" if each.lag is None else f"{each.lag:,} queued"
            behind += f" for {each.queued_ms:,} ms" if each.queued_ms else ""
            lines.append(
                f"  {lane.place} at {lane.position:,}, {behind}, {counted(lane.rows, 'row')},"
                f" passed {_at(lane.passed_ms)},"
                f" head from {_at(lane.floor_ms)} in {counted(lane.head_bytes, 'byte')},"
                f" {lane.owner or 'nobody yet'}{', which has ended' if each.ended else ''}"
            )
        lines += [line for each in self.told for line in _lines(each)]
        lines += [_held_by(each, self.readers) for each in self.readers]
        lines += [
            f"  upload {each.id}: up to {_at(each.cutoff_ms)}, {each.state},"
            f" {counted(each.entities, 'entity', 'entities')}"
            for each in self.uploads
        ]
        if not self.lanes and not self.uploads:
            lines.append(
                "  nothing committed, nothing uploaded" if self.streamed else "  nothing uploaded"
            )
        return "\n".join(lines)


def reasons(states: Sequence[StageState]) -> list[str]:
    """Why lags are not known, each reason once, with the places that it holds for."""
    places: dict[str, list[str]] = {}
    for lane in (lane for state in states for lane in state.lanes if lane.lag is None):
        why = lane.away if lane.error is None else _words_of(lane.error)
        known = places.setdefault(why, [])
        if str(lane.lane.place) not in known:
            known.append(str(lane.lane.place))
    return [f"lag unknown of {', '.join(known)}: {why}" for why, known in places.items()]


def stage_states(live: Live) -> list[StageState]:
    """Every GroupBy of the project that is read online: the stages, then those without a topic.

    Those that lack a table come last, each with what it lacks.

    What is damaged of one is told in its place, and takes no figures of another along.

    Raises:
        UnreachableError: if the store's server is away.
    """
    followed = {node.name for node in live.stages}
    others = [node for node in uploaded(live.plan) if node.name not in followed]
    asked = _Asked(live)
    return [
        *(_state(asked, node, streamed=True) for node in live.stages),
        *(_state(asked, node, streamed=False) for node in others),
        *(
            StageState(name, error=error)
            for name, error in live.lacking.items()
            if isinstance(live.definitions[name], GroupBy)
        ),
    ]


@dataclass(frozen=True)
class Owner:
    """Who has lanes of a stage.

    Attributes:
        ended: whether its process is known to be gone.
        silent_ms: how long ago it was heard of, by its word or by a commit.
    """

    name: str
    ended: bool
    silent_ms: int


def owners_of(live: Live, node: GroupByNode) -> list[Owner]:
    """Who has the lanes of a stage; none if it has no lanes."""
    dataset = live.store.dataset(dataset_name(node))
    if dataset is None:
        return []
    with dataset.snapshot() as snapshot:
        heard = [(each.owner, each.committed_ms) for each in lanes_of(snapshot).values()]
        heard += [(each.owner, each.at_ms) for each in told_in(snapshot)]
    last: dict[str, int] = {}
    for name, at_ms in heard:
        last[name] = max(at_ms, last.get(name, at_ms))
    now_ms = time.time_ns() // 1_000_000
    return [Owner(name, _has_ended(name), now_ms - at_ms) for name, at_ms in last.items()]


def running_owner(live: Live, node: GroupByNode) -> str | None:
    """Who runs a stage on this machine; None if nobody does, as far as can be seen."""
    return next((each.name for each in owners_of(live, node) if runs(each.name)), None)


def serving(live: Live, node: GroupByNode) -> str | None:
    """Who runs a stage, as far as can be seen; None if nobody does.

    A process of this machine is looked for; one elsewhere runs if it was heard of just now.
    """
    owner = running_owner(live, node)
    dataset = live.store.dataset(dataset_name(node))
    if owner is not None or dataset is None:
        return owner
    with dataset.snapshot() as snapshot:
        owners = {lane.owner for lane in lanes_of(snapshot).values()}
        told = list(told_in(snapshot))
    now_ms = time.time_ns() // 1_000_000
    elsewhere = (x for x in told if x.owner in owners and _process(x.owner) is None)
    return next((x.owner for x in elsewhere if now_ms - x.at_ms < _HEARD_OF_MS), None)


def _process(owner: str) -> int | None:
    """The number of an owner's process; None if it cannot be seen from this machine."""
    found = re.fullmatch(r"process (\d+) on (.*)", owner)
    return int(found[1]) if found is not None and found[2] == socket.gethostname() else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def runs(owner: str) -> bool:
    """Whether the process that took a lane is known to run on this machine, and is another one."""
    process = _process(owner)
    return process is not None and process != os.getpid() and _runs(process)


def _has_ended(owner: str) -> bool:
    process = _process(owner)
    return process is not None and not _runs(process)


def _state(asked: _Asked, node: GroupByNode, *, streamed: bool) -> StageState:
    try:
        return _read(asked, node, streamed=streamed)
    except UnreachableError:
        raise  # of all of them
    except CatenaryError as error:
        return StageState(node.name, streamed, error=error)


def _read(asked: _Asked, node: GroupByNode, *, streamed: bool) -> StageState:
    """As `_state`; raises what the store says that cannot be read."""
    dataset = asked.live.store.dataset(dataset_name(node))
    if dataset is None:
        return StageState(node.name, streamed)
    with dataset.snapshot() as snapshot:
        lanes = lanes_of(snapshot)
        uploads, _ = uploads_of(snapshot)
        readers, _ = readers_of(snapshot)
        letters = [each.is_open for each in letters_of(snapshot)]
        told = tuple(told_in(snapshot))
    return StageState(
        node.name,
        streamed,
        tuple(asked.about(lane) for lane in lanes.values()),
        uploads.held,
        tuple(readers.held[name] for name in sorted(readers.held)),
        letters.count(True),
        letters.count(False),
        told,
    )


class _Asked:
    """The log, asked about lanes; once it does not answer, it is not asked again."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._away = ""

    def about(self, lane: Lane) -> LaneState:
        """How far a lane is behind."""
        ended = _has_ended(lane.owner)
        if self._away:
            return LaneState(lane, None, 0, ended, away=self._away)
        try:
            end = self.live.log.ends([lane.place])[lane.place]
            queued_ms = self._queued_ms(lane) if end > lane.position else 0
        except UnreachableError as error:
            self._away = f"{error.where}: {error.problem}"
            return LaneState(lane, None, 0, ended, away=self._away)
        except PositionError as error:
            return LaneState(lane, None, 0, ended, error=error)
        except LogError:
            return LaneState(lane, None, 0, ended, away="its topic is gone")
        except CatenaryError as error:
            return LaneState(lane, None, 0, ended, error=error)
        return LaneState(lane, end, queued_ms, ended)

    def _queued_ms(self, lane: Lane) -> int:
        """How long the record at a lane's position has been in the log."""
        try:
            queued = self.live.log.read(lane.place, lane.position, max_records=1, max_bytes=1)
        except PositionError:  # no longer retained: its age is not known
            return 0
        return max(0, time.time_ns() // 1_000_000 - int(queued.append_ms[0])) if len(queued) else 0


def _words_of(error: CatenaryError) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", "\n  ")


def _facts_of(error: CatenaryError | None) -> dict[str, str | None] | None:
    return None if error is None else {"kind": type(error).__name__, **error.facts()}


def _held_by(reader: Reader, all_: Sequence[Reader]) -> str:
    """Who holds the head; a child by its name, or by its dataset's where another version of it does, too."""
    if reader.child:
        name = reader.name.rpartition("@")[0]
        alone = sum(each.child and each.name.rpartition("@")[0] == name for each in all_) == 1
        return f"  the head is held by {name if alone else reader.name}, which is chained on this"
    return f"  the head is held by the client {reader.name}"


def _lines(told: Told) -> list[str]:
    """What a copy says of itself, in words."""
    facts = told.facts
    lines = [
        f"  {told.owner}{', which has ended' if _has_ended(told.owner) else ''},"
        f" as of {format_instant(told.at_ms)}: {counted(facts['rows'], 'row')} in"
        f" {counted(facts['batches'], 'batch', 'batches')}, {facts['rows_per_second']:,} a second,"
        f" {facts['memory_peak_bytes'] >> 20:,} MiB at most"
    ]
    if facts["waiting_for"]:
        lines.append(f"    waits: {facts['waiting_for']}")
    lines += [
        f"    waited for {parent} {counted(each['times'], 'time')}, {each['ms']:,.0f} ms in all,"
        f" {each['longest_ms']:,.0f} ms at most"
        for parent, each in facts["waits"].items()
    ]
    if facts["null_keys"]:
        lines.append(f"    {counted(facts['null_keys'], 'row')} without a key")
    lines += [f"    {text}" for text in facts["remarks"]]
    lines += [f"    rows {edge}: {many:,}" for edge, many in facts["edges"].items()]
    return lines


def _at(ms: int) -> str:
    return "nothing" if ms == ANCIENT_MS else format_instant(ms)
