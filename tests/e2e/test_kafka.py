"""The sample project on a real broker: what stages make of its topics is what the backfill makes.

the last day's orders ──publish──► topic in Kafka ──stages──► LMDB ──fetch──┐
tables up to that day ──upload─────────────────────────────────┘           ├─ equal
all tables ─────────────────────────────────────────────backfill───────────┘
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.shop import LATER, ORDER, begun, facts, refusal, said

from catenary.app.live import Live
from catenary.app.running import Apart, Here
from catenary.errors import LogError, PositionError
from catenary.ports.token import SourcePartition
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of
from catenary.testing.logs import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from catenary.state.records import Lane
    from catenary.testing.services.kafka import KafkaBroker

pytestmark = pytest.mark.kafka

LAST, BEFORE = "2024-01-21", "2024-01-20"


class Shop:
    """The sample project with its topic on a broker.

    Args:
        folder: an empty one.
        address: the broker's.
        by_setting: whether the setting `log` names the broker, or the topic's address.
    """

    def __init__(self, folder: Path, address: str, *, by_setting: bool) -> None:
        self.topic = f"orders-{uuid4().hex[:8]}"
        self.root = begun(folder)
        text = self.topic if by_setting else f"kafka://{address}/{self.topic}"
        features = self.root / "features.py"
        features.write_text(features.read_text().replace("log:///shop/orders", text))
        if by_setting:
            with (self.root / "catenary.toml").open("a") as settings:
                settings.write(f'log = "kafka://{address}"\n')

    def orders(self) -> list[dict[str, Any]]:
        """The last day's, in the order of their times."""
        rows = pq.read_table(self.root / "tables" / "shop.orders" / f"ds={LAST}" / "part-0.parquet")
        return rows.to_pylist()

    def backfilled(self, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
        """What the backfill says of each of them, in the same order."""
        facts(capsys, self.root, "backfill", "return_risk", "--start", LAST, "--end", LAST)
        with Live.open(self.root) as live:
            table = live.project.warehouse.current("return_risk")
            assert table is not None
            (folder,) = (self.root / "warehouse").glob(f"return_risk/*/ds={LAST}")
        found = pa.concat_tables(pq.read_table(each) for each in folder.glob("*.parquet"))
        return sorted(found.to_pylist(), key=lambda row: row["order_id"])


def fetched(live: Live, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    requests = [{name: each[name] for name in ("customer", "shop", "amount")} for each in orders]
    answer = live.fetcher.fetch("return_risk", requests, at=[each["placed_at"] for each in orders])
    assert set(answer.status) == {"ok"}
    return answer.columns.to_pylist()


def exact(live: Live, orders: list[dict[str, Any]]) -> ExitStack:
    """Hold the heads, so that every order of the day can be asked about to the millisecond."""
    held = ExitStack()
    first = orders[0]["placed_at"]
    held.enter_context(live.fetcher.reader("test", "return_risk", from_ms=first, ttl_s=600))
    return held


def assert_equal(rows: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(rows) == len(wanted) > 0
    for row, want in zip(rows, wanted, strict=True):
        assert row == {name: want[name] for name in row}


def published(live: Live, shop: Shop, orders: list[dict[str, Any]], partitions: int) -> None:
    schema = live.topics()[shop.topic][1]
    for number, order in enumerate(orders):
        rows = pa.Table.from_pylist([{name: order[name] for name in schema}])
        live.publish(shop.topic, rows, partition=number % partitions)


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("by_setting", [True, False])
@pytest.mark.parametrize("processes", [(), ("--processes",)])
def test_a_chain_that_follows_kafka_gives_what_the_backfill_gives(
    tmp_path: Path,
    kafka: KafkaBroker,
    capsys: pytest.CaptureFixture[str],
    *,
    by_setting: bool,
    processes: tuple[str, ...],
) -> None:
    shop = Shop(tmp_path, kafka.address, by_setting=by_setting)
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 3})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        published(live, shop, orders, partitions=3)
        told = facts(capsys, shop.root, "stream", "--all", "--until-caught-up", *processes)
        assert [each["rows"] for each in told["stages"]] == [len(orders)] * 2
        assert_equal(fetched(live, orders), wanted)
        held.close()
        (spend, clients) = facts(capsys, shop.root, "status")["stages"]
        assert [lane["lag"] for stage in (spend, clients) for lane in stage["lanes"]] == [0] * 6


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[KafkaBroker]:
    from catenary.testing.services.kafka import KafkaBroker

    with KafkaBroker(tmp_path_factory.mktemp("own"), kafka_jars) as broker:
        yield broker


@contextmanager
def held_up(broker: KafkaBroker) -> Generator[None]:
    """It answers nobody for longer than any request is waited for; the block begins with that."""
    broker.pause()
    timer = threading.Timer(7.0, broker.resume)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_stages_wait_for_a_broker_that_starts_or_was_killed_and_lose_and_double_nothing(
    tmp_path: Path, own_broker: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path, own_broker.address, by_setting=True)
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    third = len(orders) // 3
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 2})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        stages = Here(live, live.stages)
        with held_up(own_broker):
            stages.start()
        published(live, shop, orders[:third], partitions=2)
        own_broker.kill()
        running = stages.stages.values()
        eventually(lambda: bool(stages.failed) or all(each.status.waiting_for for each in running))
        assert stages.failed is None
        told = facts(capsys, shop.root, "status")["stages"][0]["lanes"]
        assert len(told) == 2
        for lane in told:
            assert lane["away"].startswith(f"kafka://{own_broker.address}: ")
            assert "the broker does not answer" in lane["away"]
        own_broker.start()
        published(live, shop, orders[third : 2 * third], partitions=2)
        with held_up(own_broker):
            published(live, shop, orders[2 * third :], partitions=2)
        stages.finish()
        assert stages.failed is None
        assert sum(lane.rows for lane in lanes(live)) == 2 * len(orders)
        assert_equal(fetched(live, orders), wanted)
        held.close()


