"""The engine's values against the oracle's: bit for bit but for the moments of rule 14."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from catenary.definitions import GroupBy
from catenary.testing.answers import features
from catenary.testing.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.definitions import Join
    from catenary.testing.rows import Rows

Values = dict[str, object]
_CLOSE: Final = 1e-9  # SKEW and KURTOSIS, relative or absolute, the larger (semantics 14)


def check(definition: Join | GroupBy, tables: Mapping[str, Rows]) -> list[Values]:
    """The features of the definition, after comparing every value with the oracle's.

    Raises:
        AssertionError: if one differs; names the first few by day, row and column.
    """
    found = features(definition, tables)
    if isinstance(definition, GroupBy):
        expected = Oracle(tables).group_by(definition, {str(row["ds"]) for row in found})
    else:
        expected = Oracle(tables).join(definition)
    different = differences(found, expected)
    problem = f"{len(different)} differences, engine first, oracle second:\n" + "\n".join(
        different[:5]
    )
    assert not different, problem
    return found


def differences(found: Sequence[Values], expected: Sequence[Values]) -> list[str]:
    """What differs between two lists of rows, day by day, each day's rows in their order.

    >>> differences([{"ds": "2024-01-01", "x": 1.0}], [{"ds": "2024-01-01", "x": 1.5}])
    ['ds=2024-01-01 row 0 x: 1.0, 1.5']
    """
    ours, theirs = _by_day(found), _by_day(expected)
    different: list[str] = []
    for ds in sorted({*ours, *theirs}):
        mine, other = ours[ds], theirs[ds]
        if len(mine) != len(other):
            different.append(f"ds={ds}: {len(mine)} rows, {len(other)} rows")
        for at, (left, right) in enumerate(zip(mine, other, strict=False)):
            if left.keys() != right.keys():
                different.append(f"ds={ds} row {at}: columns {list(left)}, {list(right)}")
            for name in left.keys() & right.keys():
                if not _same(left[name], right[name], moment=_is_moment(name)):
                    text = f"ds={ds} row {at} {name}: {left[name]!r}, {right[name]!r}"
                    different.append(text)
    return different


def _by_day(rows: Sequence[Values]) -> dict[str, list[Values]]:
    days: dict[str, list[Values]] = defaultdict(list)
    for row in rows:
        days[str(row["ds"])].append(row)
    return days


def _is_moment(column: str) -> bool:
    return "_skew" in column or "_kurtosis" in column


def _same(one: object, other: object, *, moment: bool) -> bool:
    """Whether two values are equal in type and bits, dictionaries in their order too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        if moment:
            return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(
            _same(list(a), list(b), moment=moment) for a, b in pairs
        )
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same(a, b, moment=moment) for a, b in pairs)
    return one == other
