"""Requests as columns: which columns a definition asks for, and values that are what they must be.

Keys, and the left's columns that derivations read, must be given. The left's other columns may be, and a
column that a derivation fills is filled only where it is null. `ts` and `ds` come from `at=` alone: two
answers to "as of when" would be one too many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from catenary.errors import DataError, UnsupportedError, nearest
from catenary.plan.nodes import GroupByNode
from catenary.rows.columns import normal_column
from catenary.schema import FLOAT
from catenary.schema.arrow import from_arrow, to_arrow
from catenary.windows import FIRST_MS, LAST_MS

if TYPE_CHECKING:
    from catenary.plan.nodes import JoinNode
    from catenary.schema import Type

_TIMES: Final = frozenset({"ts", "ds"})
_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Asked:
    """The columns of a definition's requests.

    Attributes:
        name: the definition's.
        types: what may be given.
        needed: what must be.
        fills: the left's columns that derivations fill; kept if given.
        output: the definition's own columns, which a table of its rows may still hold.
    """

    name: str
    types: Mapping[str, Type]
    needed: tuple[str, ...]
    fills: tuple[str, ...]
    output: frozenset[str]

    @property
    def read(self) -> frozenset[str]:
        """The columns whose values matter; others may be given, and are not looked at."""
        return frozenset((*self.needed, *self.fills))

    @cached_property
    def _known(self) -> frozenset[str]:
        """The columns that a table may have."""
        return frozenset((*self.types, *(self.output - _TIMES)))

    @cached_property
    def _arrow(self) -> dict[str, pa.DataType]:
        """The types as Arrow has them."""
        return {name: to_arrow(type_) for name, type_ in self.types.items()}

    @staticmethod
    def of(node: JoinNode | GroupByNode) -> Asked:
        """What a Join or a GroupBy asks for."""
        if isinstance(node, GroupByNode):
            keys = dict(node.keys)
            return Asked(node.name, keys, tuple(keys), (), frozenset(node.schema))
        needed = {name: None for part in node.parts for name in part.left_keys}
        known = {*node.base_schema, *_TIMES}
        fills: list[str] = []
        for step in node.derivations.steps if node.derivations is not None else ():
            needed |= dict.fromkeys(sorted(step.expression.inputs - known))
            known.add(step.name)
            if step.fills:
                fills.append(step.name)
        wanted = tuple(name for name in needed if name not in _TIMES)
        types = {name: type_ for name, type_ in node.left.schema.items() if name not in _TIMES}
        return Asked(node.name, types, wanted, tuple(fills), frozenset(node.schema))

    def rows(self, requests: Sequence[Mapping[str, object]] | pa.Table) -> pa.Table:
        """The needed columns of all requests.

        Raises:
            DataError: for a column that is unknown, missing, or of another type.
        """
        if isinstance(requests, pa.Table):
            return self._of_table(requests)
        for row, request in enumerate(requests):
            self._check(request, row, len(requests))
        columns: dict[str, pa.ChunkedArray] = {}
        for name in self._kept(lambda name: any(name in each for each in requests)):
            type_ = self.types[name]
            values = [
                self._value(request.get(name), type_, name, row)
                for row, request in enumerate(requests)
            ]
            columns[name] = _array(values, type_, name)
        return _table(columns, len(requests))

    @cached_property
    def is_plain(self) -> bool:
        """Whether Python's values are the columns' values: no narrow floats, nothing nested."""
        kept = (self.types[name] for name in (*self.needed, *self.fills))
        return not any(each.is_nested or each == FLOAT for each in kept)

    def one(self, request: Mapping[str, object]) -> dict[str, object]:
        """The needed columns of one request, of plain types.

        Raises:
            DataError: as `rows`.
        """
        self._check(request, 0, 1)
        found: dict[str, object] = {}
        for name in self._kept(request.__contains__):
            type_ = self.types[name]
            value = self._value(request[name], type_, name, 0)
            if isinstance(value, float):
                value = None if value != value else value + 0.0
            elif isinstance(value, str):
                _check_text(value, name)
            elif type_.is_integer and isinstance(value, int):
                half = 1 << (_BITS[type_.name] - 1)
                if not -half <= value < half:
                    raise DataError(f"a request's {name!r} is no {type_}: {value} is too large")
            found[name] = value
        return found

    def _of_table(self, table: pa.Table) -> pa.Table:
        for name, many in Counter(table.column_names).items():
            if many > 1:
                problem = f"{self.name}: column {name!r} is there {many} times"
                raise DataError(problem, hint="give it once")
            if name not in self._known:
                raise self._unknown(name, None)
        for name in self.needed:
            if name not in table.column_names:
                raise self._missing(name, table.column_names)
        columns: dict[str, pa.ChunkedArray] = {}
        for name in self._kept(table.column_names.__contains__):
            column, type_ = table.column(name), self.types[name]
            if column.type == self._arrow[name] and not type_.is_nested and not type_.is_float:
                columns[name] = column
                continue
            if not _fits(column.type, type_, name):
                raise DataError(
                    f"{self.name}: column {name!r} is {column.type}, {type_} is asked",
                    hint="cast it before asking",
                )
            columns[name] = normal_column(column, type_, name)
        return _table(columns, table.num_rows)

    def _kept(self, given: Any) -> list[str]:
        return [*self.needed, *(name for name in self.fills if given(name))]

    def _check(self, request: object, row: int, many: int) -> None:
        if not isinstance(request, Mapping):
            raise DataError(
                f"request {row} is {type(request).__name__}, not a mapping of columns",
                hint=f"write {{{', '.join(f'{name!r}: …' for name in self.needed)}}}",
            )
        for name in request:
            if name not in self.types:
                raise self._unknown(name, f"request {row}" if many > 1 else None)
        for name in self.needed:
            if name not in request:
                raise self._missing(name, [str(each) for each in request])

    def _unknown(self, name: object, where: str | None) -> DataError:
        if name in _TIMES:
            return DataError(
                f"{self.name} takes no {name!r} from a request",
                where=where,
                hint="at= says as of when: an instant for all requests, or one for each",
            )
        hint = nearest(str(name), self.types)
        return DataError(f"{self.name} has no column {name!r}", where=where, hint=hint)

    def _missing(self, name: str, given: Sequence[str]) -> DataError:
        return DataError(
            f"{self.name} needs {name!r} in every request",
            hint=f"given: {', '.join(given) or 'nothing'}; null is a value, too",
        )

    def _value(self, value: object, type_: Type, name: str, row: int) -> object:
        """The value as Arrow takes it."""
        if value is None:
            return None
        try:
            found = _read(value, type_)
        except OverflowError:
            raise DataError(f"a request's {name!r} is no {type_}: it is too large") from None
        if found is None:
            raise DataError(
                f"{self.name}: {name}={value!r} of request {row} is {type(value).__name__},"
                f" {type_} is asked"
            )
        return found


def in_form(requests: object) -> pa.Table | Sequence[Mapping[str, object]]:
    """Many requests as one of the two forms that are read; a frame as an Arrow table.

    Raises:
        DataError: for anything else.
    """
    if isinstance(requests, (pa.Table, list, tuple)):
        return requests
    if hasattr(requests, "__arrow_c_stream__"):
        return pa.table(requests)
    if isinstance(requests, Sequence) and not isinstance(requests, (str, bytes)):
        return requests
    raise DataError(
        f"requests are {type(requests).__name__}, neither a mapping nor many of them",
        hint="give a mapping for one row; a list of mappings, an Arrow table or a frame for many",
    )


def instants(at: Any, rows: int, now_ms: int) -> np.ndarray:
    """An instant per request, int64 milliseconds.

    Raises:
        DataError: for anything else than an instant for all, or one per request.
    """
    if at is None or isinstance(at, int):
        return np.full(rows, now_ms if at is None else instant(at), np.int64)
    if isinstance(at, (pa.Array, pa.ChunkedArray)):
        at = at.to_pylist()
    if isinstance(at, np.ndarray) and at.dtype.kind in "iu":
        many = np.asarray(at, np.int64)
        for extreme in (many.min(), many.max()) if len(many) else ():
            instant(extreme)
    elif isinstance(at, (list, tuple, np.ndarray)):
        many = np.asarray([instant(each) for each in at], np.int64)
    else:
        return np.full(rows, instant(at), np.int64)
    if len(many) != rows:
        raise DataError(
            f"at= has {len(many)} instants for {rows} requests",
            hint="give one for all, or one per request",
        )
    return many


def instant(at: object) -> int:
    """Milliseconds since 1970.

    Raises:
        DataError: for what is neither that nor an aware datetime, or beyond the calendar.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise DataError(
                f"at={at.isoformat()} has no time zone", hint="use datetime(…, tzinfo=UTC)"
            )
        return (at - _EPOCH) // _MS
    if isinstance(at, (int, np.integer)) and not isinstance(at, bool):
        if not FIRST_MS <= at <= LAST_MS:
            problem = f"at={int(at)} is in no year from 1 to 9999"
            raise DataError(problem, hint="milliseconds since 1970; are these microseconds?")
        return int(at)
    raise DataError(
        f"at={at!r} is no instant", hint="milliseconds since 1970, or an aware datetime"
    )


