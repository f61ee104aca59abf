"""What worlds of streams draw: every shape of chain that is promised something is among them, and often."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.property.chains import Kind, drawn
from tests.property.test_stream_against_backfill import troubled

from catenary.definitions import GroupBy, JoinSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.property.chains import Chain

pytestmark = pytest.mark.property

SEEDS = 400


def topics(group_by: GroupBy) -> set[str]:
    """The topics that a GroupBy follows; of one that is chained, its events' own."""
    found: set[str] = set()
    for source in group_by.sources:
        own = source.join.left if isinstance(source, JoinSource) else source
        found.add(own.topic)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    return found


def shapes(chain: Chain) -> Iterator[str]:
    """What is noteworthy about a chain."""
    yield f"depth {len(chain.group_bys)}"
    if len(chain.group_bys[0].sources) > 1:
        yield "two sources"
    if not chain.group_bys[0].aggregations:
        yield "rows that pass through"
    for child in chain.group_bys[1:]:
        (source,) = child.sources
        assert isinstance(source, JoinSource)
        parents = [part.group_by for part in source.join.parts if part.group_by != chain.snapshot]
        same = [bool(topics(each) & topics(child)) for each in parents]
        yield "parent and child of one topic" if any(same) else "parent and child of two topics"
        if len(parents) > 1:
            yield "two parents"
            if all(same):
                yield "two parents and a child of one topic"
        if source.query.wheres:
            yield "a condition on a parent's value"


def test_chains_of_every_shape_are_drawn_and_parents_and_children_of_one_topic_are_common() -> None:
    seen = Counter(
        shape for seed in range(SEEDS) for shape in set(shapes(drawn(Random(seed), Kind())))
    )
    assert seen["parent and child of one topic"] > SEEDS // 4
    assert seen["parent and child of two topics"] > SEEDS // 8
    for depth in (1, 2, 3, 4):
        assert seen[f"depth {depth}"] > SEEDS // 10
    for shape in ("two sources", "two parents", "a condition on a parent's value"):
        assert seen[shape] > SEEDS // 10
    assert seen["two parents and a child of one topic"] > SEEDS // 20
    assert seen["rows that pass through"] > 0


def test_every_way_to_go_on_regardless_is_drawn() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        kind, settings = troubled(seed)
        seen[settings.on_parent_late] += 1
        if kind.refusing:
            seen[f"{kind.refusing} refuses"] += 1
            seen[f"{settings.on_enrich_error} it"] += 1
        if kind.snapshot:
            seen[f"{settings.on_snapshot_late} for a snapshot"] += 1
        seen["earlier"] += settings.query_shift_ms != 0
        seen["as of now"] += not settings.event_time_query
    wanted = {
        "proceed", "dead_letter", "join refuses", "part refuses", "query refuses", "retry it",
        "dead_letter it", "null it", "drop it", "hold for a snapshot", "previous for a snapshot",
        "null for a snapshot", "earlier", "as of now",
    }  # fmt: skip
    assert {each for each in wanted if seen[each] <= SEEDS // 40} == set()
