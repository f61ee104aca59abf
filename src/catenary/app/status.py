"""What the stages of a project have committed, as their datasets tell it."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from catenary.errors import LogError
from catenary.state.layouts import dataset_name
from catenary.state.records import ANCIENT_MS, lanes_of, readers_of, uploads_of
from catenary.stream.letters import letters_of
from catenary.windows import format_instant

if TYPE_CHECKING:
    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.state.records import Lane, Upload
    from catenary.stream.letters import Letter


@dataclass(frozen=True)
class LaneState:
    """One lane, and how far behind its log it is."""

    lane: Lane
    end: int | None

    @property
    def lag(self) -> int | None:
        """Records that are queued; None if the log has no such topic."""
        return None if self.end is None else self.end - self.lane.position


@dataclass(frozen=True)
class StageState:
    """One stage, as of its last commits."""

    name: str
    lanes: tuple[LaneState, ...]
    uploads: tuple[Upload, ...]
    readers: tuple[str, ...]
    dead_letters: int

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {
            "stage": self.name,
            "lanes": [
                {**asdict(each.lane), "end": each.end, "lag": each.lag} for each in self.lanes
            ],
            "uploads": [asdict(each) for each in self.uploads],
            "readers": list(self.readers),
            "dead_letters": self.dead_letters,
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.dead_letters:,} dead letters"]
        for each in self.lanes:
            lane = each.lane
            behind = "its topic is gone" if each.lag is None else f"{each.lag:,} queued"
            lines.append(
                f"  {lane.place} at {lane.position:,}, {behind}, {lane.rows:,} rows,"
                f" passed {_at(lane.passed_ms)}, head from {_at(lane.floor_ms)}, {lane.owner or 'nobody yet'}"
            )
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
        return StageState(node.name, (), (), (), 0)
    with dataset.snapshot() as snapshot:
        lanes = lanes_of(snapshot)
        uploads, _ = uploads_of(snapshot)
        readers, _ = readers_of(snapshot)
        letters = sum(1 for _ in letters_of(snapshot))
    return StageState(
        node.name,
        tuple(LaneState(lane, _end(live, lane)) for lane in lanes.values()),
        uploads.held,
        tuple(sorted(readers.held)),
        letters,
    )


def _end(live: Live, lane: Lane) -> int | None:
    try:
        return live.log.ends([lane.place])[lane.place]
    except LogError:
        return None


def _at(ms: int) -> str:
    return "nothing" if ms == ANCIENT_MS else format_instant(ms)
