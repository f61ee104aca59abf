"""Every operation that has its like, with its arguments."""

from ai.chronon.api.ttypes import EventSource
from ai.chronon.group_by import Accuracy, Aggregation, GroupBy, Operation, TimeUnit, Window
from ai.chronon.query import Query, select

INPUTS = {
    "amount": [
        Operation.MIN,
        Operation.MAX,
        Operation.FIRST,
        Operation.LAST,
        Operation.UNIQUE_COUNT,
        Operation.COUNT,
        Operation.SUM,
        Operation.AVERAGE,
        Operation.VARIANCE,
        Operation.SKEW,
        Operation.KURTOSIS,
        Operation.LAST_K(2),
        Operation.FIRST_K(3),
        Operation.TOP_K(4),
        Operation.BOTTOM_K(5),
    ],
    "shop": [Operation.HISTOGRAM, Operation.LAST],
    "customer_of": [Operation.HISTOGRAM_K(2)],
}

every = GroupBy(
    sources=EventSource(
        table="shop.orders",
        query=Query(
            selects=select("shop", "amount", customer="customer", customer_of="customer"),
            wheres=["amount > 0"],
            start_partition="2024-01-02",
            end_partition="2024-01-20",
            time_column="placed_at",
        ),
    ),
    keys=["customer"],
    aggregations=[
        Aggregation(column, operation, windows=[Window(3, TimeUnit.DAYS)])
        for column, operations in INPUTS.items()
        for operation in operations
    ]
    + [Aggregation("amount", Operation.SUM, buckets=["shop"])],
    accuracy=Accuracy.SNAPSHOT,
    online=True,
    backfill_start_date="2024-01-02",
)
