"""What Chronon's driver commands leave in the store is what a backfill of the same definitions gives.

    production/… (by Chronon's compiler) ──► group-by-upload, group-by-streaming ──► store ──► fetch
    features.py  (ours)                  ──► backfill ───────────────────────────────────────► the same

The last day is only in the topic while it is streamed, and in the tables when it is backfilled.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catenary import backfill
from catenary.app.driver import Driven
from catenary.cli.main import main
from catenary.definitions import GroupBy, load
from catenary.interop import read
from catenary.windows import MINUTE_MS, parse_instant

if TYPE_CHECKING:
    from catenary.definitions import Join

GOLDEN = Path(__file__).parents[1] / "golden" / "chronon"
GROUP_BYS, JOINS = (GOLDEN / "production" / kind / "shop" for kind in ("group_bys", "joins"))
OURS = load(GOLDEN / "features.py")
SPEND, CLIENTS, EXPOSURE = (
    GROUP_BYS / name for name in ("spend.customer", "clients.shop", "exposure.customer")
)
RISK = JOINS / "risk.orders_v1"
LAST_DAY, DAY = "2024-01-21", "2024-01-22"
BEGIN = parse_instant(DAY)
CUSTOMERS = [f"c{number}" for number in range(42)]  # two of them have never ordered
SHOPS = ["north", "south", "east", "west"]


def run(*words: str) -> None:
    assert main([*words]) == 0


def told(*words: str) -> str:
    """What a command says to programs."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        run(*words, "--json")
    return said.getvalue()


class Shop:
    """The sample project, and a day of orders that its tables do not have yet."""

    def __init__(self, root: Path, seed: str) -> None:
        self.root = root
        run("init", str(root))
        chance = Random(seed)
        self.orders: list[dict[str, object]] = [
            {
                "order_id": 10_000 + number,
                "customer": chance.choice(CUSTOMERS[:40]),
                "shop": chance.choice(SHOPS[:3]),
                "amount": chance.choice([None, chance.randrange(4, 800) / 4]),
                "returned": chance.random() < 0.1,
                "placed_at": BEGIN + number * 3 * MINUTE_MS,
            }
            for number in range(400)
        ]
        self.end = BEGIN + 400 * 3 * MINUTE_MS

    def upload(self, conf: Path) -> None:
        words = ("--conf-path", str(conf), "--end-date", LAST_DAY, "--frontier", "")
        run("group-by-upload", *words, "--root", str(self.root))

    def publish(self, orders: list[dict[str, object]]) -> str:
        """The token of what was published."""
        file = self.root / "orders.jsonl"
        file.write_text("".join(json.dumps(each) + "\n" for each in orders))
        words = ("publish", "shop/orders", str(file), "--root", str(self.root))
        return str(json.loads(told(*words))["token"])

    def await_(self, conf: Path, token: str) -> None:
        """Until an answer reflects what was published."""
        (key,) = read(conf).definition.keys  # type: ignore[union-attr]
        words = ("--conf-path", str(conf), "-k", json.dumps({key: "x"}), "--min-token", token)
        told("fetch", *words, "--timeout", "60", "--root", str(self.root))

    def stream(self, conf: Path, *words: str) -> None:
        given = ("--conf-path", str(conf), "--root", str(self.root), "--until-caught-up")
        run("group-by-streaming", *given, *words)

    def follow(self, conf: Path, *words: str) -> None:
        """The day's orders come in four times, and are streamed each time."""
        many = len(self.orders) // 4
        for first in range(0, len(self.orders), many):
            self.publish(self.orders[first : first + many])
            self.stream(conf, *words)

    def close_the_day(self) -> None:
        """What was published is in the tables now."""
        folder = self.root / "tables" / "shop.orders" / f"ds={DAY}"
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(self.orders), folder / "part-0.parquet")

    def fetched(self, conf: Path, name: str, left: pa.Table) -> list[dict[str, Any]]:
        """What is served, as of each row's own time; every answer is exact."""
        live = Driven.open(self.root, conf).live
        with live:
            rows = left.drop_columns(["ts"])
            answer = live.fetcher.fetch(name, rows, at=left.column("ts").to_pylist())
            assert set(answer.status) <= {"ok", "missing"}
            return answer.rows()

    def backfilled(self, definition: GroupBy | Join, left: pa.Table) -> list[dict[str, Any]]:
        """What our own definition gives of the tables."""
        found: pa.Table = backfill(definition, left=left, root=self.root)
        features = found.drop_columns(left.column_names)
        return features.to_pylist(maps_as_pydicts="strict")  # type: ignore[no-any-return]

    def instants(self) -> list[int]:
        """Just before, at and after an order within the head; tile boundaries before it."""
        last = int(str(self.orders[-1]["placed_at"]))
        return [BEGIN, BEGIN + 6 * 60 * MINUTE_MS, last - 1, last, last + 1, self.end]


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    return Shop(tmp_path / "shop", request.node.name)


def keyed(of: Shop, /, **keys: list[str]) -> pa.Table:
    """A row for every combination of keys and instants."""
    rows = list(product(*keys.values(), of.instants()))
    columns = zip((*keys, "ts"), zip(*rows, strict=True), strict=True)
    return pa.table({name: list(values) for name, values in columns})


@pytest.mark.parametrize("conf", [SPEND, CLIENTS, EXPOSURE], ids=["simple", "depth 2", "depth 3"])
def test_every_key_is_served_as_our_own_definition_is_backfilled(shop: Shop, conf: Path) -> None:
    name = f"shop.{conf.name}"
    definition = OURS[name]
    assert isinstance(definition, GroupBy)
    shop.upload(conf)
    shop.follow(conf)
    shop.close_the_day()
    (key,) = definition.keys
    left = keyed(shop, **{key: CUSTOMERS if key == "customer" else SHOPS})
    served = shop.fetched(conf, name, left)
    assert served == shop.backfilled(definition, left)
    assert any(value is not None for row in served for value in row.values())


