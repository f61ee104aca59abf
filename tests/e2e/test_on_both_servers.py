"""Topics in Kafka, state in Redis: what a user does with both, and what happens when they lose what they had."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pytest
from tests.e2e.test_chronon_driver import (
    CLIENTS,
    CUSTOMERS,
    EXPOSURE,
    OURS,
    SHOPS,
    keyed,
)
from tests.e2e.test_chronon_driver import Shop as ChrononShop
from tests.e2e.test_kafka import (
    BEFORE,
    Shop,
    assert_equal,
    eventually,
    exact,
    fetched,
    lanes,
    published,
)
from tests.unit.cli.shop import LATER, NOON, ORDER, facts
from tests.unit.logs.registries import LocalRegistry
from tests.unit.web.serving import SPEND, served

from catenary.app.live import Live
from catenary.app.running import Apart, Here
from catenary.app.workers import Worker
from catenary.codecs import avro_schema, codec
from catenary.definitions import GroupBy
from catenary.errors import FencedError, LogError, PositionError, StorageError
from catenary.ports import SourcePartition
from catenary.testing.logs import rows_of
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.testing.services.kafka import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="") as server:
        yield server


def on_redis(root: Path, server: RedisServer, prefix: str) -> None:
    """Let a project's state lie there."""
    with (root / "catenary.toml").open("a") as settings:
        settings.write(f'store = "{server.address(prefix=prefix)}"\n')


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaBroker, redis: RedisServer) -> Shop:
    """The sample project on both."""
    made = Shop(tmp_path, kafka.address, by_setting=True)
    on_redis(made.root, redis, made.topic)
    return made


class OnServers(ChrononShop):
    """Chronon's compiled shop, its topic on a broker."""

    def __init__(self, root: Path, seed: str, address: str) -> None:
        super().__init__(root, seed)
        self.topic = f"orders-{uuid4().hex[:8]}"
        self.address = address
        with (root / "catenary.toml").open("a") as settings:
            settings.write(f'log = "kafka://{address}"\n')

    def compiled(self, conf: Path) -> Path:
        """Its file, which names the topic."""
        made = self.root / "production" / conf.parent.parent.name / "shop" / conf.name
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(conf.read_text().replace("log:///shop/orders", self.topic))
        return made

    def publish(self, orders: list[dict[str, object]]) -> str:
        from catenary.logs.kafka import KafkaLog

        with KafkaLog(self.address) as log:
            for number in range(2):
                some = [json.dumps(each).encode() for each in orders[number::2]]
                log.append(self.topic, some, partition=number)
        return ""


@pytest.mark.parametrize("conf", [CLIENTS, EXPOSURE], ids=["depth 2", "depth 3"])
def test_a_compiled_chain_from_kafka_to_redis_leaves_what_our_own_definition_is_backfilled_to(
    conf: Path, tmp_path: Path, kafka: KafkaBroker, redis: RedisServer
) -> None:
    shop = OnServers(tmp_path / "shop", conf.name, kafka.address)
    on_redis(shop.root, redis, shop.topic)
    name = f"shop.{conf.name}"
    definition = OURS[name]
    assert isinstance(definition, GroupBy)
    made = shop.compiled(conf)
    shop.upload(made)
    shop.stream(made, "--lag-millis", "2000", "--partitions", "2")
    shop.follow(made, "--lag-millis", "2000")
    shop.close_the_day()
    (key,) = definition.keys
    left = keyed(shop, **{key: CUSTOMERS if key == "customer" else SHOPS})
    served_ = shop.fetched(made, name, left)
    assert served_ == shop.backfilled(definition, left)
    assert any(value is not None for row in served_ for value in row.values())
    assert not (shop.root / "store").exists()
    assert not (shop.root / "log").exists()


