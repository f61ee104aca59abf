from __future__ import annotations

import json
import sys

import pytest

from catenary.definitions import Accuracy, Aggregation, Join, JoinPart, JoinSource, Operation, Query
from catenary.errors import CycleError, DefinitionError, MissingTableError
from catenary.plan import ChainSettings, StageSpec, build
from catenary.plan.stage import enriching, parents, stages, streamed_sources
from catenary.schema import BIGINT, STRING, Field, Schema, array, map_of, struct

SETTINGS = ChainSettings.parse({"on_parent_late": "proceed", "retries": 1, "warmup.enabled": 1})


def chain(world) -> dict[str, object]:
    """Three levels: amounts ──► joined ──► chained ──► outer ──► deep; and bystanders."""
    chained = world.chained(parent=world.joined(parts=[world.amounts(), world.people()]))
    outer = Join("outer", left=world.clicks(["user", "item"], topic="log:///t"), parts=[chained])
    query = Query({"item": "item", "amount": "chained_amount_sum_1d"})
    deep = world.amounts("deep", JoinSource(join=outer, query=query), keys="item")
    aside = world.amounts("aside", world.clicks(table="views", topic="log:///views"))
    return {each.name: each for each in (deep, aside)}


def spec_of(world, target="deep", definitions=None, **more) -> StageSpec:
    definitions = chain(world) if definitions is None else definitions
    return StageSpec.of(definitions, world.schemas, target, SETTINGS, **more)


def deepened(world, levels: int) -> object:
    """A chain in which every level reads the one below on two ways."""
    each = world.amounts("level0")
    for level in range(1, levels):
        left = world.clicks(["user", "item"], topic="log:///t")
        parts = [JoinPart(each), JoinPart(each, prefix="b")]
        source = JoinSource(
            join=Join(f"join{level}", left=left, parts=parts),
            query=Query({"user": "user", "amount": "CAST(item AS double)"}),
        )
        each = world.amounts(f"level{level}", source)
    return each


# A stage as bytes.


def test_a_spec_comes_back_equal(world) -> None:
    spec = spec_of(world, functions=("json", "os.path"))
    found = StageSpec.decode(spec.encode())
    assert found == spec
    assert found.settings.without_effect == ("warmup.enabled",)
    assert found.functions == ("json", "os.path")


def test_a_decoded_spec_plans_the_same_nodes(world) -> None:
    whole = build(chain(world), world.schemas)
    found = StageSpec.decode(spec_of(world).encode())
    here, there = spec_of(world).plan(), found.plan()
    assert [each.fingerprint for each in there.nodes] == [each.fingerprint for each in here.nodes]
    assert found.node() == whole.node("deep")
    assert found.node().where == whole.node("deep").where
    assert there.targets == ("deep",)


def test_a_spec_takes_only_what_its_target_needs(world) -> None:
    spec = spec_of(world)
    assert list(spec.definitions) == ["amounts", "people", "joined", "chained", "outer", "deep"]
    assert list(spec.schemas) == ["clicks", "users"]
    assert list(spec_of(world, "amounts").definitions) == ["amounts"]
    assert list(spec_of(world, "aside").schemas) == ["views"]


def test_only_the_tables_of_the_target_are_looked_up(world) -> None:
    asked: list[str] = []

    def schemas(table: str) -> Schema:
        asked.append(table)
        return world.schemas(table)

    StageSpec.of(chain(world), schemas, "aside", SETTINGS)
    assert asked == ["views"]


def test_definitions_named_by_the_mapping_alone_keep_their_names(world) -> None:
    parent = world.joined(None, parts=[world.amounts()])
    definitions = {"here": world.chained(None, parent=parent), "above": parent}
    spec = StageSpec.decode(spec_of(world, "here", definitions).encode())
    assert spec.node().name == "here"
    assert list(spec.definitions) == ["amounts", "above", "here"]


