"""Chronon's driver commands: how a stream is routed, what `--debug` shows, which flags are taken."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.cli.shop import LATER, NOON, ORDER, begun, facts, refusal, said

from catenary.app.driver import Driven, register, route
from catenary.app.running import Here
from catenary.cli.group_by_streaming import prepared
from catenary.cli.main import main
from catenary.plan.settings import PREFIX
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, pack, readers_of, told_in, uploads_of
from catenary.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from catenary.app.live import Live
    from catenary.plan import GroupByNode

PRODUCTION = Path(__file__).parents[2] / "golden" / "chronon" / "production"
SPEND, CLIENTS, EXPOSURE, OPERATIONS = (
    str(PRODUCTION / "group_bys" / "shop" / name)
    for name in ("spend.customer", "clients.shop", "exposure.customer", "operations.every")
)
RISK = str(PRODUCTION / "joins" / "shop" / "risk.orders_v1")
STREAM = ("group-by-streaming", "--until-caught-up", "--conf-path")
NAMES = ["shop.spend.customer", "shop.clients.shop", "shop.exposure.customer"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return begun(tmp_path)


def uploaded(capsys: pytest.CaptureFixture[str], project: Path, conf: str = EXPOSURE) -> None:
    words = ("--conf-path", conf, "--end-date", "2024-01-21", "--frontier", "")
    facts(capsys, project, "group-by-upload", *words)


def published(capsys: pytest.CaptureFixture[str], project: Path, *orders: dict[str, Any]) -> None:
    file = project / "orders.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in orders or (ORDER,)))
    facts(capsys, project, "publish", "shop/orders", str(file))


def objects(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> list[dict[str, Any]]:
    """All that a command prints for programs which succeeds."""
    code, out = said(capsys, project, *words)
    assert code == 0, out
    return [json.loads(line) for line in out.splitlines()]


def held(project: Path) -> dict[str, dict[bytes, bytes]]:
    """All that is in the project's store."""
    store = LmdbStore(project / "store")
    found: dict[str, dict[bytes, bytes]] = {}
    for name in store.datasets():
        dataset = store.dataset(name)
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            found[name] = dict(snapshot.scan(b""))
    store.close()
    return found


# How it is routed.


def test_a_chain_is_told_and_its_stages_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    first, last = objects(capsys, project, *STREAM, EXPOSURE)
    assert first["route"] == {
        "group_by": "shop.exposure.customer",
        "chained": True,
        "depth": 3,
        "engine": "embedded",
        "sources": [{"topic": "log:///shop/orders", "joins": ["shop.measured.orders_v1"]}],
        "runs": NAMES,
        "served": {},
        "uploaded": [],
        "settings": {"max_offsets_per_trigger": 100},
    }
    rows = {each["stage"]: each["rows"] for each in last["stages"]}
    # Without an upload the week's spend is null, so the order is not above 10.
    assert rows == dict(zip(NAMES, (1, 0, 1), strict=True))


