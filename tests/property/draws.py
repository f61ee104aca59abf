"""Everything that the property tests draw; each bound with its reason.

Narrowing a bound is a decision, not a fix: whoever does it says here why the product need not hold
beyond it. Pools are short lists of hostile values, so that collisions (equal times, equal keys,
windows that begin on an event) are common rather than a matter of luck, and shrinking is quick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from catenary.definitions import (
    Accuracy,
    Aggregation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    Operation,
    Query,
)
from catenary.testing.builders import entities, events
from catenary.testing.oracle import Oracle
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS, ds_of, ds_start_ms, shift_ds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.definitions import Source
    from catenary.testing.rows import Rows


@dataclass(frozen=True)
class Case:
    """A definition and the tables it reads."""

    target: Join | GroupBy
    tables: dict[str, Rows]


# ---- instants -----------------------------------------------------------------------------------

FIRST_DAY: Final = "2024-02-28"  # the days drawn cross a leap day and a month's end
DAYS: Final = 4  # more would only repeat: the longest window that slides is 2 d, 13 d covers all
_START: Final = ds_start_ms(FIRST_DAY)
_MARKS: Final = [
    # Day and hour starts, a five-minute and a one-minute mark, and a time on no mark at all.
    _START + day * DAY_MS + offset
    for day in range(DAYS)
    for offset in (
        0,
        10 * HOUR_MS,
        10 * HOUR_MS + 5 * MINUTE_MS,
        10 * HOUR_MS + 6 * MINUTE_MS,
        10 * HOUR_MS + 7 * MINUTE_MS + 1_234,
        11 * HOUR_MS,
        22 * HOUR_MS,
    )
]
# Half-open intervals go wrong by one millisecond or not at all, so nothing further off is drawn.
NUDGES: Final = (0, -1, 1)
# A handful of marks per case, for events and reads alike: many share an instant, a window, a tie.
MARKS_MAX: Final = 4


@st.composite
def pools(draw: st.DrawFn) -> st.SearchStrategy[int | None]:
    """Times of a case's events and reads. One in fifteen is null: such a row tests little else."""
    marks = draw(st.lists(st.sampled_from(_MARKS), min_size=1, max_size=MARKS_MAX))
    some = st.sampled_from([mark + nudge for mark in marks for nudge in NUDGES])
    return st.one_of(*[some] * 14, st.none())


# A row lies in its day's partition, late by one or two, or (which is misplaced) a day early. The
# window of lateness ends at two: `late_partitions` drawn below goes to two.
SHIFTS: Final = (0,) * 12 + (1, 1, 2, 3, -1)

# ---- values -------------------------------------------------------------------------------------

# Hot key first; then empty, beyond the basic plane, and pairs that naive encodings of (user, tag)
# confuse: ("ab", "c") and ("a", "bc"), ("a", "b:c") and ("a:b", "c"), a null byte as separator.
USERS: Final = [*["a"] * 8, "ab", "", "\U0001f600", "a:b", "a\0", None]
TAGS: Final = [*["c"] * 5, "bc", "b:c", "", "\0c", None]
# 32-bit on one side and 64-bit on the other: 12 is 12, and ends must not wrap around.
ITEMS: Final = [*[12] * 5, -1, 0, 2**31 - 1, -(2**31), None]

# Ends of the range make sums overflow and cancel; 2**53 + 1 is the first integer no double holds.
INTEGERS: Final = [0, 1, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63), 2**62, None]
# 1, 2**-53 and 2**-1000 together round to 1 + 2**-52 only if the sum is exact; 1e308 overflows
# midway in some orders; -0.0, NaN and infinities have rules of their own; the tiniest is subnormal.
DOUBLES: Final = [
    0.0, -0.0, 1.0, 2.0**-53, 2.0**-1000, 0.1, 0.2, -0.3, 3.5, 1e308, -1e308, 5e-324,
    1e16, -1e16, math.inf, -math.inf, math.nan, None,
]  # fmt: skip
# The last two order differently by code units (UTF-16) and by bytes (UTF-8).
TEXTS: Final = ["", "a", "B", "é", "a\0", "\uffff", "\U0001f600", None]


def doubles() -> st.SearchStrategy[float | None]:
    """Any double at all: windows, sums and codecs make no assumption about size."""
    return st.sampled_from(DOUBLES) | st.floats(width=64)


def integers() -> st.SearchStrategy[int | None]:
    """Any 64-bit integer, small ones often, so that results agree by more than overflow."""
    return st.sampled_from(INTEGERS) | st.integers(-100, 100) | st.integers(-(2**63), 2**63 - 1)


def texts() -> st.SearchStrategy[str | None]:
    """Any text that UTF-8 can hold (no lone surrogates: Arrow cannot store them)."""
    return st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)