def test_a_chain_of_many_paths_stays_small(world) -> None:
    top = deepened(world, 24)
    spec = spec_of(world, "level23", {"level23": top})
    assert len(spec.definitions) == 24 + 23
    assert len(spec.encode()) < 200_000
    assert list(StageSpec.decode(spec.encode()).definitions) == list(spec.definitions)


def test_columns_of_every_type_come_back_in_their_order(world) -> None:
    odd = struct([Field("first name", STRING), Field("b>", array(map_of(STRING, BIGINT)))])
    table = Schema.of({**world.TABLES["clicks"], "zz": odd, "a": array(struct([]))})
    spec = StageSpec.of(chain(world), lambda _: table, "amounts", SETTINGS)
    found = StageSpec.decode(spec.encode())
    assert found.schemas == {"clicks": table}
    assert list(found.schemas["clicks"]) == list(table)


def test_a_default_without_a_json_number_crosses(world) -> None:
    folds = [Aggregation("amount", Operation.MAX, windows="7d", default=float("-inf"))]
    spec = spec_of(world, "amounts", [world.amounts(aggregations=folds)])
    assert b"Infinity" not in spec.encode()
    assert StageSpec.decode(spec.encode()) == spec


@pytest.mark.parametrize(
    ("target", "says"), [("dep", "'dep' is not there"), ("joined", "'joined' is a Join")]
)
def test_a_target_that_is_no_group_by_is_refused(world, target: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        spec_of(world, target)


def test_a_target_that_is_not_there_is_refused_with_the_nearest(world) -> None:
    with pytest.raises(DefinitionError) as caught:
        spec_of(world, "dep")
    assert caught.value.hint == "did you mean 'deep'?"


def test_definitions_that_read_each_other_are_refused(world) -> None:
    inner = world.chained("loop")
    outer = world.chained("loop", parent=world.joined(parts=[inner]))
    with pytest.raises(CycleError, match="loop -> joined -> loop"):
        spec_of(world, "loop", {"loop": outer})


def test_another_versions_bytes_are_refused_with_both_versions(world) -> None:
    data = json.loads(spec_of(world).encode())
    for other in (2, 0, None, True, "1", 1.0):
        data["version"] = other
        with pytest.raises(DefinitionError, match=f"has version {other}; version 1 is read"):
            StageSpec.decode(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"1", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_spec_are_refused(data: bytes) -> None:
    with pytest.raises(DefinitionError, match="no stage's spec"):
        StageSpec.decode(data)


def test_a_spec_cut_anywhere_is_refused(world) -> None:
    data = spec_of(world, "amounts").encode()
    for end in range(0, len(data), 7):
        with pytest.raises(DefinitionError):
            StageSpec.decode(data[:end])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("definitions", None),
        ("definitions", {"definitions": [], "names": {}}),
        ("schemas", None),
        ("schemas", {"clicks": [["user"]]}),
        ("schemas", {"clicks": [[1, "string"]]}),
        ("schemas", {"clicks": [["user", "text"]]}),
        ("schemas", {"clicks": [["user", ["list", "string"]]]}),
        ("schemas", {"clicks": [["user", ["array"]]]}),
        ("schemas", {"clicks": [["user", []]]}),
        ("target", None),
        ("target", "nobody"),
        ("settings", {}),
        ("settings", {"without_effect": [], "retrys": 1}),
        ("settings", {"without_effect": [], "retries": -1}),
        ("settings", {"without_effect": [1]}),
        ("functions", None),
        ("functions", [1]),
    ],
)
def test_damaged_specs_are_refused(world, name: str, value: object) -> None:
    data = json.loads(spec_of(world).encode())
    for broken in ({**data, name: value}, {key: data[key] for key in data if key != name}):
        with pytest.raises(DefinitionError):
            StageSpec.decode(json.dumps(broken).encode())


# Modules of functions.


