from __future__ import annotations

import pytest

from catenary.definitions import Derivation
from catenary.errors import DefinitionError, ExpressionError
from catenary.schema import BIGINT, DOUBLE


def node_of(world, derivations, **more):
    return world.plan_of(world.joined(derivations=derivations, **more)).node("joined")


SUM = "amounts_amount_sum_7d"


def test_rule_19_a_star_keeps_all_base_columns(world):
    node = node_of(world, {"*": "*", "twice": f"{SUM} * 2"})
    assert list(node.schema) == ["user", "item", "ts", SUM, "twice"]


def test_rule_19_without_a_star_only_derived_columns_remain(world):
    assert list(node_of(world, {"twice": f"{SUM} * 2"}).schema)[3:] == ["twice"]


@pytest.mark.parametrize("text", [SUM, f" {SUM} ", f"`{SUM}`"])
def test_rule_19_a_star_leaves_out_what_another_derivation_merely_renames(world, text):
    assert node_of(world, {"*": "*", "total": text}).derivations.output == ("total",)


def test_rule_19_an_identity_keeps_what_was_renamed(world):
    node = node_of(world, {"*": "*", "total": SUM, SUM: SUM})
    assert node.derivations.output == ("total", SUM)


def test_rule_19_a_derivation_named_like_a_base_column_replaces_it(world):
    node = node_of(world, {"*": "*", SUM: f"CAST({SUM} AS bigint)", "more": f"{SUM} + 1"})
    assert node.derivations.output == (SUM, "more")
    assert node.schema[SUM] == BIGINT
    assert node.schema["more"] == BIGINT, "a name is the nearest earlier derivation"


def test_rule_19_keys_ts_and_ds_may_be_used(world):
    node = node_of(world, {"a": "concat(user, ds)", "b": "ts + 1"})
    assert [str(step.expression.type) for step in node.derivations.steps] == ["string", "bigint"]


def test_rule_19_another_left_column_must_be_declared_contextual(world):
    with pytest.raises(DefinitionError, match=r"contextual=\['item'\]"):
        node_of(world, {"x": "item + 1"})
    assert list(node_of(world, {"x": "item + 1"}, contextual="item").schema)[-1] == "x"


def test_rule_19_a_derivation_named_like_a_left_column_fills_it(world):
    node = node_of(world, {"*": "*", "item": "CAST(7 AS int)"})
    step = node.derivations.steps[0]
    assert step.fills
    assert step.expression.type == node.schema["item"] == BIGINT
    assert list(node.schema) == ["user", "item", "ts", SUM]
    assert "item" in node.derivations.output


def test_rule_19_a_fill_of_another_kind_is_refused(world):
    with pytest.raises(DefinitionError, match="the left column it fills is bigint"):
        node_of(world, {"item": "'seven'"})


def test_rule_19_later_derivations_and_itself_are_not_seen(world):
    with pytest.raises(ExpressionError, match="move 'b' up"):
        node_of(world, {"a": "b + 1", "b": SUM})
    with pytest.raises(ExpressionError, match="cannot read itself"):
        node_of(world, {"a": "a + 1"})


def test_rule_19_group_bys_derive_over_their_columns_keys_ts_and_ds(world):
    folded = world.amounts(derivations=[Derivation("*", "*"), Derivation("m", "amount_sum_7d / 7")])
    node = world.plan_of(folded).nodes[0]
    assert node.schema["m"] == DOUBLE
    with pytest.raises(ExpressionError):
        world.plan_of(world.amounts(derivations={"x": "item"}))


@pytest.mark.parametrize("name", ["ts", "ds", "user"])
def test_rule_19_names_of_keys_ts_and_ds_are_taken(world, name):
    with pytest.raises(DefinitionError, match="name of a key, ts or ds"):
        world.plan_of(world.amounts(derivations={name: "amount_sum_7d"}))
