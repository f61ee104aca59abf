"""A read as of an instant: which tiles it merges, and what it says of itself.

    upload that fits ──► its tiles, its late tiles, lane tiles from the cut-off on ──┐
    none             ──► lane tiles alone ────────────────────────────────────────────┴► windows ──► values

A tile that holds the instant inside cannot be taken apart: the read ends before it (`as_of_tile`). One
that holds a window's start inside is taken whole if it is an upload's (`stale_batch`); if a lane's, the
read lies before the retained history. (protocol 5, 6, 8; semantics 3, 5, 6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from catenary.ports import statuses
from catenary.testing.protocol.partials import Partial, finished, merged
from catenary.testing.protocol.shapes import ANCIENT, Values

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from catenary.testing.protocol.store import Dataset, Tiles
    from catenary.testing.protocol.uploads import Upload
    from catenary.testing.protocol.variants import Rules


class Answer(NamedTuple):
    """What a read says.

    Attributes:
        values: one per window.
        own: statuses that come from this read.
        inherited: statuses of the rows that it merged.
        at: the instant that it answers for: the one that was asked, or a tile boundary before it.
        upload: the number of the upload that it merged; None for none.
    """

    values: Values
    own: int
    inherited: int
    at: int
    upload: int | None = None

    @property
    def status(self) -> int:
        """All statuses."""
        return self.own | self.inherited


class Found(NamedTuple):
    """A tile in reach of a read."""

    start: int
    end: int
    partial: Partial | None
    status: int
    of_upload: bool


def read(dataset: Dataset, key: str, at: int, rules: Rules) -> Answer:
    """The key's features as of `at`: events strictly before it."""
    upload = dataset.newest(at)
    tiles = list(closed(dataset, key, upload)) + list(head(dataset, key, upload))
    return answer(dataset, tiles, at, upload, rules)


def torn(dataset: Dataset, key: str, at: int, rules: Rules) -> Generator[str, None, Answer]:
    """A read that is not one snapshot: closed tiles now, head tiles after others have committed."""
    upload = dataset.newest(at)
    tiles = list(closed(dataset, key, upload))
    yield "torn"
    tiles += head(dataset, key, upload)
    return answer(dataset, tiles, at, upload, rules)


def closed(dataset: Dataset, key: str, upload: Upload | None) -> Iterator[Found]:
    """Tiles longer than an instant, the upload's own and the late ones among them."""
    cutoff = ANCIENT
    if upload is not None:
        cutoff = upload.cutoff
        for each in upload.tiles.get(key, ()):
            yield Found(each.start, each.end, each.partial, 0, True)
        for tiles in dataset.late[upload.number].get(key, {}).values():
            yield from from_cutoff(tiles, ANCIENT, head=False)
    for tiles in dataset.tiles[key].values():
        yield from from_cutoff(tiles, cutoff, head=False)


def head(dataset: Dataset, key: str, upload: Upload | None) -> Iterator[Found]:
    """Tiles of one instant."""
    for tiles in dataset.tiles[key].values():
        yield from from_cutoff(tiles, ANCIENT if upload is None else upload.cutoff, head=True)


def from_cutoff(tiles: Tiles, cutoff: int, *, head: bool) -> Iterator[Found]:
    """Tiles of a lane that begin at or after the cut-off."""
    for (start, size), (partial, status) in tiles.items():
        if start >= cutoff and (size == 1) == head:
            yield Found(start, start + size, partial, status, False)


def answer(
    dataset: Dataset, tiles: list[Found], asked: int, upload: Upload | None, rules: Rules
) -> Answer:
    """What tiles say as of an instant."""
    at = asked
    if rules.whole_tiles_only:
        while holding := [each.start for each in tiles if each.start < at < each.end]:
            at = min(holding)
    own = statuses.AS_OF_TILE if at < asked else 0
    inherited = 0
    values: list[int | None] = []
    for window in dataset.shape.windows:
        start = window.start(at)
        partial = None
        for tile in tiles:
            if tile.start >= at or tile.end <= start or (tile.end > at and rules.whole_tiles_only):
                continue
            if tile.start < start:
                own |= statuses.STALE_BATCH if tile.of_upload else statuses.BEFORE_RETENTION
            partial = merged(partial, tile.partial)
            inherited |= tile.status
        values.append(finished(partial))
    if all(each is None for each in values):
        own |= statuses.MISSING
    own |= lacking(dataset, at, upload, rules)
    if own & statuses.BEFORE_RETENTION:
        values = [None] * len(values)
    number = None if upload is None else upload.number
    return Answer(tuple(values), own, inherited, at, number)


def lacking(dataset: Dataset, at: int, upload: Upload | None, rules: Rules) -> int:
    """What to say where lanes do not reach back as far as the read needs them."""
    too_new = any(each.active for each in dataset.uploads)
    needed = dataset.shape.oldest(at)
    if upload is not None and not dataset.lanes:
        return statuses.STALE_BATCH if at > upload.cutoff else 0
    if upload is not None:
        needed = max(needed, upload.cutoff)
    elif not dataset.lanes:
        return statuses.BEFORE_RETENTION if too_new else statuses.MISSING_UPLOAD
    for lane in dataset.lanes.values():
        told: list[int] = []
        if rules.removal_is_told and (rules.removal_is_told_by_reach or at < lane.kept):
            told.append(lane.kept)
        if upload is None or rules.beginning_is_told:
            told.append(lane.since)
        if needed < max(told, default=ANCIENT):
            return statuses.BEFORE_RETENTION if too_new else statuses.MISSING_UPLOAD
    return 0


def read_snapshot(dataset: Dataset, key: str, at: int, rules: Rules) -> Answer:
    """The key's features as of the last midnight at or before `at`, from uploads alone."""
    day = dataset.shape.units.day
    wanted = at // day * day
    upload = dataset.newest(wanted)
    if upload is not None and upload.cutoff == wanted:
        tiles = [Found(*each, 0, True) for each in upload.tiles.get(key, ())]
        return answer(dataset, tiles, wanted, upload, rules)
    nothing: Values = (None,) * len(dataset.shape.windows)
    if upload is None:
        return Answer(nothing, statuses.MISSING_UPLOAD | statuses.MISSING, 0, wanted)
    tiles = [Found(*each, 0, True) for each in upload.tiles.get(key, ())]
    found = answer(dataset, tiles, upload.cutoff, upload, rules)
    told = statuses.STALE_BATCH if rules.staleness_is_told else 0
    values = nothing if dataset.shape.on_snapshot_late == "null" else found.values
    return found._replace(values=values, own=found.own | told, at=upload.cutoff)
