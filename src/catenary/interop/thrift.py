"""Thrift structs as Chronon's compiler writes them: simple JSON, enums as numbers, flags as 0 and 1.

    {"keyColumns": ["user"], "accuracy": 1, …} ──► Struct ──► .texts("keyColumns"), .number("accuracy"), …

What is absent, null or empty is one and the same, as it is to Thrift. A field that its struct does not
have is refused: it might change values.

Held to account by: ``tests/unit/interop/test_compiled.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from catenary.errors import DefinitionError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "GroupBy": (
        "metaData", "sources", "keyColumns", "aggregations", "accuracy", "backfillStartDate",
        "derivations", "isIncremental",
    ),
    "Join": (
        "metaData", "left", "joinParts", "skewKeys", "onlineExternalParts", "labelPart",
        "bootstrapParts", "rowIds", "derivations", "modelTransforms",
    ),
    "JoinPart": ("groupBy", "keyMapping", "prefix"),
    "Source": ("events", "entities", "joinSource"),
    "EventSource": ("table", "topic", "query", "isCumulative"),
    "EntitySource": ("snapshotTable", "mutationTable", "mutationTopic", "query"),
    "JoinSource": ("join", "query"),
    "Query": (
        "selects", "wheres", "startPartition", "endPartition", "timeColumn", "setups",
        "mutationTimeColumn", "reversalColumn", "partitionColumn",
    ),
    "Aggregation": ("inputColumn", "operation", "argMap", "windows", "buckets", "elementWise"),
    "Window": ("length", "timeUnit"),
    "Derivation": ("name", "expression", "metaData"),
    "MetaData": (
        "name", "online", "production", "customJson", "dependencies", "tableProperties",
        "outputNamespace", "team", "modeToEnvMap", "consistencyCheck", "samplePercent",
        "offlineSchedule", "consistencySamplePercent", "historicalBackfill", "deprecationDate",
        "description",
    ),
}  # fmt: skip
"""The fields of each struct that is read."""


@dataclass(frozen=True)
class Struct:
    """One struct, and where it stands.

    Attributes:
        kind: a name in `FIELDS`.
        file: that it was read from.
        path: from the file's top to it, such as `sources[0].events`; empty for the top itself.
        held: its fields that are set.
    """

    kind: str
    file: str
    path: str
    held: Mapping[str, Any]

    @staticmethod
    def of(kind: str, data: object, file: str, path: str = "") -> Struct:
        """The struct in this data.

        Raises:
            DefinitionError: if it is no mapping, or has a field that the struct has not.
        """
        at = _place(file, path)
        if not isinstance(data, dict):
            raise DefinitionError(
                f"{kind} is {_short(data)}, not a mapping of its fields", where=at
            )
        fields = cast("dict[str, Any]", data)
        for name in fields:
            if name not in FIELDS[kind]:
                raise DefinitionError(
                    f"{kind} has a field {name!r} that is not known",
                    where=at,
                    hint=f"{nearest(name, FIELDS[kind])}; chronon-ai 0.0.115 is read",
                )
        return Struct(
            kind, file, path, {k: v for k, v in fields.items() if v not in (None, [], {})}
        )

    def place(self, name: str = "") -> str:
        """Where the struct stands, or one of its fields."""
        return _place(self.file, ".".join(each for each in (self.path, name) if each))

    def text(self, name: str) -> str | None:
        """A field that is text."""
        value = self.held.get(name)
        return value if value is None or isinstance(value, str) else self._misfit(name, "text")

    def number(self, name: str) -> int | None:
        """A field that is a whole number, or one of an enum."""
        value = self.held.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        return self._misfit(name, "a whole number")

    def flag(self, name: str) -> bool:
        """A field that is 1, 0, true or false; false where it is absent."""
        value = self.held.get(name, 0)
        return bool(value) if value in (0, 1) else self._misfit(name, "a flag")

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that is a list of texts."""
        value = self.held.get(name, [])
        if isinstance(value, list) and all(isinstance(x, str) for x in cast("list[Any]", value)):
            return tuple(cast("list[str]", value))
        return self._misfit(name, "a list of texts")

    def mapping(self, name: str) -> dict[str, str] | None:
        """A field that maps text to text."""
        value = self.held.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value)
            if all(isinstance(each, str) for each in pairs.values()):
                return pairs
        return self._misfit(name, "a mapping of texts")

    def struct(self, name: str, kind: str) -> Struct | None:
        """A field that is a struct of this kind."""
        value = self.held.get(name)
        return None if value is None else Struct.of(kind, value, self.file, self._path(name))

    def needed(self, name: str, kind: str) -> Struct:
        """As `struct`.

        Raises:
            DefinitionError: also if it is absent.
        """
        found = self.struct(name, kind)
        return self.lacks(name) if found is None else found

    def structs(self, name: str, kind: str) -> list[Struct]:
        """A field that is a list of structs of this kind."""
        value = self.held.get(name, [])
        if not isinstance(value, list):
            return self._misfit(name, "a list")
        several = enumerate(cast("list[Any]", value))
        return [
            Struct.of(kind, each, self.file, self._path(f"{name}[{at}]")) for at, each in several
        ]

    def json(self, name: str) -> dict[str, Any]:
        """A field that is text which holds a JSON object; empty where it is absent."""
        text = self.text(name)
        try:
            value = json.loads(text or "{}")
        except json.JSONDecodeError as error:
            raise DefinitionError(f"{name} is no JSON: {error}", where=self.place(name)) from None
        return value if isinstance(value, dict) else self._misfit(name, "text of a JSON object")

    def lacks(self, name: str, hint: str | None = None) -> Any:
        """Refuse the struct for a field that is absent."""
        raise DefinitionError(f"{self.kind} has no {name}", where=self.place(), hint=hint)

    def refuse(self, name: str, why: str, hint: str) -> None:
        """Refuse a field if it is set to anything but false.

        Raises:
            UnsupportedError: with the reason, and what to do instead.
        """
        if self.held.get(name):
            raise UnsupportedError(f"{name}: {why}", where=self.place(name), hint=hint)

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _misfit(self, name: str, wanted: str) -> Any:
        problem = f"{name}={_short(self.held[name])} is not {wanted}"
        raise DefinitionError(problem, where=self.place(name))


def _place(file: str, path: str) -> str:
    return f"{file}: {path}" if path else file


def _short(data: object) -> str:
    shown = repr(data)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
