import pyarrow as pa
import pytest

from catenary.demo.compare import compare
from catenary.errors import DataError


def side(**columns: list[object]) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({"id": list(range(rows)), "ts": [10 * row for row in range(rows)], **columns})


def test_equal_sides_differ_nowhere_whatever_their_order() -> None:
    ours = side(a=[1, None, 3], b=[[1, 2], None, []])
    found = compare(ours, ours.take([2, 0, 1]), identity="id")
    assert (found.compared, found.differing, found.first) == (9, 0, None)
    assert {each.name: each.valid for each in found.columns} == {"ts": 3, "a": 2, "b": 2}


def test_null_equals_only_null() -> None:
    found = compare(side(a=[1, None]), side(a=[None, 1]), identity="id")
    assert found.differing == 2


def test_doubles_differ_by_their_last_bit_unless_the_column_is_close() -> None:
    ours, theirs = side(a=[0.1 + 0.2]), side(a=[0.3])
    assert compare(ours, theirs, identity="id").differing == 1
    assert compare(ours, theirs, identity="id", close={"a"}).differing == 0


def test_a_close_column_still_shows_what_is_further_off_than_a_trillionth() -> None:
    assert compare(side(a=[1e-6]), side(a=[1.00001e-6]), identity="id", close={"a"}).differing == 1


def test_lists_differ_by_order_and_by_length() -> None:
    ours, theirs = side(a=[[1, 2], [1], [3]]), side(a=[[2, 1], [1, 1], [3]])
    assert compare(ours, theirs, identity="id").differing == 2


def test_the_first_difference_is_the_earliest_row_of_any_column() -> None:
    ours, theirs = side(a=[1, 2, 3], b=[1, 2, 3]), side(a=[1, 2, 9], b=[1, 9, 9])
    first = compare(ours, theirs, identity="id", show=["id"]).first
    assert first is not None
    assert (first.column, first.row, first.ours, first.theirs) == ("b", {"id": 1, "ts": 10}, 2, 9)


def test_a_row_that_one_side_lacks_is_named() -> None:
    ours = side(a=[1, 2, 3])
    with pytest.raises(DataError, match=r"different rows; on one side only: 2"):
        compare(ours, ours.slice(0, 2), identity="id")


def test_a_column_that_one_side_lacks_is_named() -> None:
    with pytest.raises(DataError, match=r"different columns; on one side only: 'a'"):
        compare(
            side(a=[1]), side(b=[1]).rename_columns(["id", "ts", "b"]).drop(["b"]), identity="id"
        )
