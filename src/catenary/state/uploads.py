"""Uploads written beside what is read, and swapped in by one record (protocol 7).

    begin ──► load, some thousand entities a commit ──► land ──► active
                                                         └──► landed, until each lane has settled

A lane that has read past the upload's inclusion frontier may hold events from before the cut-off that
the upload lacks; its owner replays them into late tiles, and the last one to do so activates it.

One upload of a dataset at a time: whoever begins takes over, and the former, if it still runs, is told
so at its next commit. What is in the record is kept; rows of uploads that are not in it any more (taken
over, replaced, retired) are nobody's, and `clean` removes them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catenary.errors import FencedError
from catenary.state import tiles
from catenary.state.records import (
    FORMAT,
    FORMAT_KEY,
    UPLOADS_KEY,
    Format,
    Upload,
    check_format,
    lanes_of,
    pack,
    uploads_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary.ports import Dataset, Snapshot
    from catenary.state.records import Uploads
    from catenary.state.tiles import UploadTile

_AT_ONCE = 4_000
_LAST = b"\xff"
"""After every entity: their first bytes are tags below it."""
_TRIES = 3


def begin(
    dataset: Dataset,
    fingerprint: str,
    cutoff_ms: int,
    frontier: Mapping[str, int] | None,
) -> Upload:
    """A new upload, not read by anybody yet; one that was not finished is given up.

    Args:
        dataset: of the GroupBy.
        fingerprint: the GroupBy's.
        cutoff_ms: events strictly before it are in.
        frontier: source partition, as text, to the offset up to which its events are in the tables;
            None if unknown.

    Raises:
        UnreadableError: if the dataset is of another release or definition.
    """
    while True:
        with dataset.snapshot() as snapshot:
            format_ = check_format(snapshot, fingerprint, dataset.name)
            held, before = uploads_of(snapshot)
        upload = Upload(held.next_id, cutoff_ms, None if frontier is None else dict(frontier))
        unfinished = {each.id for each in held.held if each.state == "loading"}
        # The row without an entity tells `clean` of an upload that holds none.
        puts = [
            (UPLOADS_KEY, pack(held.without(unfinished).changed(upload))),
            (tiles.upload_key(upload.id, b""), b""),
        ]
        if format_ is None:
            puts.append((FORMAT_KEY, pack(Format(FORMAT, fingerprint))))
        if dataset.commit({UPLOADS_KEY: before, FORMAT_KEY: format_}, puts):
            return upload


def load(
    dataset: Dataset, upload: Upload, entities: Iterable[tuple[bytes, Sequence[UploadTile]]]
) -> int:
    """Write entities' tiles, some thousand a commit, so that a running stage is not held up.

    Returns:
        How many entities were written.

    Raises:
        FencedError: if another upload of the dataset has begun meanwhile.
    """
    many = 0
    puts: list[tuple[bytes, bytes]] = []
    for entity, held in entities:
        puts.append((tiles.upload_key(upload.id, entity), tiles.pack_upload(list(held))))
        if len(puts) >= _AT_ONCE:
            _put(dataset, upload, puts)
            many, puts = many + len(puts), []
    if puts:
        _put(dataset, upload, puts)
    return many + len(puts)


def land(
    dataset: Dataset, upload: Upload, *, entities: int, reached_ms: int, now_ms: int
) -> Upload:
    """The upload is whole: it is read from now on, or once its lanes have settled.

    Args:
        dataset: of the GroupBy.
        upload: from `begin`.
        entities: how many it holds.
        reached_ms: the event time that the tables of each streamed source have reached.
        now_ms: by the wall clock.

    Raises:
        FencedError: if another upload of the dataset has begun meanwhile.
    """
    tries = 0
    while True:
        with dataset.snapshot() as snapshot:
            held, before = uploads_of(snapshot)
            lanes = lanes_of(snapshot)
        _check_going_on(dataset, held, upload)
        # Lanes that commit all the time would have the last word over and over: after some tries
        # all are told to settle, which needs no condition on them.
        tries += 1
        patient = tries <= _TRIES
        unsettled = tuple(
            key
            for key, lane in sorted(lanes.items())
            if (included := upload.includes(lane.place)) is not None
            and (lane.position > included or not patient)
        )
        landed = replace(
            upload,
            state="landed" if unsettled else "active",
            unsettled=unsettled,
            entities=entities,
            reached_ms=min(reached_ms, upload.cutoff_ms),
            landed_ms=now_ms,
        )
        expects = {UPLOADS_KEY: before}
        if patient:
            expects |= {lane.id.record: pack(lane) for lane in lanes.values()}
        if dataset.commit(expects, [(UPLOADS_KEY, pack(_in_place(held, landed)))]):
            return landed


def settled(uploads: Uploads, upload_id: int, lane: bytes) -> Uploads:
    """The uploads once a lane has its late events in late tiles; the last one activates."""
    upload = next(each for each in uploads.held if each.id == upload_id)
    left = tuple(each for each in upload.unsettled if each != lane)
    state = upload.state if left else "active"
    return _in_place(uploads, replace(upload, unsettled=left, state=state))


def retire(dataset: Dataset, keep: set[int]) -> None:
    """Remove all uploads but these, and those under way: from the record first, then their rows."""
    while True:
        with dataset.snapshot() as snapshot:
            held, before = uploads_of(snapshot)
        gone = {each.id for each in held.held if each.id not in keep and each.state != "loading"}
        if dataset.commit({UPLOADS_KEY: before}, [(UPLOADS_KEY, pack(held.without(gone)))]):
            break
    clean(dataset)


def clean(dataset: Dataset) -> None:
    """Delete tiles and late tiles of uploads that are not in the record (any more).

    An upload's own rows go last: as long as one of them is there, a cleaning that was interrupted is
    known to be unfinished.
    """
    with dataset.snapshot() as snapshot:
        held, _ = uploads_of(snapshot)
        gone = _ids(snapshot) - {each.id for each in held.held}
    if not gone:
        return
    _remove_late(dataset, gone)
    for upload_id in sorted(gone):
        _remove(dataset, tiles.upload_key(upload_id, b""))


def _put(dataset: Dataset, upload: Upload, puts: list[tuple[bytes, bytes]]) -> None:
    """Write some rows of an upload that is still going on."""
    puts.sort()
    while True:
        with dataset.snapshot() as snapshot:
            held, before = uploads_of(snapshot)
        _check_going_on(dataset, held, upload)
        if dataset.commit({UPLOADS_KEY: before}, puts):
            return


def _check_going_on(dataset: Dataset, uploads: Uploads, upload: Upload) -> None:
    if all(each.id != upload.id for each in uploads.held):
        raise FencedError(
            f"{dataset.name}: another upload began while this one was under way",
            hint="one upload of a GroupBy runs at a time; this one stops, and is not read",
        )


def _ids(snapshot: Snapshot) -> set[int]:
    """Uploads of which there are rows."""
    found: set[int] = set()
    after: bytes | None = None
    while True:
        key = next((key for key, _ in snapshot.scan(tiles.UPLOAD, after=after)), None)
        if key is None:
            return found
        upload_id = int.from_bytes(key[1:5], "big")
        found.add(upload_id)
        after = tiles.upload_key(upload_id, _LAST)


def _in_place(uploads: Uploads, upload: Upload) -> Uploads:
    """With this upload; one that becomes active takes the place of others of its cut-off."""
    changed = uploads.changed(upload)
    if upload.state != "active":
        return changed
    replaced = {
        each.id
        for each in changed.active
        if each.cutoff_ms == upload.cutoff_ms and each.id < upload.id
    }
    return changed.without(replaced)


def _remove(dataset: Dataset, prefix: bytes) -> None:
    """Delete all keys with a prefix, some thousand a commit."""
    while True:
        keys: list[bytes] = []
        with dataset.snapshot() as snapshot:
            for key, _ in snapshot.scan(prefix):
                keys.append(key)
                if len(keys) >= _AT_ONCE:
                    break
        if not keys:
            return
        dataset.commit({}, [], keys)


def _remove_late(dataset: Dataset, uploads: set[int]) -> None:
    """Delete the late tiles of uploads that are gone.

    Entities that have some are found by reading all keys of tiles: late tiles are few, uploads are
    retired seldom, and an index of them would be written with every batch.
    """
    marks = {tiles.OF_UPLOAD + each.to_bytes(4, "big") for each in uploads}
    after: bytes | None = None
    while True:
        seen, keys = 0, list[bytes]()
        with dataset.snapshot() as snapshot:
            for key, _ in snapshot.scan(tiles.TILE, after=after):
                seen, after = seen + 1, key
                if key[-tiles.LATE_SUFFIX : -tiles.LATE_SUFFIX + 5] in marks:
                    keys.append(key)
                if seen >= 50 * _AT_ONCE:
                    break
        if keys:
            dataset.commit({}, [], keys)
        if not seen:
            return
