"""Topics whose records are bare, with a schema in a file of the project; and those of other codecs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.shop import LATER, ORDER, begun, facts, published, refusal

from catenary.app.live import Live

SPEND = Path(__file__).parents[2] / "golden/chronon/production/group_bys/shop/spend.customer"
PROTO = """
syntax = "proto3";
package shop;
message Nothing { bool at_all = 1; }
message Order {
  int64 order_id = 1; string customer = 2; string shop = 3; optional double amount = 4;
  bool returned = 5; int64 placed_at = 6;
}
"""
AVSC = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "placed_at", "type": "long"},
            {"name": "amount", "type": ["null", "float"]},
            {"name": "order_id", "type": "long"},
            {"name": "customer", "type": "string"},
            {"name": "shop", "type": "string"},
            {"name": "returned", "type": "boolean"},
        ],
    }
)
OPTIONS = {
    "protobuf": "codec=protobuf&schema=order.proto&message=Order",
    "avro": "codec=avro&schema=order.avsc",
    "arrow": "codec=arrow",
    "debezium": "format=debezium",
}


def shop(tmp_path: Path, options: str) -> Path:
    """The sample project with a topic of these options."""
    folder = begun(tmp_path)
    (folder / "order.proto").write_text(PROTO)
    (folder / "order.avsc").write_text(AVSC)
    features, topic = folder / "features.py", "log:///shop/orders"
    features.write_text(features.read_text().replace(topic, f"{topic}?{options}"))
    return folder


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_published_is_read_by_the_stages_of_the_topic(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = shop(tmp_path, OPTIONS[name])
    published(capsys, project)
    with Live.open(project) as live:
        live.log.append("shop/orders", [b"?"])
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *words)["features"]["amount_sum_1d"] == ORDER["amount"]
    (letter,) = facts(capsys, project, "dead-letters", "customer_spend")["customer_spend"]
    assert (letter["offset"], letter["step"], letter["value"]) == (1, "decode", "?")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("codec=protobuf&schema=other.proto", "no schema file"),
        ("codec=protobuf&schema=order.proto&message=Ordr", "no Protobuf message is named 'Ordr'"),
        ("codec=protobuf&schema=order.avsc", "no set of descriptors"),
        ("codec=avro&schema=features.py", "not JSON"),
        ("codec=avor", "no codec 'avor'"),
        ("format=debezum", "no format 'debezum'"),
        ("codec=avro&registry=nowhere", "no folder of schemas"),
    ],
)
def test_options_that_lead_nowhere_are_told_before_anything_runs(
    options: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, shop(tmp_path, options), "stream", "--all", "--until-caught-up")
    assert problem in error["problem"]
    assert "features.py:" in error["where"]


@pytest.mark.parametrize("verb", ["plan", "upload", "stream", "backfill"])
@pytest.mark.parametrize(
    ("address", "problem", "hint"),
    [
        ("log:///shop/orders?codec=avroo", "there is no codec 'avroo'", "avro"),
        ("log:///shop/orders?codek=avro", "there is no option 'codek'", "'codec'"),
        ("log:///shop/orders?format=debezum", "there is no format 'debezum'", "debezium"),
        ("log:///shop/orders?codec=avro&schema=gone.avsc", "schema file 'gone.avsc'", "folder"),
        ("kafak://host/orders", "lies in a 'kafak' log, which is not known", "kafka"),
    ],
)
def test_a_topic_that_nothing_could_follow_is_told_with_the_place_of_its_source(
    verb: str,
    address: str,
    problem: str,
    hint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = begun(tmp_path)
    features = project / "features.py"
    text = features.read_text().replace("log:///shop/orders", address)
    features.write_text(text)
    words = {"upload": ("--ds", "2024-01-21"), "stream": ("--all",)}.get(verb, ())
    error = refusal(capsys, project, verb, *words)
    assert problem in error["problem"]
    assert hint in error["hint"]
    line = 1 + next(at for at, each in enumerate(text.splitlines()) if "EventSource(" in each)
    assert error["where"].endswith(f"features.py:{line}")


def test_compiled_definitions_with_topics_of_other_kinds_are_planned_and_backfilled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = begun(tmp_path)
    compiled = json.loads(SPEND.read_text())
    compiled["sources"][0]["events"]["topic"] = "kinesis://orders?codec=avroo&codek=x"
    conf = project / "spend.customer"
    conf.write_text(json.dumps(compiled))
    words = ("--definitions", str(conf))
    assert facts(capsys, project, "plan", *words)["targets"] == ["shop.spend.customer"]
    assert facts(capsys, project, "backfill", *words)["rows"] > 0
