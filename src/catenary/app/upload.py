"""Uploads of a project: every GroupBy that is read online, parents first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.app.wiring import engine
from catenary.errors import DataError
from catenary.plan import GroupByNode, JoinNode
from catenary.ports import Job, SilentMeter
from catenary.state.layouts import dataset_name
from catenary.windows import DAY_MS, ds_start_ms, parse_length

if TYPE_CHECKING:
    from catenary.app.wiring import Project
    from catenary.plan import Plan
    from catenary.ports import Meter, Store, Token, UploadReport


def upload(
    project: Project,
    plan: Plan,
    store: Store,
    *,
    ds: str,
    tail_buffer: str = "2d",
    frontier: Token | None = None,
    meter: Meter | None = None,
) -> list[UploadReport]:
    """Bring the plan's GroupBys up to the end of a day.

    Args:
        project: its tables and warehouse.
        plan: whose GroupBys are uploaded.
        store: where to.
        ds: the last day that is in.
        tail_buffer: how much of a window's beginning stays exact, such as `2d`; `full` for all.
        frontier: up to where the tables hold the events of topics; None if nobody knows.
        meter: told of parents that are computed, and of each GroupBy.

    Raises:
        DataError: for a tail buffer that is no length.
    """
    tail_ms = _tail(tail_buffer)
    cutoff_ms = ds_start_ms(ds) + DAY_MS
    offsets = None if frontier is None else {str(k): v for k, v in frontier.positions.items()}
    meter = meter or SilentMeter()
    job = Job(plan, project.tables, project.warehouse, limits=project.limits, meter=meter)
    reports: list[UploadReport] = []
    for node in uploaded(plan):
        meter.begin(f"upload {node.name}", 1)
        dataset = store.dataset(dataset_name(node), create=True)
        assert dataset is not None, "a store makes what it is asked to make"
        report = engine().upload(job, node, cutoff_ms, dataset, frontier=offsets, tail_ms=tail_ms)
        meter.advance(f"upload {node.name}", 1, report.rows)
        meter.end(f"upload {node.name}")
        reports.append(report)
    return reports


def uploaded(plan: Plan) -> list[GroupByNode]:
    """The plan's GroupBys: all that are read by a Join, or were asked for."""
    found: dict[str, GroupByNode] = {}
    for node in plan.nodes:
        if isinstance(node, JoinNode):
            for part in node.parts:
                found.setdefault(part.group_by.fingerprint, part.group_by)
        else:
            found.setdefault(node.fingerprint, node)
    return list(found.values())


def _tail(text: str) -> int | None:
    if text == "full":
        return None
    try:
        return parse_length(text)
    except ValueError as error:
        raise DataError(
            f"tail_buffer={text!r} is no length", hint="write 2d, 12h or full"
        ) from error
