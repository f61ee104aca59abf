"""Chronon's compiled definitions, written by its own compiler, are ours; what has no like is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.definitions import GroupBy, Join, TimeUnit, Window, load
from catenary.errors import CatenaryError, DefinitionError, UnsupportedError
from catenary.interop import is_compiled, read, read_all

GOLDEN = Path(__file__).parents[2] / "golden" / "chronon"
PRODUCTION = GOLDEN / "production"
FILES = sorted(each for each in PRODUCTION.rglob("*") if each.is_file())
OURS = load(GOLDEN / "features.py")
SPEND = PRODUCTION / "group_bys" / "shop" / "spend.customer"
CLIENTS = PRODUCTION / "group_bys" / "shop" / "clients.shop"
ENRICHED = PRODUCTION / "joins" / "shop" / "enriched.orders_v1"
OWNERS = PRODUCTION / "group_bys" / "shop" / "owners.shop"


@pytest.mark.parametrize("file", FILES, ids=[each.name for each in FILES])
def test_a_compiled_definition_is_the_one_that_we_would_have_written(file: Path) -> None:
    found = read(file)
    assert found.definition == OURS[found.name]
    assert found.definition.metadata == OURS[found.name].metadata


def test_every_definition_was_compiled() -> None:
    assert {read(each).name for each in FILES} == set(OURS)


def test_a_definition_knows_where_in_the_file_it_stands() -> None:
    definition = read(CLIENTS).definition
    assert isinstance(definition, GroupBy)
    assert definition.where == str(CLIENTS)
    inside = definition.sources[0]
    assert inside.where == f"{CLIENTS}: sources[0].joinSource"
    assert inside.query.where == f"{CLIENTS}: sources[0].joinSource.query"
    assert definition.aggregations[1].where == f"{CLIENTS}: aggregations[1]"


def test_settings_in_its_custom_json_are_given_along() -> None:
    exposure = PRODUCTION / "group_bys" / "shop" / "exposure.customer"
    assert read(exposure).settings == {"spark.chronon.stream.chain.max_offsets_per_trigger": "100"}
    assert read(SPEND).settings == {}


def test_what_has_no_effect_is_noted_once_with_the_reason() -> None:
    (note,) = read(PRODUCTION / "group_bys" / "shop" / "operations.every").notes
    assert note.startswith("backfillStartDate of shop.operations.every has no effect: ")


@pytest.mark.parametrize("name", ["conf", "conf.json", "team.file.v1"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SPEND.read_bytes())
    assert read(tmp_path / name).definition == OURS["shop.spend.customer"]


def test_the_topics_that_are_read_may_be_others_than_those_that_are_written() -> None:
    found = read(CLIENTS, topic=lambda written: f"{written}?codec=avro").definition
    assert isinstance(found, GroupBy)
    join = found.sources[0].join  # type: ignore[union-attr]
    topics = {join.left.topic, join.parts[0].group_by.sources[0].topic}
    assert topics == {"log:///shop/orders?codec=avro"}


def test_a_folder_of_compiled_files_is_read_as_a_folder_of_definitions() -> None:
    assert read_all(PRODUCTION) == OURS
    assert read_all(SPEND) == {"shop.spend.customer": OURS["shop.spend.customer"]}
    assert set(read_all(PRODUCTION / "joins")) == {
        name for name, each in OURS.items() if isinstance(each, Join)
    }


def test_of_what_the_compiler_writes_only_group_bys_and_joins_are_read(tmp_path: Path) -> None:
    for kind, text in (("group_bys", SPEND.read_text()), ("staging_queries", "{}")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "conf").write_text(text)
    assert list(read_all(tmp_path)) == ["shop.spend.customer"]


def test_two_different_definitions_of_one_name_are_refused_with_both_files(tmp_path: Path) -> None:
    one = changed(tmp_path, SPEND, "keyColumns", ["shop"])
    two = one.with_name("two")
    two.write_bytes(SPEND.read_bytes())
    with pytest.raises(DefinitionError, match="two different definitions are named") as caught:
        read_all(tmp_path)
    assert caught.value.where == f"{one} and {two}"


def test_python_is_told_from_compiled_files(tmp_path: Path) -> None:
    assert is_compiled(PRODUCTION)
    assert is_compiled(SPEND)
    assert not is_compiled(GOLDEN)
    assert not is_compiled(GOLDEN / "features.py")
    assert not is_compiled(tmp_path), "there is nothing in it"
    assert not is_compiled(tmp_path / "nothing")


# What is not in the golden files: they are changed at one place.


def changed(tmp_path: Path, file: Path, path: str, value: object) -> Path:
    """A copy of a compiled file in which the field at `path` has another value."""
    data: Any = json.loads(file.read_text())
    *way, last = [int(each) if each.isdigit() else each for each in path.split("/")]
    inner = data
    for each in way:
        inner = inner[each]
    inner[last] = value
    target = tmp_path / file.name
    target.write_text(json.dumps(data))
    return target


def group_by_of(file: Path) -> GroupBy:
    found = read(file).definition
    assert isinstance(found, GroupBy)
    return found


def join_of(file: Path) -> Join:
    found = read(file).definition
    assert isinstance(found, Join)
    return found


SOME_PART = {"groupBy": {}}
QUERY = "sources/0/events/query"


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        (SPEND, "sources/0/events/isCumulative", 1),
        (SPEND, "sources/0/events/table", "shop.orders/system=mobile"),
        (SPEND, f"{QUERY}/setups", ["SET spark.sql.ansi.enabled=true"]),
        (SPEND, "aggregations/0/elementWise", 1),
        (SPEND, "aggregations/0/operation", 5),
        (SPEND, "aggregations/0/operation", 12),
        (SPEND, "aggregations/0/operation", 18),
        (SPEND, "aggregations/0/operation", 19),
        (OWNERS, "sources/0/entities/mutationTable", "shop.owner_changes"),
        (OWNERS, "sources/0/entities/mutationTopic", "owner_changes"),
        (CLIENTS, "sources/0/joinSource/query/timeColumn", "placed_at"),
        (CLIENTS, "sources/0/joinSource/join/bootstrapParts", [{"table": "t"}]),
        (ENRICHED, "bootstrapParts", [{"table": "t"}]),
        (ENRICHED, "labelPart", {"labels": [SOME_PART]}),
        (ENRICHED, "onlineExternalParts", [{"source": {}}]),
        (ENRICHED, "modelTransforms", {"transforms": [{}]}),
    ],
)
def test_what_changes_values_and_is_not_there_is_refused_by_its_place(
    tmp_path: Path, file: Path, path: str, value: object
) -> None:
    target = changed(tmp_path, file, path, value)
    with pytest.raises(UnsupportedError) as caught:
        read(target)
    words = [f"[{each}]" if each.isdigit() else f".{each}" for each in path.split("/")]
    assert (caught.value.where or "").startswith(f"{target}: {''.join(words).strip('.')}")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("keyColumns", "customer", "keyColumns='customer' is not a list of texts"),
        ("keyColumns", ["nobody", "nobody"], "names a column twice"),
        ("accuracy", 2, "accuracy=2"),
        ("accuracy", "SNAPSHOT", "is not a whole number"),
        ("sources", [], "sources=() is not one or more of"),
        ("sources/0", {}, "one of events, entities and joinSource"),
        ("sources/0/events/table", None, "EventSource has no table"),
        ("sources/0/events/query", None, "EventSource has no query"),
        ("sources/0/events/isCumulative", "no", "isCumulative"),
        (f"{QUERY}/timeColumn", None, "Query has no timeColumn"),
        (f"{QUERY}/selects", {"customer": 7}, "is not a mapping of texts"),
        (f"{QUERY}/selects", {"ts": "other"}, "ts is selected as 'other'"),
        (f"{QUERY}/startPartition", "yesterday", "yesterday"),
        (f"{QUERY}/partitions", ["a"], "Query has a field 'partitions' that is not known"),
        ("aggregations/0/operation", 20, "operation=20"),
        ("aggregations/0/operation", None, "operation=None"),
        ("aggregations/0/argMap", {"k": "3"}, "operation 'sum' has no argument 'k'"),
        ("aggregations/2/argMap", {}, "operation 'last_k' has no k"),
        ("aggregations/2/argMap", {"k": "three"}, "k='three' is no number"),
        ("aggregations/2/argMap", {"k": "0"}, "k=0 is not positive"),
        ("aggregations/0/windows", [{"length": 1, "timeUnit": 2}], "timeUnit=2"),
        ("aggregations/0/inputColumn", None, "Aggregation has no inputColumn"),
        ("metaData", None, "GroupBy has no metaData"),
        ("metaData/name", "", "MetaData has no name"),
        ("metaData/customJson", "{", "customJson is no JSON"),
        ("metaData/customJson", "[]", "text of a JSON object"),
        ("metaData/customJson", '{"groupby_tags": 3}', "tags are 3"),
    ],
)
def test_what_is_malformed_is_refused_by_its_place(
    tmp_path: Path, path: str, value: object, says: str
) -> None:
    target = changed(tmp_path, SPEND, path, value)
    with pytest.raises(CatenaryError, match=re.escape(says)) as caught:
        read(target)
    assert str(target) in (caught.value.where or "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(): pass", "this is no JSON"),
        ("[]", "something else"),
        ('{"metaData": {}, "query": "SELECT 1"}', "a StagingQuery"),
        ('{"inferenceSpec": {}}', "a Model"),
    ],
)
def test_another_file_is_refused_with_what_it_is(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "conf"
    file.write_text(text)
    with pytest.raises(CatenaryError, match=says) as caught:
        read(file)
    assert caught.value.where == str(file)


def test_a_file_that_is_not_there_is_refused_with_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read: No such file") as caught:
        read(tmp_path / "nothing")
    assert "production/group_bys" in (caught.value.hint or "")


@pytest.mark.parametrize("length", [0, -1, (1 << 31) - 1])
def test_a_window_without_a_bound_is_all_of_the_past(tmp_path: Path, length: int) -> None:
    windows = [{"length": 1, "timeUnit": 1}, {"length": length, "timeUnit": 0}]
    found = group_by_of(changed(tmp_path, SPEND, "aggregations/0/windows", windows))
    assert [each.windows for each in found.aggregations[:2]] == [(Window(1, TimeUnit.DAYS),), ()]


def test_windows_of_one_length_in_two_units_are_two_columns(tmp_path: Path) -> None:
    windows = [{"length": 1, "timeUnit": 1}, {"length": 24, "timeUnit": 0}]
    found = group_by_of(changed(tmp_path, SPEND, "aggregations/0/windows", windows))
    names = [name for each in found.aggregations[:2] for name, _, _ in each.columns()]
    assert names == ["amount_sum_1d", "amount_sum_24h"]


@pytest.mark.parametrize("flag", [0, False, None])
def test_a_flag_that_is_not_set_refuses_nothing(tmp_path: Path, flag: object) -> None:
    target = changed(tmp_path, SPEND, "sources/0/events/isCumulative", flag)
    assert read(target).definition == OURS["shop.spend.customer"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("skewKeys", {"customer": ["'nobody'"]}), ("rowIds", ["order_id"])],
)
def test_what_only_steers_chronons_jobs_is_noted(tmp_path: Path, field: str, value: object) -> None:
    found = read(changed(tmp_path, ENRICHED, field, value))
    assert found.definition == OURS["shop.enriched.orders_v1"]
    assert [each.split(" has no effect")[0] for each in found.notes] == [
        f"{field} of shop.enriched.orders_v1"
    ]


def test_functions_that_setups_create_are_left_to_be_registered(tmp_path: Path) -> None:
    setups = ["ADD JAR s3://a/b.jar", "create temporary function f as 'com.F'"]
    found = read(changed(tmp_path, SPEND, f"{QUERY}/setups", setups))
    assert found.definition == OURS["shop.spend.customer"]
    assert len(found.notes) == 2
    assert all("register_function" in each for each in found.notes)


def test_the_time_of_a_chain_may_be_named_as_its_parent_selects_it(tmp_path: Path) -> None:
    base = "sources/0/joinSource"
    way = changed(tmp_path, CLIENTS, f"{base}/join/left/events/query/selects/at", "placed_at")
    found = group_by_of(changed(tmp_path, way, f"{base}/query/timeColumn", "at"))
    assert found.sources[0].query.time_column is None


def test_a_parent_that_selects_all_gives_its_time_by_its_own_name(tmp_path: Path) -> None:
    base = "sources/0/joinSource"
    way = changed(tmp_path, CLIENTS, f"{base}/join/left/events/query/selects", None)
    found = group_by_of(changed(tmp_path, way, f"{base}/query/timeColumn", "placed_at"))
    assert found.sources[0].query.time_column is None


def test_a_derivation_reads_the_column_that_another_replaces(tmp_path: Path) -> None:
    derivations = [
        {"name": "*", "expression": "*"},
        {"name": "a", "expression": "b + 1"},
        {"name": "c", "expression": "A * 2 + length('c b')"},
        {"name": "b", "expression": "b"},
    ]
    found = join_of(changed(tmp_path, ENRICHED, "derivations", derivations))
    # `c` comes first, so that it reads the base column `a`, as it does in Chronon.
    assert [each.name for each in found.derivations] == ["*", "c", "a", "b"]


def test_derivations_that_replace_what_each_other_reads_are_refused(tmp_path: Path) -> None:
    swapped = [{"name": "a", "expression": "b"}, {"name": "b", "expression": "a"}]
    with pytest.raises(UnsupportedError, match="'a' and 'b' each replace"):
        read(changed(tmp_path, ENRICHED, "derivations", swapped))


def test_columns_of_the_left_that_derivations_read_may_be_asked_for(tmp_path: Path) -> None:
    derivations = [{"name": "d", "expression": "upper(SHOP) || concat('customer', order_id)"}]
    found = join_of(changed(tmp_path, ENRICHED, "derivations", derivations))
    assert found.contextual == ("order_id", "shop")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.floats()
    | st.sampled_from(["", "ts", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a file."""
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    return [path, *(way for key, each in inner for way in places(each, (*path, key)))]


@given(st.data())
def test_whatever_stands_in_a_file_is_read_or_refused_with_its_place(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(FILES))
    content = json.loads(file.read_text())
    *way, last = data.draw(st.sampled_from([each for each in places(content) if each]))
    inner = content
    for each in way:
        inner = inner[each]
    inner[last] = data.draw(JUNK)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "conf"
        target.write_text(json.dumps(content))
        assert str(target) in refused_at(target, otherwise=str(target))


def refused_at(file: Path, *, otherwise: str) -> str:
    """The place for which a file is refused; if it is read, another word."""
    try:
        read(file)
    except CatenaryError as error:
        return error.where or ""
    return otherwise
