from __future__ import annotations

import json

import pytest

from catenary.errors import DefinitionError
from catenary.plan import explain, lineage, partitions


def top_of(world):
    derivations = {"*": "*", "share": "chained_amount_sum_1d / 2"}
    return world.plan_of(world.joined("top", parts=[world.chained()], derivations=derivations))


def test_a_column_comes_down_to_source_columns_through_the_chain(world):
    (origin,) = lineage(top_of(world), "top.share").columns
    assert origin.sources() == ("clicks.amount",)
    text = lineage(top_of(world), "share").text()
    assert "chained.amount_sum_1d: sum(amount) over 1d, hop 1h" in text
    assert "joined.amounts_amount_sum_7d: joined by user, temporal" in text


def test_a_select_shows_its_expression(world):
    source = world.clicks({"user": "user", "amount": "amount + score"}, topic="log:///t")
    (origin,) = lineage(world.plan_of(world.amounts(sources=source)), "amount_sum_7d").columns
    assert origin.inputs[0].how == "= amount + score"
    assert origin.sources() == ("clicks.amount", "clicks.score")


def test_lineage_is_json_for_programs(world):
    found = json.loads(lineage(top_of(world), "top.share").json())
    assert {"from": "joined", "to": "chained"} in found["edges"]
    assert found["columns"][0]["sources"] == ["clicks.amount"]
    assert {each["kind"] for each in found["nodes"]} == {"table", "group_by", "join"}


def test_lineage_is_mermaid_for_documents(world):
    text = lineage(top_of(world)).mermaid()
    assert text.startswith("flowchart LR\n")
    assert '[("clicks")]' in text
    assert text.count("-->") == len(lineage(top_of(world)).edges)


def test_an_unknown_column_has_a_nearest_name(world):
    with pytest.raises(DefinitionError, match="did you mean 'share'"):
        lineage(top_of(world), "shar")
    with pytest.raises(DefinitionError, match=r"did you mean 'top\.share'"):
        lineage(top_of(world), "top.shar")


def test_rule_03_explain_always_prints_the_accuracy(world):
    assert "temporal (inferred), by user string" in explain(world.plan_of(world.amounts()))
    assert "snapshot (inferred)" in explain(world.plan_of(world.people()))


def test_a_plan_with_work_says_which_days(world):
    plan = top_of(world)
    work = partitions(plan, inputs=lambda *_: ("2024-01-01", "2024-01-02", "2024-01-04"),
                      outputs=lambda node: (), start="2024-01-01", end="2024-01-03")  # fmt: skip
    text = explain(plan, work)
    assert "compute 2 days: 2024-01-01 to 2024-01-02" in text
    assert "cannot be computed, its rows have no such partition: 2024-01-03" in text


def test_a_plan_shows_itself_and_escapes_what_was_written(world):
    plan = world.plan_of(world.amounts("<b>"))
    assert repr(plan) == explain(plan)
    assert "&lt;b&gt;" in plan._repr_html_()
    assert "<b>" not in plan._repr_html_()
