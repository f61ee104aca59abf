"""A chain over a Redis server that is killed on the way gives what the oracle and the backfill give.

    log in a folder ──► stages, a process each ──► redis-server, killed and started again ──► fetch

Its append-only file is synced with each write: what was committed is there when it is started again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.test_stages_in_processes import ROUNDS, run, world_of
from tests.property.places import Places
from tests.unit.cli.shop import LATER, begun, facts, published, refusal

from catenary.app.live import Live
from catenary.app.wiring import Project
from catenary.stores.redis import RedisStore
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.property.twins import TwinWorld

    from catenary.ports import Table

pytestmark = pytest.mark.redis

THE_DAY_BEFORE, DAY = "2024-01-20", "2024-01-21"
HEAD = ("--conf", "head_horizon_ms=172800000")
"""The whole day is read to the millisecond."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as found:
        yield found


def rows_of(table: Table) -> list[dict[str, Any]]:
    """A table's rows of the day."""
    return [row for some in table.batches(DAY, list(table.schema())) for row in some.to_pylist()]


@pytest.mark.parametrize("seed", range(3))
def test_a_chain_over_a_server_that_is_killed_gives_what_one_process_and_the_oracle_give(
    seed: int, tmp_path: Path, server: RedisServer
) -> None:
    def chained(world: TwinWorld) -> bool:
        return len(world.nodes) > 1

    def killed(round_: int) -> None:
        if round_ in (ROUNDS // 3, ROUNDS - 1):
            server.kill()
            server.start()

    address = server.address(prefix="killed")
    world = world_of(f"redis {seed}", tmp_path, chained, Places(redis=address))
    count = run(world, address=address, disturbed=killed)
    assert count.mistakes == (0, 0, [], [])
    assert count.sure > 0


def test_upload_stream_and_fetch_over_a_server_that_is_killed_give_what_the_backfill_gives(
    tmp_path: Path, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = begun(tmp_path)
    toml = shop / "catenary.toml"
    address = server.address(prefix="shop")
    toml.write_text(f'store = "{address}"\n' + toml.read_text())
    project = Project.open(shop)
    project.backfill(project.plan(["return_risk"]), start=DAY, end=DAY)
    wanted, orders = (
        rows_of(project.tables.table(each)) for each in ("return_risk", "shop.orders")
    )
    assert len(wanted) == len(orders) > 50
    facts(capsys, shop, "upload", "--ds", THE_DAY_BEFORE, "--frontier", "shop/orders/0:0")
    token = ""
    for many, processes in ((len(orders) // 2, ["--processes"]), (len(orders), [])):
        file = tmp_path / f"{many}.jsonl"
        lines = ({name: order[name] for name in order if name != "ds"} for order in orders[:many])
        file.write_text("".join(json.dumps(each) + "\n" for each in lines))
        orders = orders[many:]
        token = str(facts(capsys, shop, "publish", "shop/orders", str(file))["token"])
        facts(capsys, shop, "stream", "--all", "--until-caught-up", *HEAD, *processes)
        server.kill()
        server.start()
    with Live.open(shop, ["return_risk"]) as live:
        assert isinstance(live.store, RedisStore)
        for row in wanted:
            keys = {name: row[name] for name in ("customer", "shop", "amount")}
            found = live.fetcher.fetch("return_risk", keys, at=row["ts"], min_token=token)
            assert found.status in ("ok", "missing")
            assert dict(found) == {name: row[name] for name in found}
    last = wanted[-1]
    words = ("why", "customer_spend", "amount_count_7d", "--key", f"customer={last['customer']}")
    why = facts(capsys, shop, *words, "--at", str(last["ts"]))
    assert why["value"] == why["backfill"] == last["customer_spend_amount_count_7d"]
    toml.write_text(toml.read_text().partition("\n")[2])  # the flag says as much
    (spend, clients) = facts(capsys, shop, "status", "--store", address)["stages"]
    assert spend["lanes"][0]["lag"] == clients["lanes"][0]["lag"] == 0
    assert not (shop / "store").exists()


def test_two_projects_of_one_database_whose_definitions_are_the_same_are_told_to_keep_apart(
    tmp_path: Path, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shops = [begun(tmp_path / name) for name in ("first", "second")]
    for shop in shops:
        published(capsys, shop)
    stream = ("stream", "--all", "--until-caught-up", "--store")
    shared = server.address()
    facts(capsys, shops[0], *stream, shared)
    told = refusal(capsys, shops[1], *stream, shared)
    assert "the log is in incarnation" in told["problem"]
    assert "another project's, keep the two apart" in told["hint"]
    assert "?prefix=" in told["hint"]
    for number, shop in enumerate(shops):
        apart = server.address(prefix=f"shop {number}")
        facts(capsys, shop, *stream, apart)
        key = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
        found = facts(capsys, shop, *key, "--store", apart)
        assert found["features"]["amount_sum_1d"] == 10.5
