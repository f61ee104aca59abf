"""Each order with what was known about its shop."""

from ai.chronon.join import Join, JoinPart
from group_bys.shop.clients import shop
from group_bys.shop.orders import orders

orders_v1 = Join(left=orders(), right_parts=[JoinPart(group_by=shop)], online=True)
