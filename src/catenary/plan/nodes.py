"""The checked DAG: what a plan is made of, with every expression parsed and every type known.

    ScanNode ──► GroupByNode ──► PartNode ──► JoinNode ──► ScanNode (of a chain) ──► …

Nodes are frozen and hold no data; engines walk them. Two nodes with one fingerprint compute the
same values, so each is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from catenary.aggregate.feature import Feature
    from catenary.definitions import Accuracy
    from catenary.expressions import Expression
    from catenary.schema import Schema, Type


@dataclass(frozen=True)
class ScanNode:
    """Rows of a source: filtered, projected, timed.

    Attributes:
        kind: `events`, `entities` or `join`.
        table: the table that is read; of a `join`, the parent's output table.
        parent: the parent Join of kind `join`; None otherwise.
        selects: output column to expression over the table's columns, in order.
        wheres: conditions over the table's columns.
        time: the expression that gives `ts`; None for entities without a time. Its type is bigint
            (milliseconds) or timestamp.
        schema: of the rows that come out: the selects; `ts` (bigint, milliseconds) and `ds` come on top.
        late_partitions: how many partitions after its own day a row may lie in; of a `join`, its
            left's.
        holds: entities only: a snapshot stands until the next.
        start, end: bounds on `ds`, both included; None for none.
        partition_column: the table's column that names the partition.
        left_is_entities: of a `join` whose (transitive) left is an entity source.
        where: where the source was written.
        fingerprint: of the rows with all their columns.
        topic: of events, or of a `join`'s (transitive) left; None without one.
    """

    kind: str
    table: str
    parent: JoinNode | None
    selects: tuple[tuple[str, Expression], ...]
    wheres: tuple[Expression, ...]
    time: Expression | None
    schema: Schema
    late_partitions: int
    holds: bool
    start: str | None
    end: str | None
    partition_column: str
    left_is_entities: bool
    where: str
    fingerprint: str
    topic: str | None = None

    @property
    def root(self) -> ScanNode:
        """The source of a table that its rows come from: itself, or that of a chain's lefts."""
        return self if self.parent is None else self.parent.left.root

    @property
    def is_snapshot(self) -> bool:
        """Whether a `ds` partition holds the state of entities at the end of that day."""
        return self.kind == "entities"

    @property
    def at_day_end(self) -> bool:
        """Whether rows, as a left, read at the end of their partition's day (semantics 4)."""
        return self.is_snapshot or self.left_is_entities


@dataclass(frozen=True)
class DerivedColumn:
    """One derivation, ready to evaluate.

    Attributes:
        name: the column.
        expression: over keys, `ts` (bigint), `ds` (string), declared left columns, base columns and
            earlier derivations; a name means the nearest earlier derivation, else the base column.
        fills: the name is a left column's: the value stands only where the left's is null.
    """

    name: str
    expression: Expression
    fills: bool


@dataclass(frozen=True)
class Derivations:
    """Derivations in order, and which columns remain after them.

    Attributes:
        steps: evaluated one after the other; what comes later reads a step's own value under its
            name, also where the step fills a left column.
        output: the names that remain, in order: base columns kept by `*`, and derived columns. A
            step that fills a left column is among them; the Join's column of that name is the left's,
            with this value where it is null.
    """

    steps: tuple[DerivedColumn, ...]
    output: tuple[str, ...]


@dataclass(frozen=True)
class GroupByNode:
    """One GroupBy: sources, keys and features.

    Attributes:
        keys: key column and type, in order.
        features: what the kernel computes; empty when rows pass through.
        passthrough: without aggregations, the columns of the latest row, in order.
        derivations: None when there are none.
        schema: of the output columns that a reader sees (no keys, `ts`, `ds`).
        reach_ms: the longest window plus its hop: how far before a read events may count; None if
            any feature is unwindowed or rows pass through from events; 0 for snapshots of entities,
            of which a read sees one.
    """

    name: str
    sources: tuple[ScanNode, ...]
    keys: tuple[tuple[str, Type], ...]
    accuracy: Accuracy
    accuracy_inferred: bool
    features: tuple[Feature, ...]
    passthrough: tuple[str, ...]
    latest_by: str | None
    derivations: Derivations | None
    base_schema: Schema
    schema: Schema
    reach_ms: int | None
    where: str
    fingerprint: str


@dataclass(frozen=True)
class PartNode:
    """A GroupBy read for the rows of one left.

    Attributes:
        left_keys: the left's column for each key of the GroupBy, in the keys' order.
        columns: (the GroupBy's output column, its joined name), in order (semantics 18).
        fingerprint: of the left's rows (not its carried columns), the key columns and the GroupBy:
            parts of different Joins that share it are computed once.
    """

    group_by: GroupByNode
    left_keys: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    fingerprint: str


@dataclass(frozen=True)
class JoinNode:
    """One Join.

    Attributes:
        left: its rows; all of its selects are carried along.
        base_schema: the joined features before derivations.
        derivations: None when there are none: all base columns stay.
        schema: of an output row: the left's columns, `ts`, then features. `ds` names the partition,
            which is that of the left's row.
        shift_ms: parts are read as of so much later than a row's own time; 0, or below it where a
            chain reads the Join and is told to read earlier.
    """

    name: str
    left: ScanNode
    parts: tuple[PartNode, ...]
    derivations: Derivations | None
    base_schema: Schema
    schema: Schema
    where: str
    fingerprint: str
    shift_ms: int = 0


Node = GroupByNode | JoinNode


@dataclass(frozen=True, repr=False)
class Plan:
    """Everything that was asked for and everything that it needs, parents first.

    Attributes:
        nodes: by name, in an order in which every node comes after what it reads.
        targets: the names that were asked for.
    """

    nodes: tuple[Node, ...]
    targets: tuple[str, ...]

    def node(self, name: str) -> Node:
        """The node of that name; it must be in the plan."""
        return next(each for each in self.nodes if each.name == name)

    def __repr__(self) -> str:
        return self._printing().explain(self)

    def _repr_html_(self) -> str:
        return self._printing().explain_html(self)

    @staticmethod
    def _printing() -> ModuleType:
        # Printing reads nodes, so it is imported when something is printed.
        from catenary.plan import printing

        return printing
