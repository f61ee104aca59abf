"""A table that is not there: who needs it says so, and nobody else is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.shop import LATER, begun, facts, published, refusal, said

from catenary import Live
from catenary.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

VISITS = """
visits = GroupBy(
    name="visits",
    sources=EventSource(
        table="shop.visits",
        topic="log:///shop/visits",
        query=Query(selects=["customer", "pages"], time_column="at"),
    ),
    keys="customer",
    aggregations=[Aggregation("pages", Operation.SUM, windows="1d")],
)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project, and a definition whose table is yet to come."""
    folder = begun(tmp_path)
    features = folder / "features.py"
    features.write_text(features.read_text() + VISITS)
    return folder


def test_what_does_not_need_the_table_works_without_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, "plan", "return_risk")
    facts(capsys, project, "upload", "return_risk", "--ds", "2024-01-21", "--frontier", "")
    token = published(capsys, project)
    facts(capsys, project, "stream", "return_risk", "--until-caught-up")
    key = ("--key", "customer=ann", "--at", LATER)
    assert (
        facts(capsys, project, "fetch", "customer_spend", *key, "--min-token", token)["status"]
        == "ok"
    )
    why = facts(capsys, project, "why", "customer_spend", "amount_sum_1d", *key)
    assert why["value"] == 10.5
    assert list(facts(capsys, project, "dead-letters")) == ["customer_spend", "shop_clients"]


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("plan", "visits"),
        ("backfill",),
        ("upload", "--ds", "2024-01-21"),
        ("stream", "--all", "--until-caught-up"),
        ("stream", "visits", "--until-caught-up"),
        ("fetch", "visits", "--key", "customer=ann"),
        ("dead-letters", "visits"),
    ],
    ids=" ".join,
)
def test_what_needs_the_table_says_who_reads_it(
    words: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, project, *words)
    assert error["problem"].startswith("no table 'shop.visits' in ")
    assert "features.py:" in error["where"]
    named = "visits" in words
    assert ("name the definitions that are wanted" in error["hint"]) is not named


def test_status_shows_the_others_and_what_is_lacking(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["status", "--root", str(project)]) == 1
    out = capsys.readouterr().out
    assert "customer_spend: 0 dead letters" in out
    assert "visits: MissingTableError: no table 'shop.visits'" in out


def test_a_topic_whose_table_is_lacking_is_no_unknown_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "visits.jsonl"
    file.write_text("{}\n")
    error = refusal(capsys, project, "publish", "shop/visits", str(file))
    assert "visits is left out: no table 'shop.visits'" in error["hint"]


def test_a_dataset_whose_definition_lacks_its_table_is_not_taken_for_an_old_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = project / "tables"
    facts(capsys, project, "upload", "return_risk", "--ds", "2024-01-21")
    (tables / "shop.orders").rename(tables / "away")
    code, out = said(capsys, project, "status")
    assert (code, json.loads(out)["old"]) == (1, [])
    with Live.open(project, needed=()) as live:
        assert set(live.lacking) == {
            "customer_spend", "enriched_orders", "return_risk", "shop_clients", "visits"
        }  # fmt: skip
        (dataset, *_) = live.store.datasets()
    refused = refusal(capsys, project, "remove", dataset)
    assert "as it is defined now" in refused["problem"]