def test_a_simple_group_by_is_told_and_runs_alone(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    first, last = objects(capsys, project, *STREAM, SPEND)
    assert (first["route"]["chained"], first["route"]["runs"]) == (False, NAMES[:1])
    assert [each["rows"] for each in last["stages"]] == [1]


def test_the_route_is_told_to_people_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lag = ("--lag-millis", "2000", "--lag-mode", "fixed")
    assert main([*STREAM, CLIENTS, *lag, "--root", str(project)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("shop.clients.shop: a chain of depth 2, on the embedded engine")
    assert lines[at + 1 : at + 7] == [
        "  log:///shop/orders ──► shop.enriched.orders_v1 ──► shop.clients.shop",
        "  runs here: shop.spend.customer",
        "  runs here: shop.clients.shop",
        "  parents that are behind: each batch sleeps 2,000 ms, then it proceeds",
        "  lag_millis = 2000",
        "  lag_mode = fixed",
    ]


def test_alone_leaves_the_ancestors_to_other_jobs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploaded(capsys, project)
    first, _ = objects(capsys, project, *STREAM, EXPOSURE, "--alone")
    assert first["route"]["runs"] == NAMES[2:]
    assert first["route"]["served"] == dict.fromkeys(NAMES[:2], "")
    # Whoever runs them has to keep what this one reads.
    assert readers(project, "shop.clients.shop") == ["shop.exposure.customer"]
    assert readers(project, "shop.spend.customer") == ["shop.clients.shop"]


def readers(project: Path, name: str) -> list[str]:
    """Who holds the head of a GroupBy of the compiled chain."""
    with Driven.open(project, Path(EXPOSURE)).live as live:
        dataset = live.store.dataset(dataset_name(live.group_by(name)))
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            return [each.partition("@")[0] for each in readers_of(snapshot)[0].held]


def test_an_ancestor_that_another_process_runs_is_read_from_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["group-by-streaming", "--conf-path", SPEND, "--root", str(project)]
    code = "import sys; from catenary.cli import main; sys.exit(main(sys.argv[1:]))"
    other = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    try:
        with Driven.open(project, Path(EXPOSURE)).live as live:
            node = live.group_by("shop.spend.customer")
            until = time.monotonic() + 60
            while other.poll() is None and not lanes(live, node) and time.monotonic() < until:
                time.sleep(0.05)
        published(capsys, project)
        first, last = objects(capsys, project, *STREAM, EXPOSURE)
        assert other.poll() is None, "it was not taken over"
    finally:
        other.terminate()
        assert other.wait(30) == 0
    owner = f"process {other.pid} on {socket.gethostname()}"
    assert first["route"]["served"] == {"shop.spend.customer": owner}
    assert first["route"]["runs"] == NAMES[1:]
    assert [each["edges"] for each in last["stages"]] == [
        {"shop.spend.customer:missing_upload": 1},
        {"shop.clients.shop:missing_upload": 1},
    ]
    assert readers(project, "shop.spend.customer") == ["shop.clients.shop"]


def lanes(live: Live, node: GroupByNode) -> list[Any]:
    dataset = live.store.dataset(dataset_name(node))
    if dataset is None:
        return []
    with dataset.snapshot() as snapshot:
        return list(lanes_of(snapshot).values())


@pytest.mark.parametrize(("seconds_ago", "runs"), [(1, True), (3600, False)])
def test_an_ancestor_on_another_machine_runs_if_it_was_heard_of_just_now(
    project: Path, capsys: pytest.CaptureFixture[str], seconds_ago: int, runs: bool
) -> None:
    objects(capsys, project, *STREAM, SPEND)
    driven = Driven.open(project, Path(CLIENTS))
    live = driven.live
    node = live.group_by("shop.spend.customer")
    dataset = live.store.dataset(dataset_name(node))
    assert dataset is not None
    elsewhere = "process 1 on elsewhere"
    with dataset.snapshot() as snapshot:
        (lane,) = lanes_of(snapshot).values()
        (told,) = told_in(snapshot)
    at_ms = time.time_ns() // 1_000_000 - seconds_ago * 1000
    moved, heard = replace(lane, owner=elsewhere), replace(told, owner=elsewhere, at_ms=at_ms)
    assert dataset.commit({}, [(lane.id.record, pack(moved)), (told.key, pack(heard))])
    way = route(driven, driven.streamed())
    assert way.served == ({"shop.spend.customer": elsewhere} if runs else {})
    live.close()


def test_an_ancestor_that_another_job_takes_over_stops_and_the_rest_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driven = Driven.open(project, Path(CLIENTS))
    live = driven.live
    live.create_topics()
    way = route(driven, driven.streamed())
    group = Here(live, way.runs, lent=["shop.spend.customer"])
    group.start()
    parent, child = way.runs
    while not (lanes(live, parent) and lanes(live, child)):
        time.sleep(0.01)
    with Driven.open(project, Path(SPEND)).live as other:
        (stage,) = Here(other, [other.group_by("shop.spend.customer")]).stages.values()
        stage.take()
        published(capsys, project)
        stage.run(lambda: False, lambda: True)
    group.finish()  # the child waited for what the other job has read, and raised nothing
    assert group.gone == ["shop.spend.customer"]
    live.close()
    with Driven.open(project, Path(CLIENTS)).live as after:
        assert [lane.position for lane in lanes(after, child)] == [1]


def test_registering_a_reader_twice_changes_nothing(project: Path) -> None:
    live = Driven.open(project, Path(CLIENTS)).live
    for _ in range(2):
        register(live, ["shop.spend.customer"])
    live.close()
    assert readers(project, "shop.spend.customer") == ["shop.clients.shop"]


def test_an_ancestor_without_a_topic_is_read_from_its_uploads(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(Path(CLIENTS).read_text())
    parent = data["sources"][0]["joinSource"]["join"]["joinParts"][0]["groupBy"]
    del parent["sources"][0]["events"]["topic"]
    conf = project / "clients.shop"
    conf.write_text(json.dumps(data))
    uploaded(capsys, project, str(conf))
    published(capsys, project, {**ORDER, "customer": "c1"})
    first, last = objects(capsys, project, *STREAM, str(conf))
    assert (first["route"]["runs"], first["route"]["uploaded"]) == (NAMES[1:2], NAMES[:1])
    assert [(each["rows"], each["edges"]) for each in last["stages"]] == [
        (1, {"shop.spend.customer:ok": 1})
    ]


# Flags.


@pytest.mark.parametrize(
    ("words", "bare"),
    [
        (["--debug"], ["--debug"]),
        (["--debug", "true", "--json"], ["--debug", "--json"]),
        (["--debug", "TRUE"], ["--debug"]),
        (["--debug=true"], ["--debug"]),
        (["--debug", "false", "--json"], ["--json"]),
        (["-d", "--conf", "true"], ["-d", "--conf", "true"]),
        (["--debug=maybe"], ["--debug=maybe"]),
    ],
)
def test_debug_may_stand_bare_or_with_true(words: list[str], bare: list[str]) -> None:
    assert prepared(words) == bare


def test_what_has_no_effect_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        *("--conf", "spark.executor.memory=4g"),
        *("--conf", f"{PREFIX}batch_repartition=8"),
        *("--conf", f"{PREFIX}warmup.enabled=true"),
        *("--online-jar", "a.jar", "--online-class", "a.Api", "-Zhost=here", "--mock-writes"),
    )
    _, notes, _ = objects(capsys, project, *STREAM, SPEND, *words)
    assert [each.split(" has no effect")[0] for each in notes["notes"]] == [
        "spark.executor.memory",
        f"{PREFIX}batch_repartition",
        f"{PREFIX}warmup.enabled",
        "--mock-writes",
        "--online-jar",
        "--online-class",
        "-Z",
    ]


def test_a_property_of_the_command_wins_over_the_definitions(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--conf", "max_offsets_per_trigger=5", "--conf", f"{PREFIX}timeout_millis=60000")
    first, _ = objects(capsys, project, *STREAM, EXPOSURE, *words)
    assert first["route"]["settings"] == {
        "max_offsets_per_trigger": 5,
        "timeout_millis": 60_000,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--conf", f"{PREFIX}query_delay=5"), f"no chain setting '{PREFIX}query_delay'"),
        (("--conf", "spark.executor.memory"), "'spark.executor.memory' is no name=value"),
        (("--lag-millis", "-1"), "lag_millis=-1"),
        (("--lag-mode", "fixed"), "without lag_millis"),
        (("--lag-millis", "1", "--conf", f"{PREFIX}lag_millis=2"), "are one setting"),
        (("--conf", f"{PREFIX}query_shift_ms=-5"), "but the project's is 0"),
        (("--topic-override", "shop/other=log:///x"), "does not follow topic 'shop/other'"),
    ],
)
def test_what_does_not_fit_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert says in refusal(capsys, project, *STREAM, SPEND, *words)["problem"]


@pytest.mark.parametrize(
    ("verb", "conf", "says"),
    [
        ("group-by-streaming", RISK, "shop.risk.orders_v1 is a Join, no GroupBy"),
        ("group-by-streaming", OPERATIONS, "follows no topic"),
        ("group-by-backfill", RISK, "shop.risk.orders_v1 is a Join, no GroupBy"),
        ("join", SPEND, "shop.spend.customer is a GroupBy, no Join"),
        ("join", "nothing", "cannot be read"),
    ],
)
def test_a_definition_that_the_command_is_not_for_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], verb: str, conf: str, says: str
) -> None:
    assert says in refusal(capsys, project, verb, "--conf-path", conf)["problem"]


def test_a_topic_may_lie_elsewhere(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = ("--topic-override", "shop/orders=log:///other/topic")
    first, _ = objects(capsys, project, *STREAM, SPEND, *elsewhere)
    assert first["route"]["sources"][0]["topic"] == "log:///other/topic"
    with Driven.open(project, Path(SPEND)).live as live:
        (lane,) = lanes(live, live.group_by("shop.spend.customer"))
    assert lane.topic == "other/topic"


def test_an_upload_names_the_frontier_of_a_topic_that_lies_elsewhere(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = ("group-by-upload", "--end-date", "2024-01-21", "--conf-path", SPEND)
    frontier = ("--frontier", "other/topic/0:0")
    assert "'other/topic'" in refusal(capsys, project, *upload, *frontier)["problem"]
    elsewhere = ("--topic-override", "shop/orders=log:///other/topic")
    objects(capsys, project, *upload, *frontier, *elsewhere)
    with Driven.open(project, Path(SPEND)).live as live:
        dataset = live.store.dataset(dataset_name(live.group_by("shop.spend.customer")))
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            uploads, _ = uploads_of(snapshot)
    assert [each.frontier for each in uploads.held] == [{"other/topic/0": 0}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("orders", "kafka://broker:9092/orders"),
        ("orders/schema=a", "kafka://broker:9092/orders?schema=a"),
        ("kafka://orders", "kafka://broker:9092/orders"),
        ("orders/host=other/port=1", "orders/host=other/port=1"),
        ("log:///shop/orders", "log:///shop/orders"),
    ],
)
def test_a_broker_is_for_topics_that_name_none(project: Path, written: str, read: str) -> None:
    conf = project / "spend.customer"
    conf.write_text(Path(SPEND).read_text().replace("log:///shop/orders", written))
    driven = Driven.open(project, conf, bootstrap="broker:9092")
    assert driven.streamed().sources[0].topic == read


def test_all_commands_know_a_project_of_compiled_definitions(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PRODUCTION, project / "production")
    for each in ("features.py", "production/group_bys/shop/owners.shop"):
        (project / each).unlink()  # the sample has no owners
    with (project / "catenary.toml").open("a") as settings:
        text = (project / "catenary.toml").read_text()
        assert 'definitions = "features.py"' in text
        settings.truncate(0)
        settings.write(text.replace("features.py", "production"))
    plan = facts(capsys, project, "plan", "shop.risk.orders_v1")
    assert {each["name"] for each in plan["nodes"]} > set(NAMES)
    uploaded(capsys, project, "production/group_bys/shop/exposure.customer")
    published(capsys, project)
    objects(capsys, project, *STREAM, "production/group_bys/shop/exposure.customer")
    stages = facts(capsys, project, "status")["stages"]
    rows = {each["stage"]: each["lanes"][0]["rows"] for each in stages if each["streamed"]}
    assert rows == dict(zip(NAMES, (1, 0, 1), strict=True))
    words = ("why", "shop.spend.customer", "amount_sum_1d", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *words)["value"] == 10.5


# --debug


def test_debug_shows_the_rows_of_each_step_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploaded(capsys, project, CLIENTS)
    published(capsys, project, ORDER, {**ORDER, "customer": "c1", "placed_at": NOON + 1})
    objects(capsys, project, *STREAM, SPEND)
    before = held(project)
    first, *steps, last = objects(capsys, project, *STREAM, CLIENTS, "--debug", "true")
    assert first["route"]["runs"] == []
    assert [(each["step"], len(each["rows"])) for each in steps] == [
        ("decoded", 2),
        ("query of the topic", 2),
        ("enriched by shop.enriched.orders_v1", 2),
        ("query of shop.enriched.orders_v1", 1),  # the other's week is null, so not above 10
        ("aggregated", 1),
    ]
    assert set(steps[0]["rows"][0]) == set(ORDER)
    assert set(steps[1]["rows"][0]) == {*ORDER} - {"placed_at"} | {"ts"}
    assert steps[2]["rows"][1]["buyer_shop_spend_customer_amount_sum_1d"] is not None
    (row,) = steps[4]["rows"]
    assert (row["shop"], row["ts"], row["status"]) == ("north", NOON + 1, "ok")
    assert last["stages"][0]["rows"] == 1
    assert held(project) == before


def test_debug_goes_on_where_the_stage_is(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    objects(capsys, project, *STREAM, SPEND)
    published(capsys, project, {**ORDER, "order_id": 7})
    for _ in range(2):  # it leaves no trace, so it is shown again
        _, *steps, _ = objects(capsys, project, *STREAM, SPEND, "-d")
        assert [row["order_id"] for row in steps[0]["rows"]] == [7]


def test_debug_says_which_parents_it_did_not_wait_for(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    _, *steps, _ = objects(capsys, project, *STREAM, CLIENTS, "--debug")
    told = next(each for each in steps if each["step"] == "parents that would be waited for")
    assert told["rows"][0]["parent"].startswith("shop.spend.customer has no frontier")
    assert held(project) == {}


def test_debug_says_which_parents_have_yet_to_settle_their_first_upload(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    objects(capsys, project, *STREAM, SPEND)
    words = ("--conf-path", SPEND, "--end-date", "2024-01-21", "--frontier", "")
    facts(capsys, project, "group-by-upload", *words)
    _, *steps, _ = objects(capsys, project, *STREAM, CLIENTS, "--debug")
    told = next(each for each in steps if each["step"] == "parents that would be waited for")
    assert told["rows"][0]["parent"].startswith("shop.spend.customer has yet to settle")


def test_debug_shows_what_would_be_set_aside(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project, {**ORDER, "placed_at": None})
    _, *steps, last = objects(capsys, project, *STREAM, SPEND, "--debug")
    (letter,) = next(each["rows"] for each in steps if each["step"] == "set aside")
    assert (letter["record"], letter["step"]) == ("shop/orders/0:0", "time")
    assert last["stages"][0]["dead_letters"] == 1


def test_debug_shows_people_the_first_rows(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project, *({**ORDER, "order_id": number} for number in range(30)))
    capsys.readouterr()
    assert main([*STREAM, SPEND, "--debug", "--root", str(project)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("decoded: 30")
    assert lines[at + 1].startswith("  {'order_id': 0, ")
    assert lines[at + 21] == "  … and 10 more"


def test_debug_of_a_topic_that_is_not_there_is_refused_and_makes_none(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "shop/orders" in refusal(capsys, project, *STREAM, SPEND, "--debug")["problem"]
    assert not (project / "log" / "shop").exists()


# fetch


def test_fetch_takes_the_drivers_flags(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uploaded(capsys, project)
    words = ("--conf-path", RISK, "--at-millis", str(NOON))
    key = {"customer": "c1", "shop": "north"}
    ours = ("--definitions", str(PRODUCTION.parent / "features.py"))
    pairs = [word for name, value in key.items() for word in ("--key", f"{name}={value}")]
    wanted = facts(
        capsys, project, "fetch", "shop.risk.orders_v1", *pairs, "--at", str(NOON), *ours
    )
    for name in ((), ("--name", "shop/risk.orders_v1"), ("-n", "shop.risk.orders_v1")):
        asked = ("-k", json.dumps(key), "-t", "join")
        assert facts(capsys, project, "fetch", *words, *asked, *name) == wanted
    asked = ("--name", "shop/risk.orders_v1", "-k", json.dumps(key), "--at-millis", str(NOON))
    assert facts(capsys, project, "fetch", *asked, *ours) == wanted
    file = project / "keys"
    file.write_text(f"{json.dumps(key)}\n\n{json.dumps({**key, 'customer': 'nobody'})}\n")
    both = objects(capsys, project, "fetch", *words, "-f", str(file))
    assert (both[0], len(both)) == (wanted, 2)
    several = objects(capsys, project, "fetch", *words, "-k", json.dumps([key, key]))
    assert several == [wanted, wanted]
    part = ("--name", "shop.spend.customer", "-t", "group-by", "-k", '{"customer": "c1"}')
    (found,) = objects(capsys, project, "fetch", *words, *part)
    assert found["features"]["amount_sum_7d"] is not None


def test_a_definition_may_have_a_slash_in_its_own_name(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = project / "conf"
    conf.write_text(Path(SPEND).read_text().replace("shop.spend.customer", "shop/spend.customer"))
    uploaded(capsys, project, "conf")
    published(capsys, project)
    objects(capsys, project, *STREAM, "conf")
    words = ("--conf-path", "conf", "-k", '{"customer": "ann"}', "--at", LATER)
    for name in ((), ("-n", "shop/spend.customer")):
        answer = facts(capsys, project, "fetch", *words, *name)
        assert answer["features"]["amount_sum_1d"] == 10.5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what is fetched"),
        (("--conf-path", RISK, "-n", "shop.risk"), "holds no definition named 'shop.risk'"),
        (("--conf-path", RISK, "-t", "group-by"), "shop.risk.orders_v1 is no group-by"),
        (("--conf-path", SPEND, "-t", "join"), "shop.spend.customer is no join"),
        (("--conf-path", RISK, "-t", "join-stats"), "'join-stats' is not there"),
        (("--conf-path", RISK, "-k", "{"), "is no JSON"),
        (("--conf-path", RISK, "-k", "7"), "no JSON object and no list"),
        (("--conf-path", RISK, "-k", "[]"), "no JSON object and no list"),
        (("--conf-path", RISK, "-f", "nothing"), "cannot be read"),
    ],
)
def test_a_fetch_that_names_nothing_that_is_there_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert says in refusal(capsys, project, "fetch", *words)["problem"]


def test_a_streamed_order_is_fetched_by_the_drivers_commands(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploaded(capsys, project, SPEND)
    published(capsys, project)
    objects(capsys, project, *STREAM, SPEND)
    words = ("--conf-path", SPEND, "-k", '{"customer": "ann"}', "--at", LATER)
    answer = facts(capsys, project, "fetch", *words)
    assert (answer["status"], answer["features"]["amount_sum_1d"]) == ("ok", 10.5)


def test_the_process_that_asks_is_not_taken_for_a_job(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects(capsys, project, *STREAM, SPEND)
    driven = Driven.open(project, Path(CLIENTS))
    (lane,) = lanes(driven.live, driven.live.group_by("shop.spend.customer"))
    assert lane.owner.startswith(f"process {os.getpid()} ")
    assert [each.name for each in route(driven, driven.streamed()).runs] == NAMES[:2]
    driven.live.close()
