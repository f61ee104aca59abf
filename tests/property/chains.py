"""What the worlds of streams are about: chains of GroupBys over topics, drawn.

    rng, kind ──► one to three tables, each with a topic
              ──► a chain of depth 1 to 4; parents and children may follow the same topic
              ──► perhaps a snapshot beside the parents, or an expression that raises for some rows
              ──► the Join that reads all of it

Few tables, keys and windows, so that equal things are common. Not here: events, stages, what is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from catenary.definitions import (
    Aggregation,
    Derivation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)

if TYPE_CHECKING:
    from random import Random

COLUMNS: Final = "ts user:string item:string x:double n:bigint ds:string"
SNAPSHOT: Final = "s1"
"""The name of the GroupBy that follows no topic."""
_WINDOWS: Final = ["15m", "1h", "12h", "1d", "3d"]
_DAYS: Final = ["1d", "3d"]
_PLAIN: Final = [Operation.SUM, Operation.AVERAGE, Operation.MAX, Operation.COUNT, Operation.LAST]
_OTHERS: Final = [
    *_PLAIN, Operation.LAST_K(2), Operation.UNIQUE_COUNT, Operation.TOP_K(2), Operation.VARIANCE,
    Operation.FIRST, Operation.MIN,
]  # fmt: skip

Refusing = Literal["", "join", "part", "query"]


@dataclass(frozen=True)
class Kind:
    """What sort of world is drawn.

    Attributes:
        late: whether events come late, where that breaks no promise.
        snapshot: whether a snapshot is read beside the parents of each chained GroupBy.
        refusing: what raises for some rows: a derivation of the Joins in the chain, one of the first
            GroupBy, or the queries over the Joins; empty for nothing.
    """

    late: bool = False
    snapshot: bool = False
    refusing: Refusing = ""


@dataclass(frozen=True)
class Chain:
    """Definitions that were drawn.

    Attributes:
        group_bys: of the chain, parents first.
        snapshot: what is read beside the parents, as of midnight.
        top: the Join that reads all of them.
        tables: that have topics.
    """

    group_bys: tuple[GroupBy, ...]
    snapshot: GroupBy | None
    top: Join
    tables: tuple[str, ...]

    @property
    def definitions(self) -> list[GroupBy | Join]:
        """All of them."""
        return [*self.group_bys, *([self.snapshot] if self.snapshot else []), self.top]


def drawn(rng: Random, kind: Kind, *, forgiving: bool = False) -> Chain:
    """A chain and the Join that reads all of it.

    Args:
        rng: draws all; the same draws give the same chain, forgiving or not.
        kind: what sort.
        forgiving: whether what would raise gives null, so that an oracle can say what all others are.
    """
    tables = tuple(f"t{number}" for number in range(rng.randint(1, 3)))
    depth = rng.choice([2, 2, 3] if kind.snapshot or kind.refusing else [1, 2, 2, 3, 3, 4])
    snapshot = _daily(rng, tables) if kind.snapshot else None
    chain = [_first(rng, tables, depth, kind, "forgiving" if forgiving else "refusing")]
    while len(chain) < depth:
        guard = "forgiving" if forgiving else "refusing"
        chain.append(_chained(rng, tables, chain, snapshot, kind.refusing, guard))
    parts = [*chain, *([snapshot] if snapshot else [])]
    top = Join("top", left=_asks(), parts=parts)
    return Chain(tuple(chain), snapshot, top, tables)


def _asks() -> EventSource:
    return EventSource(table="asks", query=Query(["user", "item"], time_column="ts"))


def _first(rng: Random, tables: tuple[str, ...], depth: int, kind: Kind, guard: str) -> GroupBy:
    some = rng.sample(tables, k=min(len(tables), rng.choice([1, 1, 2])))
    passing = depth == 1 and rng.random() < 0.1
    aggregations = [] if passing else _aggregations(rng, ["x", "n"])
    made = GroupBy(
        "g1", sources=[_source(each) for each in some], keys=_keys(rng), aggregations=aggregations
    )
    if kind.refusing != "part":
        return made
    name = rng.choice(_numbers(made))
    return GroupBy(
        "g1",
        sources=made.sources,
        keys=made.keys,
        aggregations=aggregations,
        derivations=[
            Derivation("*", "*"),
            Derivation("checked", f"{guard}(CAST({name} AS DOUBLE))"),
        ],
    )


def _chained(
    rng: Random,
    tables: tuple[str, ...],
    chain: list[GroupBy],
    snapshot: GroupBy | None,
    refusing: Refusing,
    guard: str,
) -> GroupBy:
    """A GroupBy over events that were enriched with the ones before."""
    parts = [chain[-1], *(chain[:1] if len(chain) > 1 and rng.random() < 0.5 else [])]
    parts += [snapshot] if snapshot is not None else []
    features = [f"{part.name}_{column}" for part in parts for column in _numbers(part)]
    chosen = rng.choice(features)
    value, derivations = f"CAST({chosen} AS DOUBLE)", []
    if refusing == "join":
        derivations = [Derivation("*", "*"), Derivation("checked", f"{guard}({value})")]
        chosen = value = "checked"
    elif refusing == "query":
        value = f"{guard}({value})"
    left = _source(rng.choice(tables))
    join = Join(f"j{len(chain)}", left=left, parts=parts, derivations=derivations)
    selects = {"user": "user", "item": "item", "x": "x", "y": value}
    wheres = () if rng.random() < 0.7 else (f"{chosen} IS NOT NULL",)
    return GroupBy(
        f"g{len(chain) + 1}",
        sources=JoinSource(join=join, query=Query(selects, wheres=wheres)),
        keys=_keys(rng),
        aggregations=_aggregations(rng, ["x", "y"]),
    )


def _daily(rng: Random, tables: tuple[str, ...]) -> GroupBy:
    """A GroupBy over a table alone: as of the last midnight."""
    query = Query(["user", "item", "x", "n"], time_column="ts")
    return GroupBy(
        SNAPSHOT,
        sources=EventSource(table=rng.choice(tables), query=query),
        keys=_keys(rng),
        aggregations=_aggregations(rng, ["x", "n"], _DAYS),
    )


def _keys(rng: Random) -> tuple[str, ...]:
    return rng.choice([("user",), ("item",), ("user", "item")])


def _source(table: str) -> EventSource:
    query = Query(["user", "item", "x", "n"], time_column="ts")
    return EventSource(table=table, topic=f"log:///{table}", query=query)


def _aggregations(
    rng: Random, inputs: list[str], windows: list[str] = _WINDOWS
) -> list[Aggregation]:
    """One that gives a number, for what is chained on it, and perhaps others."""
    found = {(inputs[-1], (first := rng.choice(_PLAIN)).name): first}
    for _ in range(rng.randint(0, 2)):
        operation = rng.choice(_OTHERS)
        found.setdefault((rng.choice(inputs), operation.name), operation)
    return [
        Aggregation(column, operation, windows=rng.sample(windows, k=rng.randint(0, 2)))
        for (column, _), operation in found.items()
    ]


def _numbers(group_by: GroupBy) -> list[str]:
    """The columns of a GroupBy that are numbers."""
    derived = [each.name for each in group_by.derivations if each.name != "*"]
    return [
        *derived,
        *(
            name
            for each in group_by.aggregations
            if not each.operation.name.endswith("_k")
            for name, _, _ in each.columns()
        ),
    ]
