from __future__ import annotations

import json
import math
from copy import deepcopy

import pytest

from catenary.definitions import (
    Accuracy,
    Aggregation,
    Derivation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    MetaData,
    Operation,
    Query,
    TimeUnit,
    Window,
)
from catenary.definitions.wire import from_data, to_data
from catenary.errors import DefinitionError


def clicks(**more) -> EventSource:
    query = Query({"user": "lower(name)", "amount": "amount"}, time_column="at", **more)
    return EventSource(table="clicks", query=query, topic="log:///clicks", late_partitions=3)


def amounts(name="amounts", **more) -> GroupBy:
    folds = [Aggregation("amount", Operation.SUM, windows=["7d", "12h"])]
    return GroupBy(name, **{"sources": clicks(), "keys": "user", "aggregations": folds, **more})


def full() -> dict[str, GroupBy | Join]:
    """Definitions that use every field at least once, with no value left as it is by default."""
    rich = GroupBy(
        "rich",
        sources=[clicks(wheres=["amount > 0"], start="2020-01-01", end="2021-01-01"), clicks()],
        keys=["user", "shop"],
        aggregations=[
            Aggregation("amount", Operation.LAST_K(5), windows="90s", name="last", hop="1s"),
            Aggregation("amount", Operation.SAMPLE_VARIANCE, buckets=["a", "b"], default=0.5),
            Aggregation("amount", Operation.TOP_K(2), windows="15m", default=[1, 2.0, True, "x"]),
        ],
        accuracy=Accuracy.SNAPSHOT,
        derivations=[Derivation("twice", "last * 2", "two times"), Derivation("*", "*")],
        metadata=MetaData("team", "what it is for", {"tag": "value"}),
    )
    people = GroupBy(
        "people",
        sources=EntitySource(
            snapshot_table="users",
            query=Query(["user", "age"]),
            holds=True,
            partition_column="day",
        ),
        keys="user",
        latest_by="age",
    )
    parent = Join(
        "parent",
        left=clicks(),
        parts=[rich, JoinPart(people, key_mapping={"amount": "user"}, prefix="who")],
        derivations={"older": "who_people_age + 1"},
        contextual=["user"],
        metadata=MetaData(description="joined"),
    )
    child = amounts("child", sources=JoinSource(join=parent, query=Query(wheres="amount > 1")))
    return {each.name: each for each in (child, parent, people, rich) if each.name}


def through(definitions):
    """As another process reads them."""
    return from_data(json.loads(json.dumps(to_data(definitions), allow_nan=False)))


def places(value) -> list[str]:
    """Every `where` below a value, in order."""
    if isinstance(value, dict):
        own = [value["where"]] if "where" in value else []
        return own + [place for each in value.values() for place in places(each)]
    if isinstance(value, list):
        return [place for each in value for place in places(each)]
    return []


def test_equal_definitions_come_back_in_their_order() -> None:
    found = through(full())
    assert found == full()
    assert list(found) == list(full())
    assert repr(found) == repr(full())


def test_what_equality_leaves_out_comes_back_too() -> None:
    held = full()
    found = through(held)
    assert [each.metadata for each in found.values()] == [each.metadata for each in held.values()]
    assert [each.where for each in found.values()] == [each.where for each in held.values()]
    assert found["rich"].derivations[0].description == "two times"
    assert to_data(found) == to_data(held)


def test_every_place_names_the_file_that_wrote_it() -> None:
    found = through(full())
    again = places(to_data(found))
    assert again
    assert {place.rpartition(":")[0] for place in again} == {__file__}


@pytest.mark.parametrize(
    "default",
    [1, 1.0, True, False, 0, 0.0, -0.0, "1", "", 2**70, 1e-320, None, [1, 1.0, True, "1"], []],
    ids=repr,
)
def test_a_default_keeps_its_type(default) -> None:
    held = amounts(aggregations=[Aggregation("amount", Operation.SUM, default=default)])
    found = through({"amounts": held})["amounts"]
    assert repr(found.aggregations[0].default) == repr(held.aggregations[0].default)


@pytest.mark.parametrize("default", [math.inf, -math.inf, math.nan, [1.0, math.inf]], ids=repr)
def test_a_default_that_json_has_no_number_for_comes_back(default) -> None:
    held = amounts(aggregations=[Aggregation("amount", Operation.SUM, default=default)])
    found = through({"amounts": held})["amounts"]
    assert repr(found.aggregations[0].default) == repr(held.aggregations[0].default)


def test_a_default_of_another_type_is_refused_with_its_place() -> None:
    class Special(float):
        pass

    held = amounts(aggregations=[Aggregation("amount", Operation.SUM, default=Special(1.0))])
    with pytest.raises(DefinitionError, match=r"default=1\.0 \(Special\)") as caught:
        to_data({"amounts": held})
    assert caught.value.where == held.aggregations[0].where


def test_every_operation_and_unit_comes_back() -> None:
    names = [name for name in vars(Operation) if name.isupper()]
    operations = [
        each if isinstance(each := getattr(Operation, name), Operation) else each(3)
        for name in names
    ]
    folds = [
        Aggregation("amount", operation, windows=Window(at + 1, unit), hop=Window(1, unit))
        for at, operation in enumerate(operations)
        for unit in TimeUnit
    ]
    held = {"amounts": amounts(aggregations=folds)}
    assert len(folds) > 60
    assert through(held) == held


