"""Rows by key: held in memory while they fit, else in buckets on disk, each of which fits.

    tables ──► Collector ──► Held ─────────────────────► one bucket
                    └──► more than the budget ──► files ──► bucket 0, 1, 2, …

A key lies in one bucket, so that buckets are computed one by one (semantics 22: no row is lost,
whatever the skew). Files are uncompressed Arrow streams: read back, they cost no more than a copy.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUCKETS: Final = 32
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_FLUSH_BYTES: Final = 4 << 20


class Collector:
    """Takes rows in any order and gives them back by bucket.

    Args:
        keys: the columns that decide the bucket.
        budget: bytes to hold in memory; None for all.
        folder: where files go; None for the system's temporary folder.
    """

    def __init__(self, keys: Sequence[str], budget: int | None, folder: str | None) -> None:
        self._keys = list(keys)
        self._budget = budget
        self._parent = folder
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._files: _Files | None = None
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Take some rows.

        Raises:
            StorageError: if they go to disk and it is full.
        """
        self.rows += rows.num_rows
        if self._files is not None:
            self._files.add(rows)
            return
        self._held.append(rows)
        self._bytes += rows.nbytes
        if self._budget is not None and self._bytes > self._budget:
            self._files = _Files(self._keys, self._parent)
            while self._held:
                self._files.add(self._held.pop())

    @property
    def spilled(self) -> bool:
        """Whether rows lie on disk."""
        return self._files is not None

    def whole(self) -> pa.Table:
        """All rows; only if they were not spilled, and there are some."""
        assert self._files is None, "whole() is for rows that fit in memory"
        assert self._held, "there is always a table, if an empty one"
        rows = pa.concat_tables(self._held)
        self._held = []
        return rows

    def buckets(self) -> Iterator[tuple[int, pa.Table]]:
        """Each bucket that has rows, by its number; its file is removed when the next is asked."""
        assert self._files is not None, "buckets() is for rows that were spilled"
        yield from self._files.read()

    def close(self) -> None:
        """Remove what lies on disk."""
        if self._files is not None:
            self._files.close()


class _Files:
    """One file of rows per bucket."""

    def __init__(self, keys: list[str], parent: str | None) -> None:
        self._keys = keys
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="catenary-spill-", dir=parent))
        except OSError as error:
            raise _refused(error, parent) from error
        self._waiting: list[list[pa.Table]] = [[] for _ in range(BUCKETS)]
        self._sizes = [0] * BUCKETS
        self._writers: dict[int, tuple[pa.NativeFile, pa.RecordBatchStreamWriter]] = {}

    def add(self, rows: pa.Table) -> None:
        """Put each row into the bucket of its key."""
        numbers = bucket_numbers(rows, self._keys)
        order = np.argsort(numbers, kind="stable")  # bytes are sorted by counting
        sorted_rows = rows.take(pa.array(order))
        ends = np.searchsorted(numbers[order], np.arange(BUCKETS + 1))
        for bucket in range(BUCKETS):
            piece = sorted_rows.slice(ends[bucket], ends[bucket + 1] - ends[bucket])
            if piece.num_rows:
                self._waiting[bucket].append(piece)
                self._sizes[bucket] += piece.nbytes
                if self._sizes[bucket] >= _FLUSH_BYTES:
                    self._flush(bucket)
        # A slice keeps the whole table that it is cut from alive; so nothing waits long.
        if sum(self._sizes) > BUCKETS * _FLUSH_BYTES // 4:
            for bucket in range(BUCKETS):
                self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        pieces, self._waiting[bucket], self._sizes[bucket] = self._waiting[bucket], [], 0
        if not pieces:
            return
        try:
            if bucket not in self._writers:
                file = pa.OSFile(str(self._path(bucket)), "wb")
                self._writers[bucket] = (file, pa.ipc.new_stream(file, pieces[0].schema))
            self._writers[bucket][1].write_table(pa.concat_tables(pieces).combine_chunks())
        except OSError as error:
            self.close()
            raise _refused(error, str(self.folder)) from error

    def read(self) -> Iterator[tuple[int, pa.Table]]:
        """Each bucket's rows."""
        for bucket in range(BUCKETS):
            self._flush(bucket)
        for bucket, (file, writer) in sorted(self._writers.items()):
            writer.close()
            file.close()
            with pa.OSFile(str(self._path(bucket)), "rb") as source:
                rows = pa.ipc.open_stream(source).read_all()
            self._path(bucket).unlink()
            yield bucket, rows

    def close(self) -> None:
        """Remove the folder."""
        for file, _ in self._writers.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, bucket: int) -> Path:
        return self.folder / f"{bucket}.arrow"


def _refused(error: OSError, folder: str | None) -> StorageError:
    problem = f"rows that do not fit in memory could not be put on disk: {error}"
    hint = "raise memory_limit, or point spill_dir at a disk with more space"
    return StorageError(problem, where=folder or tempfile.gettempdir(), hint=hint)


def bucket_numbers(rows: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """The bucket of each row's key: the same for equal keys of one type, whatever the table."""
    mixed = np.zeros(rows.num_rows, np.uint64)
    for key in keys:
        with np.errstate(over="ignore"):
            mixed = (mixed ^ _hashed(rows.column(key))) * _MIX
            mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(40)).astype(np.uint8) % np.uint8(BUCKETS)


def _hashed(column: pa.ChunkedArray) -> np.ndarray:
    """One number per value; nulls, which belong to no key, may hash like anything."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        parts = [_hashed_bytes(chunk) for chunk in column.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    if pa.types.is_temporal(kind):
        column = column.cast(pa.int64() if kind.bit_width == 64 else pa.int32())
    values = column.cast(pa.int64())
    filled = values if values.null_count == 0 else pc.fill_null(values, 0)
    return filled.to_numpy().view(np.uint64)


def _hashed_bytes(chunk: pa.Array) -> np.ndarray:
    """A polynomial over each value's bytes."""
    if len(chunk) == 0:
        return np.zeros(0, np.uint64)
    _, offset_buffer, data_buffer = chunk.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    starts, lengths = offsets[:-1] - first, np.diff(offsets)
    if first == last:
        return np.zeros(len(chunk), np.uint64)
    data = np.frombuffer(data_buffer, np.uint8)[first:last].astype(np.uint64)
    places = np.arange(last - first, dtype=np.uint64) - np.repeat(starts, lengths).astype(np.uint64)
    with np.errstate(over="ignore"):
        terms = (data + np.uint64(1)) * (places * np.uint64(2) + np.uint64(1)) * _MIX
        terms ^= terms >> np.uint64(31)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        return sums[starts + lengths] - sums[starts]
