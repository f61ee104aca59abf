"""Features of customers made of features of their shops: a chain of depth 3."""

from ai.chronon.api.ttypes import JoinSource
from ai.chronon.group_by import Aggregation, GroupBy, Operation, TimeUnit, Window
from ai.chronon.query import Query, select
from joins.shop.measured import orders_v1

customer = GroupBy(
    sources=JoinSource(
        join=orders_v1,
        query=Query(selects=select("customer", level="shop_clients_shop_spend_average_7d")),
    ),
    keys=["customer"],
    aggregations=[
        Aggregation("level", Operation.MIN, windows=[Window(2, TimeUnit.DAYS)]),
        Aggregation("level", Operation.LAST, windows=[Window(7, TimeUnit.DAYS)]),
    ],
    online=True,
    **{"spark.chronon.stream.chain.max_offsets_per_trigger": "100"},
)
