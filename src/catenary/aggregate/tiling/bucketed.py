"""Accumulators with a bucket column: each bucket of a group is a group of its own, without buckets.

    rows ──► (group, bucket) ──fold──► tiles of one partial ──► maps, a group each
    maps ──► (group, bucket) ──merge─► …
    maps ──► (read, bucket)  ──read──► results ──► maps, a read each

What is folded, merged and read is the *inner* program: the same operation without the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from catenary.aggregate import arrow, codes
from catenary.aggregate.operations.latest_row import kind_of_type
from catenary.aggregate.sweeps import lists
from catenary.aggregate.tiling.columns import VALUE, Packed, RawColumns, result
from catenary.aggregate.tiling.opening import damage, pieces
from catenary.aggregate.tiling.results import NativeResults
from catenary.compiled import partials as compiled
from catenary.compiled import tile_buckets

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.tiling.program import Program
    from catenary.aggregate.tiling.routes import Routes

Array = np.ndarray[Any, Any]


def fold(
    program: Program, at: int, columns: dict[str, pa.Array], groups: Array, count: int, times: Array
) -> tuple[Array, Array]:
    """Each group's bytes: offsets and data.

    Args:
        program: the whole one.
        at: the accumulator.
        columns: of the rows.
        groups: int32[rows]; -1 for none.
        count: how many groups there are.
        times: of the rows.
    """
    accumulator, inner = program.accumulators[at], program.inner(at)
    assert accumulator.bucket is not None
    buckets = columns[accumulator.bucket]
    values = codes.sorted_distinct(buckets)
    order, owners, own = _ordered(groups, _codes_in(buckets, values), count, len(values))
    starts = _runs(owners, own)
    raw = RawColumns(1)
    raw.set(0, columns[accumulator.input])
    sizes = np.zeros(len(starts) - 1, np.int64)
    data = compiled.fold(inner.specs, raw.addresses, order, starts, times, 0, len(sizes), sizes)
    parts = Packed(_bytes(data), _offsets(sizes))
    return _closed(program, at, values, parts, owners[starts[:-1]], own[starts[:-1]], count)


def merge(
    program: Program, at: int, packed: Packed, begins: Array, ends: Array
) -> tuple[Array, Array]:
    """Each group's bytes: offsets and data; group g is the tiles begins[g] to ends[g]."""
    entries = _Entries.of(program, at, packed)
    sizes = ends - begins
    tiles = _spread(begins, sizes)
    many = entries.firsts[tiles + 1] - entries.firsts[tiles]
    chosen = _spread(entries.firsts[tiles], many)
    groups = np.repeat(np.repeat(np.arange(len(begins)), sizes), many).astype(np.int32)
    order, owners, own = _ordered(groups, entries.codes[chosen], len(begins), len(entries.values))
    starts = _runs(owners, own)
    return _closed(
        program,
        at,
        entries.values,
        _merged(program.inner(at), entries.tiles(chosen[order]), starts),
        owners[starts[:-1]],
        own[starts[:-1]],
        len(begins),
    )


def read(
    program: Program,
    at: int,
    packed: Packed,
    routes: Routes,
    reads: int,
    seen: Array,
    overflow: Array,
) -> dict[int, pa.Array]:
    """The columns of the accumulator's features by their places; notes what was seen."""
    inner = program.inner(at)
    entries = _Entries.of(program, at, packed.joined(routes.blocks))
    nodes = routes.nodes.astype(np.int64)
    many = entries.firsts[nodes + 1] - entries.firsts[nodes]
    chosen = _spread(entries.firsts[nodes], many)
    places = np.repeat(np.arange(len(nodes)), many)
    owners = np.repeat(np.arange(reads), np.diff(np.append(routes.begins, len(nodes))))
    order, owners, own = _ordered(
        owners[places].astype(np.int32), entries.codes[chosen], reads, len(entries.values)
    )
    starts = _runs(owners, own)
    heads, labels = owners[starts[:-1]], own[starts[:-1]]
    windows, cuts = _windows_of(program, inner, at, routes)
    # How many of a (read, bucket)'s entries lie before each cut of the read: both ascend.
    width = len(nodes) + 1
    keys = np.repeat(np.arange(len(heads)), np.diff(starts)) * width + places[order]
    wanted = np.arange(len(heads))[:, None] * width + cuts[heads]
    own_routes = replace(
        routes,
        nodes=np.arange(len(order), dtype=np.int32),
        begins=starts[:-1],
        order=np.ascontiguousarray(windows[heads]),
        cuts=np.searchsorted(keys, wanted).astype(np.int64),
        blocks=Packed.none(),
    )
    results = NativeResults.of(
        inner, entries.tiles(chosen[order]), own_routes, np.zeros(len(heads), np.int32)
    )
    np.logical_or.at(seen, heads, results.seen)
    np.logical_or.at(overflow, heads, results.overflow)
    columns = results.columns()
    found: dict[int, pa.Array] = {}
    for at_inner, feature in enumerate(program.features_of(at)):
        column = columns[at_inner]
        valid = arrow.validity(column)
        kept = np.arange(len(heads)) if valid is None else np.flatnonzero(valid)
        found[feature] = lists.assemble_maps(
            arrow.take(entries.values, labels[kept]),
            arrow.take(column, kept),
            lists.offsets(np.bincount(heads[kept], minlength=reads)),
        )
    return found


