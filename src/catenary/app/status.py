"""What the stages of a project have committed, as their datasets tell it."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from catenary.errors import LogError, PositionError
from catenary.state.layouts import dataset_name
from catenary.state.records import ANCIENT_MS, lanes_of, readers_of, told_in, uploads_of
from catenary.stream.letters import letters_of
from catenary.windows import format_instant

if TYPE_CHECKING:
    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.state.records import Lane, Told, Upload
    from catenary.stream.letters import Letter


@dataclass(frozen=True)
class LaneState:
    """One lane, and how far behind its log it is.

    Attributes:
        lane: as of its last commit.
        end: of its source partition; None if the log has no such topic.
        queued_ms: how long the oldest record that is queued has been in the log; 0 if none is.
    """

    lane: Lane
    end: int | None
    queued_ms: int

    @property
    def lag(self) -> int | None:
        """Records that are queued; None if the log has no such topic."""
        return None if self.end is None else self.end - self.lane.position


@dataclass(frozen=True)
class StageState:
    """One stage, as of its last commits; `told` is what the copies that run it say of themselves."""

    name: str
    lanes: tuple[LaneState, ...] = ()
    uploads: tuple[Upload, ...] = ()
    readers: tuple[str, ...] = ()
    dead_letters: int = 0
    told: tuple[Told, ...] = ()

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {
            "stage": self.name,
            "lanes": [
                {
                    **asdict(each.lane),
                    "end": each.end,
                    "lag": each.lag,
                    "queued_ms": each.queued_ms,
                }
                for each in self.lanes
            ],
            "uploads": [asdict(each) for each in self.uploads],
            "readers": list(self.readers),
            "dead_letters": self.dead_letters,
            "copies": [
                {"owner": each.owner, "at_ms": each.at_ms, **each.facts} for each in self.told
            ],
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.dead_letters:,} dead letters"]
        for each in self.lanes:
            lane = each.lane
            behind = "its topic is gone" if each.lag is None else f"{each.lag:,} queued"
            behind += f" for {each.queued_ms:,} ms" if each.queued_ms else ""
            lines.append(
                f"  {lane.place} at {lane.position:,}, {behind}, {lane.rows:,} rows,"
                f" passed {_at(lane.passed_ms)},"
                f" head from {_at(lane.floor_ms)} in {lane.head_bytes:,} bytes, {lane.owner or 'nobody yet'}"
            )
        lines += [line for each in self.told for line in _lines(each)]
        lines += [
            f"  upload {each.id}: up to {_at(each.cutoff_ms)}, {each.state}, {each.entities:,} entities"
            for each in self.uploads
        ]
        if not self.lanes and not self.uploads:
            lines.append("  nothing committed, nothing uploaded")
        return "\n".join(lines)


def stage_states(live: Live) -> list[StageState]:
    """Every streamed GroupBy of the project."""
    return [_state(live, node) for node in live.stages]


def dead_letters(live: Live, node: GroupByNode) -> list[Letter]:
    """What a GroupBy's stage set aside."""
    dataset = live.store.dataset(dataset_name(node))
    if dataset is None:
        return []
    with dataset.snapshot() as snapshot:
        return list(letters_of(snapshot))


def running_owner(live: Live, node: GroupByNode) -> str | None:
    """Who runs a stage on this machine; None if nobody does, as far as can be seen."""
    dataset = live.store.dataset(dataset_name(node))
    if dataset is None:
        return None
    with dataset.snapshot() as snapshot:
        owners = {lane.owner for lane in lanes_of(snapshot).values()}
    for owner in owners:
        found = re.fullmatch(r"process (\d+) on (.*)", owner)
        if found is None or found[2] != socket.gethostname() or int(found[1]) == os.getpid():
            continue
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        return owner
    return None


def _state(live: Live, node: GroupByNode) -> StageState:
    dataset = live.store.dataset(dataset_name(node))
    if dataset is None:
        return StageState(node.name)
    with dataset.snapshot() as snapshot:
        lanes = lanes_of(snapshot)
        uploads, _ = uploads_of(snapshot)
        readers, _ = readers_of(snapshot)
        letters = sum(1 for _ in letters_of(snapshot))
        told = tuple(told_in(snapshot))
    return StageState(
        node.name,
        tuple(_lane(live, lane) for lane in lanes.values()),
        uploads.held,
        tuple(sorted(readers.held)),
        letters,
        told,
    )


def _lane(live: Live, lane: Lane) -> LaneState:
    try:
        end = live.log.ends([lane.place])[lane.place]
    except LogError:
        return LaneState(lane, None, 0)
    return LaneState(lane, end, _queued_ms(live, lane) if end > lane.position else 0)


def _queued_ms(live: Live, lane: Lane) -> int:
    """How long the record at a lane's position has been in the log."""
    try:
        queued = live.log.read(lane.place, lane.position, max_records=1, max_bytes=1)
    except PositionError:  # no longer retained: its age is not known
        return 0
    return max(0, time.time_ns() // 1_000_000 - int(queued.append_ms[0])) if len(queued) else 0


def _lines(told: Told) -> list[str]:
    """What a copy says of itself, in words."""
    facts = told.facts
    lines = [
        f"  {told.owner}, as of {format_instant(told.at_ms)}: {facts['rows']:,} rows in"
        f" {facts['batches']:,} batches, {facts['rows_per_second']:,} a second,"
        f" {facts['memory_peak_bytes'] >> 20:,} MiB at most"
    ]
    if facts["waiting_for"]:
        lines.append(f"    waits: {facts['waiting_for']}")
    lines += [
        f"    waited for {parent} {each['times']:,} times, {each['ms']:,.0f} ms in all,"
        f" {each['longest_ms']:,.0f} ms at most"
        for parent, each in facts["waits"].items()
    ]
    lines += [f"    rows {edge}: {many:,}" for edge, many in facts["edges"].items()]
    return lines


def _at(ms: int) -> str:
    return "nothing" if ms == ANCIENT_MS else format_instant(ms)
