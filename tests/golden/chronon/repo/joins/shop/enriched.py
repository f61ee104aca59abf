"""Each order with what was known about its customer: the parent of a chain."""

from ai.chronon.group_by import Derivation
from ai.chronon.join import Join, JoinPart
from group_bys.shop.orders import orders
from group_bys.shop.spend import customer

orders_v1 = Join(
    left=orders(),
    right_parts=[JoinPart(group_by=customer, key_mapping={"customer": "customer"}, prefix="buyer")],
    derivations=[
        Derivation("*", "*"),
        Derivation("week", "buyer_shop_spend_customer_amount_sum_7d"),
        Derivation("is_more", "amount > buyer_shop_spend_customer_amount_sum_1d"),
    ],
    online=True,
)