@dataclass(frozen=True, eq=False)
class _Entries:
    """The entries of maps.

    Attributes:
        firsts: int64[maps + 1], where each map's entries start.
        codes: int32[entries], each one's bucket.
        values: the buckets, ascending.
        data: the bytes that hold them.
        begins, ends: int64[entries], where the partial of each lies, its length before it.
    """

    firsts: Array
    codes: Array
    values: pa.Array
    data: Array
    begins: Array
    ends: Array

    @staticmethod
    def of(program: Program, at: int, packed: Packed) -> _Entries:
        """Those of an accumulator in some tiles.

        Raises:
            DataError: for bytes that are not the accumulator's.
        """
        kind, type_ = _bucket_of(program, at)
        begins, ends = pieces(program, at, packed)
        firsts, none = np.zeros(len(packed) + 1, np.int64), np.zeros(0, np.int64)
        failed = tile_buckets.open_buckets(
            packed.data, begins, ends, kind, firsts, none, none, none, none
        )
        many = int(firsts[-1])
        values, lengths, own_begins, own_ends = np.zeros((4, max(many, 1)), np.int64)
        if failed < 0:
            failed = tile_buckets.open_buckets(
                packed.data, begins, ends, kind, firsts, values, lengths, own_begins, own_ends
            )
        if failed >= 0:
            raise damage(program, packed.tile(failed), at)
        column = result(values[:many], lengths[:many], np.full(many, VALUE, np.uint8), type_)
        distinct = codes.sorted_distinct(column)
        return _Entries(
            firsts,
            _codes_in(column, distinct),
            distinct,
            packed.data,
            own_begins[:many],
            own_ends[:many],
        )

    def tiles(self, chosen: Array) -> Packed:
        """Entries as tiles of a single partial."""
        offsets = np.zeros(len(chosen) + 1, np.int64)
        rows = chosen.astype(np.int32)
        return Packed(
            _bytes(tile_buckets.wrap(self.data, self.begins, self.ends, rows, offsets)), offsets
        )


def _merged(inner: Program, tiles: Packed, starts: Array) -> Packed:
    """Each run of tiles as one."""
    sizes, failure = np.zeros(len(starts) - 1, np.int64), np.zeros(2, np.int64)
    data = compiled.merge(
        inner.specs,
        RawColumns(1).addresses,
        tiles.data,
        tiles.offsets,
        starts[:-1],
        starts[1:],
        0,
        len(sizes),
        sizes,
        failure,
    )
    if data is None:
        raise damage(inner, tiles.tile(int(failure[0])), int(failure[1]))
    return Packed(_bytes(data), _offsets(sizes))


def _closed(
    program: Program,
    at: int,
    values: pa.Array,
    parts: Packed,
    owners: Array,
    own: Array,
    count: int,
) -> tuple[Array, Array]:
    """Maps of groups from tiles of a single partial: offsets and data."""
    kind, _ = _bucket_of(program, at)
    labels, starts = RawColumns(1), np.zeros(count + 1, np.int64)
    labels.set(0, values)
    firsts = np.searchsorted(owners, np.arange(count + 1)).astype(np.int64)
    data = tile_buckets.close_buckets(
        labels.addresses, kind, own, parts.data, parts.offsets, firsts, starts
    )
    return starts, _bytes(data)


def _bucket_of(program: Program, at: int) -> tuple[int, pa.DataType]:
    name = program.accumulators[at].bucket
    assert name is not None, "only accumulators with buckets come here"
    return kind_of_type(program.types[name]), program.columns[name]


def _windows_of(program: Program, inner: Program, at: int, routes: Routes) -> tuple[Array, Array]:
    """The reads' windows and cuts, as many as the inner program has, by its numbers."""
    numbers = np.full(len(program.windows), -1, np.int32)
    for feature, window in zip(program.features_of(at), inner.reads, strict=True):
        numbers[program.reads[feature]] = window
    order = numbers[routes.order]
    own = order >= 0
    shape = len(order), len(inner.windows)
    return order[own].reshape(shape), routes.cuts[own].reshape(shape)


def _codes_in(column: pa.Array, values: pa.Array) -> Array:
    if not len(values):
        return np.full(len(column), -1, np.int32)
    found, _ = codes.encode_in(column, values)
    return found


def _ordered(groups: Array, own: Array, count: int, many: int) -> tuple[Array, Array, Array]:
    """The rows by (group, code), in their order; and the group and the code of each."""
    by_code, by_both = np.empty(len(groups), np.int32), np.empty(len(groups), np.int32)
    starts = np.zeros(many + 1, np.int64)
    compiled.order_groups(np.ascontiguousarray(own, np.int32), starts, by_code)
    first = by_code[: starts[-1]]
    starts = np.zeros(count + 1, np.int64)
    compiled.order_groups(groups[first], starts, by_both)
    order = first[by_both[: starts[-1]]]
    return order, groups[order], np.ascontiguousarray(own[order], np.int32)


def _runs(groups: Array, own: Array) -> Array:
    """Where each run of equal (group, code) starts, and the end."""
    if not len(groups):
        return np.zeros(1, np.int64)
    changes = np.flatnonzero((groups[1:] != groups[:-1]) | (own[1:] != own[:-1])) + 1
    return np.concatenate([[0], changes, [len(groups)]]).astype(np.int64)


def _spread(firsts: Array, many: Array) -> Array:
    """Each of `firsts` and those after it, `many` of them."""
    before = np.cumsum(many) - many
    return np.repeat(firsts - before, many) + np.arange(int(many.sum()))


def _offsets(sizes: Array) -> Array:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _bytes(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8) if data else np.zeros(1, np.uint8)
