"""A stage as bytes, and what a plan says of streams: which GroupBys follow topics, and who reads whom.

    project's definitions ──► StageSpec.of ──► encode ══ bytes ══► decode ──► plan ──► node

A spec holds what its target needs and nothing else. Bytes of another version or shape are refused;
nothing in them is executed, but for the modules of `functions`, which `plan` imports.

Held to account by: ``tests/unit/plan/test_stage.py``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from catenary.definitions import Accuracy, EntitySource, GroupBy, Join, JoinSource
from catenary.definitions.wire import from_data, to_data
from catenary.errors import (
    CatenaryError,
    DefinitionError,
    MissingTableError,
    nearest,
)
from catenary.plan.builder import build, gather
from catenary.plan.nodes import GroupByNode
from catenary.plan.settings import ChainSettings
from catenary.schema import Field, Schema, array, map_of, parse_type, struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary.plan.nodes import JoinNode, Plan, ScanNode
    from catenary.schema import Type

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
        tabled: whether the tables of its sources may hold events that its topics never had.
    """

    definitions: Mapping[str, Definition]
    schemas: Mapping[str, Schema]
    target: str
    settings: ChainSettings
    functions: tuple[str, ...] = ()
    tabled: bool = False

    @staticmethod
    def of(
        definitions: Mapping[str, Definition],
        schemas: Callable[[str], Schema],
        target: str,
        settings: ChainSettings,
        functions: tuple[str, ...] = (),
        *,
        tabled: bool = False,
        joins: bool = False,
    ) -> StageSpec:
        """The spec of one GroupBy of a project; only what it needs is taken along.

        Args:
            definitions: of the project, by name; those that others only read may be missing.
            schemas: a table's columns.
            target: the GroupBy's name.
            settings: of the chain.
            functions: modules that register functions.
            tabled: whether tables may hold events that the topics never had.
            joins: whether it may be a Join: of one that is answered, not streamed.

        Raises:
            DefinitionError: if there is no such GroupBy.
        """
        known = _all(definitions)
        _check_target(target, known, joins)
        closure = _below(known[target], {id(each): name for name, each in known.items()})
        tables = {name for each in closure.values() for name in _tables(each)}
        held = {name: schemas(name) for name in sorted(tables)}
        return StageSpec(closure, held, target, settings, functions, tabled)

    def encode(self) -> bytes:
        """Versioned bytes.

        Raises:
            DefinitionError: for a `default=` that is no plain value.
        """
        data = {
            "version": VERSION,
            "definitions": to_data(self.definitions),
            "schemas": {
                name: [[column, _type_data(type_)] for column, type_ in schema.items()]
                for name, schema in self.schemas.items()
            },
            "target": self.target,
            "settings": asdict(self.settings),
            "functions": list(self.functions),
            "tabled": self.tabled,
        }
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()

    @staticmethod
    def decode(data: bytes, *, joins: bool = False) -> StageSpec:
        """The spec that `encode` wrote; of a Join only if `joins` says so.

        Raises:
            DefinitionError: for other bytes, or another version's.
        """
        try:
            held: dict[str, Any] = json.loads(data)
            version = held["version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DefinitionError(f"these bytes are no stage's spec: {error}") from error
        if type(version) is not int or version != VERSION:
            raise DefinitionError(
                f"the stage's spec has version {version}; version {VERSION} is read",
                hint="run the same release of Catenary on both sides",
            )
        try:
            found = _read(held)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            if isinstance(error, DefinitionError):
                raise
            problem = f"the stage's spec is damaged: {type(error).__name__}: {error}"
            raise DefinitionError(problem) from error
        _check_target(found.target, found.definitions, joins)
        return found

    def plan(self) -> Plan:
        """The plan of the target and all that it reads.

        Raises:
            DefinitionError: for what `build` refuses, or a module of `functions` that fails.
            MissingTableError: for a table whose schema the spec does not hold.
        """
        for name in self.functions:
            _import(name)
        return build(
            self.definitions,
            self._schema,
            targets=[self.target],
            query_shift_ms=self.settings.query_shift_ms,
        )

    def node(self) -> GroupByNode:
        """The target in its plan."""
        found = self.plan().node(self.target)
        assert isinstance(found, GroupByNode), found
        return found

    def _schema(self, table: str) -> Schema:
        if table not in self.schemas:
            problem = f"the stage's spec does not hold table {table!r}"
            raise MissingTableError(problem, hint=nearest(table, self.schemas))
        return self.schemas[table]


def _read(held: dict[str, Any]) -> StageSpec:
    """A spec from its data; what does not fit raises as it happens."""
    given: dict[str, Any] = dict(held["settings"])
    given["without_effect"] = tuple(map(_text, given["without_effect"]))
    schemas = {
        name: Schema(tuple(Field(_text(column), _type_of(type_)) for column, type_ in columns))
        for name, columns in held["schemas"].items()
    }
    definitions = from_data(held["definitions"])
    functions = tuple(map(_text, held["functions"]))
    target, settings = _text(held["target"]), ChainSettings(**given)
    return StageSpec(definitions, schemas, target, settings, functions, held["tabled"] is True)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _type_data(type_: Type) -> object:
    """A type as data. Not as its text, in which a struct's member may have any name."""
    if type_.name == "array":
        return ["array", *(_type_data(each) for each in (type_.item,) if each is not None)]
    if type_.name == "map":
        both = (type_.key, type_.item)
        return ["map", *(_type_data(each) for each in both if each is not None)]
    if type_.name == "struct":
        return ["struct", *([each.name, _type_data(each.type)] for each in type_.fields)]
    return type_.name


def _type_of(data: Any) -> Type:
    if isinstance(data, str):
        return parse_type(data)
    kind, *inner = data
    if kind == "struct":
        return struct([Field(_text(name), _type_of(each)) for name, each in inner])
    return {"array": array, "map": map_of}[kind](*map(_type_of, inner))


def _import(module: str) -> None:
    """Import a module that registers functions; whatever it raises is the user's to read."""
    try:
        import_module(module)
    except CatenaryError:
        raise
    except Exception as error:
        problem = f"module {module!r} cannot be imported: {type(error).__name__}: {error}"
        hint = "it must lie on the worker's path, as it does where the stage was written down"
        raise DefinitionError(problem, where=f"functions={module}", hint=hint) from error


def _check_target(target: str, known: Mapping[str, Definition], joins: bool) -> None:
    """A stage keeps a GroupBy fresh."""
    if not isinstance(known.get(target), (GroupBy, Join) if joins else GroupBy):
        names = [name for name, each in known.items() if isinstance(each, GroupBy)]
        what = "a Join, no GroupBy" if target in known else "not there"
        raise DefinitionError(f"GroupBy {target!r} is {what}", hint=nearest(target, names))


def _all(definitions: Mapping[str, Definition]) -> dict[str, Definition]:
    """These definitions and what they read, by name; one that is given stands for its copies."""
    given = gather(definitions)
    names = {id(each): name for name, each in given.items()}
    below: dict[str, Definition] = {}
    for each in given.values():
        below |= _below(each, names)
    return {**below, **given}


def _below(each: Definition, names: Mapping[int, str]) -> dict[str, Definition]:
    """A definition and all that it reads, by name; what is read comes first."""
    found: dict[str, Definition] = {}
    seen: set[int] = set()

    def visit(one: Definition) -> None:
        if id(one) in seen:  # each once: a chain of many paths has more paths than definitions
            return
        seen.add(id(one))
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
    """The GroupBys whose features its streamed rows are enriched with, each once by its name.

    By name, not by fingerprint: two that compute the same may follow topics of their own, and a
    batch waits for both.
    """
    found: dict[str, GroupByNode] = {}
    for _, scan, _ in streamed_sources(node):
        for each in enriching(scan):
            for part in each.parent.parts if each.parent is not None else ():
                found.setdefault(part.group_by.name, part.group_by)
    return tuple(found.values())


def stages(plan: Plan) -> tuple[GroupByNode, ...]:
    """The GroupBys that follow topics and are exact to the millisecond, parents first."""
    return tuple(each for each in plan.nodes if isinstance(each, GroupByNode) and is_stage(each))


def below(node: JoinNode | GroupByNode) -> tuple[GroupByNode, ...]:
    """All GroupBys that a definition reads, transitively, itself among them; parents first."""
    found: dict[str, GroupByNode] = {}

    def visit(each: JoinNode | GroupByNode) -> None:
        if isinstance(each, GroupByNode):
            for scan in each.sources:
                if scan.parent is not None:
                    visit(scan.parent)
            found.setdefault(each.fingerprint, each)
            return
        if each.left.parent is not None:
            visit(each.left.parent)
        for part in each.parts:
            visit(part.group_by)

    visit(node)
    return tuple(found.values())


def is_stage(node: GroupByNode) -> bool:
    """Whether a stream keeps a GroupBy fresh."""
    return bool(streamed_sources(node)) and node.accuracy is Accuracy.TEMPORAL
