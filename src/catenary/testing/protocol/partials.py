"""Partials: what a tile holds of its rows, merged in any order.

A count, a total, and the latest row by (time, value): enough to see a row lost, doubled or misplaced.
"""

from __future__ import annotations

from typing import NamedTuple

from catenary.testing.protocol.shapes import MODULUS


class Partial(NamedTuple):
    """Rows folded."""

    rows: int
    total: int
    latest: tuple[int, int]


def one(ts: int, value: int) -> Partial:
    """A single row's partial."""
    return Partial(1, value, (ts, value))


def merged(one: Partial | None, other: Partial | None) -> Partial | None:
    """Both; None holds nothing.

    >>> merged(one(3, 5), one(1, 9))
    Partial(rows=2, total=14, latest=(3, 5))
    """
    if one is None or other is None:
        return other if one is None else one
    latest = max(one.latest, other.latest)
    return Partial(one.rows + other.rows, one.total + other.total, latest)


def finished(partial: Partial | None) -> int | None:
    """The feature's value."""
    if partial is None:
        return None
    return (partial.rows * 11 + partial.total * 3 + partial.latest[1] * 5) % MODULUS
