"""A topic whose records begin with their schemas' ids, from `publish` to `fetch`, with a registry beside it.

The registry is a server on this machine that may be slow to come, or never know an id.
"""

from __future__ import annotations

import json
import struct as packing
import threading
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from tests.unit.cli.shop import LATER, ORDER, begun, facts, published, refusal
from tests.unit.logs.registries import LocalRegistry

from catenary.app.live import Live
from catenary.codecs import avro_schema, codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "shop/orders"
KEY = ("--key", "customer=ann")


@pytest.fixture
def server() -> Iterator[LocalRegistry]:
    with LocalRegistry() as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, server: LocalRegistry) -> Path:
    """The sample project, its topic in framed Avro, its registry in its settings."""
    folder = begun(tmp_path)
    features = folder / "features.py"
    plain, framed = "log:///shop/orders", "log:///shop/orders?codec=avro&registry=project"
    features.write_text(features.read_text().replace(plain, framed))
    with (folder / "catenary.toml").open("a") as settings:
        settings.write(f'registry = "{server.url}"\n')
    with Live.open(folder) as live:
        server.add(300, avro_schema(live.topics()[TOPIC][1]), "shop/orders-value")
    return folder


def record(project: Path, id_: int, amount: float) -> bytes:
    with Live.open(project) as live:
        schema = live.topics()[TOPIC][1]
    line = json.dumps({**ORDER, "amount": amount}).encode()
    rows = codec("json", schema).decode(pa.array([line], pa.large_binary())).rows
    (bare,) = codec("avro", schema).encode(rows).to_pylist()
    return packing.pack(">bI", 0, id_) + bare


def fetched(capsys: pytest.CaptureFixture[str], project: Path) -> object:
    answer = facts(capsys, project, "fetch", "customer_spend", *KEY, "--at", LATER)
    return answer["features"]["amount_sum_1d"]


def test_publish_writes_the_id_of_the_subjects_newest_schema_and_stages_read_by_it(
    project: Path, server: LocalRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    with Live.open(project) as live:
        (place,) = live.log.partitions(TOPIC)
        (data,) = live.log.read(place, 0, max_records=9, max_bytes=1 << 20).values.to_pylist()
    assert data[:5] == b"\0\0\0\x01\x2c"
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    assert fetched(capsys, project) == 10.5
    assert server.asked.count("/schemas/ids/300") >= 1


def test_processes_of_their_own_ask_the_same_registry(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up", "--processes")
    assert fetched(capsys, project) == 10.5


def test_nothing_is_published_while_the_id_cannot_be_known(
    project: Path, server: LocalRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failing = 1000
    file = project / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    error = refusal(capsys, project, "publish", TOPIC, str(file))
    assert "does not answer for subject 'shop/orders-value'" in error["problem"]
    server.failing, server.subjects = 0, {}
    error = refusal(capsys, project, "publish", TOPIC, str(file))
    assert "no schema of subject 'shop/orders-value'" in error["problem"]


def test_a_record_whose_id_nobody_knows_is_set_aside_alone_and_passes_once_it_is_known(
    project: Path, server: LocalRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(project, 300, 1.0), record(project, 301, 2.0), record(project, 300, 4.0)]
    with Live.open(project) as live:
        live.create_topics()
        live.log.append(TOPIC, [*records, records[0][:-1]])
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up")
    assert fetched(capsys, project) == 5.0
    letters = facts(capsys, project, "dead-letters", "customer_spend")["customer_spend"]
    assert [each["offset"] for each in letters] == [1, 3]
    assert "schema 301: the registry has no schema of id 301" in letters[0]["reason"]
    server.add(301, server.schemas[300]["schema"])
    replayed = facts(capsys, project, "dead-letters", "customer_spend", "--replay")
    assert fetched(capsys, project) == 7.0, replayed


def test_a_stage_waits_for_a_registry_that_is_down_and_says_so(
    project: Path, server: LocalRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    server.failing = 1_000_000
    with Live.open(project, ["customer_spend"]) as live:
        (node,) = live.stages
        stage = live.stage(node)
        finishing = threading.Event()
        finishing.set()
        thread = threading.Thread(target=stage.run, args=(lambda: False, finishing.is_set))
        thread.start()
        deadline = time.monotonic() + 30
        while "does not answer" not in stage.status.waiting_for and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "does not answer for id 300" in stage.status.waiting_for
        assert server.url in stage.status.waiting_for
        server.failing = 0
        thread.join(30)
        assert not thread.is_alive()
        assert stage.status.waiting_for == ""
    assert fetched(capsys, project) == 10.5
    assert facts(capsys, project, "dead-letters", "customer_spend")["customer_spend"] == []


def test_a_stage_that_waits_for_a_registry_can_be_stopped(
    project: Path, server: LocalRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    server.failing = 1_000_000
    with Live.open(project, ["customer_spend"]) as live:
        (node,) = live.stages
        stage, stopped = live.stage(node), threading.Event()
        thread = threading.Thread(target=stage.run, args=(stopped.is_set,))
        thread.start()
        while not stage.status.waiting_for:
            time.sleep(0.01)
        stopped.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_topic_that_needs_the_projects_registry_says_where_to_name_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = project / "catenary.toml"
    lines = [each for each in settings.read_text().splitlines() if "registry" not in each]
    settings.write_text("\n".join(lines) + "\n")
    error = refusal(capsys, project, "stream", "--all", "--until-caught-up")
    assert "set registry in catenary.toml" in error["hint"]


def test_the_registrys_password_is_not_shown_among_the_settings(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENARY_REGISTRY", "http://me:secret@host:8081")
    shown = facts(capsys, project, "settings")["registry"]
    assert shown == {"value": "http://me:***@host:8081", "from": "CATENARY_REGISTRY"}
