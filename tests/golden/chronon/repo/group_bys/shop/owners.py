"""Snapshots of entities, whose rows pass through."""

from ai.chronon.api.ttypes import EntitySource
from ai.chronon.group_by import GroupBy
from ai.chronon.query import Query, select

shop = GroupBy(
    sources=EntitySource(
        snapshotTable="shop.owners",
        query=Query(selects=select("shop", owner="upper(owner)"), partition_column="day"),
    ),
    keys=["shop"],
    aggregations=None,
    online=True,
)
