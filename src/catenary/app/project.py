"""A project: settings, definitions and tables, wired to the engine that runs them.

catenary.toml ──► Settings ──► Project ──► plan ──► backfill
│ tables (Parquet)      │
└ definitions           └► warehouse (Parquet)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from catenary.app.settings import Settings, read_settings
from catenary.definitions import load
from catenary.errors import DefinitionError, nearest
from catenary.plan import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from catenary.definitions import GroupBy, Join
    from catenary.plan import Plan, Work
    from catenary.ports import Limits, Meter, RunReport
    from catenary.tables.parquet import ParquetTables, Warehouse


@dataclass(frozen=True)
class Project:
    """What a folder holds, opened as its settings say; nothing is read before it is asked for."""

    settings: Settings

    @staticmethod
    def open(root: str | Path = ".", **flags: str | int | None) -> Project:
        """The project at `root`; keyword arguments override its settings.

        Raises:
            SettingsError: for an unknown name or a value of another type.
        """
        return Project(read_settings(root, flags=flags))

    @cached_property
    def definitions(self) -> Mapping[str, GroupBy | Join]:
        """All definitions of the project by name.

        Raises:
            DefinitionError: if a file cannot be imported, or nothing is defined.
        """
        return load(self.settings.path("definitions"))

    @cached_property
    def warehouse(self) -> Warehouse:
        """Where outputs go."""
        from catenary.tables.parquet import Warehouse

        root = self.settings.path("warehouse")
        return Warehouse(root, compression=self.settings.compression)

    @cached_property
    def tables(self) -> ParquetTables:
        """Where sources come from."""
        from catenary.tables.parquet import ParquetTables

        return ParquetTables(self.settings.path("tables"), self.warehouse)

    @property
    def limits(self) -> Limits:
        """What a run may use."""
        from catenary.ports import Limits

        settings = self.settings
        return Limits(
            memory_bytes=settings.memory_bytes,
            threads=settings.threads,
            step_days=settings.step_days or None,
            spill_dir=str(settings.path("spill_dir")) if settings.spill_dir else None,
        )

    def plan(self, names: Iterable[str] = ()) -> Plan:
        """The checked plan of the named definitions; of all, without names.

        Raises:
            DefinitionError: for whatever the definitions say that cannot be right.
            MissingTableError: for a source table that is not there.
        """
        asked = list(names)
        for name in asked:
            if name not in self.definitions:
                problem = f"no definition is named {name!r}"
                raise DefinitionError(
                    problem,
                    where=str(self.settings.path("definitions")),
                    hint=nearest(name, self.definitions),
                )
        return build(
            self.definitions, lambda name: self.tables.table(name).schema(), targets=asked or None
        )

    def work(self, plan: Plan, *, start: str | None, end: str | None, force: bool = False) -> Work:
        """Which partitions a backfill would compute."""
        from catenary.engines.embedded import EmbeddedEngine
        from catenary.ports import Job

        job = Job(plan, self.tables, self.warehouse, start, end, force, self.limits)
        return EmbeddedEngine().work(job)

    def backfill(
        self,
        names: Iterable[str] = (),
        *,
        start: str | None = None,
        end: str | None = None,
        force: bool = False,
        meter: Meter | None = None,
    ) -> RunReport:
        """Write the missing partitions of the named definitions and of what they read.

        Args:
            names: none for all of the project.
            start, end: `ds`, both included; None for what the rows allow.
            force: compute partitions that stand already, too.
            meter: told of progress.

        Raises:
            BackfillError: if it stopped midway; says what stands and how to go on.
        """
        from catenary.engines.embedded import EmbeddedEngine
        from catenary.ports import Job, SilentMeter

        job = Job(
            self.plan(names),
            self.tables,
            self.warehouse,
            start,
            end,
            force,
            self.limits,
            meter or SilentMeter(),
        )
        return EmbeddedEngine().backfill(job)