def _read(value: object, type_: Type) -> object | None:
    """The value in a type's form; None if it is of another type.

    Raises:
        OverflowError: for a whole number that is beyond all floats.
    """
    if type_.is_integer:
        fits = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return int(value) if fits else None  # pyright: ignore[reportArgumentType] - it is a number
    if type_.is_float:
        fits = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        return float(value) if fits else None  # pyright: ignore[reportArgumentType] - it is a number
    if type_.name == "timestamp":
        return _moment(value)
    if type_.name == "date":
        return _day(value)
    if type_.name == "boolean":
        return bool(value) if isinstance(value, (bool, np.bool_)) else None
    if type_.name == "binary":
        return bytes(value) if isinstance(value, (bytes, bytearray)) else None
    return value if type_.name != "string" or isinstance(value, str) else None


def _check_text(value: str, name: str) -> None:
    """Refuse a lone surrogate, which UTF-8 has no form for."""
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a request's {name!r} is no string: {error}") from error


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def _day(value: object) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _array(values: list[object], type_: Type, name: str) -> pa.ChunkedArray:
    try:
        column = pa.chunked_array([pa.array(values, to_arrow(type_))])
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise DataError(f"a request's {name!r} is no {type_}: {error}") from error
    return normal_column(column, type_, name)


def _fits(arrow: pa.DataType, wanted: Type, name: str) -> bool:
    """Whether a column of a type of Arrow may stand for one of another."""
    try:
        given = from_arrow(arrow, column=name)
    except UnsupportedError:
        return False
    if given == wanted or given.name == "void":
        return True
    return (given.is_integer and (wanted.is_integer or wanted.is_float)) or (
        given.is_float and wanted.is_float
    )


def _table(columns: Mapping[str, pa.ChunkedArray], rows: int) -> pa.Table:
    """The columns, also if there are none."""
    return pa.table(dict(columns)) if columns else pa.table({"_": pa.nulls(rows)})
