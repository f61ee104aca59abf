"""Who runs a plan: the engine's shape, what it is given, and what it says it can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from catenary.ports.meter import Meter, SilentMeter

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from catenary.plan.nodes import GroupByNode, Node, Plan
    from catenary.ports.report import RunReport, UploadReport
    from catenary.ports.store import Dataset
    from catenary.ports.table import Outputs, Tables


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do; asked before a plan is lowered.

    Attributes:
        batch: backfills of Joins and GroupBys.
        stream: stages that keep features fresh.
    """

    batch: bool
    stream: bool


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes:
        memory_bytes: events and reads beyond it go to disk; None for no limit.
        threads: how many work at once.
        step_days: how many partitions are computed at a time; None for as many as fit.
        spill_dir: where what does not fit in memory goes; None for the system's temporary folder.
    """

    memory_bytes: int | None = None
    threads: int = 2
    step_days: int | None = None
    spill_dir: str | None = None


@dataclass(frozen=True)
class Job:
    """One run: a plan, a range, and where data comes from and goes to.

    Attributes:
        start, end: `ds` of the targets, both included; None for what their rows allow.
        force: compute partitions that stand already, too (of the targets).
        command: the words that start a run of this project, to which names and a range are added when
            a message says how to go on; None if it was started from Python.
    """

    plan: Plan
    tables: Tables
    outputs: Outputs
    start: str | None = None
    end: str | None = None
    force: bool = False
    command: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    meter: Meter = field(default_factory=SilentMeter)


class Engine(Protocol):
    """Computes what a plan says; all engines give the same values."""

    capabilities: Capabilities

    def backfill(self, job: Job) -> RunReport:
        """Write the missing partitions of the plan's targets, and of the parents that they need.

        Raises:
            MissingPartitionError: if the rows of a target lack a day of the asked range.
            BackfillError: if it stopped midway; what was written stands, the message says where to
                go on.
        """
        ...

    def features(self, job: Job, node: Node, rows: pa.Table) -> tuple[pa.Table, RunReport]:
        """The features of `node` for the given rows, in their order, the rows' columns first.

        Args:
            job: its range is not used; parents are written to its outputs as far as they are
                needed.
            node: a Join, or a GroupBy whose keys are columns of `rows`.
            rows: keys, whatever the node's derivations use, and `ts` (bigint, milliseconds).
        """
        ...

    def events(self, job: Job, node: GroupByNode, entity: bytes, at_ms: int) -> pa.Table:
        """The rows of one entity that a read as of an instant may count, by time.

        Args:
            job: its range is not used; parents are computed as far as they are needed.
            node: the GroupBy.
            entity: its key's bytes, as `state.keys` writes them.
            at_ms: rows strictly before it.

        Returns:
            The accumulators' inputs and `ts`.
        """
        ...

    def upload(
        self,
        job: Job,
        node: GroupByNode,
        cutoff_ms: int,
        dataset: Dataset,
        *,
        frontier: Mapping[str, int] | None,
        tail_ms: int | None,
    ) -> UploadReport:
        """Write a GroupBy's batch partials into its dataset, and let reads find them.

        Args:
            job: its range is not used; parents are computed as far as they are needed.
            node: the GroupBy.
            cutoff_ms: a UTC midnight; events strictly before it are in.
            dataset: the GroupBy's.
            frontier: source partition, as text, to the offset up to which its events are in the
                tables; None if nobody knows.
            tail_ms: how much of each window's beginning is kept at its hop; None for all of it.
        """
        ...
