"""A stage whose topic's records begin with their schemas' ids: it waits for a registry, and blames no record."""

from __future__ import annotations

import json
import struct as packing
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.logs.registries import LocalRegistry

from catenary.app.live import Live
from catenary.cli.main import main
from catenary.codecs import codec
from catenary.schema import DOUBLE, Schema
from catenary.stream.letters import letters_of

FEATURES = '''
from catenary import Aggregation, EventSource, GroupBy, Operation, Query

spend = GroupBy(
    sources=[
        EventSource(
            table="orders",
            topic="log:///shop/orders?codec=avro&registry=project",
            query=Query(selects={"customer": "customer", "amount": "amount"}, time_column="placed_at"),
        )
    ],
    keys=["customer"],
    aggregations=[Aggregation("amount", Operation.SUM, windows=["1d"])],
    online=True,
)
'''
NOON = 1_705_917_600_000
SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "customer", "type": "string"},
            {"name": "amount", "type": "double"},
            {"name": "placed_at", "type": "long"},
        ],
    }
)


@pytest.fixture
def server() -> Iterator[LocalRegistry]:
    with LocalRegistry() as made:
        yield made


def order(customer: str, amount: float) -> dict[str, object]:
    return {"customer": customer, "amount": amount, "placed_at": NOON}
