"""Join: rows on the left, and for each of them the features of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from catenary.definitions.group_by import GroupBy
from catenary.definitions.metadata import Derivation, MetaData, derivations_of
from catenary.definitions.origin import as_tuple, written_at
from catenary.definitions.shown import as_html, call
from catenary.definitions.source import Source
from catenary.errors import DefinitionError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, init=False)
class JoinPart:
    """A GroupBy whose features are joined to the left.

    Args:
        group_by: what is read.
        key_mapping: left column to the GroupBy's key; a key that is not mapped has its own name
            on the left.
        prefix: goes before the joined columns' names (semantics 18).
    """

    group_by: GroupBy
    key_mapping: Mapping[str, str]
    prefix: str | None
    where: str = field(compare=False, repr=False)

    def __init__(
        self,
        group_by: GroupBy,
        *,
        key_mapping: Mapping[str, str] | None = None,
        prefix: str | None = None,
    ) -> None:
        where = written_at()
        mapping = dict(key_mapping or {})
        for key in mapping.values():
            if key not in group_by.keys:
                problem = f"key_mapping={mapping} maps to {key!r}, which is no key of the GroupBy"
                raise DefinitionError(problem, where=where, hint=nearest(key, group_by.keys))
        set_ = object.__setattr__
        set_(self, "group_by", group_by)
        set_(self, "key_mapping", MappingProxyType(mapping))
        set_(self, "prefix", prefix)
        set_(self, "where", where)

    def __hash__(self) -> int:
        return hash((self.group_by, tuple(sorted(self.key_mapping.items())), self.prefix))

    def __repr__(self) -> str:
        return call(
            "JoinPart",
            self.group_by,
            key_mapping=(self.key_mapping, {}),
            prefix=(self.prefix, None),
        )

    def left_keys(self) -> tuple[str, ...]:
        """The left column for each of the GroupBy's keys, in the keys' order."""
        back = {key: left for left, key in self.key_mapping.items()}
        return tuple(back.get(key, key) for key in self.group_by.keys)


@dataclass(frozen=True, init=False)
class Join:
    """The rows of `left`, each with the features of every part as of its own time.

    Args:
        name: its name; None when `load` names it by its variable.
        left: the rows: keys, a time, and columns that are carried along.
        parts: a GroupBy stands for `JoinPart(group_by)`.
        derivations: columns over the joined features; without any, all features are kept.
        contextual: left columns that derivations may use besides keys, `ts` and `ds` (semantics 19).

    Raises:
        DefinitionError: for what cannot be right whatever the data is.
    """

    name: str | None
    left: Source
    parts: tuple[JoinPart, ...]
    derivations: tuple[Derivation, ...]
    contextual: tuple[str, ...]
    metadata: MetaData = field(compare=False)
    where: str = field(compare=False, repr=False)

    def __init__(
        self,
        name: str | None = None,
        *,
        left: Source,
        parts: Iterable[JoinPart | GroupBy],
        derivations: Iterable[Derivation] | Mapping[str, str] | None = None,
        contextual: str | Iterable[str] = (),
        metadata: MetaData | None = None,
    ) -> None:
        where = written_at()
        if not isinstance(left, Source):  # pyright: ignore[reportUnnecessaryIsInstance] - users' input
            problem = f"left={left!r} is no EventSource, EntitySource or JoinSource"
            raise DefinitionError(problem, where=where)
        given = (parts,) if isinstance(parts, (JoinPart, GroupBy)) else parts
        wrapped = [JoinPart(each) if isinstance(each, GroupBy) else each for each in given]
        set_ = object.__setattr__
        set_(self, "name", name)
        set_(self, "left", left)
        set_(self, "parts", as_tuple(wrapped, JoinPart, what="parts", where=where))
        set_(self, "derivations", derivations_of(derivations, where=where))
        set_(
            self, "contextual", (contextual,) if isinstance(contextual, str) else tuple(contextual)
        )
        set_(self, "metadata", metadata or MetaData())
        set_(self, "where", where)

    def __repr__(self) -> str:
        return call(
            "Join",
            name=(self.name, None),
            left=(self.left, None),
            parts=(self.parts, None),
            derivations=(self.derivations, ()),
            contextual=(self.contextual, ()),
            metadata=(self.metadata, MetaData()),
        )

    def _repr_html_(self) -> str:
        return as_html(self)