def lanes(live: Live) -> list[Lane]:
    """Of all stages."""
    found: list[Lane] = []
    for node in live.stages:
        dataset = live.store.dataset(dataset_name(node))
        if dataset is not None:
            with dataset.snapshot() as snapshot:
                found += lanes_of(snapshot).values()
    return found


def test_partitions_that_are_added_are_taken_up_by_running_stages_and_waited_for_by_children(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    from confluent_kafka.admin import AdminClient, NewPartitions

    shop = Shop(tmp_path, kafka.address, by_setting=True)
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    half = len(orders) // 2
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 1})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        stages = Here(live, live.stages)
        stages.start()
        published(live, shop, orders[:half], partitions=1)
        admin = AdminClient({"bootstrap.servers": kafka.address})
        admin.create_partitions([NewPartitions(shop.topic, 3)])[shop.topic].result()
        eventually(lambda: len(live.log.partitions(shop.topic)) == 3)
        published(live, shop, orders[half:], partitions=3)
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * len(orders))
        stages.stop()
        assert len(lanes(live)) == 6
        assert_equal(fetched(live, orders), wanted)
        held.close()


def test_copies_of_a_group_share_partitions_and_take_over_from_one_that_was_killed(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path, kafka.address, by_setting=True)
    wanted = shop.backfilled(capsys)
    orders = shop.orders()
    third = len(orders) // 3
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 4})
        facts(capsys, shop.root, "upload", "--ds", BEFORE, "--frontier", f"{shop.topic}/0:0")
        held = exact(live, orders)
        first = Apart(live, live.stages, group=shop.topic)
        published(live, shop, orders[:third], partitions=4)
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * third)
        second = Apart(live, live.stages, group=shop.topic)
        pids = {name: worker.pid for name, worker in second.workers.items()}

        def shared() -> bool:
            owners = [lane.owner for lane in lanes(live)]
            return all(
                sum(f"process {pid} " in owner for owner in owners) == 2 for pid in pids.values()
            )

        eventually(shared)
        published(live, shop, orders[third : 2 * third], partitions=4)
        first.kill()
        published(live, shop, orders[2 * third :], partitions=4)
        eventually(lambda: sum(lane.rows for lane in lanes(live)) == 2 * len(orders))
        second.stop()
        assert_equal(fetched(live, orders), wanted)
        held.close()


def test_a_group_is_refused_where_topics_lie_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = begun(tmp_path)
    told = refusal(capsys, root, "stream", "--all", "--until-caught-up", "--group", "g")
    assert "lie in a folder, which has no group" in told["problem"]


def test_a_stage_refuses_a_topic_that_was_made_anew_behind_it(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    from confluent_kafka.admin import AdminClient

    shop = Shop(tmp_path, kafka.address, by_setting=True)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 1})
        published(live, shop, [ORDER] * 3, partitions=1)
        facts(capsys, shop.root, "stream", "customer_spend", "--until-caught-up")
        admin.delete_topics([shop.topic])[shop.topic].result()
        eventually(lambda: shop.topic not in live.log.topics())
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 1})
        published(live, shop, [ORDER] * 5, partitions=1)
        with pytest.raises(PositionError, match="in incarnation"):
            Here(live, live.chain_of(["customer_spend"])).stages["customer_spend"].take()


@pytest.mark.parametrize("anew", [False, True])
def test_a_running_stage_stops_when_its_topic_is_deleted_and_reads_nothing_of_one_made_anew(
    tmp_path: Path, kafka: KafkaBroker, anew: bool
) -> None:
    from confluent_kafka.admin import AdminClient

    from catenary.logs.kafka import KafkaLog

    shop = Shop(tmp_path, kafka.address, by_setting=True)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    with Live.open(shop.root) as live, KafkaLog(kafka.address) as other:
        live.create_topics({shop.topic: 1})
        published(live, shop, [ORDER] * 3, partitions=1)
        stages = Here(live, live.stages)
        stages.start()
        eventually(lambda: [lane.position for lane in lanes(live)] == [3, 3])
        (record,) = other.read(
            SourcePartition(shop.topic, 0), 0, max_records=1, max_bytes=1
        ).values.to_pylist()
        admin.delete_topics([shop.topic])[shop.topic].result()
        if anew:
            eventually(lambda: shop.topic not in other.topics())
            other.create(shop.topic)
            # Longer than the old one was: only its id tells them apart.
            other.append(shop.topic, [record] * 9)
        eventually(lambda: stages.failed is not None)
        told = "made anew|in incarnation" if anew else f"there is no topic '{shop.topic}'"
        with pytest.raises(LogError, match=told):
            stages.stop()
        assert [(lane.position, lane.rows) for lane in lanes(live)] == [(3, 3)] * 2


