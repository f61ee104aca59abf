"""Codes of keys and the sort by them, against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from catenary.aggregate import codes
from catenary.aggregate.slices import sort_rows


def _check_codes(events: list, queries: list, type_: pa.DataType) -> None:
    table = pa.table({"k": pa.array(events, type_)}), pa.table({"k": pa.array(queries, type_)})
    coded = codes.encode(*table, ["k"])
    known = {value: code for value, code in zip(queries, coded.queries, strict=True) if code >= 0}
    assert all(
        (code < 0) == (value is None) for value, code in zip(queries, coded.queries, strict=True)
    )
    assert len(set(known.values())) == len(known) <= max(coded.keys, 0)
    used = set(known.values())
    for value, code in zip(events, coded.events, strict=True):
        if value is None:
            assert code == -1
        elif value in known:
            assert code == known[value]
        else:
            assert code not in used


@pytest.mark.parametrize("scale", [1, 10**12])
def test_integers_get_one_code_per_value_whether_near_or_far(scale: int) -> None:
    r = random.Random(scale)
    events = [r.choice([None, r.randrange(-9_000, 9_000) * scale]) for _ in range(9_000)]
    queries = [r.choice([None, r.randrange(-9_000, 9_000) * scale]) for _ in range(20_000)]
    _check_codes(events, queries, pa.int64())


def test_text_gets_one_code_per_value_whatever_its_length() -> None:
    r = random.Random(1)
    words = [
        "",
        "\0",
        "\0\0",
        *("x" * r.randrange(30) + str(r.randrange(5_000)) for _ in range(9_000)),
    ]
    _check_codes([*words[:6_000], None], [*words[3_000:], None], pa.string())
    _check_codes(["ä", "never"], ["ä"], pa.large_string())


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("n", [0, 1, 1_000, 300_000])
@pytest.mark.parametrize("span", [1, 10**6, 2**62])
def test_rows_are_sorted_by_code_and_time_and_stay_in_order_where_equal(
    n: int, span: int, ordered: bool
) -> None:
    random_ = np.random.default_rng(n)
    keys = 1_000
    own = random_.integers(-1, keys, n).astype(np.int32)
    times = random_.integers(-span, span, n)
    if ordered:
        times.sort()
    got = sort_rows(own, times, keys)
    kept = np.flatnonzero(own >= 0)
    wanted = kept[np.lexsort((kept, times[kept], own[kept]))]
    assert np.array_equal(got.rows, wanted)
    assert np.array_equal(got.times, times[wanted])
    assert np.array_equal(got.starts, np.searchsorted(own[wanted], np.arange(keys + 1)))
