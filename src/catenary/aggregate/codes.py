"""Keys as codes: each distinct key of the queries gets a number, and the events' rows find theirs.

    one column:      values ──► code            int by value, text by bytes, family by family
    several columns: (code, code) ──► one number ──► code, pair by pair

Codes are dense, 0 … keys - 1. -1 stands for a null key; an event whose key no query has gets -1, or a
code that no query has (that of whatever stood under a null).
An int of any width equals the same int of another (semantics 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.aggregate import arrow, threads
from catenary.compiled import keys as compiled
from catenary.errors import DataError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]

_FIRST_SLOTS: Final = 1 << 12
_NEAR: Final = 8
"""Integers whose span is at most this times their number are looked up in a plain table."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of both sides.

    Attributes:
        events: int32[events], a query's code exactly where its key is the query's.
        queries: int32[queries], -1 where the key is null.
        keys: how many codes there are.
        null_events: how many events have a null in their key.
    """

    events: Array
    queries: Array
    keys: int
    null_events: int


def encode(events: pa.Table, queries: pa.Table, names: Sequence[str]) -> Codes:
    """Code the key columns of both tables, which have the same names.

    Raises:
        DataError: if a column's types are of two families.
        UnsupportedError: for types that no key can have.
    """
    event_codes = np.zeros(len(events), np.int32)
    query_codes = np.zeros(len(queries), np.int32)
    null: Array | None = None
    keys = 1
    for at, name in enumerate(names):
        event_array = arrow.one_chunk(events.column(name))
        query_array = arrow.one_chunk(queries.column(name))
        next_events, next_queries, many = _column(event_array, query_array, name)
        valid = arrow.validity(event_array)
        if valid is not None:
            null = ~valid if null is None else null | ~valid
        if at == 0:
            event_codes, query_codes, keys = next_events, next_queries, many
        else:
            event_pairs, known_events = _pair(event_codes, next_events, many)
            query_pairs, known_queries = _pair(query_codes, next_queries, many)
            event_codes, query_codes, keys = _integers(
                event_pairs, query_pairs, known_events, known_queries
            )
    return Codes(event_codes, query_codes, keys, 0 if null is None else int(null.sum()))


def encode_in(column: pa.Array, distinct: pa.Array) -> tuple[Array, int]:
    """Codes of a column's values by their place in `distinct`, -1 for what is not there."""
    values, own, many = _column(column, distinct, "?")
    if len(own) == 0:
        return values, 0
    assert int(own[-1]) == len(own) - 1, "distinct values are coded in the order of first sight"
    return values, many


def sorted_distinct(column: pa.Array) -> pa.Array:
    """The distinct non-null values ascending: numbers by value, text by its bytes."""
    distinct = column.unique().drop_null()
    if arrow.is_bytes(column.type):
        binary = distinct.cast(
            pa.large_binary()
            if column.type in (pa.large_string(), pa.large_binary())
            else pa.binary()
        )
        values = binary.to_pylist()
        order = np.array(sorted(range(len(values)), key=values.__getitem__), np.int64)
    else:
        order = np.argsort(arrow.numbers(distinct), kind="stable")
    return arrow.take(distinct, order)


def _pair(first: Array, second: Array, many: int) -> tuple[Array, Array]:
    """One number for each pair of codes, and whether neither is missing."""
    known = (first >= 0) & (second >= 0)
    pairs = first.astype(np.int64) * many + second
    pairs[~known] = 0
    return pairs, known


def _column(events: pa.Array, queries: pa.Array, name: str) -> tuple[Array, Array, int]:
    """Codes of one column of both sides, and how many there are."""
    families = {_family(events.type, name), _family(queries.type, name)} - {"null"}
    if len(families) > 1:
        problem = f"key {name!r} is {events.type} in the events and {queries.type} in the queries"
        raise DataError(problem, hint="cast one of them: keys of two families are never equal")
    if pa.types.is_null(events.type) or pa.types.is_null(queries.type):
        return np.full(len(events), -1, np.int32), _null_or_coded(queries), max(len(queries), 1)
    if families == {"bytes"}:
        event_codes, query_codes, many = _bytes(events, queries)
    else:
        event_codes, query_codes, many = _integers(
            arrow.numbers(events),
            arrow.numbers(queries),
            arrow.validity(events),
            arrow.validity(queries),
        )
    return event_codes, query_codes, many