def test_stages_come_to_the_end_of_partitions_that_end_with_what_was_aborted_or_compacted_or_are_empty(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    shop = Shop(tmp_path, kafka.address, by_setting=True)
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
    }
    admin = AdminClient({"bootstrap.servers": kafka.address})
    admin.create_topics([NewTopic(shop.topic, 3, 1, config=config)])[shop.topic].result()
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": shop.topic})
    producer.init_transactions(30)

    def append(partition: int, *amounts: float) -> None:
        producer.begin_transaction()
        for number, amount in enumerate(amounts):
            value = json.dumps({**ORDER, "amount": amount})
            producer.produce(shop.topic, value, key=b"%d" % (number % 2), partition=partition)
        producer.flush(30)

    with Live.open(shop.root) as live:
        for partition, committed in ((0, (1.0, 2.0)), (1, (4.0, 8.0, 16.0, 32.0))):
            append(partition, *committed)
            producer.commit_transaction(30)
            time.sleep(0.2)  # what follows begins a segment, and the former one is compacted
            append(partition, *[64.0] * 5)
            producer.abort_transaction(30)
        ends = {0: 2 + 1 + 5 + 1, 1: 4 + 1 + 5 + 1, 2: 0}
        places = live.log.partitions(shop.topic)
        eventually(lambda: {p.partition: end for p, end in live.log.ends(places).items()} == ends)
        eventually(lambda: len(rows_of(live.log, SourcePartition(shop.topic, 1))) == 2)
        facts(capsys, shop.root, "stream", "--all", "--until-caught-up")
        told = facts(capsys, shop.root, "status")["stages"]
        for stage in told:
            lanes_ = {
                each["partition"]: (each["position"], each["rows"]) for each in stage["lanes"]
            }
            assert lanes_ == {0: (9, 2), 1: (11, 2), 2: (0, 0)}
        words = ("customer_spend", "--key", "customer=ann", "--at", LATER)
        found = facts(capsys, shop.root, "fetch", *words)["features"]
        assert found["amount_sum_1d"] == 1.0 + 2.0 + 16.0 + 32.0
        # What comes behind the gap is read.
        append(0, 128.0)
        producer.commit_transaction(30)
        facts(capsys, shop.root, "stream", "--all", "--until-caught-up")
        assert facts(capsys, shop.root, "fetch", *words)["features"]["amount_sum_1d"] == 179.0


def test_the_verbs_work_with_a_topic_in_kafka(
    tmp_path: Path, kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    from catenary.logs.kafka import KafkaLog

    shop = Shop(tmp_path, kafka.address, by_setting=False)
    file = shop.root / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    publish = ("publish", shop.topic, str(file))
    missing = refusal(capsys, shop.root, *publish)
    assert missing["problem"] == f"there is no topic '{shop.topic}'"
    token = facts(capsys, shop.root, *publish, "--partitions", "2")["token"]
    assert token == f"{shop.topic}/0:1"
    with Live.open(shop.root) as live:
        live.log.append(shop.topic, [b"no json"], partition=1)
    upload = ("upload", "--ds", LAST, "--frontier", f"{shop.topic}/0:0")
    facts(capsys, shop.root, *upload)
    facts(capsys, shop.root, "stream", "--all", "--until-caught-up")
    words = ("customer_spend", "--key", "customer=ann", "--at", LATER)
    answer = facts(capsys, shop.root, "fetch", *words, "--min-token", str(token))
    assert (answer["status"], answer["features"]["amount_sum_1d"]) == ("ok", 10.5)
    told = facts(capsys, shop.root, "dead-letters")
    letters = told["customer_spend"]
    assert [(each["topic"], each["partition"], each["value"]) for each in letters] == [
        (shop.topic, 1, "no json")
    ]
    beside = f"letters-{shop.topic}"
    with KafkaLog(kafka.address) as log:
        log.create(beside)
        facts(capsys, shop.root, "dead-letters", "--to", f"kafka://{kafka.address}/{beside}")
        appended = [
            json.loads(value or b"") for _, _, value in rows_of(log, SourcePartition(beside, 0))
        ]
    assert appended == [
        {"stage": stage, **told[stage][0]} for stage in ("customer_spend", "shop_clients")
    ]
    why = ("why", "customer_spend", "amount_sum_1d", "--key", "customer=ann", "--at", LATER)
    assert said(capsys, shop.root, *why)[0] == 0
