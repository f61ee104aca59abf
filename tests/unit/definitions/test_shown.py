from __future__ import annotations

import pytest

from catenary import definitions
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
from catenary.errors import DefinitionError

EVENTS = EventSource(
    table="t", query=Query(["k", "x"], wheres="x > 'a\nb'", time_column="at"), topic="log:///t"
)
FOLDED = GroupBy(
    "folded",
    sources=EVENTS,
    keys=["k"],
    aggregations=[
        Aggregation("x", Operation.LAST_K(5), windows=["7d", "1h"], hop="1m"),
        Aggregation("x", Operation.COUNT, buckets="k", default=0, name="n"),
    ],
    derivations={"*": "*", "y": "n + 1"},
    metadata=MetaData(team="us"),
)
SNAPSHOTS = EntitySource(snapshot_table="s", holds=True)
JOINED = Join(
    "joined",
    left=EVENTS,
    parts=[FOLDED, JoinPart(FOLDED, key_mapping={"x": "k"}, prefix="p")],
    contextual="x",
)
CHAINED = GroupBy("chained", sources=JoinSource(join=JOINED), keys="k", accuracy=Accuracy.SNAPSHOT)


@pytest.mark.parametrize(
    "value",
    [
        Window(7, TimeUnit.DAYS), Operation.SUM, Operation.SAMPLE_VARIANCE, Operation.TOP_K(3),
        Operation.HISTOGRAM_K(2), Operation("approx_percentile"), EVENTS, SNAPSHOTS, FOLDED, JOINED,
        CHAINED, Derivation("a", "b", description="why"), MetaData(tags={"a": "b"}),
        Query({"a": "b + 1"}, start="2024-01-01"), Query([]),
    ],
)  # fmt: skip
def test_a_definition_shows_the_text_that_makes_it_again(value):
    again = eval(repr(value), vars(definitions).copy())
    assert again == value


def test_equal_definitions_hash_equally_and_show_equally():
    again = eval(repr(CHAINED), vars(definitions).copy())
    assert hash(again) == hash(CHAINED)
    assert repr(again) == repr(CHAINED)


def test_where_and_by_whom_it_was_written_makes_no_difference():
    one = Aggregation("x", Operation.SUM)
    two = Aggregation("x", Operation.SUM)
    assert one.where != two.where
    assert one == two


def test_what_is_left_out_is_not_shown():
    assert repr(Aggregation("x", Operation.LAST_K(5))) == "Aggregation('x', Operation.LAST_K(5))"
    assert repr(Query(["a"], time_column="at")) == "Query(['a'], time_column='at')"
    assert "windows=['7d', '1h'], hop='1m'" in repr(FOLDED)


def test_a_notebook_gets_escaped_text():
    assert "x &gt; " in FOLDED._repr_html_()
    assert JOINED._repr_html_().startswith("<pre>Join(")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Aggregation("x", Operation.LAST_K), "LAST_K is not an Operation"),
        (lambda: Aggregation("x", Operation.SUM, windows="7w"), "'7w' is not a length"),
        (lambda: Aggregation("x", Operation.SUM, windows=["1d", "24h"]), "one length twice"),
        (lambda: Aggregation("x", Operation.SUM, windows=["1d", "2d"], name="n"), "2 columns"),
        (lambda: Aggregation("x", Operation.SUM, windows=None), "None is no window"),
        (lambda: Aggregation("x", Operation.SUM, windows=["7d", 7]), "7 is no window"),
        (lambda: Aggregation("x", Operation.SUM, buckets=[None]), "None is no bucket"),
        (lambda: Aggregation("x", Operation.SUM, windows="7d", hop=3), "hop=3 is no length"),
        (lambda: Aggregation(None, Operation.SUM), "input_column=None is no column"),
        (lambda: Operation.TOP_K(0), "k=0 is not positive"),
        (lambda: Query({"ts": "x"}), "must not name 'ts'"),
        (lambda: Query(start="yesterday"), "is not a date"),
        (lambda: EventSource(table="t", query=Query()), "have no time"),
        (lambda: GroupBy("g", sources=[EVENTS, SNAPSHOTS], keys="k"), "several kinds"),
        (lambda: GroupBy("g", sources=EVENTS, keys=[]), "keys is empty"),
        (lambda: GroupBy("g", sources=EVENTS, keys=["k", "k"]), "names a column twice"),
        (lambda: JoinPart(FOLDED, key_mapping={"x": "kk"}), "did you mean 'k'"),
        (lambda: Derivation("*", "a"), "mixes a star"),
        (lambda: Join("j", left=EVENTS, parts=[EVENTS]), "expected JoinPart"),
        (lambda: JoinSource(join=JOINED, query=Query(time_column="at")), "parent's time"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once(make, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        make()
    assert (caught.value.where or "").partition(":")[0] == __file__


def test_an_error_shows_the_line_that_wrote_it():
    with pytest.raises(DefinitionError, match=r"test_shown\.py:\d+"):
        GroupBy("g", sources=EVENTS, keys=[])


def test_rule_16_two_aggregations_of_one_column_are_refused():
    twice = [Aggregation("x", Operation.SUM), Aggregation("x", Operation.SUM)]
    with pytest.raises(DefinitionError, match="two aggregations give a column 'x_sum'"):
        GroupBy("g", sources=EVENTS, keys="k", aggregations=twice)
