"""What the model's datasets hold and the real ones, in the same words.

    model: Dataset.summary ──► summary_ms ──┐
    real:  records and tiles ──► stored   ──┴──► same

Instants are milliseconds, None before every event; a lane is its source and partition; statuses are
names. A tile is told by key, lane, start and length: what it sums up shows in answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.property.real_shapes import ORIGIN_MS, instant_ms, known_ms

from catenary.ports import statuses
from catenary.state import tiles
from catenary.state.keys import encode_key
from catenary.state.records import PASSED, Passed, lanes_of, readers_of, unpack, uploads_of
from catenary.stream.letters import letters_of
from catenary.testing.protocol.clients import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.ports import Snapshot
    from catenary.state.records import Lane
    from catenary.stream.pipeline import Enriched
    from catenary.stream.stage import Reads
    from catenary.testing.protocol.shapes import LaneId
    from catenary.testing.protocol.stage import Ready

ENTITIES: Final = {encode_key([key]): key for key in KEYS}


def stored(snapshot: Snapshot, sizes_ms: Sequence[int]) -> dict[str, object]:
    """A real dataset's summary; `sizes_ms` are the lengths of its tiles, by level."""
    uploads = uploads_of(snapshot)[0].held
    cutoffs = {each.id: each.cutoff_ms for each in uploads}
    of_lanes: list[tuple[Any, ...]] = []
    late: dict[int, list[tuple[Any, ...]]] = {each.cutoff_ms: [] for each in uploads}
    for key, value in snapshot.scan(tiles.TILE):
        start, size = tiles.instant_of(key[-8:]), sizes_ms[key[-9]]
        what = (_id_of(key[-12:-9]), start, size, statuses.listed(tiles.status_of(value)))
        entity, rest = key[1 : -tiles.LANE_SUFFIX], key[-tiles.LANE_SUFFIX :]
        if rest[:1] == tiles.OF_LANE and entity in ENTITIES:
            of_lanes.append((ENTITIES[entity], *what))
        else:
            entity, rest = key[1 : -tiles.LATE_SUFFIX], key[-tiles.LATE_SUFFIX :]
            cutoff_ms = cutoffs[int.from_bytes(rest[1:5], "big")]
            late[cutoff_ms].append((ENTITIES[entity], *what))
    return {
        "lanes": {
            (lane.source, lane.partition): (
                lane.epoch,
                lane.position,
                *(known_ms(each) for each in (lane.passed_ms, lane.floor_ms, lane.kept_ms)),
            )
            for lane in lanes_of(snapshot).values()
        },
        "tiles": sorted(of_lanes),
        "uploads": {
            each.cutoff_ms: (
                known_ms(each.reached_ms),
                each.state == "active",
                [_id_of(key) for key in each.unsettled],
            )
            for each in uploads
        },
        "late": {cutoff_ms: sorted(found) for cutoff_ms, found in late.items()},
        "readers": {
            each.name: unpack(snapshot.get(PASSED + each.name.encode()) or b"", Passed).passed_ms
            for each in readers_of(snapshot)[0].held.values()
            if not each.child
        },
        "letters": sorted(
            ((each.source, each.partition), each.offset) for each in letters_of(snapshot)
        ),
    }


def same(what: str, ours: object, theirs: object) -> None:
    """Both are equal.

    Raises:
        AssertionError: if they are not; shows what only one side has.
    """
    if ours == theirs:
        return
    mine, other = (
        set(map(str, each.items() if isinstance(each, dict) else each))
        if isinstance(each, dict | list | set)
        else {str(each)}
        for each in (ours, theirs)
    )
    only = {"stage": sorted(mine - other), "model": sorted(other - mine)}
    raise AssertionError(f"{what}: {only}" if mine != other else f"{what}: {ours}, not {theirs}")


def summary_ms(summary: dict[str, Any]) -> dict[str, object]:
    """The model's summary as the real one is told: milliseconds, lanes by source and partition."""

    def tiles_ms(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return sorted(
            (key, id_of(lane), ORIGIN_MS + start, end - start, statuses.listed(status))
            for key, lane, start, end, _, status in found
        )

    return {
        "lanes": {
            id_of(lane): (epoch, position, *(instant_ms(each) for each in instants))
            for lane, (epoch, position, *instants) in summary["lanes"].items()
        },
        "tiles": tiles_ms(summary["tiles"]),
        "uploads": {
            ORIGIN_MS + cutoff: (instant_ms(reached), active, [id_of(lane) for lane in unsettled])
            for cutoff, (reached, active, unsettled) in summary["uploads"].items()
        },
        "late": {ORIGIN_MS + cutoff: tiles_ms(late) for cutoff, late in summary["late"].items()},
        "readers": {name: ORIGIN_MS + passed for name, passed in summary["readers"].items()},
        "letters": [(id_of(lane), offset) for lane, offset in summary["letters"]],
    }


def id_of(lane: LaneId | Lane) -> tuple[int, int]:
    return lane.source, lane.partition


def _id_of(key: bytes) -> tuple[int, int]:
    return key[0], int.from_bytes(key[1:3], "big")


def rows_of(reads: Reads, found: Iterable[Enriched]) -> set[tuple[Any, ...]]:
    """A stage's enriched rows and marks: lane, offset, time, key, value, statuses."""
    rows: set[tuple[Any, ...]] = set()
    for (lane, _), each in zip(reads.lanes, found, strict=True):
        batch, id_ = each.batch, id_of(lane)
        for offset, ts, code, value, status in zip(
            batch.offsets.tolist(),
            batch.rows.column("ts").to_pylist(),
            batch.codes.tolist(),
            batch.rows.column("value").to_pylist(),
            batch.status.tolist(),
            strict=True,
        ):
            key = ENTITIES[batch.entities[code]]
            rows.add((id_, offset, ts, key, value, statuses.listed(status)))
        rows |= {
            (
                id_,
                mark.offset,
                mark.ts_ms,
                ENTITIES[mark.entity],
                None,
                statuses.listed(mark.status),
            )
            for mark in batch.aside
        }
    return rows


def rows_ms(rows: Iterable[Ready]) -> set[tuple[Any, ...]]:
    """The model's enriched rows, as `rows_of` tells a stage's."""
    return {
        (
            id_of(row.lane),
            row.record.offset,
            ORIGIN_MS + row.record.ts,
            row.record.key,
            row.value,
            statuses.listed(row.status),
        )
        for row in rows
    }