def test_copies_in_processes_that_own_partitions_give_what_the_backfill_gives(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 4})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        specs = [live.spec(node) for node in live.stages]
        workers = [
            Worker(
                spec,
                specs,
                folder=shop.root,
                owned=[SourcePartition(shop.topic, number) for number in owned],
                settings=live.project.settings,
            )
            for spec in specs
            for owned in ((0, 1), (2, 3))
        ]
        try:
            published(live, shop, orders, partitions=4)
            eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * len(orders))
        finally:
            assert [(each.stop(), each.complaint) for each in workers] == [(0, "")] * 4
        assert len({lane.owner for lane in lanes(live)}) == 4
        assert_equal(fetched(live, orders), wanted)
        held.close()


def test_a_broker_that_comes_back_with_an_older_log_stops_its_stages(
    tmp_path: Path, kafka_jars: Path, redis: RedisServer
) -> None:
    from catenary.testing.services.kafka import KafkaBroker

    folder = tmp_path / "broker"
    with KafkaBroker(folder, kafka_jars) as broker:
        shop = Shop(tmp_path, broker.address, by_setting=True)
        on_redis(shop.root, redis, shop.topic)
        with Live.open(shop.root) as live:
            live.create_topics({shop.topic: 1})
            published(live, shop, [ORDER] * 3, partitions=1)
            broker.stop()
            shutil.copytree(folder / "data", tmp_path / "copy")
            broker.start()
            stages = Here(live, live.stages)
            stages.start()
            published(live, shop, [ORDER] * 4, partitions=1)
            eventually(lambda: [lane.position for lane in lanes(live)] == [7, 7])
            broker.kill()
            shutil.rmtree(folder / "data")
            (tmp_path / "copy").rename(folder / "data")
            broker.start()
            eventually(lambda: stages.failed is not None)
            with pytest.raises(PositionError, match=f"{shop.topic}/0") as told:
                stages.stop()
            assert "7" in told.value.problem
            assert "3" in told.value.problem
            assert [lane.rows for lane in lanes(live)] == [7, 7]
            # Who appends is told as well, once. Nor do stages go on when the log has grown beyond them.
            with pytest.raises(LogError, match="has lost records that it had acknowledged"):
                published(live, shop, [ORDER], partitions=1)
            published(live, shop, [{**ORDER, "amount": 1.0}] * 9, partitions=1)
        with Live.open(shop.root) as live, pytest.raises(PositionError, match="is not the one"):
            Here(live, live.stages).stages["customer_spend"].take()


