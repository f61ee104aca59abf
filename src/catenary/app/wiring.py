"""A project opened: its definitions, its tables, its warehouse, and the engine that runs plans.

    Settings ──► Project ──► plan ──► work ──► engine.backfill

The only place that chooses adapters.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from catenary.app.settings import is_address
from catenary.definitions import GroupBy, Join, load
from catenary.errors import MissingTableError, SettingsError, UnsupportedError
from catenary.interop import is_compiled, read_all
from catenary.ports import Job, Limits, SilentMeter
from catenary.tables.parquet import ParquetTables, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from catenary.app.settings import Settings
    from catenary.plan import Node, Plan, Work
    from catenary.ports import Engine, Meter, Outputs, RunReport, Store, Tables
    from catenary.schema import Schema

Definition = GroupBy | Join


@dataclass(frozen=True)
class Project:
    """What settings lead to; everything is opened when it is first asked for."""

    settings: Settings

    def __post_init__(self) -> None:
        given: object = self.settings
        if isinstance(given, (str, Path)):
            raise SettingsError(
                f"a Project is made of settings, not of the folder {str(given)!r}",
                hint=f"write Project.open({str(given)!r})",
            )

    @staticmethod
    def open(root: str | Path = ".", **flags: str | float) -> Project:
        """The project in a folder.

        Args:
            root: the folder, with its catenary.toml.
            flags: settings that win over its files and the environment.

        Raises:
            SettingsError: for a setting that is unknown or does not fit.
        """
        from catenary.app.settings import Settings

        return Project(Settings.load(Path(root), flags=flags))

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """The folder's definitions by name: written in Python, or compiled by Chronon."""
        path = self.settings.path("definitions")
        return read_all(path) if self._is_compiled else load(path)

    @cached_property
    def _is_compiled(self) -> bool:
        return is_compiled(self.settings.path("definitions"))

    @cached_property
    def warehouse(self) -> Warehouse:
        """Where output tables are."""
        return Warehouse(self.settings.path("warehouse"), compression=self.settings.compression)

    @cached_property
    def tables(self) -> Tables:
        """Where source tables are."""
        return ParquetTables(self.settings.path("tables"), self.warehouse)

    @property
    def limits(self) -> Limits:
        """What a run may use."""
        held = self.settings
        spill = str(held.path("spill_dir")) if held.spill_dir else None
        return Limits(held.memory_bytes, held.threads, held.step_days or None, spill)

    def plan(self, names: Iterable[str] | None = None) -> Plan:
        """The checked plan of some definitions of the folder, or of all.

        Topics of definitions in Python are checked, too. Compiled ones may name other kinds of topics: what
        they read of tables can be had all the same.

        Raises:
            MissingTableError: if one that they read is not there.
            DefinitionError: for definitions that do not fit together, or a topic that cannot be followed.
            UnsupportedError: for a kind of log, a codec or the like that is not known.
        """
        shift_ms = self.settings.query_shift_ms
        try:
            plan = planned(self.definitions, self.tables, names, query_shift_ms=shift_ms)
        except MissingTableError as error:
            if names is not None:
                raise
            hint = f"{error.hint}; or name the definitions that are wanted: theirs must be there"
            raise MissingTableError(error.problem, where=error.where, hint=hint) from None
        if not self._is_compiled:
            from catenary.app.schemas import check_topic

            for address, where in _topics(plan):
                check_topic(self.settings, address, where=where)
        return plan

    def plan_there(
        self, needed: Iterable[str] = ()
    ) -> tuple[Plan, Mapping[str, MissingTableError]]:
        """The plan of all definitions whose tables are there, and what the others lack.

        Raises:
            MissingTableError: if one of those that are needed lacks a table.
            DefinitionError: for definitions that do not fit together, or one of no such name.
        """
        with suppress(MissingTableError):
            return self.plan(), {}
        wanted, lacking = tuple(needed), dict[str, MissingTableError]()
        for name in self.definitions:
            try:
                self.plan([name])
            except MissingTableError as error:
                lacking[name] = error
        self.plan(wanted)
        there = [name for name in self.definitions if name not in lacking]
        return self.plan(there), lacking

    def work(
        self, plan: Plan, *, start: str | None = None, end: str | None = None, force: bool = False
    ) -> Work:
        """What a backfill of this range would compute; nothing is read but folders' names."""
        from catenary.engines.embedded.lower import Calendar
        from catenary.plan import partitions

        def inputs(table: str, column: str) -> tuple[str, ...]:
            return self.tables.table(table, partition_column=column).partitions()

        calendar = Calendar(inputs)

        def outputs(node: Node) -> set[str]:
            return calendar.current(node, self.warehouse.written(node.name, node.fingerprint))

        return partitions(plan, inputs=inputs, outputs=outputs, start=start, end=end, force=force)

    def backfill(
        self,
        plan: Plan,
        *,
        start: str | None = None,
        end: str | None = None,
        force: bool = False,
        meter: Meter | None = None,
        named: bool = True,
    ) -> RunReport:
        """Write what is missing of the plan's targets and of what they need.

        Args:
            plan: what is asked for.
            start: first day.
            end: last day, included.
            force: compute days that stand, too.
            meter: told of progress.
            named: whether `catenary backfill` starts it again by the targets' names.
        """
        job = Job(
            plan,
            self.tables,
            self.warehouse,
            start=start,
            end=end,
            force=force,
            command=self._command() if named else None,
            limits=self.limits,
            meter=meter or SilentMeter(),
        )
        return engine().backfill(job)

    def _command(self) -> tuple[str, ...]:
        """The words with which this project's backfill is started, wherever one stands."""
        words = ["catenary", "backfill"]
        if self.settings.root != Path():
            words += ["--root", str(self.settings.root)]
        # What a file or the environment says holds for the next run as well.
        if self.settings.origins.get("definitions", "").startswith("--"):
            words += ["--definitions", self.settings.definitions]
        return tuple(words)

    def job(self, plan: Plan, tables: Tables, outputs: Outputs) -> Job:
        """A run over other tables, under this project's limits."""
        return Job(plan, tables, outputs, limits=self.limits)


