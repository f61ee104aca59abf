"""A row that fails is set aside alone, and every read that lacks it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.property.refusing import registered
from tests.unit.stream.helping import Streamed

from catenary import (
    Aggregation,
    Derivation,
    EventSource,
    GroupBy,
    Join,
    JoinSource,
    Operation,
    Query,
)
from catenary.plan.settings import ChainSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catenary.serve.answers import Row

START_MS = 1_709_251_200_000
EVENTS = (("good", 1.0), ("good", 2.0), ("bad", -1.0), ("bad", 3.0), ("good", 4.0))


def of_topic(selects: dict[str, str], *wheres: str) -> EventSource:
    query = Query(selects, wheres=wheres, time_column="ts")
    return EventSource(table="t", topic="log:///t", query=query)


PLAIN = of_topic({"user": "user", "x": "x"})
LAST = GroupBy(
    "newest", sources=PLAIN, keys="user", aggregations=[Aggregation("x", Operation.LAST)]
)


def counted(source: EventSource | JoinSource) -> GroupBy:
    return GroupBy(
        "counted", sources=source, keys="user", aggregations=[Aggregation("y", Operation.COUNT)]
    )


def chained(value: str, *wheres: str, **join: object) -> GroupBy:
    parent = Join("beside", left=PLAIN, parts=[LAST], **join)  # pyright: ignore[reportArgumentType]
    return counted(
        JoinSource(join=parent, query=Query({"user": "user", "y": value}, wheres=wheres))
    )


def row(made: Streamed, user: str) -> Row:
    return made.fetcher.fetch("counted", {"user": user}, at=START_MS + len(EVENTS))


@pytest.fixture
def streamed(tmp_path: Path) -> Iterator[Callable[..., Streamed]]:
    def stream(definition: GroupBy, **settings: object) -> Streamed:
        made = Streamed(tmp_path, definition, ChainSettings.parse({"retries": 0, **settings}))
        made.publish((user, x, START_MS + at) for at, (user, x) in enumerate(EVENTS))
        return made

    with registered():
        yield stream


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(counted(of_topic({"user": "user", "y": "refusing(x)"})), id="topic's select"),
        pytest.param(
            counted(of_topic({"user": "user", "y": "x"}, "refusing(x) > 0")), id="topic's condition"
        ),
        pytest.param(chained("coalesce(refusing(newest_x_last), 0)"), id="select over a Join"),
        pytest.param(
            chained("x", "coalesce(refusing(newest_x_last), 0) >= 0"), id="condition over a Join"
        ),
    ],
)
def test_a_row_whose_query_raises_has_a_dead_letter_and_marks_its_key(
    definition: GroupBy, streamed: Callable[..., Streamed]
) -> None:
    made = streamed(definition)
    (letter,) = made.letters()
    assert letter.step == "query"
    assert "below zero" in letter.reason
    assert (row(made, "bad").y_count, row(made, "bad").status) == (1, "set_aside")
    assert (row(made, "good").y_count, row(made, "good").status) == (3, "ok")


def test_a_row_whose_key_cannot_be_computed_marks_nothing(
    streamed: Callable[..., Streamed],
) -> None:
    made = streamed(counted(of_topic({"user": "IF(refusing(x) > 0, user, user)", "y": "x"})))
    assert len(made.letters()) == 1
    assert (row(made, "bad").y_count, row(made, "bad").status) == (1, "ok")


@pytest.mark.parametrize(
    ("policy", "count", "letters"),
    [("retry", 1, 1), ("dead_letter", 1, 1), ("drop", 1, 0), ("null", 1, 0)],
)
def test_a_row_that_cannot_be_enriched_is_set_aside_and_no_read_below_it_calls_itself_an_error(
    policy: str, count: int, letters: int, streamed: Callable[..., Streamed]
) -> None:
    derived = [Derivation("checked", "refusing(newest_x_last)")]
    made = streamed(chained("coalesce(checked, 0)", derivations=derived), on_enrich_error=policy)
    assert len(made.letters()) == letters
    bad = row(made, "bad")
    assert (bad.status, bad.statuses) == ("set_aside", {"counted": ("set_aside",)})
    assert bad.y_count == count + (policy == "null")
    assert (row(made, "good").y_count, row(made, "good").status) == (3, "ok")


def test_a_row_that_an_error_of_a_part_sets_aside_says_set_aside(
    streamed: Callable[..., Streamed],
) -> None:
    picky = GroupBy(
        "newest",
        sources=PLAIN,
        keys="user",
        aggregations=[Aggregation("x", Operation.LAST)],
        derivations=[Derivation("checked", "refusing(x_last)")],
    )
    parent = Join("beside", left=PLAIN, parts=[picky])
    query = Query({"user": "user", "y": "coalesce(newest_checked, 0)"})
    made = streamed(counted(JoinSource(join=parent, query=query)))
    assert row(made, "bad").statuses == {"counted": ("set_aside",)}
    assert [each.step for each in made.letters()] == ["enrich"]
