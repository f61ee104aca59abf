"""The source that all of these read: the shop's orders, with their topic."""

from ai.chronon.api.ttypes import EventSource, Source
from ai.chronon.query import Query, select


def orders() -> Source:
    """A source of its own each time: GroupBy and Join add selects to what they are given."""
    return Source(
        events=EventSource(
            table="shop.orders",
            topic="log:///shop/orders",
            query=Query(
                selects=select("order_id", "customer", "shop", "amount", "returned"),
                time_column="placed_at",
            ),
        )
    )
