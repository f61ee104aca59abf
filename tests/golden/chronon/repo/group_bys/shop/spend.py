"""A simple GroupBy over events."""

from ai.chronon.group_by import Aggregation, GroupBy, Operation, TimeUnit, Window

from group_bys.shop.orders import orders

DAY, WEEK = Window(1, TimeUnit.DAYS), Window(7, TimeUnit.DAYS)

customer = GroupBy(
    sources=orders(),
    keys=["customer"],
    aggregations=[
        Aggregation("amount", Operation.SUM, windows=[DAY, WEEK]),
        Aggregation("amount", Operation.COUNT, windows=[WEEK]),
        Aggregation("amount", Operation.LAST_K(3)),
    ],
    online=True,
    description="what a customer spends",
    tags={"domain": "orders"},
)