# ---- tables -------------------------------------------------------------------------------------

# Enough for three events in one window of one key with several keys present; beyond that examples
# get slower faster than they get different. Hot keys and volume are the benchmarks' business.
ROWS_MAX: Final = 14
LEFT_MAX: Final = 7

_EVENT_COLUMNS: Final = (
    "ts user:string tag:string item:bigint price:double qty:bigint flag:boolean note:string "
    "ds:string"
)
_VIEW_COLUMNS: Final = "ts user:string tag:string item:int weight:double ds:string"
_PLAN_COLUMNS: Final = (
    "ds user:string tag:string item:bigint price:double qty:bigint flag:boolean note:string "
    "since:bigint"
)


@st.composite
def _partitions(draw: st.DrawFn, ts: int | None) -> str:
    """The partition of a row: its day's, a later one, or a wrong one."""
    day = ds_of(ts) if ts is not None else shift_ds(FIRST_DAY, draw(st.integers(0, DAYS - 1)))
    return shift_ds(day, draw(st.sampled_from(SHIFTS)))


Instants = st.SearchStrategy[int | None]


@st.composite
def _events(draw: st.DrawFn, instants: Instants) -> tuple[object, ...]:
    ts = draw(instants)
    return (ts, *draw(_keys()), *draw(_facts()), draw(_partitions(ts)))


@st.composite
def _views(draw: st.DrawFn, instants: Instants) -> tuple[object, ...]:
    ts = draw(instants)
    return (ts, *draw(_keys()), draw(doubles()), draw(_partitions(ts)))


@st.composite
def _plans(draw: st.DrawFn, instants: Instants) -> tuple[object, ...]:
    ds = shift_ds(FIRST_DAY, draw(st.integers(-1, DAYS)))
    return (ds, *draw(_keys()), *draw(_facts()), draw(instants))


def _keys() -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(st.sampled_from(USERS), st.sampled_from(TAGS), st.sampled_from(ITEMS))


