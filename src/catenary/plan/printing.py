"""A plan for people: what is read, computed and joined, and which days a run would do.

    text       for terminals, the golden files, and `repr`
    html       for notebooks: the same facts as a table

Accuracy is always printed, and whether it was inferred (semantics 3).
Held to account by: ``tests/golden/plan``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from catenary.plan.nodes import GroupByNode, JoinNode
from catenary.plan.origins import describe
from catenary.windows import DAY_MS, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.plan.nodes import Derivations, Node, PartNode, Plan, ScanNode
    from catenary.plan.ranges import Step, Work


def explain(plan: Plan, work: Work | None = None) -> str:
    """The plan as text, parents first; with `work`, the days of each node too."""
    joins = sum(isinstance(node, JoinNode) for node in plan.nodes)
    lines = [
        f"plan of {', '.join(plan.targets)}: {counted(len(plan.nodes) - joins, 'GroupBy')},"
        f" {counted(joins, 'Join')}, depth {depth(plan)}"
    ]
    for node in plan.nodes:
        step = None if work is None else work.step(node.name)
        lines += ["", *_node(node)]
        if work is not None:
            lines += [f"  {line}" for line in _work(node, step)]
    return "\n".join(lines)


def explain_html(plan: Plan) -> str:
    """The plan as an HTML table, for notebooks; everything from definitions is escaped."""
    rows: list[str] = []
    for node in plan.nodes:
        cells = [node.name, _kind(node), _accuracy(node), ", ".join(_reads(node)), _made(node)]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = ("name", "kind", "accuracy", "reads", "columns")
    head = "".join(f"<th>{each}</th>" for each in heads)
    caption = escape(f"plan of {', '.join(plan.targets)}, depth {depth(plan)}")
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
    return table + f"<tbody>{''.join(rows)}</tbody></table>"


def depth(plan: Plan) -> int:
    """GroupBys along the longest path of a chain."""
    found: dict[str, int] = {}
    for node in plan.nodes:
        scans = node.sources if isinstance(node, GroupByNode) else (node.left,)
        below = [found.get(scan.table, 0) for scan in scans if scan.parent is not None]
        if isinstance(node, GroupByNode):
            found[node.name] = 1 + max(below, default=0)
        else:
            parts = [found[part.group_by.name] for part in node.parts]
            found[node.name] = max([*below, *parts], default=0)
    return max(found.values(), default=0)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> counted(1, "Join"), counted(2_000, "Join"), counted(2, "batch", "batches")
    ('1 Join', '2,000 Joins', '2 batches')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def spans(days: Sequence[str]) -> str:
    """Ascending days as ranges.

    >>> spans(["2013-01-01", "2013-01-02", "2013-01-05"])
    '2013-01-01 to 2013-01-02, 2013-01-05'
    """
    groups: list[list[str]] = []
    for day in days:
        if groups and ds_start_ms(day) - ds_start_ms(groups[-1][-1]) == DAY_MS:
            groups[-1].append(day)
        else:
            groups.append([day])
    texts = [each[0] if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in groups]
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    return ", ".join(texts[:8]) + more


def _node(node: Node) -> list[str]:
    if isinstance(node, GroupByNode):
        inferred = " (inferred)" if node.accuracy_inferred else ""
        keys = ", ".join(f"{name} {type_}" for name, type_ in node.keys)
        lines = [f"GroupBy {node.name} [{node.fingerprint[:8]}]"]
        lines += [f"  {node.accuracy.value}{inferred}, by {keys}"]
        for source in node.sources:
            lines += _scan("from", source)
        lines += _columns(
            [(each.name, node.base_schema[each.name], describe(each)) for each in node.features]
        )
        latest = "latest row" if node.latest_by is None else f"latest by {node.latest_by}"
        lines += _columns([(name, node.base_schema[name], latest) for name in node.passthrough])
        return lines + _derivations(node.derivations)
    lines = [f"Join {node.name} [{node.fingerprint[:8]}]", *_scan("left", node.left)]
    for part in node.parts:
        lines += _part(part)
    return lines + _derivations(node.derivations)


def _scan(word: str, scan: ScanNode) -> list[str]:
    facts = [scan.kind if scan.parent is None else "rows of a Join"]
    if scan.topic is not None and scan.parent is None:
        facts.append(f"topic {scan.topic}")
    if scan.holds:
        facts.append("holds")
    if scan.start is not None or scan.end is not None:
        facts.append(f"ds {scan.start or '…'} to {scan.end or '…'}")
    if not scan.is_snapshot:
        facts.append(f"late by up to {counted(scan.late_partitions, 'partition')}")
    lines = [f"  {word} {scan.table} ({', '.join(facts)})"]
    for name, each in scan.selects:
        if each.text.strip("`") != name:
            lines.append(f"    {name} = {each.text}")
    lines += [f"    where {each.text}" for each in scan.wheres]
    if scan.time is not None and scan.parent is None:
        lines.append(f"    ts = {scan.time.text}")
    return lines


def _part(part: PartNode) -> list[str]:
    group_by = part.group_by
    keys = ", ".join(
        left if left == key else f"{left} as {key}"
        for left, (key, _) in zip(part.left_keys, group_by.keys, strict=True)
    )
    lines = [f"  part {group_by.name} by {keys}, {group_by.accuracy.value}"]
    return lines + [f"    {joined} {group_by.schema[name]}" for name, joined in part.columns]


def _derivations(derivations: Derivations | None) -> list[str]:
    if derivations is None:
        return []
    lines = ["  derived"]
    for step in derivations.steps:
        note = "  (where the left's is null)" if step.fills else ""
        lines.append(f"    {step.name} {step.expression.type} = {step.expression.text}{note}")
    made = {step.name for step in derivations.steps}
    kept = sum(name not in made for name in derivations.output)
    return [*lines, f"    and {kept} of the columns above"] if kept else lines


def _columns(columns: Iterable[tuple[str, object, str]]) -> list[str]:
    return [f"  {name} {type_} = {how}" for name, type_, how in columns]


def _work(node: Node, step: Step | None) -> list[str]:
    if step is None:
        alone = isinstance(node, JoinNode)
        return [
            "nothing to do" if alone else "no table of its own here: computed where it is joined"
        ]
    lines = [f"compute {counted(len(step.compute), 'day')}"]
    lines[0] += f": {spans(step.compute)}" if step.compute else ""
    if step.standing:
        lines.append(f"stands: {spans(step.standing)}")
    if step.unavailable:
        lines.append(
            f"cannot be computed, its rows have no such partition: {spans(step.unavailable)}"
        )
    for table in dict.fromkeys(read.table for read in step.reads):
        same = [read for read in step.reads if read.table == table]
        days = sorted({day for read in same for day in read.days})
        missing = sorted({day for read in same for day in read.missing})
        if days:
            lines.append(f"reads {table}: {spans(days)}")
        if missing:
            lines.append(f"missing in {table}: {spans(missing)}")
    return lines


def _kind(node: Node) -> str:
    return "GroupBy" if isinstance(node, GroupByNode) else "Join"


def _accuracy(node: Node) -> str:
    if isinstance(node, JoinNode):
        return ""
    return node.accuracy.value + (" (inferred)" if node.accuracy_inferred else "")


def _reads(node: Node) -> list[str]:
    if isinstance(node, GroupByNode):
        return [scan.table for scan in node.sources]
    return [node.left.table, *(part.group_by.name for part in node.parts)]


def _made(node: Node) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in node.schema.items())