def test_a_server_that_comes_back_empty_stops_the_stages_and_says_what_to_do(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    with RedisServer(tmp_path / "redis", appendfsync="") as server:
        shop = Shop(tmp_path, kafka.address, by_setting=True)
        on_redis(shop.root, server, "emptied")
        with Live.open(shop.root) as live:
            live.create_topics({shop.topic: 1})
            published(live, shop, [ORDER], partitions=1)
            stages = Here(live, live.stages)
            stages.start()
            eventually(lambda: [lane.position for lane in lanes(live)] == [1, 1])
            server.kill()
            server.start()
            eventually(lambda: stages.failed is not None)
            with pytest.raises(StorageError, match="gone, or is another one") as told:
                stages.stop()
            assert "upload again and start the stages anew" in str(told.value)
        told_ = facts(capsys, shop.root, "stream", "--all", "--until-caught-up")
        assert [each["rows"] for each in told_["stages"]] == [1, 1]


def test_of_two_copies_on_both_servers_the_older_one_is_fenced(shop: Shop) -> None:
    with Live.open(shop.root) as live, Live.open(shop.root) as other:
        live.create_topics({shop.topic: 2})
        older = Here(live, live.chain_of(["customer_spend"]))
        older.start()
        eventually(lambda: len(lanes(live)) == 2)
        newer = Here(other, other.chain_of(["customer_spend"]))
        newer.start()
        eventually(lambda: all(lane.epoch == 2 for lane in lanes(live)))
        published(live, shop, [ORDER] * 40, partitions=2)
        eventually(lambda: older.failed is not None)
        with pytest.raises(FencedError, match="was taken over by process"):
            older.stop()
        newer.finish()
        assert [lane.rows for lane in lanes(live)] == [20, 20]


def test_a_copy_that_stood_still_beyond_its_session_loses_its_partitions_and_shares_them_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = "kafka.session.timeout.ms=2000&kafka.heartbeat.interval.ms=400"
    toml = shop.root / "catenary.toml"
    toml.write_text(re.sub(r'(log = "kafka://[^"]*)', rf"\1?{quick}", toml.read_text()))
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    third = len(orders) // 3
    with Live.open(shop.root) as live, ExitStack() as ended:
        live.create_topics({shop.topic: 4})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        copies = [Apart(live, live.stages, group=shop.topic) for _ in range(2)]

        for each in copies:
            ended.callback(each.kill)  # one that stands still would not end by itself

        def owned(copy: Apart) -> list[int]:
            """Of each of its stages, how many lanes."""
            owners = [lane.owner for lane in lanes(live)]
            pids = [worker.pid for worker in copy.workers.values()]
            return [sum(f"process {pid} " in owner for owner in owners) for pid in pids]

        eventually(lambda: [owned(each) for each in copies] == [[2, 2]] * 2)
        published(live, shop, orders[:third], partitions=4)
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * third)
        still, moving = copies
        for worker in still.workers.values():
            os.kill(worker.pid, signal.SIGSTOP)
        published(live, shop, orders[third : 2 * third], partitions=4)
        eventually(lambda: owned(moving) == [4, 4])
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 4 * third)
        for worker in still.workers.values():
            os.kill(worker.pid, signal.SIGCONT)
        published(live, shop, orders[2 * third :], partitions=4)
        eventually(lambda: [owned(each) for each in copies] == [[2, 2]] * 2)
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * len(orders))
        for each in copies:
            each.stop()
        assert_equal(fetched(live, orders), wanted)
        held.close()


def change(**order: object) -> bytes:
    envelope = {"op": "c", "before": None, "after": {**ORDER, **order}, "ts_ms": NOON}
    return json.dumps({"schema": {}, "payload": envelope}).encode()


PROTO = (
    'syntax = "proto3"; message Order { int64 order_id = 1; string customer = 2; string shop = 3;'
    " double amount = 4; bool returned = 5; int64 placed_at = 6; }"
)


def protobuf(live: Live, shop: Shop, amount: float) -> bytes:
    from catenary.logs.registry.protos import descriptors

    columns = live.topics()[shop.topic][1]
    rows = pa.Table.from_pylist([{**ORDER, "amount": amount}])
    arranged = pa.table([rows.column(name) for name in columns], names=list(columns))
    (bare,) = codec("protobuf", columns, files=descriptors(PROTO, {})).encode(arranged).to_pylist()
    return bytes(bare)


