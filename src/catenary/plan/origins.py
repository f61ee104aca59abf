"""What comes from where: from an output column back to source columns, through any chain.

    flight_risk.hub_pressure_x ──► hub_pressure.x ──► AVERAGE(pressure) ──► connections.… ──► table

A lineage is a graph of columns. Its renderers are pure: text for terminals, JSON for programs,
Mermaid for documents.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catenary.errors import DefinitionError, nearest
from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.windows import format_length

if TYPE_CHECKING:
    from catenary.aggregate.feature import Feature
    from catenary.plan.nodes import Node, Plan, ScanNode


@dataclass(frozen=True)
class Origin:
    """One column and how it comes about.

    Attributes:
        owner: the table or definition whose column it is.
        column: its name.
        how: `column` of a table; or what makes it, such as `average(pressure) over 3h`.
        inputs: the columns that it is made of.
    """

    owner: str
    column: str
    how: str
    inputs: tuple[Origin, ...] = ()

    @property
    def name(self) -> str:
        """`owner.column`."""
        return f"{self.owner}.{self.column}"

    def sources(self) -> tuple[str, ...]:
        """The columns of tables that it comes down to, sorted."""
        if not self.inputs:
            return (self.name,)
        return tuple(sorted({name for each in self.inputs for name in each.sources()}))


@dataclass(frozen=True)
class Lineage:
    """Edges between tables and definitions, and the origins of columns.

    Attributes:
        edges: (read, reader) pairs, parents first.
        kinds: `table`, `group_by` or `join` by name.
        columns: what was asked for.
    """

    edges: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    columns: tuple[Origin, ...]

    def text(self) -> str:
        """For terminals: readers with what they read, then each column as a tree."""
        lines: list[str] = []
        for name, kind in self.kinds:
            read = [before for before, after in self.edges if after == name]
            if kind != "table":
                lines.append(f"{name} ({kind}) <- {', '.join(read)}")
        for each in self.columns:
            lines += ["", *_tree(each, "")]
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: one object with `nodes`, `edges` and `columns`."""
        return json.dumps(
            {
                "nodes": [{"name": name, "kind": kind} for name, kind in self.kinds],
                "edges": [{"from": before, "to": after} for before, after in self.edges],
                "columns": [_as_json(each) for each in self.columns],
            },
            indent=2,
            ensure_ascii=False,
        )

    def mermaid(self) -> str:
        """For documents: a flowchart of tables and definitions, left to right."""
        shapes = {"table": '{}[("{}")]', "group_by": '{}["{}"]', "join": '{}(["{}"])'}
        ids = {name: f"n{at}" for at, (name, _) in enumerate(self.kinds)}
        lines = ["flowchart LR"]
        for name, kind in self.kinds:
            lines.append("  " + shapes[kind].format(ids[name], name.replace('"', "#quot;")))
        lines += [f"  {ids[before]} --> {ids[after]}" for before, after in self.edges]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()


def lineage(plan: Plan, column: str | None = None) -> Lineage:
    """Where the targets' columns come from.

    Args:
        plan: what is planned.
        column: `definition.column`, or a column of a target; None for the graph alone.

    Raises:
        DefinitionError: for a column that no definition of the plan has.
    """
    edges: dict[tuple[str, str], None] = {}
    kinds: dict[str, str] = {}
    for node in plan.nodes:
        for source in _scans(node):
            if source.parent is None:
                kinds.setdefault(source.table, "table")
            edges[source.table, node.name] = None
        if isinstance(node, JoinNode):
            edges |= {(part.group_by.name, node.name): None for part in node.parts}
        kinds[node.name] = "group_by" if isinstance(node, GroupByNode) else "join"
    columns = () if column is None else _asked(plan, column)
    return Lineage(tuple(edges), tuple(kinds.items()), columns)


def column_origin(node: Node, column: str) -> Origin:
    """How one column of a node's output comes about; `ts` included."""
    return _derived(node, column, None)


