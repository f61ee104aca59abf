"""Derivations, and the facts about a definition that change no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from catenary.definitions.origin import written_at
from catenary.definitions.shown import call
from catenary.errors import DefinitionError


@dataclass(frozen=True)
class Derivation:
    """A column computed from finished features (semantics 19).

    `Derivation("*", "*")` keeps all base columns that no other derivation merely renames.

    Attributes:
        name: the column's name.
        expression: a Spark SQL scalar expression over base columns, earlier derivations, keys, `ts`, `ds`.
    """

    name: str
    expression: str
    description: str = field(default="", compare=False)
    where: str = field(default_factory=written_at, compare=False, repr=False)

    def __post_init__(self) -> None:
        if (self.name == "*") != (self.expression.strip() == "*"):
            raise DefinitionError(
                f"derivation {self.name!r} = {self.expression!r} mixes a star with a name",
                where=self.where,
                hint='Derivation("*", "*") keeps all base columns',
            )

    def __repr__(self) -> str:
        return call("Derivation", self.name, self.expression, description=(self.description, ""))


@dataclass(frozen=True)
class MetaData:
    """Who owns a definition and what it is for; no part of its fingerprint.

    Attributes:
        team: the owning team.
        description: one sentence for people.
        tags: free words for search.
    """

    team: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def __repr__(self) -> str:
        return call(
            "MetaData",
            team=(self.team, ""),
            description=(self.description, ""),
            tags=(self.tags, {}),
        )


def derivations_of(
    given: Iterable[Derivation] | Mapping[str, str] | None, *, where: str
) -> tuple[Derivation, ...]:
    """Derivations as a tuple; a mapping from name to expression is shorthand.

    Raises:
        DefinitionError: if two have one name, or an element is none.
    """
    if given is None:
        return ()
    if isinstance(given, Mapping):
        texts = cast("Mapping[str, str]", given)
        found = tuple(Derivation(name, text, where=where) for name, text in texts.items())
    else:
        found = tuple(given)
    for each in found:
        if not isinstance(each, Derivation):  # pyright: ignore[reportUnnecessaryIsInstance] - users' input
            raise DefinitionError(f"derivations hold {each!r}, expected Derivation", where=where)
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"two derivations are named {name!r}", where=where)
    return found
