"""Which version of a table readers find while a changed definition is built beside it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.engine.embedded.shop import DAYS, FEATURES

if TYPE_CHECKING:
    from tests.engine.embedded.shop import Shop


def change(shop: Shop, before: str, after: str) -> None:
    assert before in FEATURES
    sys.modules.pop("shop")  # a process imports a file of definitions once
    (shop.root / "features" / "shop.py").write_text(FEATURES.replace(before, after))


def columns(shop: Shop) -> set[str]:
    return set(shop.project().tables.table("checked").schema())


def test_a_changed_definition_is_swapped_in_once_it_has_every_day(shop: Shop) -> None:
    shop.backfill()
    change(shop, 'windows=["1d"]', 'windows=["2d"]')
    report = shop.backfill(start=DAYS[4]).node("checked")
    assert report.lacking == DAYS[:4]
    assert (
        "readers find the version before until these stand, too: "
        "2024-01-01, 2024-01-02, 2024-01-03, 2024-01-04" in str(report)
    )
    assert "spent_amount_sum_1d" in columns(shop)

    assert shop.backfill().node("checked").lacking == ()
    assert "spent_amount_sum_2d" in columns(shop)


def test_days_that_a_changed_definition_leaves_out_hold_nothing_back(shop: Shop) -> None:
    shop.backfill()
    change(shop, 'Query(["user", "shop"], time', f'Query(["user", "shop"], start="{DAYS[2]}", time')
    assert shop.backfill().node("checked").lacking == ()
    assert shop.project().tables.table("checked").partitions() == DAYS[2:]


def test_a_first_version_is_found_from_its_first_run_on(shop: Shop) -> None:
    shop.backfill(start=DAYS[4])
    assert shop.project().tables.table("checked").partitions() == DAYS[4:]
    shop.backfill(start=DAYS[1], end=DAYS[2])
    assert shop.project().tables.table("checked").partitions() == (*DAYS[1:3], *DAYS[4:])
