"""JSON records against Python's `json` and a slow reading of its values, type by type.

Both accept the same bytes and read the same rows, or both refuse: also bytes that were damaged.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.codecs import codec
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    Schema,
    Type,
    array,
    map_of,
    struct,
)  # fmt: skip
from catenary.schema.arrow import schema_to_arrow

pytestmark = pytest.mark.property

WIDTHS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)",
    re.ASCII,
)


class RefusedError(ValueError):
    """The oracle takes no such record."""


def need(*, holds: bool) -> None:
    if not holds:
        raise RefusedError


def read(record: bytes, schema: Schema) -> dict[str, Any]:
    """The row, read slowly."""
    try:
        text = record.decode("utf-8")
        said = json.loads(text, parse_constant=lambda word: need(holds=False))
        json.dumps(said, ensure_ascii=False).encode("utf-8")  # halves of pairs are no text
    except (ValueError, RecursionError) as error:
        raise RefusedError from error
    need(holds=isinstance(said, dict))
    return {name: value(said.get(name), type_) for name, type_ in schema.items()}


def value(said: Any, type_: Type) -> Any:
    """A value as PyArrow shows it; maps as dicts."""
    if said is None:
        return None
    name = type_.name
    if name in ("boolean", "string"):
        need(holds=isinstance(said, bool if name == "boolean" else str))
        return said
    if name in WIDTHS:
        need(holds=type(said) is int)
        half = 1 << WIDTHS[name] - 1
        need(holds=-half <= said < half)
        return said
    if name in ("float", "double"):
        return number(said, name)
    if name == "array":
        assert type_.item is not None
        need(holds=isinstance(said, list))
        return [value(each, type_.item) for each in said]
    if name in ("map", "struct"):
        need(holds=isinstance(said, dict))
        if name == "struct":
            return {each.name: value(said.get(each.name), each.type) for each in type_.fields}
        assert type_.item is not None
        return {key: value(each, type_.item) for key, each in said.items()}
    need(holds=name != "void")
    return worded(said, name)


def number(said: Any, name: str) -> float | None:
    need(holds=type(said) in (int, float))
    try:
        found = float(said)
    except OverflowError as error:
        raise RefusedError from error
    with np.errstate(over="ignore"):
        found = float(np.float32(found)) if name == "float" else found
    need(holds=np.isfinite(found))
    return found + 0.0


def worded(said: Any, name: str) -> Any:
    """Binaries, dates and times."""
    if name == "timestamp" and type(said) is int:
        need(holds=-(1 << 63) <= said * 1000 < 1 << 63)
        return said * 1000
    need(holds=isinstance(said, str))
    try:
        if name == "binary":
            found = base64.b64decode(said, validate=True)
            need(holds=base64.b64encode(found).decode() == said)
            return found
        if name == "date":
            need(holds=re.fullmatch(r"\d{4}-\d\d-\d\d", said, re.ASCII) is not None)
            return dt.date.fromisoformat(said)
        parts = INSTANT.fullmatch(said)
        need(holds=parts is not None)
        return instant(parts)
    except (ValueError, binascii.Error) as error:
        raise RefusedError from error


def instant(parts: Any) -> int:
    year, month, day, hour, minute, second = (int(each or 0) for each in parts.groups()[:6])
    at = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    micros = (at - EPOCH) // dt.timedelta(microseconds=1)
    micros += int(((parts[7] or "") + "000000")[:6])
    need(holds=int(parts[9] or 0) < 24)
    need(holds=int(parts[10] or 0) < 60)
    zone = (int(parts[9] or 0) * 60 + int(parts[10] or 0)) * 60_000_000
    return micros + zone if parts[8] == "-" else micros - zone


def plain(rows: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Rows with maps as dicts and times as microseconds, which Python's own cannot all hold."""
    columns = {
        name: [bare(each, type_) for each in untimed(rows.column(name)).to_pylist()]
        for name, type_ in schema.items()
    }
    return [{name: column[at] for name, column in columns.items()} for at in range(rows.num_rows)]


def untimed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    def without(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(type_):
            return pa.int64()
        if pa.types.is_list(type_):
            return pa.list_(without(type_.value_type))
        if pa.types.is_map(type_):
            return pa.map_(type_.key_type, without(type_.item_type))
        if pa.types.is_struct(type_):
            return pa.struct([pa.field(each.name, without(each.type)) for each in type_])
        return type_

    wanted = without(column.type)
    return column if wanted == column.type else column.cast(wanted)


def bare(value_: Any, type_: Type) -> Any:
    if value_ is None:
        return None
    if type_.name == "array":
        assert type_.item is not None
        return [bare(each, type_.item) for each in value_]
    if type_.name == "map":
        assert type_.item is not None
        return {key: bare(each, type_.item) for key, each in value_}
    if type_.name == "struct":
        return {each.name: bare(value_[each.name], each.type) for each in type_.fields}
    return value_


SCALARS = (
    BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BINARY, DATE, TIMESTAMP,
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "ab", "é", "", '"\\'])
TYPES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(array),
        inner.map(lambda item: map_of(STRING, item)),
        st.dictionaries(NAMES, inner, max_size=3).map(struct),
    ),
    max_leaves=5,
)
SCHEMAS = st.dictionaries(NAMES, TYPES, min_size=1, max_size=4).map(Schema.of)
WORDS = st.one_of(
    st.text(max_size=12),
    st.dates().map(dt.date.isoformat),
    st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat),
    st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()),
)


