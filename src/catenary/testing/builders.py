"""Rows stated inline: tables of events and of entity snapshots, without files.

Types are taken from the values (`int` is bigint, `float` double, `str` string, …) or written after
the column's name. Instants are written as text, days as `yyyy-mm-dd`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from catenary.errors import DataError
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    NULL,
    STRING,
    TIMESTAMP,
    Field,
    Schema,
    Type,
    array,
    parse_type,
)
from catenary.testing.rows import Rows, in_type
from catenary.windows import ds_of, ds_start_ms, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def events(columns: str, *rows: Sequence[object], time: str = "ts") -> Rows:
    """A table of events, each in the partition of its own day unless a column `ds` says otherwise.

    Args:
        columns: names separated by blanks, each with a type if the values do not tell it:
            `"ts user price:double"`.
        rows: one sequence of values per event. The time is text such as `"2024-01-01 10:00"`
            (UTC), or milliseconds since 1970.
        time: the column that holds the time; it is stored as a bigint of milliseconds.

    Raises:
        DataError: if a row has more or fewer values than there are columns, if the time column is
            missing, or if an event without a time has no `ds` either.

    >>> clicks = events("ts user price", ("2024-01-01 10:00", "ann", 3.5))
    >>> clicks.rows[0]
    {'ts': 1704103200000, 'user': 'ann', 'price': 3.5, 'ds': '2024-01-01'}
    """
    names, types = _header(columns)
    if time not in names:
        problem = f"columns {names} hold no time column {time!r}"
        raise DataError(problem, hint="name it, or say which it is: events(..., time='at')")
    made = [_row(names, row) for row in rows]
    for row in made:
        row[time] = _instant(row[time])
    if "ds" not in names:
        for row in made:
            row["ds"] = _day_of(row[time])
        names = [*names, "ds"]
    return _rows(names, {**types, time: BIGINT, "ds": STRING}, made)


def entities(columns: str, *rows: Sequence[object]) -> Rows:
    """Daily snapshots of entities; the column `ds` says of which day each row is.

    >>> plans = entities("ds user plan", ("2024-01-01", "ann", "free"), ("2024-01-02", "ann", "pro"))
    >>> [row["plan"] for row in plans.rows]
    ['free', 'pro']

    Raises:
        DataError: if there is no column `ds`, or a row has more or fewer values than columns.
    """
    names, types = _header(columns)
    if "ds" not in names:
        problem = f"columns {names} hold no 'ds'"
        raise DataError(problem, hint="a snapshot's rows say of which day they are")
    made = [_row(names, row) for row in rows]
    for row in made:
        ds_start_ms(str(row["ds"]))
    return _rows(names, {**types, "ds": STRING}, made)


_TYPES: Final[tuple[tuple[type, Type], ...]] = (
    # In this order: a bool is an int to Python, and a datetime is a date.
    (bool, BOOLEAN),
    (int, BIGINT),
    (float, DOUBLE),
    (str, STRING),
    (bytes, BINARY),
    (datetime, TIMESTAMP),
    (date, DATE),
)


def _header(columns: str) -> tuple[list[str], dict[str, Type]]:
    """Names in order, and the types that are written after a colon."""
    names: list[str] = []
    types: dict[str, Type] = {}
    for word in columns.split():
        name, colon, type_ = word.partition(":")
        names.append(name)
        if colon:
            types[name] = parse_type(type_)
    return names, types


def _row(names: Sequence[str], values: Sequence[object]) -> dict[str, object]:
    if isinstance(values, str) or len(values) != len(names):
        problem = f"row {values!r} does not fit the columns {list(names)}"
        raise DataError(problem, hint="give one value per column; None for a null")
    return dict(zip(names, values, strict=True))


def _instant(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return parse_instant(str(value))


def _day_of(ts: object) -> str:
    if not isinstance(ts, int):
        problem = "an event without a time lies in no day"
        raise DataError(problem, hint="add a column ds that says in which partition it lies")
    return ds_of(ts)


def _rows(
    names: Sequence[str], types: Mapping[str, Type], made: Sequence[Mapping[str, object]]
) -> Rows:
    """The table of those rows, every value in its column's type."""
    schema = Schema(
        tuple(
            Field(name, types[name] if name in types else _type_of([row[name] for row in made]))
            for name in names
        )
    )
    rows = [{name: in_type(row[name], schema[name]) for name in names} for row in made]
    return Rows(schema, tuple(rows))


def _type_of(values: Iterable[object]) -> Type:
    """The narrowest type that holds all values; `void` if all are null."""
    found = NULL
    for value in values:
        if value is None:
            continue
        each = _type_of_one(value)
        if found in (NULL, each):
            found = each
        elif {found, each} == {BIGINT, DOUBLE}:
            found = DOUBLE
        else:
            problem = f"values of one column are {found} and {each}"
            raise DataError(problem, hint="write the column's type after its name: price:double")
    return found


def _type_of_one(value: object) -> Type:
    if isinstance(value, list):
        return array(_type_of(value))
    for python, type_ in _TYPES:
        if isinstance(value, python):
            return type_
    problem = f"the type of {value!r} ({type(value).__name__}) is not known"
    raise DataError(problem, hint="write the column's type after its name: tags:map<string,int>")
