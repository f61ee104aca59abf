"""Tables and definitions that the planner's tests share, as the fixture `world`."""

from __future__ import annotations

import sys

import pytest

from catenary.definitions import (
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
from catenary.errors import MissingTableError, nearest
from catenary.plan import Plan, build
from catenary.schema import BIGINT, BOOLEAN, DOUBLE, INT, STRING, TIMESTAMP, Schema, array

TABLES = {
    "clicks": Schema.of(
        user=STRING, item=BIGINT, amount=DOUBLE, score=INT, ok=BOOLEAN, tags=array(STRING),
        at=BIGINT, moment=TIMESTAMP, ds=STRING,
    ),
    "views": Schema.of(user=STRING, item=BIGINT, amount=INT, at=BIGINT),
    "users": Schema.of(user=STRING, age=INT, home=STRING, seen=BIGINT, ds=STRING),
    "odd": Schema.of({"user": STRING, "order": INT, "first name": STRING, "at": BIGINT}),
}  # fmt: skip


def schemas(table: str) -> Schema:
    if table not in TABLES:
        raise MissingTableError(f"no table {table!r}", hint=nearest(table, TABLES))
    return TABLES[table]


def clicks(selects=("user", "item", "amount"), topic=None, late=1, table="clicks", **query):
    query = {"time_column": "at", **query}
    return EventSource(
        table=table, query=Query(selects, **query), topic=topic, late_partitions=late
    )


def amounts(name="amounts", sources=None, keys="user", windows="7d", **more) -> GroupBy:
    folds = [Aggregation("amount", Operation.SUM, windows=windows)]
    more = {"aggregations": folds, **more}
    return GroupBy(name, sources=sources or clicks(topic="log:///t"), keys=keys, **more)


def people(name="people", holds=False, **more) -> GroupBy:
    source = EntitySource(snapshot_table="users", query=Query(["user", "age"]), holds=holds)
    return GroupBy(name, sources=source, keys="user", **more)


def joined(name="joined", left=None, parts=None, **more) -> Join:
    left = left or clicks(["user", "item"], topic="log:///t")
    return Join(name, left=left, parts=[amounts()] if parts is None else parts, **more)


def chained(name="chained", parent=None, windows="1d", **more) -> GroupBy:
    source = JoinSource(
        join=parent or joined(), query=Query({"item": "item", "amount": "amounts_amount_sum_7d"})
    )
    return amounts(name, sources=source, keys="item", windows=windows, **more)


def plan_of(*definitions, targets=None) -> Plan:
    return build(definitions, schemas, targets=targets)


def fingerprint_of(definition) -> str:
    return plan_of(definition).node(definition.name).fingerprint


def prefixed(group_by: GroupBy, prefix: str) -> JoinPart:
    return JoinPart(group_by, prefix=prefix)


@pytest.fixture
def world():
    """This module: importlib mode gives test files no other way to their neighbours."""
    return sys.modules[__name__]
