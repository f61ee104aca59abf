"""A feature of shops made of features of customers: a chain of depth 2."""

from ai.chronon.api.ttypes import JoinSource
from ai.chronon.group_by import Aggregation, GroupBy, Operation, TimeUnit, Window
from ai.chronon.query import Query, select
from joins.shop.enriched import orders_v1

shop = GroupBy(
    sources=JoinSource(
        join=orders_v1,
        query=Query(
            selects=select("shop", spend="week", is_more="cast(is_more as string)"),
            wheres=["week > 10"],
            time_column="ts",
        ),
    ),
    keys=["shop"],
    aggregations=[
        Aggregation("spend", Operation.AVERAGE, windows=[Window(7, TimeUnit.DAYS)]),
        Aggregation("spend", Operation.MAX, windows=[Window(24, TimeUnit.HOURS)]),
        Aggregation(
            "spend", Operation.SUM, windows=[Window(1, TimeUnit.DAYS)], buckets=["is_more"]
        ),
    ],
    online=True,
)