def planned(
    definitions: Iterable[Definition] | Mapping[str, Definition],
    tables: Tables,
    names: Iterable[str] | None = None,
    *,
    query_shift_ms: int = 0,
) -> Plan:
    """A plan over tables that are asked for their columns; topics must have addresses that can be read.

    Raises:
        DefinitionError: for what `build` refuses, and for a topic whose address is none.
    """
    from catenary.logs.addresses import parse
    from catenary.plan import build

    def schemas(table: str) -> Schema:
        return tables.table(table).schema()

    targets = None if names is None else tuple(names)
    plan = build(definitions, schemas, targets=targets, query_shift_ms=query_shift_ms)
    for address, where in _topics(plan):
        with suppress(UnsupportedError):  # a kind of log that is not there: tables are
            parse(address, where=where)
    return plan


def _topics(plan: Plan) -> Iterator[tuple[str, str]]:
    """The addresses of the plan's topics, each with where its source was written."""
    from catenary.plan import GroupByNode

    for node in plan.nodes:
        for scan in node.sources if isinstance(node, GroupByNode) else (node.left,):
            if scan.parent is None and scan.topic is not None:
                yield scan.topic, scan.where


def open_store(settings: Settings) -> Store:
    """The store that settings name: a server's address, or a folder.

    Raises:
        SettingsError: for an address of no known kind.
        UnsupportedError: if what talks to such a server is not installed.
    """
    if is_address(settings.store):
        from catenary.stores.redis import RedisStore

        return RedisStore(settings.store)
    from catenary.stores.lmdb import LmdbStore

    return LmdbStore(settings.path("store"), durability=settings.survives)


def engine() -> Engine:
    """The engine that runs batch plans."""
    from catenary.engines.embedded import EmbeddedEngine

    return EmbeddedEngine()
