"""What a model asks for: all of it beside an order."""

from ai.chronon.group_by import Derivation
from ai.chronon.join import Join, JoinPart
from group_bys.shop.clients import shop
from group_bys.shop.exposure import customer as exposed
from group_bys.shop.orders import orders
from group_bys.shop.spend import customer

orders_v1 = Join(
    left=orders(),
    right_parts=[JoinPart(group_by=customer), JoinPart(group_by=shop), JoinPart(group_by=exposed)],
    derivations=[
        Derivation("*", "*"),
        Derivation(
            "ratio",
            "shop_spend_customer_amount_sum_7d / shop_clients_shop_spend_average_7d",
            description="how much of what the shop's clients spend",
        ),
    ],
    online=True,
    sample_percent=10.0,
)
