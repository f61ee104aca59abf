"""A project's live half: its log, its store, the stages that run between them, and the fetcher.

    Live ──► publish ──► log ──► stages ──► store ──► fetcher
         ──► upload  ───────────────────────┘

A stage may run here, in a thread, or in a process of its own, which is told its StageSpec's bytes and
the dotted name of an opener: `catenary.app.workers` does the rest.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from catenary.app.logs import makes_topics, open_log, resolve
from catenary.errors import CatenaryError, DataError, SettingsError, nearest
from catenary.plan import GroupByNode
from catenary.plan.settings import PREFIX, ChainSettings
from catenary.plan.stage import StageSpec, below, parents, stages, streamed_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

    from catenary.app.schemas import ProjectSchemas
    from catenary.app.wiring import Definition, Project
    from catenary.codecs.topics import Schemas
    from catenary.errors import MissingTableError
    from catenary.plan import Node, Plan
    from catenary.ports import Log, SourcePartition, Store, Token
    from catenary.schema import Schema
    from catenary.serve.fetcher import Fetcher, Frame
    from catenary.stream.rehearsal import Rehearsal
    from catenary.stream.stage import Stage


def chain_of(project: Project, conf: Mapping[str, object]) -> ChainSettings:
    """The chain's settings, with those of the project that its values depend on.

    Raises:
        SettingsError: for a setting that is unknown, does not fit, or says otherwise than the project.
    """
    shift_ms = project.settings.query_shift_ms
    named = {name.removeprefix(PREFIX) for name in conf}
    own = {} if "query_shift_ms" in named else {"query_shift_ms": shift_ms}
    chain = ChainSettings.parse({**conf, **own})
    if chain.query_shift_ms != shift_ms:
        raise SettingsError(
            f"query_shift_ms={chain.query_shift_ms}, but the project's is {shift_ms}",
            hint="values depend on it, those of backfills and uploads, too: set it in catenary.toml",
        )
    return chain


@dataclass
class Live:
    """What runs of a project.

    Attributes:
        project: its definitions, tables and settings.
        plan: the definitions that run.
        chain: the chain's settings.
        given: the definitions by name, where they do not lie in the project's folder.
        lacking: those that are left out of the plan, each with the table that it lacks.
    """

    project: Project
    plan: Plan
    chain: ChainSettings = field(default_factory=ChainSettings)
    given: Mapping[str, Definition] | None = None
    lacking: Mapping[str, MissingTableError] = field(default_factory=dict[str, "MissingTableError"])

    @staticmethod
    def open(
        root: str | Path = ".",
        names: Iterable[str] | None = None,
        *,
        needed: Iterable[str] | None = None,
        conf: Mapping[str, object] | None = None,
        **flags: str | float,
    ) -> Live:
        """The live half of the project in a folder; `with` closes it.

        Args:
            root: the folder, with its catenary.toml.
            names: of its definitions; all of them if not given.
            needed: of all of them, those whose tables must be there; others are left out where they
                lack one. All must if not given.
            conf: settings of the chain.
            flags: settings of the project, which win over its files and the environment.

        Raises:
            SettingsError: for a setting that is unknown or does not fit, or that is the project's and
                says otherwise there.
            DefinitionError: for definitions that do not fit together.
            MissingTableError: for a table of theirs that is not there.
        """
        from catenary.app.wiring import Project

        project = Project.open(root, **flags)
        chain = chain_of(project, conf or {})
        if needed is None:
            return Live(project, project.plan(names), chain)
        plan, lacking = project.plan_there(needed)
        return Live(project, plan, chain, lacking=lacking)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def log(self) -> Log:
        """The project's log, or its topics' logs as one."""
        return open_log(self.project.settings, addresses(self.stages))

    @cached_property
    def store(self) -> Store:
        """The project's store."""
        from catenary.app.wiring import open_store

        return open_store(self.project.settings)

    @cached_property
    def schemas(self) -> ProjectSchemas:
        """Where the schemas of topics are."""
        from catenary.app.schemas import ProjectSchemas

        return ProjectSchemas(self.project.settings)

    @cached_property
    def fetcher(self) -> Fetcher:
        """Reads features as of now, or any instant."""
        from catenary.serve.fetcher import Fetcher

        return Fetcher(
            self.plan,
            self.store,
            on_snapshot_late=self.chain.on_snapshot_late,
            limit_bytes=self.project.settings.fetch_bytes,
            beyond=self.beyond,
        )

    def end(self, place: SourcePartition) -> int:
        """Where the log ends; at 0 of a topic that nothing was published to yet."""
        return self.log.ends([place])[place] if place.topic in self.log.topics() else 0

    def beyond(self, token: Token) -> str:
        """Where topics end before a token, in words; empty where none does, or the log does not say."""
        try:
            ends = {place: self.end(place) for place in token.positions}
        except CatenaryError:  # it is asked for another error's sake, which is to be told
            return ""
        return ", ".join(
            f"{place} ends at {ends[place]}, before {wanted}"
            for place, wanted in token.positions.items()
            if wanted > ends[place]
        )

    @cached_property
    def stages(self) -> tuple[GroupByNode, ...]:
        """The GroupBys that follow topics, parents first."""
        return stages(self.plan)

    def group_by(self, name: str) -> GroupByNode:
        """A GroupBy that can be streamed.

        Raises:
            DataError: if there is none of that name.
        """
        for node in self.stages:
            if node.name == name:
                return node
        raise DataError(
            f"no GroupBy named {name!r} follows a topic",
            hint=nearest(name, [node.name for node in self.stages]),
        )

    def chain_of(self, names: Iterable[str]) -> tuple[GroupByNode, ...]:
        """The named GroupBys and Joins, and all streamed ancestors, parents first."""
        wanted: set[str] = set()
        for name in names:
            node = self.plan.node(name) if name in {each.name for each in self.plan.nodes} else None
            if node is None:
                known = [each.name for each in self.plan.nodes]
                raise DataError(f"no definition is named {name!r}", hint=nearest(name, known))
            wanted |= {each.name for each in below(node)}
        return tuple(node for node in self.stages if node.name in wanted)

    def topics(self) -> Mapping[str, tuple[str, Schema]]:
        """Topic name to its address and the columns of its records, as they were first asked for."""
        return self._topics

    @cached_property
    def _topics(self) -> Mapping[str, tuple[str, Schema]]:
        found: dict[str, tuple[str, Schema]] = {}
        for node in self.stages:
            for _, scan, address in streamed_sources(node):
                root = scan.root
                schema = self.project.tables.table(root.table).schema()
                columns = {k: v for k, v in schema.items() if k != root.partition_column}
                found[resolve(address)[0]] = (address, type(schema).of(columns))
        return found

    def topic(self, name: str) -> tuple[str, Schema]:
        """A topic's address and the columns of its records.

        Raises:
            DataError: if no definition follows it.
        """
        known = self.topics()
        if name in known:
            return known[name]
        hint = nearest(name, known)
        for definition, error in self.lacking.items():
            hint += f"; {definition} is left out: {error.problem}"
        raise DataError(f"no definition follows topic {name!r}", hint=hint)

    def create_topics(self, partitions: Mapping[str, int] | None = None) -> None:
        """Make the topics that are not there; on a broker, only those that are named here.

        Args:
            partitions: how many, by topic; one for those that are not named.

        Raises:
            LogError: if a topic is there with another number than is given.
        """
        for topic, (address, _) in self.topics().items():
            wanted = (partitions or {}).get(topic)
            if wanted is not None:
                self.log.create(topic, partitions=wanted)
            elif makes_topics(self.project.settings, address) and topic not in self.log.topics():
                self.log.create(topic)

    def publish(self, topic: str, rows: pa.Table | Frame, *, partition: int = 0) -> Token:
        """Append rows to a topic, in its codec: an Arrow table or a frame, with its columns.

        A timestamp becomes milliseconds where the column is the time of a source and a whole number.

        Raises:
            DataError: if no definition follows the topic, or the rows do not fit it or its schema.
            RegistryError: if the registry that tells the schema's id does not answer.
        """
        from catenary.app.publishing import fitting, times_of, warn_of_times
        from catenary.codecs.topics import topic_codec

        address, schema = self.topic(topic)
        _, options = resolve(address)
        found = topic_codec(topic, schema, options, self.schemas)
        instants = times_of(self, topic)
        given = fitting(rows, topic, schema, instants, lacking="schema" in options)
        warn_of_times(given, topic, instants)
        return self.log.append(topic, found.encode(given), partition=partition)

    def spec(self, node: Node, *, joins: bool = False) -> StageSpec:
        """All that another process needs to run a stage, or with `joins` to answer for a Join."""
        from catenary.expressions.udf import modules

        def schema(table: str) -> Schema:
            return self.project.tables.table(table).schema()

        return StageSpec.of(
            self.definitions,
            schema,
            node.name,
            self.chain,
            modules(),
            tabled=isinstance(node, GroupByNode) and self.is_tabled(node),
            joins=joins,
        )

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """The definitions by name, of which the plan may hold some only."""
        return self.project.definitions if self.given is None else self.given

    def is_tabled(self, node: GroupByNode) -> bool:
        """Whether the tables behind a GroupBy's topics have days, which its topics need not have."""
        tables = self.project.tables
        roots = (scan.root for _, scan, _ in streamed_sources(node))
        return any(
            tables.table(each.table, partition_column=each.partition_column).partitions()
            for each in roots
        )

    def stage(
        self,
        node: GroupByNode,
        *,
        owned: Collection[SourcePartition] | None = None,
        group: str | None = None,
        phase: Callable[[str], None] = lambda _: None,
    ) -> Stage:
        """A stage over the project's log and store."""
        return open_stage(
            self.spec(node),
            self.log,
            self.store,
            self.stages,
            owned=owned,
            group=group,
            phase=phase,
            schemas=self.schemas,
        )

    def close(self) -> None:
        """Release what log and store hold, where they were opened."""
        for name in ("log", "store"):
            if name in vars(self):
                vars(self)[name].close()


