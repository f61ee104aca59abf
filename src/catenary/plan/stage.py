"""A stage as bytes, and what a plan says of streams: which GroupBys follow topics, and who reads whom."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from catenary.definitions import Accuracy, EntitySource, GroupBy, Join, JoinSource
from catenary.definitions.wire import from_data, to_data
from catenary.errors import DefinitionError
from catenary.plan.builder import build, gather
from catenary.plan.nodes import GroupByNode
from catenary.plan.settings import ChainSettings
from catenary.schema import Schema, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary.plan.nodes import Plan, ScanNode

    Definition = GroupBy | Join

VERSION: Final = 1


@dataclass(frozen=True)
class StageSpec:
    """All that a worker needs to know of a stage.

    Attributes:
        definitions: the target and everything that it reads, by name.
        schemas: of the tables that these read.
        target: the GroupBy's name.
        settings: of the chain.
        functions: modules that register the users' functions, imported before planning.
    """

    definitions: Mapping[str, Definition]
    schemas: Mapping[str, Schema]
    target: str
    settings: ChainSettings
    functions: tuple[str, ...] = ()

    @staticmethod
    def of(
        definitions: Mapping[str, Definition],
        schemas: Callable[[str], Schema],
        target: str,
        settings: ChainSettings,
        functions: tuple[str, ...] = (),
    ) -> StageSpec:
        """The spec of one GroupBy of a project; only what it needs is taken along.

        Args:
            definitions: of the project, by name; those that others only read may be missing.
            schemas: a table's columns.
            target: the GroupBy's name.
            settings: of the chain.
            functions: modules that register functions.

        Raises:
            DefinitionError: if there is no such GroupBy.
        """
        known = _all(definitions)
        if not isinstance(known.get(target), GroupBy):
            raise DefinitionError(f"no GroupBy is named {target!r}")
        closure = _below(known[target], {id(each): name for name, each in known.items()})
        tables = {name for each in closure.values() for name in _tables(each)}
        held = {name: schemas(name) for name in sorted(tables)}
        return StageSpec(closure, held, target, settings, functions)

    def encode(self) -> bytes:
        """Versioned bytes."""
        data = {
            "version": VERSION,
            "definitions": to_data(self.definitions),
            "schemas": {
                name: [[column, str(type_)] for column, type_ in schema.items()]
                for name, schema in self.schemas.items()
            },
            "target": self.target,
            "settings": asdict(self.settings),
            "functions": list(self.functions),
        }
        return json.dumps(data, separators=(",", ":")).encode()

    @staticmethod
    def decode(data: bytes) -> StageSpec:
        """The spec that `encode` wrote.

        Raises:
            DefinitionError: for other bytes, or another version's.
        """
        try:
            held: dict[str, Any] = json.loads(data)
            version = held["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DefinitionError(f"these bytes are no stage's spec: {error}") from error
        if version != VERSION:
            raise DefinitionError(
                f"the stage's spec has version {version}; version {VERSION} is read",
                hint="run the same release of Catenary on both sides",
            )
        settings = held["settings"]
        settings["without_effect"] = tuple(settings["without_effect"])
        return StageSpec(
            from_data(held["definitions"]),
            {
                name: Schema.of({column: parse_type(text) for column, text in columns})
                for name, columns in held["schemas"].items()
            },
            held["target"],
            ChainSettings(**settings),
            tuple(held["functions"]),
        )

    def plan(self) -> Plan:
        """The plan of the target and all that it reads."""
        for name in self.functions:
            import_module(name)
        return build(self.definitions, self.schemas.__getitem__, targets=[self.target])

    def node(self) -> GroupByNode:
        """The target in its plan."""
        return cast("GroupByNode", self.plan().node(self.target))


def _all(definitions: Mapping[str, Definition]) -> dict[str, Definition]:
    """These definitions and what they read, by name."""
    found = dict(gather(definitions))
    names = {id(each): name for name, each in found.items()}
    for each in list(found.values()):
        found |= _below(each, names)
    return found


def _below(each: Definition, names: dict[int, str]) -> dict[str, Definition]:
    """A definition and all that it reads, by name; what is read comes first."""
    found: dict[str, Definition] = {}

    def visit(one: Definition) -> None:
        sources = one.sources if isinstance(one, GroupBy) else (one.left,)
        for source in sources:
            if isinstance(source, JoinSource):
                visit(source.join)
        if isinstance(one, Join):
            for part in one.parts:
                visit(part.group_by)
        name = one.name or names[id(one)]
        found.setdefault(name, one)

    visit(each)
    return found


def _tables(each: Definition) -> list[str]:
    """The tables that one definition reads itself."""
    sources = each.sources if isinstance(each, GroupBy) else (each.left,)
    return [
        source.snapshot_table if isinstance(source, EntitySource) else source.table
        for source in sources
        if not isinstance(source, JoinSource)
    ]


def enriching(scan: ScanNode) -> tuple[ScanNode, ...]:
    """From the scan of a table to this one: one more per Join on the way."""
    return (scan,) if scan.parent is None else (*enriching(scan.parent.left), scan)


def streamed_sources(node: GroupByNode) -> tuple[tuple[int, ScanNode, str], ...]:
    """The sources that follow a topic: place, scan and the topic's address."""
    return tuple(
        (at, scan, scan.topic) for at, scan in enumerate(node.sources) if scan.topic is not None
    )


def parents(node: GroupByNode) -> tuple[GroupByNode, ...]:
    """The GroupBys whose features its streamed rows are enriched with."""
    found: dict[str, GroupByNode] = {}
    for _, scan, _ in streamed_sources(node):
        for each in enriching(scan):
            for part in each.parent.parts if each.parent is not None else ():
                found.setdefault(part.group_by.fingerprint, part.group_by)
    return tuple(found.values())


def stages(plan: Plan) -> tuple[GroupByNode, ...]:
    """The GroupBys that follow topics and are exact to the millisecond, parents first."""
    return tuple(
        each
        for each in plan.nodes
        if isinstance(each, GroupByNode)
        and each.accuracy is Accuracy.TEMPORAL
        and streamed_sources(each)
    )
