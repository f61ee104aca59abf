"""A chain of depth 2 with every kind of thing that a plan prints."""

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

payments = EventSource(
    table="shop.payments",
    topic="log:///shop/payments",
    query=Query(
        {"buyer": "buyer", "seller": "seller", "cents": "CAST(amount * 100 AS bigint)"},
        wheres=["amount > 0", "NOT refunded"],
        time_column="paid_at",
    ),
)

spending = GroupBy(
    name="spending",
    sources=payments,
    keys="buyer",
    aggregations=[
        Aggregation("cents", Operation.SUM, windows=["1d", "30d"], default=0),
        Aggregation("cents", Operation.TOP_K(3), windows="12h", hop="1m"),
        Aggregation("cents", Operation.COUNT, buckets="seller", name="payments_by_seller"),
    ],
    derivations={"*": "*", "mean_30d": "cents_sum_30d / 30"},
)

accounts = GroupBy(
    name="accounts",
    sources=EntitySource(
        snapshot_table="shop.accounts", query=Query(["account", "country"]), holds=True
    ),
    keys="account",
)

checkouts = Join(
    name="checkouts",
    left=payments,
    parts=[spending, JoinPart(accounts, key_mapping={"seller": "account"}, prefix="seller")],
)

sellers = GroupBy(
    name="sellers",
    sources=JoinSource(
        join=checkouts,
        query=Query({"seller": "seller", "spent": "spending_cents_sum_1d"}, start="2024-01-01"),
    ),
    keys="seller",
    aggregations=[Aggregation("spent", Operation.AVERAGE, windows="7d")],
)

training = Join(
    name="training",
    left=payments,
    parts=[sellers],
    derivations={
        "*": "*",
        "above": "cents - sellers_spent_average_7d",
        "cents": "CAST(0 AS bigint)",
    },
    contextual="cents",
)