def rehearsed(live: Live, node: GroupByNode, show: Callable[[str, pa.Table], None]) -> Rehearsal:
    """A stage that shows what it would do, and writes nothing."""
    from catenary.serve.lookup import StoreLookup
    from catenary.stores.memory import MemoryStore
    from catenary.stream.build import rehearsal_of

    lookup = StoreLookup(live.store, on_snapshot_late=live.chain.on_snapshot_late)
    spec, scratch = live.spec(node), MemoryStore()
    return rehearsal_of(
        spec,
        live.log,
        live.store,
        lookup,
        resolve,
        scratch=scratch,
        show=show,
        schemas=live.schemas,
    )


def open_stage(
    spec: StageSpec,
    log: Log,
    store: Store,
    all_: Collection[GroupByNode],
    *,
    owned: Collection[SourcePartition] | None = None,
    group: str | None = None,
    phase: Callable[[str], None] = lambda _: None,
    schemas: Schemas | None = None,
) -> Stage:
    """A stage over a log and a store; `all_` are the streamed GroupBys that may read it."""
    from catenary.serve.lookup import StoreLookup
    from catenary.stream.build import children_of, stage_of

    lookup = StoreLookup(store, on_snapshot_late=spec.settings.on_snapshot_late)
    return stage_of(
        spec,
        log,
        store,
        lookup,
        resolve,
        children=children_of(spec.node(), all_),
        owned=owned,
        group=group,
        owner=f"process {os.getpid()} on {socket.gethostname()}",
        phase=phase,
        schemas=schemas,
    )


def addresses(nodes: Iterable[GroupByNode]) -> list[str]:
    """Of the topics that these and all that they are chained on follow."""
    return [
        address
        for node in nodes
        for each in (node, *parents(node))
        for _, _, address in streamed_sources(each)
    ]