@pytest.mark.parametrize("form", ["avro by id", "protobuf by id", "debezium"])
def test_a_bad_record_among_framed_ones_is_a_dead_letter_alone_and_is_replayed_once_mended(
    form: str, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {
        "avro by id": "codec=avro&registry=project",
        "protobuf by id": "codec=protobuf&registry=project",
        "debezium": "format=debezium",
    }[form]
    features = shop.root / "features.py"
    features.write_text(features.read_text().replace(shop.topic, f"{shop.topic}?{options}"))
    with LocalRegistry() as registry:
        with (shop.root / "catenary.toml").open("a") as settings:
            settings.write(f'registry = "{registry.url}"\n')
        with Live.open(shop.root) as live:
            live.create_topics({shop.topic: 1})
            columns = live.topics()[shop.topic][1]
            avro = avro_schema(columns)

            def framed(id_: int, amount: float) -> bytes:
                if form == "debezium":
                    return change(amount=amount)
                head = b"\0" + id_.to_bytes(4, "big")
                if form == "protobuf by id":
                    return head + b"\0" + protobuf(live, shop, amount)
                rows = pa.Table.from_pylist([{**ORDER, "amount": amount}])
                ordered = pa.table([rows.column(name) for name in columns], names=list(columns))
                (bare,) = codec("avro", columns).encode(ordered).to_pylist()
                return head + bytes(bare)

            more = {"schemaType": "PROTOBUF"} if form == "protobuf by id" else {}
            schema = PROTO if more else avro
            registry.add(7, schema, f"{shop.topic}-value", **more)
            records = [framed(7, 1.0), b"\x01no record", framed(7, 2.0), framed(8, 4.0)]
            live.log.append(shop.topic, records)
        facts(capsys, shop.root, "stream", "--all", "--until-caught-up")

        def answer() -> dict[str, Any]:
            key = ("--key", "customer=ann", "--at", LATER)
            return facts(capsys, shop.root, "fetch", "customer_spend", *key)["features"]

        known = 7.0 if form == "debezium" else 3.0  # which frames nothing, and asks for no id
        assert answer()["amount_sum_1d"] == known
        letters = facts(capsys, shop.root, "dead-letters")["customer_spend"]
        assert [each["offset"] for each in letters] == ([1] if known == 7.0 else [1, 3])
        registry.add(8, schema, **more)
        facts(capsys, shop.root, "dead-letters", "customer_spend", "--replay")
        assert answer()["amount_sum_1d"] == 7.0
        letters = facts(capsys, shop.root, "dead-letters")["customer_spend"]
        assert [each["offset"] for each in letters] == [1]


def test_a_server_waits_for_a_token_of_kafka_and_logs_requests_to_a_topic_there(
    shop: Shop, kafka: KafkaBroker
) -> None:
    from catenary.logs.kafka import KafkaLog

    logged = f"requests-{shop.topic}"
    with KafkaLog(kafka.address) as log, Live.open(shop.root) as live:
        live.create_topics({shop.topic: 1})
        with (shop.root / "catenary.toml").open("a") as settings:
            settings.write(f'request_log = "{logged}"\nsample_percent = 100\n')
        stages = Here(live, live.stages)
        stages.start()
        with served(shop.root) as server:
            token = str(live.publish(shop.topic, pa.Table.from_pylist([ORDER] * 5)))
            words: dict[str, Any] = {"min_token": token, "timeout": 9, "at": NOON + 1}
            asked = server.post(SPEND, [{"customer": "ann"}], params=words)
            assert asked.json()["results"][0]["features"]["amount_sum_1d"] == 5 * ORDER["amount"]  # type: ignore[operator]
            late = f"{shop.topic}/0:99"
            words = {"min_token": late, "timeout": 0.1}
            refused = server.post(SPEND, [{"customer": "ann"}], params=words)
            assert (refused.status_code, "99 is asked for" in refused.text) == (504, True)
        stages.stop()
        found = [
            json.loads(value or b"")
            for place in log.partitions(logged)
            for _, _, value in rows_of(log, place)
        ]
    requests = [each for each in found if each["kind"] == "request"]
    assert [(each["name"], each["keys"]) for each in requests] == [
        ("customer_spend", {"customer": "ann"})
    ]


def test_why_and_status_read_both_servers(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 2})
        facts(capsys, shop.root, "upload", "--ds", "2024-01-21", "--frontier", f"{shop.topic}/0:0")
        published(live, shop, [{**ORDER, "customer": "ünï 🎉"}] * 3, partitions=2)
    facts(capsys, shop.root, "stream", "--all", "--until-caught-up", "--processes")
    told = facts(capsys, shop.root, "status")["stages"]
    assert [
        [(x["partition"], x["position"], x["lag"], x["away"]) for x in each["lanes"]]
        for each in told
    ] == [[(0, 2, 0, ""), (1, 1, 0, "")]] * 2
    words = ("customer_spend", "amount_count_7d", "--key", "customer=ünï 🎉", "--at", LATER)
    why = facts(capsys, shop.root, "why", *words)
    assert why["value"] == 3
    assert [(each["topic"], each["partition"], each["offset"]) for each in why["records"]] == [
        (shop.topic, 0, 0),
        (shop.topic, 0, 1),
        (shop.topic, 1, 0),
    ]