def _asked(plan: Plan, column: str) -> tuple[Origin, ...]:
    for node in plan.nodes:
        if column.startswith(f"{node.name}."):
            own = column[len(node.name) + 1 :]
            if own in node.schema:
                return (column_origin(node, own),)
    found = [plan.node(name) for name in plan.targets if column in plan.node(name).schema]
    if not found:
        known = [f"{node.name}.{name}" for node in plan.nodes for name in node.schema]
        bare = [name for target in plan.targets for name in plan.node(target).schema]
        hint = nearest(column, known if "." in column else bare)
        raise DefinitionError(f"the plan has no column {column!r}", hint=hint)
    return tuple(column_origin(node, column) for node in found)


def _scans(node: Node) -> tuple[ScanNode, ...]:
    return node.sources if isinstance(node, GroupByNode) else (node.left,)


def _derived(node: Node, column: str, before: int | None) -> Origin:
    """The origin of a column as the derivation at `before` sees it; None: after all of them."""
    steps = node.derivations.steps if node.derivations is not None else ()
    for at, step in reversed(list(enumerate(steps[:before]))):
        if step.name != column:
            continue
        inputs = [_derived(node, name, at) for name in sorted(step.expression.inputs)]
        if step.fills:
            inputs = [_plain(node, column), *inputs]
        how = f"= {step.expression.text}" + (" where it is null" if step.fills else "")
        return Origin(node.name, column, how, tuple(inputs))
    return _plain(node, column)


def _plain(node: Node, column: str) -> Origin:
    """The origin of a column before derivations."""
    if isinstance(node, JoinNode):
        for part in node.parts:
            for name, joined in part.columns:
                if joined == column:
                    keys = ", ".join(part.left_keys)
                    how = f"joined by {keys}, {part.group_by.accuracy.value}"
                    return Origin(node.name, column, how, (column_origin(part.group_by, name),))
        return _scanned(node.name, (node.left,), column)
    for feature in node.features:
        if feature.name == column:
            used = [feature.input, *([feature.bucket] if feature.bucket is not None else [])]
            inputs = tuple(each for name in used for each in _selected(node.sources, name))
            return Origin(node.name, column, describe(feature), inputs)
    return _scanned(node.name, node.sources, column)


def _scanned(owner: str, scans: tuple[ScanNode, ...], column: str) -> Origin:
    if column == "ds":
        return Origin(owner, column, "the UTC date of ts", _selected(scans, "ts"))
    how = "the row's time" if column == "ts" else "as the row has it"
    return Origin(owner, column, how, _selected(scans, column))


def _selected(scans: tuple[ScanNode, ...], column: str) -> tuple[Origin, ...]:
    """For each scan, the select's inputs, under the select's expression where it is one."""
    found: list[Origin] = []
    for scan in scans:
        expression = scan.time if column == "ts" else dict(scan.selects).get(column)
        if expression is None:
            found.append(Origin(scan.table, scan.partition_column, "column"))
            continue
        inputs = tuple(_read(scan, name) for name in sorted(expression.inputs))
        plain = expression.text.strip("`")
        if len(inputs) == 1 and inputs[0].column == plain:
            found += inputs
        else:
            found.append(Origin(scan.table, column, f"= {expression.text}", inputs))
    return tuple(found)


def _read(scan: ScanNode, column: str) -> Origin:
    if scan.parent is None or column == "ds":
        return Origin(scan.table, column, "column")
    return column_origin(scan.parent, column)


def describe(feature: Feature) -> str:
    """A feature for people, such as `average(delay) over 7d, hop 1h`."""
    name = f"sample_{feature.operation}" if feature.sample else feature.operation
    arguments = feature.input if feature.k is None else f"{feature.input}, {feature.k}"
    text = f"{name}({arguments})"
    if feature.window_ms is not None and feature.hop_ms is not None:
        text += f" over {format_length(feature.window_ms)}, hop {format_length(feature.hop_ms)}"
    if feature.bucket is not None:
        text += f", by {feature.bucket}"
    return text + (f", default {feature.default!r}" if feature.default is not None else "")


def _tree(origin: Origin, indent: str) -> list[str]:
    lines = [f"{indent}{origin.name}: {' '.join(origin.how.split())}"]
    for each in origin.inputs:
        lines += _tree(each, indent + "  ")
    return lines


def _as_json(origin: Origin) -> dict[str, Any]:
    return {
        "owner": origin.owner,
        "column": origin.column,
        "how": origin.how,
        "inputs": [_as_json(each) for each in origin.inputs],
        "sources": list(origin.sources()),
    }