def _facts() -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(doubles(), integers(), st.sampled_from([True, False, None]), texts())


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Rows]:
    """Two tables of events with the same columns, the left's events, and snapshots of entities."""

    pool = draw(pools())

    def some(row: st.SearchStrategy[tuple[object, ...]], most: int) -> list[tuple[object, ...]]:
        rows = draw(st.lists(row, min_size=min(3, most), max_size=most))
        # A row that arrives twice counts twice; equal rows by chance are too rare to rely on.
        return rows + rows[: draw(st.integers(0, 1))]

    return {
        "orders": events(_EVENT_COLUMNS, *some(_events(pool), ROWS_MAX)),
        "returns": events(_EVENT_COLUMNS, *some(_events(pool), ROWS_MAX // 2)),
        "views": events(_VIEW_COLUMNS, *some(_views(pool), LEFT_MAX)),
        "plans": entities(_PLAN_COLUMNS, *some(_plans(pool), LEFT_MAX)),
    }


# ---- definitions --------------------------------------------------------------------------------

# Each default hop once (minute, five minutes, hour, day), both sides of its threshold where the
# days drawn can tell, one that covers everything, and none.
DAY_WINDOWS: Final = ["1d", "2d", "13d"]
WINDOWS: Final = ["3m", "15m", "59m", "1h", "12h", *DAY_WINDOWS]

_NUMBERS: Final = ["count", "sum", "average", "variance", "stddev", "min", "max"]
_MOMENTS: Final = ["skew", "kurtosis"]
_ANY: Final = ["count", "first", "last", "first_k", "last_k", "top_k", "bottom_k", "min", "max"]
_BY_TYPE: Final = {
    "double": [*_NUMBERS, *_MOMENTS, *_ANY, "unique_count", "unique_top_k"],
    "bigint": [*_NUMBERS, *_MOMENTS, *_ANY, "unique_count", "unique_top_k", "histogram"],
    "boolean": [*_ANY, "sum", "average", "unique_count", "histogram"],
    "string": [*_ANY, "unique_count", "unique_top_k", "histogram", "histogram_k"],
}
_COLUMNS: Final = {"price": "double", "qty": "bigint", "flag": "boolean", "note": "string"}
BUCKETS: Final = [None, None, None, None, "tag", "flag", "item"]
K: Final = (1, 2, 5)  # one, fewer than a window often holds, more than it holds
KEYS: Final = [("user",), ("user", "tag"), ("tag", "user"), ("item",)]
_EVENT_WHERES: Final = [(), (), ("price > 0",), ("qty IS NOT NULL", "flag")]


def operations(type_: str) -> st.SearchStrategy[Operation]:
    """An operation that takes inputs of the type."""

    def made(name: str, k: int, sample: bool) -> Operation:
        if name == "histogram_k":
            return Operation.HISTOGRAM_K(k)
        takes_k = name.endswith("_k")
        squares = name in ("variance", "stddev")
        return Operation(name, k=k if takes_k else None, sample=sample and squares)

    return st.builds(made, st.sampled_from(_BY_TYPE[type_]), st.sampled_from(K), st.booleans())


def default_for(operation: Operation, type_: str) -> st.SearchStrategy[object]:
    """A default of the result's own type; lists and maps are left to tests of their own."""
    if operation.name in ("count", "unique_count") or (
        operation.name == "sum" and type_ != "double"
    ):
        return st.sampled_from([None, 0, -7])
    if operation.name in (*_NUMBERS, *_MOMENTS) and operation.name not in ("min", "max"):
        return st.sampled_from([None, 0.0, 0.1])
    values = {"double": 0.5, "bigint": 3, "boolean": False, "string": "none"}
    return st.sampled_from([None, values[type_]]) if _scalar(operation) else st.none()


def _scalar(operation: Operation) -> bool:
    return operation.name in ("min", "max", "first", "last")


def _hops(windows: Sequence[str]) -> list[str | None]:
    """Hops that divide every one of the windows."""
    if not windows:
        return [None]
    return [None, None, "1m"] + ["1h" for _ in windows[:1] if all(w[-1] != "m" for w in windows)]


@st.composite
def aggregations(
    draw: st.DrawFn, columns: dict[str, str], windows: Sequence[str], buckets: Sequence[str | None]
) -> tuple[Aggregation, ...]:
    """One to three; names that would collide are dropped, as the definition would refuse them."""
    found: dict[str, Aggregation] = {}
    for _ in range(draw(st.integers(1, 3))):
        column = draw(st.sampled_from(sorted(columns)))
        operation = draw(operations(columns[column]))
        bucket = draw(st.sampled_from(list(buckets)))
        spans = draw(st.lists(st.sampled_from(list(windows)), max_size=2, unique=True))
        made = Aggregation(
            column,
            operation,
            windows=spans,
            buckets=bucket or (),
            default=None if bucket else draw(default_for(operation, columns[column])),
            hop=draw(st.sampled_from(_hops(spans))),
        )
        for name, _, _ in made.columns():
            found.setdefault(name, made)
    names = [name for each in set(found.values()) for name, _, _ in each.columns()]
    if len(set(names)) == len(names):
        return tuple(dict.fromkeys(found.values()))
    return (next(iter(found.values())),)


@st.composite
def event_sources(draw: st.DrawFn, table: str, topic: str | None) -> EventSource:
    """A source over one of the two tables of events."""
    query = Query(
        {name: name for name in ("user", "tag", "item", *_COLUMNS)},
        wheres=draw(st.sampled_from(_EVENT_WHERES)),
        time_column=draw(st.sampled_from(["ts", "ts", "timestamp_millis(ts)"])),
    )
    late = draw(st.integers(0, 2))
    return EventSource(table=table, query=query, topic=topic, late_partitions=late)


@st.composite
def group_bys(draw: st.DrawFn, name: str) -> GroupBy:
    """Over events of one or two tables, or over snapshots; with aggregations or without."""
    kind = draw(st.sampled_from(["events", "events", "events", "several", "entities"]))
    keys = draw(st.sampled_from(KEYS))
    if kind == "entities":
        return draw(_entity_group_bys(name, keys))
    topic = draw(st.sampled_from(["log:///orders", "log:///orders", None]))
    sources = [draw(event_sources("orders", topic))]
    if kind == "several":
        sources.append(draw(event_sources("returns", None)))
    accuracy = draw(st.sampled_from([None, None, Accuracy.SNAPSHOT, Accuracy.TEMPORAL]))
    temporal = accuracy is Accuracy.TEMPORAL or (accuracy is None and topic is not None)
    folds = draw(aggregations(_COLUMNS, WINDOWS if temporal else DAY_WINDOWS, BUCKETS_OF[keys]))
    passing = draw(st.integers(0, 5)) == 0
    return GroupBy(
        name,
        sources=sources,
        keys=keys,
        accuracy=accuracy,
        aggregations=() if passing else folds,
    )


# A key is no bucket of its own: every map would have one entry.
BUCKETS_OF: Final = {keys: [each for each in BUCKETS if each not in keys] for keys in KEYS}


@st.composite
def _entity_group_bys(draw: st.DrawFn, name: str, keys: tuple[str, ...]) -> GroupBy:
    timed = draw(st.booleans())
    source = EntitySource(
        snapshot_table="plans",
        query=Query(
            {column: column for column in ("user", "tag", "item", *_COLUMNS)},
            time_column="since" if timed else None,
        ),
        holds=draw(st.booleans()),
    )
    if draw(st.booleans()):
        latest = draw(st.sampled_from(sorted(_COLUMNS)))
        return GroupBy(name, sources=source, keys=keys, latest_by=latest)
    folds = draw(aggregations(_COLUMNS, DAY_WINDOWS, BUCKETS_OF[keys]))
    if not timed:
        folds = tuple(
            Aggregation(
                each.input_column, each.operation, buckets=each.buckets, default=each.default
            )
            for each in {
                (one.input_column, one.operation, one.buckets): one for one in folds
            }.values()
        )
    return GroupBy(name, sources=source, keys=keys, aggregations=folds)


@st.composite
def lefts(draw: st.DrawFn) -> Source:
    """Events or, one in five, entities."""
    if draw(st.integers(0, 4)) == 0:
        chosen = {name: name for name in ("user", "tag", "item", "price")}
        return EntitySource(snapshot_table="plans", query=Query(chosen))
    query = Query(["user", "tag", "item", "weight"], time_column="ts")
    late = draw(st.integers(0, 2))
    return EventSource(table="views", query=query, topic="log:///views", late_partitions=late)


DEPTH_MAX: Final = 4  # what the issue of chains promises to test; deeper repeats the same rule


@st.composite
def cases(draw: st.DrawFn, depth_max: int = DEPTH_MAX) -> Case:
    """A Join at the end of a chain of one to `depth_max` GroupBys, and its tables."""
    left = draw(lefts())
    parent = Join(
        "j1",
        left=left,
        parts=[JoinPart(draw(group_bys("g1")), prefix=draw(st.sampled_from([None, "p"])))],
    )
    for level in range(2, draw(st.integers(1, depth_max)) + 1):
        parent = draw(_next(parent, level))
    return Case(parent, draw(tables()))


@st.composite
def _next(draw: st.DrawFn, parent: Join, level: int) -> Join:
    """A Join one level deeper: a part, perhaps its left too, reads the parent."""
    carried = ("user", "tag", "item")
    joined = _joined(parent)
    features = {
        name: type_
        for name, type_ in joined.items()
        if type_ in _BY_TYPE and name not in (*carried, "ts", "ds")
    }
    temporal = _streamed(parent.left)
    keys = draw(st.sampled_from(KEYS))
    # A parent may have maps and lists only; then a column of the left is folded.
    folded = features or ({"user": "string"} if "user" not in keys else {"item": "bigint"})
    chosen = {name: name for name in (*carried, *features)}
    child = GroupBy(
        f"g{level}",
        sources=JoinSource(join=parent, query=Query(chosen)),
        keys=keys,
        aggregations=draw(aggregations(folded, WINDOWS if temporal else DAY_WINDOWS, [None])),
    )
    parts: list[JoinPart | GroupBy] = [child]
    if draw(st.booleans()):
        parts.append(JoinPart(parent.parts[0].group_by, prefix="again"))
    left: Source = parent.left
    if draw(st.integers(0, 3)) == 0:
        left = JoinSource(join=parent, query=Query(["user", "tag", "item"]))
    elif draw(st.booleans()):
        left = draw(lefts())
    derivations = draw(_derivations(child, keys))
    return Join(f"j{level}", left=left, parts=parts, derivations=derivations)


@st.composite
def _derivations(draw: st.DrawFn, child: GroupBy, keys: tuple[str, ...]) -> dict[str, str]:
    """None, or a few that read a base column, an earlier derivation, a key and `ts`."""
    if draw(st.booleans()):
        return {}
    base = f"{child.name}_{child.aggregations[0].columns()[0][0]}"
    made = {
        "*": "*",
        "seen": f"{base} IS NOT NULL",
        "unseen": "NOT seen",
        "again": base,
        "late": "ts % 2 = 1",
        "keyed": f"{keys[0]} IS NULL",
        base: f"coalesce({base}, {base})",
    }
    names = draw(st.lists(st.sampled_from(list(made)), unique=True, max_size=4))
    if base in names and "again" in names:
        names.remove("again")  # a rename of what is replaced means little
    if "unseen" in names and "seen" not in names[: names.index("unseen")]:
        names.remove("unseen")
    return {name: made[name] for name in names}


def _streamed(source: Source) -> bool:
    while isinstance(source, JoinSource):
        source = source.join.left
    return isinstance(source, EventSource)


def _joined(join: Join) -> dict[str, str]:
    """Output columns of a Join by their types' names."""
    schema = Oracle(EMPTY).schema(join)
    return {name: str(type_) for name, type_ in schema.items()}


EMPTY: Final = {
    "orders": events(_EVENT_COLUMNS),
    "returns": events(_EVENT_COLUMNS),
    "views": events(_VIEW_COLUMNS),
    "plans": entities(_PLAN_COLUMNS),
}
