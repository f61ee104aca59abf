"""Two tables of the same rows, compared value by value.

    ours, theirs ──► rows matched by identity ──► per column: where they differ ──► the first difference

Null equals null and nothing else. Doubles are equal if their bits are, but for columns named
`close`: those may differ by 1e-12 of the greater one.
Held to account by: ``tests/unit/demo/test_compare.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from catenary.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

CLOSE: Final = 1e-12


@dataclass(frozen=True)
class ColumnResult:
    """One column: how many rows, how many differ, and how many of ours are not null."""

    name: str
    rows: int
    differing: int
    valid: int

    @property
    def valid_share(self) -> float:
        """The share of rows that have a value."""
        return self.valid / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Difference:
    """One value that differs: the column, the row that holds it, and what each side says."""

    column: str
    row: dict[str, object]
    ours: object
    theirs: object


@dataclass(frozen=True)
class Comparison:
    """What became of every column; `first` is the earliest row that differs."""

    columns: tuple[ColumnResult, ...]
    first: Difference | None

    @property
    def compared(self) -> int:
        """Values compared."""
        return sum(each.rows for each in self.columns)

    @property
    def differing(self) -> int:
        """Values that differ."""
        return sum(each.differing for each in self.columns)


def compare(
    ours: pa.Table,
    theirs: pa.Table,
    *,
    identity: str,
    time: str = "ts",
    show: Collection[str] = (),
    close: Collection[str] = (),
) -> Comparison:
    """Compare all columns but `identity` over all rows.

    Args:
        ours: one side; its types are the ones compared in.
        theirs: the other side.
        identity: a column whose values name a row; the same on both sides.
        time: an int64 column of `ours`; the first difference is the earliest by it.
        show: columns of `ours` that tell a reader which row a difference is in.
        close: columns of doubles that need to agree to 1e-12 only.

    Raises:
        DataError: if the sides have different columns or rows.
    """
    _check_same(set(ours.column_names), set(theirs.column_names), "columns")
    ours, theirs = (each.sort_by(identity).combine_chunks() for each in (ours, theirs))
    if not ours[identity].equals(theirs[identity].cast(ours.schema.field(identity).type)):
        _check_same(set(ours[identity].to_pylist()), set(theirs[identity].to_pylist()), "rows")
        raise DataError(f"a row is there twice on one side, by {identity}")
    results: list[ColumnResult] = []
    first: tuple[object, int, str] | None = None
    for name in ours.column_names:
        if name == identity:
            continue
        left = _flat(ours[name])
        differs = _differs(left, _flat(theirs[name]), name, is_close=name in close)
        at = pc.indices_nonzero(differs)
        results.append(ColumnResult(name, len(left), len(at), len(left) - left.null_count))
        if len(at):
            instants = _flat(ours[time]).take(at)
            earliest = pc.sort_indices(instants)[0].as_py()
            here = (instants[earliest].as_py(), at[earliest].as_py(), name)
            if first is None or here[:1] < first[:1]:  # pyright: ignore[reportOperatorIssue]
                first = here
    return Comparison(tuple(results), first and _difference(ours, theirs, first, (*show, time)))


def _difference(
    ours: pa.Table, theirs: pa.Table, at: tuple[object, int, str], show: Collection[str]
) -> Difference:
    _, row, column = at
    where = {name: ours[name][row].as_py() for name in show}
    return Difference(column, where, ours[column][row].as_py(), theirs[column][row].as_py())


def _differs(left: pa.Array, right: pa.Array, name: str, *, is_close: bool) -> pa.Array:
    """True where the two sides are not the same value."""
    if pa.types.is_list(left.type):
        left, right = _as_text(left), _as_text(right)
    try:
        right = right.cast(left.type)
    except pa.ArrowInvalid as error:
        problem = f"column {name!r} is {left.type} on one side and {right.type} on the other"
        raise DataError(f"{problem}: {error}") from error
    if is_close:
        distance = pc.abs(pc.subtract(left, right))
        allowed = pc.multiply(pc.max_element_wise(pc.abs(left), pc.abs(right)), CLOSE)
        values = pc.greater(distance, allowed)
    elif pa.types.is_float64(left.type):
        values = pc.not_equal(left.view(pa.int64()), right.view(pa.int64()))
    else:
        values = pc.not_equal(left, right)
    return pc.or_(pc.xor(left.is_null(), right.is_null()), pc.fill_null(values, False))


def _as_text(lists: pa.Array) -> pa.Array:
    """Each list as one text, in which a null element has a sign of its own."""
    items = lists.cast(pa.list_(pa.string()))
    return pc.binary_join(items, ",") if not items.flatten().null_count else _with_nulls(lists)


def _with_nulls(lists: pa.Array) -> pa.Array:
    return pa.array([None if each is None else repr(each) for each in lists.to_pylist()])


def _flat(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _check_same(ours: set[object], theirs: set[object], what: str) -> None:
    if ours != theirs:
        few = [repr(each) for each in sorted(ours ^ theirs, key=repr)[:5]]
        raise DataError(f"the sides have different {what}; on one side only: {', '.join(few)}")