def test_a_join_of_all_depths_is_served_as_it_is_backfilled(shop: Shop) -> None:
    shop.upload(EXPOSURE)
    # Each has a job of its own, as in Chronon; they need not begin in any order.
    many = len(shop.orders) // 2
    for some in (shop.orders[:many], shop.orders[many:]):
        shop.publish(some)
        for conf in (EXPOSURE, SPEND, CLIENTS):
            shop.stream(conf)
    shop.close_the_day()
    left = keyed(shop, customer=CUSTOMERS[::3], shop=SHOPS)
    risk = OURS["shop.risk.orders_v1"]
    served = shop.fetched(RISK, "shop.risk.orders_v1", left)
    assert served == shop.backfilled(risk, left)
    assert any(row["ratio"] is not None for row in served)


@pytest.mark.slow
def test_jobs_of_their_own_take_their_stages_over_and_change_no_value(shop: Shop) -> None:
    shop.upload(EXPOSURE)
    jobs: list[Job] = []
    try:
        many = len(shop.orders) // 4
        # The last of the chain comes first, and runs them all until each has a job of its own.
        for number, conf in enumerate((EXPOSURE, CLIENTS, SPEND, None)):
            if conf is not None:
                jobs.append(Job(shop, conf))
            token = shop.publish(shop.orders[number * many : (number + 1) * many])
            for each in (SPEND, CLIENTS, EXPOSURE):
                shop.await_(each, token)
    finally:
        codes = [job.stop() for job in jobs]
    assert codes == [0, 0, 0]
    routes = [[each.name for each in (SPEND, CLIENTS, EXPOSURE)], ["clients.shop"]]
    routes.append(["spend.customer"])
    assert [job.runs for job in jobs] == [[f"shop.{name}" for name in each] for each in routes]
    shop.close_the_day()
    left = keyed(shop, customer=CUSTOMERS)
    definition = OURS["shop.exposure.customer"]
    assert shop.fetched(EXPOSURE, "shop.exposure.customer", left) == shop.backfilled(
        definition, left
    )


class Job:
    """One `group-by-streaming` in a process of its own, until it is told to stop."""

    def __init__(self, shop: Shop, conf: Path) -> None:
        words = ["--conf-path", str(conf), "--root", str(shop.root), "--json"]
        code = "import sys; from catenary.cli import main; sys.exit(main(sys.argv[1:]))"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "group-by-streaming", *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        self.runs = json.loads(self._process.stdout.readline())["route"]["runs"]

    def stop(self) -> int:
        """Its exit code, after the batch at hand."""
        self._process.terminate()
        self._process.communicate(timeout=60)
        return self._process.returncode


def test_settings_of_pace_and_size_change_no_value(shop: Shop) -> None:
    shop.upload(CLIENTS)
    prefix = "spark.chronon.stream.chain."
    words = [
        *("--lag-millis", "60000"),
        *("--conf", f"{prefix}max_offsets_per_trigger=7"),
        *("--conf", f"{prefix}batch_interval_millis=1"),
        *("--conf", f"{prefix}timeout_millis=60000"),
        *("--conf", f"{prefix}query_delay_ms=1"),
        *("--conf", f"{prefix}time_percentile=0.5"),
        *("--conf", f"{prefix}batch_repartition=8"),
    ]
    shop.follow(CLIENTS, *words)
    shop.close_the_day()
    left = keyed(shop, shop=SHOPS)
    definition = OURS["shop.clients.shop"]
    assert shop.fetched(CLIENTS, "shop.clients.shop", left) == shop.backfilled(definition, left)


def test_a_shift_of_the_project_holds_for_both_halves(shop: Shop) -> None:
    with (shop.root / "catenary.toml").open("a") as settings:
        settings.write("query_shift_ms = -3600000\n")
    # Rows from within the shift after the first upload would read before it.
    shop.orders = shop.orders[40:]
    shop.upload(CLIENTS)
    shop.follow(CLIENTS, "--conf", "spark.chronon.stream.chain.query_shift_ms=-3600000")
    shop.close_the_day()
    left = keyed(shop, shop=SHOPS)
    definition = OURS["shop.clients.shop"]
    served = shop.fetched(CLIENTS, "shop.clients.shop", left)
    assert served == shop.backfilled(definition, left)
    unshifted = backfill(definition, left=left, root=shop.root, query_shift_ms=0)
    assert served != unshifted.drop_columns(left.column_names).to_pylist(maps_as_pydicts="strict")


def test_compiled_definitions_are_backfilled_into_the_tables_of_ours(shop: Shop) -> None:
    days = ("--start-partition-override", "2024-01-20", "--end-date", LAST_DAY)
    words = ("--conf-path", str(RISK), *days, "--step-days", "1", "--root", str(shop.root))
    run("join", *words)
    ours = ("--definitions", str(GOLDEN / "features.py"))
    tables = ("--root", str(shop.root), "--start", "2024-01-20", "--end", LAST_DAY, *ours)
    assert plan_of("shop.risk.orders_v1", *tables) == []
    spend = ("--conf-path", str(SPEND), *days, "--root", str(shop.root))
    run("group-by-backfill", *spend)
    assert plan_of("shop.spend.customer", *tables) == []


def plan_of(name: str, *words: str) -> list[str]:
    """The days that a backfill of our definition would still compute."""
    nodes = json.loads(told("plan", name, *words))["nodes"]
    return next(list(each["compute"]) for each in nodes if each["name"] == name)
