"""Printed plans, word for word; CATENARY_GOLDEN=write writes them anew (read the difference)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catenary.definitions import load
from catenary.plan import build, explain, lineage, partitions
from catenary.schema import BIGINT, BOOLEAN, DOUBLE, STRING, Schema
from catenary.windows import ds_range

HERE = Path(__file__).parent
TABLES = {
    "shop.payments": Schema.of(
        buyer=STRING, seller=STRING, amount=DOUBLE, refunded=BOOLEAN, paid_at=BIGINT, ds=STRING
    ),
    "shop.accounts": Schema.of(account=STRING, country=STRING, ds=STRING),
}


def planned(targets=None):
    return build(load(HERE / "chain.py"), TABLES.__getitem__, targets=targets)


def with_days():
    plan = planned(["training"])
    days = {"shop.payments": ds_range("2024-01-01", "2024-03-01"), "shop.accounts": ("2023-12-31",)}
    work = partitions(
        plan,
        inputs=lambda table, _: days[table],
        outputs=lambda node: (
            ds_range("2024-02-01", "2024-02-03") if node.name == "checkouts" else ()
        ),
        start="2024-02-10",
        end="2024-02-11",
    )
    return explain(plan, work)


PRINTED = {
    "explain.txt": lambda: explain(planned()),
    "explain_days.txt": with_days,
    "lineage.txt": lambda: lineage(planned(), "training.above").text(),
    "lineage.json": lambda: lineage(planned(), "training.sellers_spent_average_7d").json(),
    "lineage.mmd": lambda: lineage(planned()).mermaid(),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_plan_prints_as_it_did(name):
    printed, file = PRINTED[name]() + "\n", HERE / name
    if os.environ.get("CATENARY_GOLDEN") == "write":
        file.write_text(printed, encoding="utf-8")
    assert printed == file.read_text(encoding="utf-8")
