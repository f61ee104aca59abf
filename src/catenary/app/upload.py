"""Uploads of a project: every GroupBy that is read online, parents first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catenary.app.logs import resolve
from catenary.app.requests import followed
from catenary.app.wiring import engine
from catenary.errors import DataError
from catenary.plan import GroupByNode, JoinNode
from catenary.plan.stage import parents, streamed_sources
from catenary.ports import Job, SilentMeter
from catenary.state.layouts import dataset_name
from catenary.state.records import NOWHERE_MS, lanes_of, readers_of, uploads_of
from catenary.stream.lanes import now_ms
from catenary.windows import DAY_MS, ds_of, ds_start_ms, parse_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.app.live import Live
    from catenary.app.wiring import Project
    from catenary.plan import Plan
    from catenary.ports import Dataset, Meter, Snapshot, Store, Token, UploadReport


def upload(
    project: Project,
    plan: Plan,
    store: Store,
    *,
    ds: str,
    tail_buffer: str = "2d",
    frontier: Token | None = None,
    unnamed: Mapping[str, tuple[str, ...]] | None = None,
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
        unnamed: by GroupBy what `unnamed_in` says of the frontier, which the reports repeat.
        meter: told of parents that are computed, and of each GroupBy.

    Raises:
        DataError: for a tail buffer that is no length, or a day that no table has come to yet.
    """
    tail_ms = _tail(tail_buffer)
    _check_day(project, plan, ds)
    cutoff_ms = ds_start_ms(ds) + DAY_MS
    offsets = None if frontier is None else {str(k): v for k, v in frontier.positions.items()}
    meter = meter or SilentMeter()
    job = Job(plan, project.tables, project.warehouse, limits=project.limits, meter=meter)
    reports: list[UploadReport] = []
    for node in uploaded(plan):
        meter.begin(f"upload {node.name}", 1)
        dataset = store.dataset(dataset_name(node), create=True)
        assert dataset is not None, "a store makes what it is asked to make"
        early = _enriched_without(store, dataset)
        report = engine().upload(job, node, cutoff_ms, dataset, frontier=offsets, tail_ms=tail_ms)
        meter.advance(f"upload {node.name}", 1, report.rows)
        meter.end(f"upload {node.name}")
        unjoined = frontier is None and _is_unjoined(dataset, cutoff_ms)
        whole = (unnamed or {}).get(node.name, ())
        reports.append(replace(report, unjoined=unjoined, unnamed=whole, early=early))
    return reports


def without_upload(live: Live, nodes: Sequence[GroupByNode]) -> list[tuple[str, str]]:
    """Which of these stages are chained on a GroupBy that has tables and no upload yet, and on which.

    Rows that they enrich before it has one say `missing_upload` for good.
    """
    found: list[tuple[str, str]] = []
    for node in nodes:
        for parent in parents(node):
            dataset = live.store.dataset(dataset_name(parent))
            if live.is_tabled(parent) and (dataset is None or not _has_upload(dataset)):
                found.append((node.name, parent.name))
    return found


def _has_upload(dataset: Dataset) -> bool:
    with dataset.snapshot() as snapshot:
        return _landed(snapshot)


def _landed(snapshot: Snapshot) -> bool:
    """Whether an upload is whole, settled or not."""
    return any(each.state != "loading" for each in uploads_of(snapshot)[0].held)


def _enriched_without(store: Store, dataset: Dataset) -> tuple[str, ...]:
    """The datasets of children that have enriched rows with a GroupBy before its first upload."""
    with dataset.snapshot() as snapshot:
        if _landed(snapshot):
            return ()
        held = readers_of(snapshot)[0].held.values()
    children = sorted(each.name for each in held if each.child)
    return tuple(name for name in children if _has_rows(store.dataset(name)))


def _has_rows(dataset: Dataset | None) -> bool:
    if dataset is None:
        return False
    with dataset.snapshot() as snapshot:
        return any(lane.rows for lane in lanes_of(snapshot).values())


def _is_unjoined(dataset: Dataset, cutoff_ms: int) -> bool:
    """Whether reads of now would use the upload of this cut-off, and a lane has nothing of just after it.

    Such a lane has what came from some later instant on.
    """
    with dataset.snapshot() as snapshot:
        lanes = lanes_of(snapshot).values()
        read = uploads_of(snapshot)[0].newest(now_ms())
    if read is None or read.cutoff_ms != cutoff_ms:
        return False
    return any(cutoff_ms < each.since_ms < NOWHERE_MS for each in lanes)


def frontier_of(live: Live, text: str) -> Token:
    """An inclusion frontier as it is typed.

    Raises:
        DataError: if it is no token, names a topic that nothing here follows and none of those that
            a GroupBy follows, or lies beyond the log.
    """
    token = followed(live, text)
    named = {place.topic for place in token.positions}
    for node in live.stages if named else ():
        topics = _topics_of(node)
        if named.isdisjoint(topics):
            raise DataError(
                f"the frontier names none of the topics that {node.name} follows: {', '.join(topics)}",
                hint="say of each how far the tables hold its events:"
                f" {','.join([text, *(f'{each}/0:OFFSET' for each in topics)])}, 0 if they hold none",
            )
    for place, offset in token.positions.items():
        end = live.end(place)
        if offset > end:
            raise DataError(
                f"the frontier {place}:{offset} lies beyond the log's end, {place}:{end}",
                hint="a frontier says which events of the log the tables hold; it is never ahead of it",
            )
    return token


def unnamed_in(live: Live, frontier: Token | None) -> dict[str, tuple[str, ...]]:
    """By GroupBy the partitions with records that a frontier does not name: of them all are taken.

    Nothing of a frontier that is unknown or empty, which says the same of all partitions.
    """
    if frontier is None or not frontier.positions:
        return {}
    there, found = live.log.topics(), dict[str, tuple[str, ...]]()
    for node in live.stages:
        places = [
            place
            for topic in _topics_of(node)
            if topic in there
            for place in live.log.partitions(topic)
            if place not in frontier.positions
        ]
        starts, ends = live.log.starts(places), live.log.ends(places)
        found[node.name] = tuple(str(each) for each in places if starts[each] < ends[each])
    return found


def _topics_of(node: GroupByNode) -> list[str]:
    return sorted({resolve(address)[0] for _, _, address in streamed_sources(node)})


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


def _check_day(project: Project, plan: Plan, ds: str) -> None:
    """Refuse a day after the last of every table: its upload would be without the day itself."""
    wanted = ds_of(ds_start_ms(ds))
    tables = {
        (scan.root.table, scan.root.partition_column)
        for node in plan.nodes
        if isinstance(node, GroupByNode)
        for scan in node.sources
    }
    last = {
        table: days[-1]
        for table, column in tables
        if (days := project.tables.table(table, partition_column=column).partitions())
    }
    if last and wanted > max(last.values()):
        newest = max(last, key=lambda table: last[table])
        raise DataError(
            f"no table has come to ds={wanted}: the last day there is {last[newest]}",
            where=newest,
            hint=f"upload --ds {last[newest]}, or write the day's partition first; it may be empty",
        )


def _tail(text: str) -> int | None:
    if text == "full":
        return None
    try:
        return parse_length(text)
    except ValueError as error:
        raise DataError(
            f"tail_buffer={text!r} is no length", hint="write 2d, 12h or full"
        ) from error