def test_a_definition_that_many_read_is_written_once() -> None:
    each = amounts("level0")
    for level in range(1, 40):  # two ways from each level down to the one below
        join = Join(
            f"join{level}", left=clicks(), parts=[JoinPart(each), JoinPart(each, prefix="b")]
        )
        each = amounts(f"level{level}", sources=JoinSource(join=join, query=Query(["user"])))
    data = to_data({"top": each})
    assert len(data["definitions"]) == 2 * 39 + 1
    top = from_data(data)["top"]
    join = top.sources[0].join
    assert join.parts[0].group_by is join.parts[1].group_by


def test_copies_of_a_definition_are_written_once() -> None:
    below = amounts()
    copies = [deepcopy_of(below) for _ in range(3)]
    joins = {
        f"j{at}": Join(f"j{at}", left=clicks(), parts=[each]) for at, each in enumerate(copies)
    }
    data = to_data(joins)
    assert len(data["definitions"]) == 4
    assert from_data(data) == joins


def deepcopy_of(group_by: GroupBy) -> GroupBy:
    """Equal, not identical, and written at the same place."""
    found = amounts()
    object.__setattr__(found, "where", group_by.where)
    for name in ("sources", "aggregations"):
        object.__setattr__(found, name, getattr(group_by, name))
    return found


def test_definitions_without_a_name_stay_apart_though_they_are_alike() -> None:
    held = {name: amounts(None) for name in ("a", "b")}
    found = through(held)
    assert found == held
    assert found["a"] is not found["b"]


def test_nothing_comes_back_as_nothing() -> None:
    assert through({}) == {}


def damaged():
    """Good data with one thing wrong, by what is wrong."""
    good = json.loads(json.dumps(to_data(full())))
    numbers = {each["name"]: at for at, each in enumerate(good["definitions"])}

    def changed(name, *path, to):
        data = deepcopy(good)
        holder = data["definitions"][numbers[name]]
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = to
        return data

    def lacking(name, *path):
        data = changed(name, *path, to=None)
        holder = data["definitions"][numbers[name]]
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        return data

    fold = ("aggregations", 0)
    return {
        "no mapping": [good],
        "nothing": None,
        "no definitions": {"names": {}},
        "something more": {**good, "more": 1},
        "a name of no number": {**good, "names": {"x": "0"}},
        "a name of a number too great": {**good, "names": {"x": 99}},
        "a name of a number below zero": {**good, "names": {"x": -1}},
        "a name of a flag": {**good, "names": {"x": True}},
        "an unknown kind": changed("rich", "kind", to="view"),
        "a kind of another": changed("rich", "kind", to="join"),
        "a lost field": lacking("rich", "latest_by"),
        "a field too many": changed("rich", "code", to="1"),
        "a lost place": lacking("rich", "sources", 0, "where"),
        "a place that is no text": changed("rich", "where", to=3),
        "keys in one text": changed("rich", "keys", to="user"),
        "keys that are numbers": changed("rich", "keys", to=[1]),
        "no keys": changed("rich", "keys", to=[]),
        "an unknown accuracy": changed("rich", "accuracy", to="exact"),
        "a source of no kind": lacking("rich", "sources", 0, "kind"),
        "a source of an unknown kind": changed("rich", "sources", 0, "kind", to="files"),
        "a source of a kind that is a list": changed("rich", "sources", 0, "kind", to=[]),
        "a table that is no text": changed("rich", "sources", 0, "table", to=None),
        "partitions in text": changed("rich", "sources", 0, "late_partitions", to="3"),
        "a flag in text": changed("people", "sources", 0, "holds", to="no"),
        "a day that is none": changed("rich", "sources", 0, "query", "start", to="today"),
        "selects in a list": changed("rich", "sources", 0, "query", "selects", to=["user"]),
        "a where that is no text": changed("rich", "sources", 0, "query", "wheres", to=[1]),
        "no operation": changed("rich", *fold, "operation", to=None),
        "a k that is a flag": changed("rich", *fold, "k", to=True),
        "a k of zero": changed("rich", *fold, "k", to=0),
        "a window of an unknown unit": changed("rich", *fold, "windows", 0, "unit", to="w"),
        "a window that is text": changed("rich", *fold, "windows", to=["7d"]),
        "a default that is a mapping": changed("rich", *fold, "default", to={"float": "1"}),
        "a default in a list in a list": changed("rich", *fold, "default", to=[[1]]),
        "a derivation that mixes a star": changed("rich", "derivations", 1, "name", to="x"),
        "tags in a list": changed("rich", "metadata", "tags", to=["tag"]),
        "a part that is a Join": changed("parent", "parts", 0, "group_by", to=numbers["parent"]),
        "a part that stands after": changed("parent", "parts", 0, "group_by", to=numbers["child"]),
        "a part below zero": changed("parent", "parts", 0, "group_by", to=-1),
        "a parent that is a GroupBy": changed("child", "sources", 0, "join", to=numbers["rich"]),
        "a key that is none": changed("parent", "parts", 1, "key_mapping", to={"amount": "no"}),
    }


@pytest.mark.parametrize("what", damaged())
def test_damaged_data_is_refused(what) -> None:
    with pytest.raises(DefinitionError):
        from_data(damaged()[what])


def test_a_refusal_names_what_is_wrong() -> None:
    data = damaged()["partitions in text"]
    with pytest.raises(DefinitionError, match="a source of events has late_partitions='3'"):
        from_data(data)