def said(type_: Type) -> st.SearchStrategy[Any]:
    """Mostly what a column of the type takes."""
    simple: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "double": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "string": st.text(max_size=20),
        "binary": st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()),
        "date": st.dates().map(dt.date.isoformat),
        "timestamp": st.datetimes(timezones=st.timezones()).map(dt.datetime.isoformat)
        | st.integers(-(10**13), 10**14),
    }
    odd = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
    if type_.name in WIDTHS:
        half = 1 << WIDTHS[type_.name] - 1
        made: st.SearchStrategy[Any] = st.integers(-half - 1, half)
    elif type_.name == "array":
        assert type_.item is not None
        made = st.lists(said(type_.item), max_size=3)
    elif type_.name == "map":
        assert type_.item is not None
        made = st.dictionaries(st.text(max_size=3), said(type_.item), max_size=3)
    elif type_.name == "struct":
        made = st.fixed_dictionaries({}, optional={f.name: said(f.type) for f in type_.fields})
    else:
        made = simple[type_.name]
    return st.integers(0, 19).flatmap(lambda roll: odd if roll == 0 else made)


@st.composite
def records(draw: st.DrawFn, schema: Schema) -> bytes:
    """An object, members missing and unknown ones put in, written in one of many ways."""
    found = draw(said(struct(schema.fields)))
    if isinstance(found, dict) and draw(st.booleans()):
        found["unknown"] = draw(st.sampled_from([[1, {"x": [None, "y"]}], {"z": {}}, 1e-7, "w"]))
    indent, escaped = draw(st.sampled_from([None, 1])), draw(st.booleans())
    return json.dumps(found, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


def batch(*some: bytes | None) -> pa.LargeBinaryArray:
    return pa.array(some, pa.large_binary())


def check(record: bytes, schema: Schema) -> None:
    found = codec("json", schema).decode(batch(record))
    found.rows.validate(full=True)
    assert found.rows.schema == schema_to_arrow(schema)
    try:
        expected = read(record, schema)
    except RefusedError:
        assert [each.row for each in found.rejected] == [0], found.rows.to_pylist()
        return
    assert plain(found.rows, schema) == [expected], found.rejected


@given(data=st.data())
def test_records_are_read_as_a_slow_reader_reads_them(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    check(data.draw(records(schema)), schema)


def damaged(record: bytes) -> st.SearchStrategy[bytes]:
    place = st.integers(0, len(record))
    signs = st.sampled_from([b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u00", b"-", b".", b"0", b"1",
                             b"e", b" ", b"\n", b"null", b"true", b"\xff", b"\xc3", b"\x00", b"NaN", b'"a":', b"9" * 25])  # fmt: skip
    some = signs | st.binary(min_size=1, max_size=4)
    return st.one_of(
        st.binary(max_size=20),
        place.map(lambda at: record[:at]),
        st.tuples(place, some).map(lambda to: record[: to[0]] + to[1] + record[to[0] :]),
        st.tuples(place, some).map(
            lambda to: record[: to[0]] + to[1] + record[to[0] + len(to[1]) :]
        ),
    )


@given(data=st.data())
def test_damaged_records_are_read_as_a_slow_reader_reads_them(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    check(data.draw(records(schema).flatmap(damaged)), schema)


@given(data=st.data())
def test_damaged_records_take_no_neighbour_along(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    first, last = (data.draw(records(schema)) for _ in range(2))
    bad = data.draw(damaged(first))
    reads = codec("json", schema)
    apart = [reads.decode(batch(each)) for each in (first, bad, last)]
    found = reads.decode(batch(first, bad, last))
    found.rows.validate(full=True)
    assert found.rows == pa.concat_tables([each.rows for each in apart])
    assert found.kept.tolist() == [at for at, each in enumerate(apart) if not each.rejected]
    assert [each.reason for each in found.rejected] == [
        each.rejected[0].reason for each in apart if each.rejected
    ]


@given(
    number=st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:e}".lower())
    | st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?(e[+-]?[0-9]{1,3})?", fullmatch=True)
)
def test_every_number_becomes_the_nearest_double(number: object) -> None:
    check(f'{{"x":{number}}}'.encode(), Schema.of(x=DOUBLE, y=NULL))


@given(data=st.data())
def test_rows_written_as_json_come_back(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    reads = codec("json", schema)
    some = [data.draw(records(schema)) for _ in range(3)]
    rows = reads.decode(batch(*some)).rows
    try:
        rows.to_pylist()
    except (ValueError, OverflowError):
        return  # a time that Python cannot hold; those are written from nowhere
    again = reads.decode(reads.encode(rows))
    assert not again.rejected
    assert again.rows == rows
