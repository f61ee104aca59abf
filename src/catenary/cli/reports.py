"""Reports and plans as facts for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.cli.console import emit, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.plan import Node, Plan, Work
    from catenary.ports import RunReport, UploadReport


def said_run(report: RunReport, *, json: bool) -> None:
    """Say what a run did."""
    if json:
        emit(report_facts(report))
    else:
        say(str(report))


def said_uploads(reports: Sequence[UploadReport], *, json: bool) -> None:
    """Say what was uploaded."""
    if json:
        emit({"uploads": [each.facts() for each in reports]})
        return
    for each in reports:
        say(str(each))


def report_facts(report: RunReport) -> dict[str, object]:
    """What a run did, as one object."""
    nodes = [
        {
            "name": each.name,
            "table": each.table,
            "written": list(each.written),
            "skipped": len(each.skipped),
            "unavailable": list(each.unavailable),
            "missing": {table: list(days) for table, days in each.missing.items()},
            "lacking": list(each.lacking),
            "rows": each.rows,
            "null_times": each.null_times,
            "null_keys": each.null_keys,
            "misplaced": each.misplaced,
            "unlikely": dict(each.unlikely),
            "overflows": dict(each.overflows),
            "seconds": round(each.seconds, 3),
        }
        for each in report.nodes
    ]
    return {"nodes": nodes, "rows": report.rows, "seconds": round(report.seconds, 3)}


def plan_facts(plan: Plan, work: Work) -> dict[str, object]:
    """A plan and the days that it would compute, as one object."""
    return {
        "targets": list(plan.targets),
        "nodes": [_node_facts(each, work) for each in plan.nodes],
    }


def _node_facts(node: Node, work: Work) -> dict[str, object]:
    step = work.step(node.name)
    accuracy = getattr(node, "accuracy", None)
    return {
        "name": node.name,
        "kind": "join" if accuracy is None else "group_by",
        "accuracy": None if accuracy is None else accuracy.value,
        "fingerprint": node.fingerprint,
        "columns": {name: str(type_) for name, type_ in node.schema.items()},
        "compute": [] if step is None else list(step.compute),
        "standing": 0 if step is None else len(step.standing),
        "unavailable": [] if step is None else list(step.unavailable),
    }
