"""What `repo` defines for Chronon, defined for Catenary: the same names, the same values."""

from catenary import (
    Accuracy,
    Aggregation,
    Derivation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    MetaData,
    Operation,
    Query,
)

SHOP = MetaData(team="shop")

orders = EventSource(
    table="shop.orders",
    topic="log:///shop/orders",
    query=Query(["order_id", "customer", "shop", "amount", "returned"], time_column="placed_at"),
)

spend = GroupBy(
    "shop.spend.customer",
    sources=orders,
    keys="customer",
    aggregations=[
        Aggregation("amount", Operation.SUM, windows=["1d", "7d"]),
        Aggregation("amount", Operation.COUNT, windows="7d"),
        Aggregation("amount", Operation.LAST_K(3)),
    ],
    metadata=MetaData("shop", "what a customer spends", {"domain": "orders"}),
)

enriched = Join(
    "shop.enriched.orders_v1",
    left=orders,
    parts=[JoinPart(spend, key_mapping={"customer": "customer"}, prefix="buyer")],
    derivations=[
        Derivation("*", "*"),
        Derivation("week", "buyer_shop_spend_customer_amount_sum_7d"),
        Derivation("is_more", "amount > buyer_shop_spend_customer_amount_sum_1d"),
    ],
    contextual="amount",
    metadata=SHOP,
)

clients = GroupBy(
    "shop.clients.shop",
    sources=JoinSource(
        join=enriched,
        query=Query(
            {"shop": "shop", "spend": "week", "is_more": "cast(is_more as string)"},
            wheres="week > 10",
        ),
    ),
    keys="shop",
    aggregations=[
        Aggregation("spend", Operation.AVERAGE, windows="7d"),
        Aggregation("spend", Operation.MAX, windows="24h"),
        Aggregation("spend", Operation.SUM, windows="1d", buckets="is_more"),
    ],
    metadata=SHOP,
)

measured = Join("shop.measured.orders_v1", left=orders, parts=clients, metadata=SHOP)

exposure = GroupBy(
    "shop.exposure.customer",
    sources=JoinSource(
        join=measured,
        query=Query({"customer": "customer", "level": "shop_clients_shop_spend_average_7d"}),
    ),
    keys="customer",
    aggregations=[
        Aggregation("level", Operation.MIN, windows="2d"),
        Aggregation("level", Operation.LAST, windows="7d"),
    ],
    metadata=SHOP,
)

risk = Join(
    "shop.risk.orders_v1",
    left=orders,
    parts=[spend, clients, exposure],
    derivations=[
        Derivation("*", "*"),
        Derivation(
            "ratio", "shop_spend_customer_amount_sum_7d / shop_clients_shop_spend_average_7d"
        ),
    ],
    metadata=SHOP,
)

operations = GroupBy(
    "shop.operations.every",
    sources=EventSource(
        table="shop.orders",
        query=Query(
            {
                "shop": "shop",
                "amount": "amount",
                "customer": "customer",
                "customer_of": "customer",
            },
            wheres="amount > 0",
            start="2024-01-02",
            end="2024-01-20",
            time_column="placed_at",
        ),
    ),
    keys="customer",
    aggregations=[
        *(
            Aggregation("amount", operation, windows="3d")
            for operation in (
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
            )
        ),
        Aggregation("shop", Operation.HISTOGRAM, windows="3d"),
        Aggregation("shop", Operation.LAST, windows="3d"),
        Aggregation("customer_of", Operation.HISTOGRAM_K(2), windows="3d"),
        Aggregation("amount", Operation.SUM, buckets="shop"),
    ],
    accuracy=Accuracy.SNAPSHOT,
    metadata=SHOP,
)

owners = GroupBy(
    "shop.owners.shop",
    sources=EntitySource(
        snapshot_table="shop.owners",
        query=Query({"shop": "shop", "owner": "upper(owner)"}),
        partition_column="day",
    ),
    keys="shop",
    metadata=SHOP,
)
