"""A failing case as a pytest function that can be pasted into a file and run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catenary.definitions import (
    Aggregation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    Query,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.property.draws import Case

    from catenary.definitions import Operation, Source
    from catenary.testing.rows import Rows

HEADER = """\
from math import inf, nan

from catenary.definitions import (
    Accuracy, Aggregation, EntitySource, EventSource, GroupBy, Join, JoinPart, JoinSource,
    Operation, Query,
)
from catenary.testing import check, entities, events


def test_the_engine_agrees_with_the_oracle():
"""


def pasted(case: Case) -> str:
    """The case as the source of a test."""
    writer = _Writer()
    target = writer.name_of(case.target)
    for name, rows in case.tables.items():
        if name in writer.tables:
            writer.lines.append(f"{name} = {_table(rows)}")
    known = ", ".join(f"{name!r}: {name}" for name in case.tables if name in writer.tables)
    writer.lines.append(f"check({target}, {{{known}}})")
    return HEADER + "\n".join(f"    {line}" for each in writer.lines for line in each.split("\n"))


class _Writer:
    """Definitions as assignments, each after those it reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tables: set[str] = set()
        self._names: dict[Join | GroupBy, str] = {}

    def name_of(self, definition: Join | GroupBy) -> str:
        """The variable that holds the definition; it is written first if it has none yet."""
        if definition not in self._names:
            join = isinstance(definition, Join)
            text = self._join(definition) if join else self._group_by(definition)
            name = str(definition.name)
            while name in self._names.values():
                name += "_"  # two definitions of one name in a chain
            self.lines.append(f"{name} = {text}")
            self._names[definition] = name
        return self._names[definition]

    def _join(self, join: Join) -> str:
        parts = ", ".join(self._part(part) for part in join.parts)
        return _call(
            "Join",
            repr(join.name),
            left=self._source(join.left),
            parts=f"[{parts}]",
            derivations=_mapping({each.name: each.expression for each in join.derivations}),
            contextual=repr(join.contextual) if join.contextual else None,
        )

    def _part(self, part: JoinPart) -> str:
        return _call(
            "JoinPart",
            self.name_of(part.group_by),
            key_mapping=_mapping(part.key_mapping),
            prefix=repr(part.prefix) if part.prefix else None,
        )

    def _group_by(self, group_by: GroupBy) -> str:
        sources = ", ".join(self._source(each) for each in group_by.sources)
        folds = "".join(f"\n    {_aggregation(each)}," for each in group_by.aggregations)
        return _call(
            "GroupBy",
            repr(group_by.name),
            sources=f"[{sources}]",
            keys=repr(group_by.keys),
            accuracy=f"Accuracy.{group_by.accuracy.name}" if group_by.accuracy else None,
            aggregations=f"[{folds}\n]" if folds else None,
            derivations=_mapping({each.name: each.expression for each in group_by.derivations}),
            latest_by=repr(group_by.latest_by) if group_by.latest_by else None,
        )

    def _source(self, source: Source) -> str:
        if isinstance(source, JoinSource):
            return _call("JoinSource", join=self.name_of(source.join), query=_query(source.query))
        if isinstance(source, EntitySource):
            self.tables.add(source.snapshot_table)
            return _call(
                "EntitySource",
                snapshot_table=repr(source.snapshot_table),
                query=_query(source.query),
                holds="True" if source.holds else None,
            )
        assert isinstance(source, EventSource)
        self.tables.add(source.table)
        return _call(
            "EventSource",
            table=repr(source.table),
            query=_query(source.query),
            topic=repr(source.topic) if source.topic else None,
            late_partitions=repr(source.late_partitions),
        )


def _query(query: Query) -> str:
    selects = query.selects
    bare = selects is not None and all(name == text for name, text in selects.items())
    return _call(
        "Query",
        repr(list(selects)) if bare and selects is not None else _mapping(selects),
        wheres=repr(query.wheres) if query.wheres else None,
        time_column=repr(query.time_column) if query.time_column else None,
    )


def _aggregation(aggregation: Aggregation) -> str:
    return _call(
        "Aggregation",
        repr(aggregation.input_column),
        _operation(aggregation.operation),
        windows=repr([str(each) for each in aggregation.windows]) if aggregation.windows else None,
        buckets=repr(aggregation.buckets) if aggregation.buckets else None,
        default=None if aggregation.default is None else repr(aggregation.default),
        hop=repr(str(aggregation.hop)) if isinstance(aggregation.hop, Window) else None,
    )


def _operation(operation: Operation) -> str:
    if operation.name == "histogram" and operation.k is not None:
        return f"Operation.HISTOGRAM_K({operation.k})"
    name = ("SAMPLE_" if operation.sample else "") + operation.name.upper()
    return f"Operation.{name}" + (f"({operation.k})" if operation.k is not None else "")


def _call(name: str, *given: str | None, **named: str | None) -> str:
    words = [each for each in given if each is not None]
    words += [f"{key}={text}" for key, text in named.items() if text is not None]
    return f"{name}({', '.join(words)})"


def _mapping(mapping: Mapping[str, str] | None) -> str | None:
    return repr(dict(mapping)) if mapping else None


def _table(rows: Rows) -> str:
    header = " ".join(f"{name}:{type_}" for name, type_ in rows.schema.items())
    kind = "events" if "ts" in rows.schema else "entities"
    lines = "".join(f"\n    ({', '.join(_literal(v) for v in row.values())})," for row in rows.rows)
    return f"{kind}(\n    {header!r},{lines}\n)"


def _literal(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return repr(value)
