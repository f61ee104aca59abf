"""GroupBy: sources, keys and aggregations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from catenary.definitions.aggregation import Aggregation
from catenary.definitions.metadata import Derivation, MetaData, derivations_of
from catenary.definitions.origin import as_tuple, written_at
from catenary.definitions.shown import as_html, call
from catenary.definitions.source import EntitySource, EventSource, JoinSource, Source
from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Accuracy(Enum):
    """As of which instant a feature is read (semantics 3)."""

    TEMPORAL = "temporal"
    """The value at the query's millisecond."""
    SNAPSHOT = "snapshot"
    """The value at the last UTC midnight at or before the query."""

    def __repr__(self) -> str:
        return f"Accuracy.{self.name}"


@dataclass(frozen=True, init=False)
class GroupBy:
    """Features of one kind of entity: sources folded by key.

    Args:
        name: its name, such as `"aircraft_delays"`; None when `load` names it by its variable.
        sources: one source, or several of one kind with the same selects.
        keys: the columns that identify an entity; their order is part of the key.
        aggregations: the features; none means that rows pass through, the latest per key.
        accuracy: None infers it: temporal if any source has a topic.
        derivations: columns computed from the aggregated ones.
        latest_by: for entity snapshots without aggregations, the column whose greatest value
            chooses among several rows of a key and day (semantics 11).

    Raises:
        DefinitionError: for what cannot be right whatever the data is.
    """

    name: str | None
    sources: tuple[Source, ...]
    keys: tuple[str, ...]
    aggregations: tuple[Aggregation, ...]
    accuracy: Accuracy | None
    derivations: tuple[Derivation, ...]
    latest_by: str | None
    metadata: MetaData = field(compare=False)
    where: str = field(compare=False, repr=False)

    def __init__(
        self,
        name: str | None = None,
        *,
        sources: Source | Iterable[Source],
        keys: str | Iterable[str],
        aggregations: Iterable[Aggregation] | None = None,
        accuracy: Accuracy | None = None,
        derivations: Iterable[Derivation] | Mapping[str, str] | None = None,
        latest_by: str | None = None,
        metadata: MetaData | None = None,
    ) -> None:
        where = written_at()
        several = (sources,) if isinstance(sources, Source) else tuple(sources)
        by = (keys,) if isinstance(keys, str) else tuple(keys)
        folds = as_tuple(aggregations, Aggregation, what="aggregations", where=where)
        set_ = object.__setattr__
        set_(self, "name", name)
        set_(self, "sources", several)
        set_(self, "keys", by)
        set_(self, "aggregations", folds)
        set_(self, "accuracy", accuracy)
        set_(self, "derivations", derivations_of(derivations, where=where))
        set_(self, "latest_by", latest_by)
        set_(self, "metadata", metadata or MetaData())
        set_(self, "where", where)
        self._check()

    def __repr__(self) -> str:
        return call(
            "GroupBy",
            name=(self.name, None),
            sources=(self.sources[0] if len(self.sources) == 1 else self.sources, None),
            keys=(self.keys[0] if len(self.keys) == 1 else self.keys, None),
            aggregations=(self.aggregations, ()),
            accuracy=(self.accuracy, None),
            derivations=(self.derivations, ()),
            latest_by=(self.latest_by, None),
            metadata=(self.metadata, MetaData()),
        )

    def _repr_html_(self) -> str:
        return as_html(self)

    def _check(self) -> None:
        if self.accuracy is not None and not isinstance(self.accuracy, Accuracy):  # pyright: ignore[reportUnnecessaryIsInstance] - users' input
            problem = f"accuracy={self.accuracy!r} is not an Accuracy"
            raise DefinitionError(
                problem, where=self.where, hint="write Accuracy.TEMPORAL or Accuracy.SNAPSHOT"
            )
        kinds = {type(source) for source in self.sources}
        if not self.sources or not kinds <= {EventSource, EntitySource, JoinSource}:
            raise DefinitionError(
                f"sources={self.sources!r} is not one or more of EventSource, EntitySource, JoinSource",
                where=self.where,
            )
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DefinitionError(f"sources are of several kinds: {names}", where=self.where)
        if not self.keys:
            raise DefinitionError(
                "keys is empty", where=self.where, hint="name at least one column"
            )
        if len(set(self.keys)) < len(self.keys):
            raise DefinitionError(f"keys={list(self.keys)} names a column twice", where=self.where)
        columns = [name for fold in self.aggregations for name, _, _ in fold.columns()]
        for name in columns:
            if columns.count(name) > 1:
                raise DefinitionError(
                    f"two aggregations give a column {name!r}",
                    where=self.where,
                    hint="name one of them with name=",
                )
            if name in self.keys or name in ("ts", "ds"):
                raise DefinitionError(
                    f"column {name!r} is a key, ts or ds already", where=self.where
                )
        if self.latest_by is not None and (self.aggregations or EntitySource not in kinds):
            raise DefinitionError(
                f"latest_by={self.latest_by!r} is for entity snapshots without aggregations",
                where=self.where,
            )
