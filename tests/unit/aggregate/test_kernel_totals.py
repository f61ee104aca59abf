"""Exact totals on every path of the kernel, against rational arithmetic."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pyarrow as pa
import pytest

from catenary.aggregate.feature import Feature
from catenary.aggregate.kernel import aggregate

INF = math.inf


def _slide(values: list, operation: str, width: int, *, sample: bool = False) -> pa.ChunkedArray:
    """The operation over each run of `width` values: value i lies at time i, query i reads i + 1."""
    n = len(values)
    events = pa.table({"k": [1] * n, "ts": list(range(n)), "v": values})
    queries = pa.table({"k": [1] * n, "ts": list(range(1, n + 1))})
    feature = Feature(
        name="f", operation=operation, input="v", window_ms=width, hop_ms=1, sample=sample
    )
    return aggregate(events, queries, keys=["k"], features=[feature]).columns["f"]


def _runs(values: list, width: int) -> list[list[Fraction]]:
    return [
        [Fraction(v) for v in values[max(0, i + 1 - width) : i + 1]] for i in range(len(values))
    ]


def _nearest(exact: Fraction) -> float | None:
    try:
        return float(exact) + 0.0
    except OverflowError:
        return None


DRAWS = {
    "money": lambda r: r.randrange(-1 << 23, 1 << 23) / 8,
    "doubles": lambda r: r.random(),
    "spread": lambda r: r.random() * 2.0 ** r.randrange(-40, 41),
    "extreme": lambda r: r.choice([1e308, -1e308, 1.7976931348623157e308, 1.0, 5e-324, 2.0**-600]),
    "subnormal": lambda r: r.randrange(-5, 6) * 5e-324,
    "signs": lambda r: r.choice([1.0, -1.0]) * 2.0 ** r.randrange(-70, 70),
    "integers": lambda r: r.randrange(-9, 10),
    "long": lambda r: r.choice([2**63 - 1, -(2**63), r.randrange(-(2**63), 2**63)]),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("width", [1, 3, 40, 1000])
def test_sums_averages_and_variances_are_the_nearest_doubles(kind: str, width: int) -> None:
    r = random.Random(f"{kind}{width}")
    values = [DRAWS[kind](r) for _ in range(120)]
    runs = _runs(values, width)
    sums = _slide(values, "sum", width).to_pylist()
    averages = _slide(values, "average", width).to_pylist()
    variances = _slide(values, "variance", width).to_pylist()
    samples = _slide(values, "variance", width, sample=True).to_pylist()
    for i, run in enumerate(runs):
        total, n = sum(run), len(run)
        squares = n * sum(each * each for each in run) - total * total
        if isinstance(values[0], int):
            assert sums[i] == (int(total) if -(2**63) <= total < 2**63 else None)
        else:
            assert repr(sums[i]) == repr(_nearest(total))
        assert repr(averages[i]) == repr(_nearest(total / n))
        assert repr(variances[i]) == repr(_nearest(squares / n**2))
        assert repr(samples[i]) == repr(_nearest(squares / (n * (n - 1))) if n > 1 else None)


@pytest.mark.parametrize("kind", ["money", "doubles", "spread", "integers", "long", "subnormal"])
def test_skew_and_kurtosis_agree_with_exact_moments(kind: str) -> None:
    r = random.Random(kind)
    values = [DRAWS[kind](r) for _ in range(80)]
    skews = _slide(values, "skew", 9).to_pylist()
    kurtoses = _slide(values, "kurtosis", 9).to_pylist()
    for i, run in enumerate(_runs(values, 9)):
        n = len(run)
        mean = sum(run) / n
        m2, m3, m4 = (sum((each - mean) ** power for each in run) / n for power in (2, 3, 4))
        if n >= 3 and m2:
            wanted = math.copysign(math.sqrt(m3 * m3 / m2**3), m3)
            assert skews[i] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
        else:
            assert skews[i] is None
        if n >= 4 and m2:
            assert kurtoses[i] == pytest.approx(float(m4 / m2**2) - 3, rel=1e-9, abs=1e-9)
        else:
            assert kurtoses[i] is None


def test_rule_14_half_an_ulp_and_a_trifle_rounds_up() -> None:
    values = [1.0, 2.0**-53, 2.0**-1000]
    assert _slide(values, "sum", 10).to_pylist()[-1] == 1 + 2.0**-52


def test_rule_14_a_total_that_overflows_midway_is_finite_at_the_end() -> None:
    values = [1e308, 1e308, -1e308, -1e308, 1.0]
    assert _slide(values, "sum", 10).to_pylist() == [1e308, None, 1e308, 0.0, 1.0]
    assert _slide(values, "average", 10).to_pylist()[1] == 1e308


def test_rule_14_minus_zero_is_zero() -> None:
    for operation in ("sum", "average", "min", "max", "first", "last"):
        assert math.copysign(1, _slide([-0.0, -0.0], operation, 5).to_pylist()[-1]) == 1


def test_rule_14_equal_values_have_variance_zero_and_no_skew() -> None:
    for value in (0.1, 1e300, 5e-324, 3):
        values = [value] * 6
        assert _slide(values, "variance", 6).to_pylist()[-1] == 0
        assert _slide(values, "stddev", 6).to_pylist()[-1] == 0
        assert _slide(values, "skew", 6).to_pylist()[-1] is None
        assert _slide(values, "kurtosis", 6).to_pylist()[-1] is None


def test_rule_14_an_integer_sum_out_of_range_is_null_and_counted_in_any_order() -> None:
    top = 2**63 - 1
    events = pa.table({"k": [1, 1, 1, 2, 2], "ts": [1, 2, 3, 1, 2], "v": [top, 1, -1, top, 1]})
    queries = pa.table({"k": [1, 1, 2], "ts": [9, 3, 9]})
    feature = Feature(name="f", operation="sum", input="v", default=7)
    got = aggregate(events, queries, keys=["k"], features=[feature])
    assert got.columns["f"].to_pylist() == [top, None, None]
    assert got.overflows == {"f": 2}


def test_a_hot_key_with_a_wide_window_stays_exact() -> None:
    r = random.Random(3)
    values = [r.random() * 2.0 ** r.randrange(-40, 41) for _ in range(20_000)]
    last = _slide(values, "sum", 10**9).to_pylist()[-1]
    assert last == float(sum(map(Fraction, values)))