def test_modules_of_functions_are_imported_before_planning(world, tmp_path, monkeypatch) -> None:
    (tmp_path / "stage_marks.py").write_text("import sys\nsys.stage_mark = 'imported'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "stage_mark", None, raising=False)
    spec = StageSpec.decode(spec_of(world, functions=("stage_marks",)).encode())
    assert sys.stage_mark is None
    spec.plan()
    assert sys.stage_mark == "imported"


@pytest.mark.parametrize("body", [None, "1 / 0", "import no_such_thing_at_all", "def"])
def test_a_module_that_cannot_be_imported_is_named(world, tmp_path, monkeypatch, body) -> None:
    if body is not None:
        (tmp_path / "stage_broken.py").write_text(f"{body}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = spec_of(world, functions=("stage_broken",))
    with pytest.raises(DefinitionError, match="module 'stage_broken' cannot be imported"):
        spec.plan()


def test_a_table_that_the_spec_lacks_is_named(world) -> None:
    spec = StageSpec({"amounts": world.amounts()}, {}, "amounts", SETTINGS)
    with pytest.raises(MissingTableError, match="'clicks'"):
        spec.plan()


# What a plan says of streams.


def test_a_scans_way_begins_at_the_table(world) -> None:
    scan = spec_of(world).node().sources[0]
    found = enriching(scan)
    assert [(each.kind, each.table) for each in found] == [("events", "clicks"), ("join", "outer")]
    assert enriching(found[0]) == (found[0],)


def test_a_way_goes_through_every_join_whose_left_is_a_join(world) -> None:
    first = world.joined("first")
    left = JoinSource(join=first, query=Query(["user", "item"]))
    second = Join("second", left=left, parts=[world.people()])
    source = JoinSource(join=second, query=Query({"user": "user", "amount": "item"}))
    node = spec_of(world, "last", [world.amounts("last", source)]).node()
    assert [each.table for each in enriching(node.sources[0])] == ["clicks", "first", "second"]
    assert [each.name for each in parents(node)] == ["amounts", "people"]
    assert streamed_sources(node) == ((0, node.sources[0], "log:///t"),)


def test_sources_without_a_topic_are_left_out_and_keep_their_places(world) -> None:
    sources = [world.clicks(), world.clicks(topic="log:///b"), world.clicks(topic="log:///c")]
    node = spec_of(world, "amounts", [world.amounts(sources=sources)]).node()
    assert streamed_sources(node) == (
        (1, node.sources[1], "log:///b"),
        (2, node.sources[2], "log:///c"),
    )


def test_parents_are_direct_and_come_once(world) -> None:
    plan = spec_of(world).plan()
    found = {each.name: [up.name for up in parents(each)] for each in stages(plan)}
    assert found == {"amounts": [], "chained": ["amounts", "people"], "deep": ["chained"]}
    twice = [JoinPart(world.amounts()), JoinPart(world.amounts(), prefix="b")]
    node = spec_of(world, "chained", [world.chained(parent=world.joined(parts=twice))]).node()
    assert [each.name for each in parents(node)] == ["amounts"]


def test_parents_that_compute_the_same_from_topics_of_their_own_are_both_there(world) -> None:
    """One fingerprint, two datasets: a batch that waits for one alone reads the other too early."""
    other = world.amounts("others", world.clicks(topic="log:///other"))
    node = spec_of(
        world, "chained", [world.chained(parent=world.joined(parts=[world.amounts(), other]))]
    ).node()
    found = parents(node)
    assert found[0].fingerprint == found[1].fingerprint
    assert [(each.name, streamed_sources(each)[0][2]) for each in found] == [
        ("amounts", "log:///t"),
        ("others", "log:///other"),
    ]


def test_stages_follow_topics_are_temporal_and_come_after_their_parents(world) -> None:
    daily = world.amounts("daily", world.clicks(topic="log:///d"), accuracy=Accuracy.SNAPSHOT)
    still = world.amounts("still", world.clicks(), accuracy=Accuracy.TEMPORAL)
    plan = build([*chain(world).values(), daily, still], world.schemas)
    names = [each.name for each in stages(plan)]
    assert names == ["amounts", "chained", "deep", "aside"]
    for at, each in enumerate(stages(plan)):
        streamed = {parent.name for parent in parents(each) if parent in stages(plan)}
        assert streamed <= set(names[:at])