def _null_or_coded(queries: pa.Array) -> Array:
    """Codes where no event can match: any distinct numbers do, -1 where the key is null."""
    codes = np.arange(len(queries), dtype=np.int32)
    if pa.types.is_null(queries.type):
        codes[:] = -1
        return codes
    valid = arrow.validity(queries)
    if valid is not None:
        codes[~valid] = -1
    return codes


def _family(type_: pa.DataType, name: str) -> str:
    if pa.types.is_null(type_):
        return "null"
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_):
        return "integer"
    if type_ in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        return "bytes"
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return str(type_)
    problem = f"a key cannot be of type {type_}: column {name!r}"
    raise UnsupportedError(problem, hint="cast it to a string or an integer")


def _integers(
    events: Array, queries: Array, valid_events: Array | None, valid_queries: Array | None
) -> tuple[Array, Array, int]:
    """Codes of integers; what is not valid gets -1."""
    event_codes = np.empty(len(events), np.int32)
    query_codes = np.empty(len(queries), np.int32)
    if len(queries) == 0:
        event_codes.fill(-1)
        return event_codes, query_codes, 0
    least, greatest = int(queries.min()), int(queries.max())
    if greatest - least < _NEAR * len(queries) + 1024:
        table = np.full(greatest - least + 1, -1, np.int32)
        keys = compiled.insert_near(queries, least, table, query_codes)

        def look_up(first: int, end: int) -> None:
            compiled.look_up_near(events, least, table, event_codes, first, end)
    else:
        slots, codes, keys = _hashed(queries, query_codes)

        def look_up(first: int, end: int) -> None:
            compiled.look_up_integers(events, slots, codes, event_codes, first, end)

    threads.each(threads.ranges(len(events)), look_up)
    if valid_events is not None:
        event_codes[~valid_events] = -1
    if valid_queries is not None:
        query_codes[~valid_queries] = -1
    return event_codes, query_codes, keys


def _hashed(values: Array, codes: Array) -> tuple[Array, Array, int]:
    """A table of the values, grown as they turn out to differ."""
    length, row, known = _FIRST_SLOTS, 0, 0
    slots = np.empty(length, np.int64)
    slot_codes = np.full(length, -1, np.int32)
    while True:
        row, known = compiled.insert_integers(values, slots, slot_codes, codes, row, known)
        if row == len(values):
            return slots, slot_codes, known
        taken = slot_codes >= 0
        distinct = np.empty(known, np.int64)
        distinct[slot_codes[taken]] = slots[taken]
        length *= 4
        slots = np.empty(length, np.int64)
        slot_codes = np.full(length, -1, np.int32)
        compiled.insert_integers(distinct, slots, slot_codes, np.empty(known, np.int32), 0, 0)


def _bytes(events: pa.Array, queries: pa.Array) -> tuple[Array, Array, int]:
    """Codes of text or binary."""
    event_codes = np.empty(len(events), np.int32)
    query_codes = np.empty(len(queries), np.int32)
    offsets, data = arrow.offsets_of(queries)
    length = _FIRST_SLOTS
    while True:
        hashes = np.empty(length, np.uint64)
        slot_codes = np.full(length, -1, np.int32)
        owners = np.empty(length // 2 + 1, np.int32)
        row, keys = compiled.insert_bytes(
            offsets, data, hashes, slot_codes, owners, query_codes, 0, 0
        )
        if row == len(queries):
            break
        length *= 4
    known_offsets, known = arrow.offsets_of(queries.take(pa.array(owners[:keys])))
    known_offsets = known_offsets.astype(np.int64)
    event_offsets, event_data = arrow.offsets_of(events)

    def look_up(first: int, end: int) -> None:
        compiled.look_up_bytes(
            event_offsets,
            event_data,
            known_offsets,
            known,
            hashes,
            slot_codes,
            event_codes,
            first,
            end,
        )

    threads.each(threads.ranges(len(events)), look_up)
    for codes, array in ((event_codes, events), (query_codes, queries)):
        valid = arrow.validity(array)
        if valid is not None:
            codes[~valid] = -1
    return event_codes, query_codes, keys
