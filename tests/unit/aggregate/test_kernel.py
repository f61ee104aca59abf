"""The kernel against the per-event form of every operation, and where its answers are easy to see."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pyarrow as pa
import pytest

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.aggregate.kernel import aggregate, latest
from catenary.errors import DataError, UnsupportedError

DAY = 86_400_000
HOUR = 3_600_000
WINDOWS = ((5, 1), (60_000, 1_000), (HOUR, 300_000), (30 * DAY, DAY), (None, None))
NUMERIC = ("count", "sum", "average", "variance", "stddev", "skew", "kurtosis")
ANY = (
    "min", "max", "first", "last", "first_k", "last_k", "top_k", "bottom_k", "unique_count",
    "unique_top_k",
)  # fmt: skip
INF = math.inf


# -- against the per-event form --------------------------------------------------------------------


def _draw(r: random.Random, kind: str) -> object:
    if r.random() < 0.1:
        return None
    draws = {
        "money": lambda: r.randrange(-1 << 20, 1 << 20) / 8,
        "equal": lambda: 0.1,
        "odd": lambda: r.choice([math.nan, INF, -INF, -0.0, 5e-324, 1e308, 1.0, 2.0**-53]),
        "spread": lambda: r.gauss(0, 1) * 2.0 ** r.randrange(-1060, 1000),
        "measured": lambda: r.gauss(0, 1) * 2.0 ** r.randrange(-10, 10),
        "subnormal": lambda: r.randrange(-1000, 1000) * 5e-324,
        "integer": lambda: r.choice([2**63 - 1, -(2**63), r.randrange(-9, 9)]),
        "label": lambda: r.randrange(-3, 4),
        "text": lambda: r.choice(["", "a", "b", "ab", "ä", "\U0001f600", "\uffff"]),
        "flag": lambda: r.random() < 0.5,
    }
    return draws[kind]()


ARROW = {"integer": pa.int64(), "label": pa.int16(), "text": pa.string(), "flag": pa.bool_()}


def _tables(r: random.Random, kinds: list[str]) -> tuple[pa.Table, pa.Table, list[str]]:
    span = r.choice([3, 20, 10**5, 10**7, 100 * DAY])
    base = r.choice([0, -span // 2, 1_700_000_000_000])
    keys, composite = r.choice([1, 2, 5, 80]), r.random() < 0.3

    def keyed(n: int, width: pa.DataType) -> dict[str, pa.Array]:
        codes = [None if r.random() < 0.05 else r.randrange(keys) for _ in range(n)]
        if not composite:
            return {"k": pa.array(codes, width)}
        names = ["k" * (code or 0) for code in codes]
        return {
            "k": pa.array(names, pa.string()).dictionary_encode(),
            "j": pa.array([r.choice(["", "k", None]) for _ in names], pa.large_string()),
        }

    def times(n: int) -> pa.Array:
        drawn = [None if r.random() < 0.04 else base + r.randrange(span) for _ in range(n)]
        return pa.array(drawn, pa.int64())

    n, m = r.choice([0, 1, 3, 60, 150]), r.choice([0, 1, 5, 25])
    columns = {
        kind: pa.array([_draw(r, kind) for _ in range(n)], ARROW.get(kind, pa.float64()))
        for kind in kinds
    }
    buckets = pa.array([r.choice(["p", "q", None]) for _ in range(n)], pa.string())
    events = pa.table({**keyed(n, pa.int32()), "ts": times(n), **columns, "bucket": buckets})
    if n > 5:
        events = pa.concat_tables([events.slice(0, 3), events.slice(4)])
    queries = pa.table({**keyed(m, pa.int64()), "ts": times(m)})
    return events, queries, ["k", "j"] if composite else ["k"]


def _features(r: random.Random, kinds: list[str]) -> list[Feature]:
    features: list[Feature] = []
    for kind in kinds:
        names = [*ANY, *(NUMERIC if kind != "text" else ("count",))]
        if kind in ARROW:
            names.append("histogram")
        for name in names:
            window, hop = r.choice(WINDOWS)
            takes_k = name.endswith("_k") or (name == "histogram" and r.random() < 0.5)
            features.append(
                Feature(
                    name=f"{kind}_{name}",
                    operation=name,
                    input=kind,
                    window_ms=window,
                    hop_ms=hop,
                    bucket="bucket" if r.random() < 0.2 else None,
                    k=r.choice([1, 2, 7]) if takes_k else None,
                    sample=name in ("variance", "stddev") and r.random() < 0.5,
                )
            )
    return features


def _expected(
    feature: Feature, events: list[dict], query: dict, keys: list[str]
) -> tuple[object, bool]:
    """The result by folding every event, and whether it overflowed."""
    if query["ts"] is None or any(query[key] is None for key in keys):
        return None, False
    operation = registry.operation(feature.operation)
    if feature.k is not None:
        operation = replace(operation, k=feature.k)
    start = -(10**20)
    if feature.window_ms is not None and feature.hop_ms is not None:
        start = (query["ts"] - feature.window_ms) // feature.hop_ms * feature.hop_ms
    partials: dict[object, object] = {}
    for event in events:
        bucket = event[feature.bucket] if feature.bucket else ""
        if event["ts"] is None or not start <= event["ts"] < query["ts"] or bucket is None:
            continue
        if all(event[key] == query[key] for key in keys):
            before = partials.get(bucket, operation.empty())
            partials[bucket] = operation.insert(before, event[feature.input], event["ts"])
    results = {bucket: operation.finish(each, feature) for bucket, each in sorted(partials.items())}
    if feature.bucket:
        return [(b, v) for b, v in results.items() if v is not None] or None, False
    return results.get(""), bool("" in partials and operation.overflowed(partials[""]))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _agree(got: object, wanted: object, loose: bool) -> bool:
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(_agree, got, wanted, [loose] * len(got)))
    if loose and isinstance(got, float) and isinstance(wanted, float):
        return abs(got - wanted) <= 1e-9 * max(1.0, abs(got), abs(wanted))
    return repr(got) == repr(wanted)


@pytest.mark.parametrize("seed", range(30))
def test_the_kernel_gives_what_folding_every_event_gives(seed: int) -> None:
    r = random.Random(seed)
    kinds = r.sample(["money", "equal", "odd", "spread", "measured", "subnormal", *ARROW], 3)
    events, queries, keys = _tables(r, kinds)
    features = _features(r, kinds)
    got = aggregate(events, queries, keys=keys, features=features)
    got.columns.validate(full=True)
    rows, overflows = events.to_pylist(), {}
    for feature in features:
        values = got.columns[feature.name].to_pylist()
        for query, value in zip(queries.to_pylist(), values, strict=True):
            wanted, overflowed = _expected(feature, rows, query, keys)
            loose = feature.operation in ("skew", "kurtosis")
            assert _agree(_plain(value), _plain(wanted), loose), (feature, query, value, wanted)
            if overflowed:
                overflows[feature.name] = overflows.get(feature.name, 0) + 1
    assert got.overflows == overflows


def test_many_rows_on_several_threads_give_what_few_give() -> None:
    r = random.Random(7)
    n, m, keys = 300_000, 210_000, 5_000
    events = pa.table(
        {
            "k": [r.randrange(keys) for _ in range(n)],
            "ts": [r.randrange(10**6) for _ in range(n)],
            "v": [r.randrange(1 << 20) / 8 for _ in range(n)],
        }
    )
    queries = pa.table(
        {"k": [r.randrange(keys) for _ in range(m)], "ts": [r.randrange(10**6) for _ in range(m)]}
    )
    features = [
        Feature(name=name, operation=name, input="v", window_ms=200_000, hop_ms=1_000, k=k)
        for name, k in (("sum", None), ("average", None), ("max", None), ("variance", None),
                        ("last", None), ("top_k", 3), ("unique_count", None))
    ]  # fmt: skip
    whole = aggregate(events, queries, keys=["k"], features=features).columns
    few = [17, 100_001, m - 1]
    part = aggregate(events, queries.take(few), keys=["k"], features=features).columns
    assert whole.take(few).to_pylist() == part.to_pylist()


# -- rules -----------------------------------------------------------------------------------------


def _one(
    values: list, *, operation: str, at: int = 1_000, times: list | None = None, **more: object
) -> object:
    events = pa.table(
        {
            "k": [1] * len(values),
            "ts": pa.array(times or range(len(values)), pa.int64()),
            "v": values,
        }
    )
    queries = pa.table({"k": [1], "ts": [at]})
    feature = Feature(name="f", operation=operation, input="v", **more)
    return aggregate(events, queries, keys=["k"], features=[feature]).columns["f"].to_pylist()[0]


def test_rule_01_the_start_is_floored_to_the_hop_and_the_end_is_exact() -> None:
    values, times = [1, 10, 100, 1000], [-1, 0, 99, 100]
    got = _one(values, operation="sum", at=100, times=times, window_ms=95, hop_ms=10)
    assert got == 110


def test_rule_01_the_start_is_floored_before_1970_too() -> None:
    values, times = [1, 10, 100], [-21, -20, -11]
    assert _one(values, operation="sum", at=-10, times=times, window_ms=5, hop_ms=10) == 110


def test_rule_08_a_null_key_belongs_to_no_key_and_is_counted() -> None:
    events = pa.table({"k": [None, "a"], "j": ["x", None], "ts": [1, 1], "v": [1, 2]})
    queries = pa.table({"k": [None, "a"], "j": ["x", None], "ts": [5, 5]})
    feature = Feature(name="f", operation="sum", input="v", default=0)
    got = aggregate(events, queries, keys=["k", "j"], features=[feature])
    assert got.columns["f"].to_pylist() == [None, None]
    assert got.null_key_events == 2


def test_rule_09_an_int32_key_equals_the_same_int64_key() -> None:
    events = pa.table({"k": pa.array([12], pa.int32()), "ts": [1], "v": [5]})
    queries = pa.table({"k": pa.array([12], pa.int64()), "ts": [2]})
    feature = Feature(name="f", operation="sum", input="v")
    got = aggregate(events, queries, keys=["k"], features=[feature])
    assert got.columns["f"].to_pylist() == [5]


def test_rule_09_composite_keys_that_concatenate_alike_differ() -> None:
    events = pa.table({"a": ["ab"], "b": ["c"], "ts": [1], "v": [5]})
    queries = pa.table({"a": ["a", "ab"], "b": ["bc", "c"], "ts": [2, 2]})
    feature = Feature(name="f", operation="sum", input="v")
    got = aggregate(events, queries, keys=["a", "b"], features=[feature])
    assert got.columns["f"].to_pylist() == [None, 5]


def test_rule_10_a_default_stands_in_only_where_no_value_was_seen() -> None:
    events = pa.table({"k": [1, 2, 3], "ts": [1, 1, 1], "v": [INF, math.nan, 2.0]})
    queries = pa.table({"k": [1, 2, 3, 4, None], "ts": [5] * 5})
    feature = Feature(name="f", operation="sum", input="v", default=-1.0)
    got = aggregate(events, queries, keys=["k"], features=[feature])
    assert got.columns["f"].to_pylist() == [None, -1.0, 2.0, -1.0, None]


def test_rule_10_a_default_replaces_the_whole_map() -> None:
    events = pa.table({"k": [1, 2], "ts": [1, 1], "v": [1, 2], "b": ["x", None]})
    queries = pa.table({"k": [1, 2], "ts": [5, 5]})
    feature = Feature(name="f", operation="sum", input="v", bucket="b", default=[("none", 0)])
    got = aggregate(events, queries, keys=["k"], features=[feature])
    assert got.columns["f"].to_pylist() == [[("x", 1)], [("none", 0)]]


def test_rule_11_the_latest_row_is_the_greatest_by_time_and_then_by_columns() -> None:
    events = pa.table(
        {"k": [1, 1, 1, 1], "ts": [5, 5, 5, 9], "v": [None, 2, 2, 7], "s": ["z", "a", "ä", "q"]}
    )
    queries = pa.table({"k": [1, 1, 1, None], "ts": [9, 10, 5, 9]})
    got = latest(events, queries, keys=["k"], columns=["v", "s"])
    assert got.to_pydict() == {"v": [2, 7, None, None], "s": ["ä", "q", None, None]}


def test_rule_11_the_latest_row_carries_lists_along() -> None:
    events = pa.table({"k": [1, 1], "ts": [5, 6], "v": [[1, 2], [3]]})
    queries = pa.table({"k": [1, 2], "ts": [9, 9]})
    got = latest(events, queries, keys=["k"], columns=["v"])
    assert got["v"].to_pylist() == [[3], None]


def test_rule_13_equal_times_are_ordered_by_value_whatever_the_arrival() -> None:
    for values in ([3, 1, 2], [1, 2, 3], [2, 3, 1]):
        assert _one(values, operation="last", times=[5, 5, 5]) == 3
        assert _one(values, operation="first_k", k=2, times=[5, 5, 5]) == [1, 2]
        assert _one(values, operation="last_k", k=2, times=[5, 5, 5]) == [3, 2]


def test_rule_13_text_orders_by_its_bytes() -> None:
    words = ["\uffff", "\U0001f600", "z", "a"]
    assert _one(words, operation="max") == "\U0001f600"
    assert _one(words, operation="top_k", k=3) == ["\U0001f600", "\uffff", "z"]


def test_rule_14_an_infinity_is_null_where_it_is_seen_and_never_leaks() -> None:
    values, times = [1.0, INF, 2.0], [10, 20, 30]
    assert _one(values, operation="sum", at=35, times=times, window_ms=30, hop_ms=1) is None
    assert _one(values, operation="sum", at=35, times=times, window_ms=10, hop_ms=1) == 2.0
    assert _one(values, operation="max", times=times) is None
    assert _one(values, operation="top_k", k=2, times=times) == [None, 2.0]


def test_a_histogram_keeps_the_greatest_counts_smaller_keys_first() -> None:
    words = ["c", "b", "b", "a", "d", "d"]
    assert _one(words, operation="histogram", k=3) == [("a", 1), ("b", 2), ("d", 2)]


def test_no_features_give_no_columns_and_all_rows() -> None:
    events = pa.table({"k": [1], "ts": [1]})
    got = aggregate(events, events, keys=["k"], features=[])
    assert got.columns.num_columns == 0


def test_a_missing_column_is_named_with_the_nearest() -> None:
    table = pa.table({"user": [1], "ts": [1], "amount": [1]})
    feature = Feature(name="f", operation="sum", input="amont")
    with pytest.raises(DataError, match=r"no column 'amont'[\s\S]*amount"):
        aggregate(table, table, keys=["user"], features=[feature])


def test_keys_of_two_families_and_of_floats_are_refused() -> None:
    numbers, words = pa.table({"k": [1], "ts": [1]}), pa.table({"k": ["1"], "ts": [1]})
    floats = pa.table({"k": [1.0], "ts": [1]})
    with pytest.raises(DataError, match="is int64 in the events and string in the queries"):
        aggregate(numbers, words, keys=["k"], features=[])
    with pytest.raises(UnsupportedError, match="a key cannot be of type double"):
        aggregate(floats, floats, keys=["k"], features=[])
