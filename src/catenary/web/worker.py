"""A worker's application, made from what a command line says: everything is opened where it is used.

Order ──► Live ──► fetcher, endpoints, counters, request log ──► Application
"""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from catenary.app import metrics
from catenary.app.api_keys import check_scopes
from catenary.app.live import Live
from catenary.app.log_lines import configure
from catenary.app.settings import parse_bytes
from catenary.app.spans import Spans
from catenary.app.upload import uploaded
from catenary.plan.nodes import JoinNode
from catenary.serve.groups import HOLD
from catenary.web.access import Access
from catenary.web.application import Application, fixed, json_reply, listed, read, scoped
from catenary.web.counters import Counters
from catenary.web.endpoint import Endpoint, Shared, about
from catenary.web.fetch_metrics import fetches
from catenary.web.openapi import description
from catenary.web.readiness import lacking
from catenary.web.refusals import Reply
from catenary.web.sampled import RequestLog
from catenary.web.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.app.log_lines import Form
    from catenary.plan.nodes import Node
    from catenary.web.application import Get

_SWITCH_S: Final = 0.0005


@dataclass(frozen=True)
class Order:
    """What a worker needs to know; it crosses to its process.

    Attributes:
        root: the project's folder.
        names: of the definitions that are served; None for all.
        conf: settings of the chain.
        flags: settings of the project.
        counters: the file of the numbers that all workers share.
        rows: how many workers that has room for.
        metrics: whether fetches are counted, and the page of metrics is there.
        log_format: of lines on stderr.
    """

    root: Path
    counters: Path = Path()
    rows: int = 1
    names: tuple[str, ...] | None = None
    conf: dict[str, object] = field(default_factory=dict[str, object])
    flags: dict[str, Any] = field(default_factory=dict[str, Any])
    metrics: bool = True
    log_format: Form = "plain"

    def live(self) -> Live:
        """The project's live half."""
        return Live.open(self.root, self.names, conf=self.conf, **self.flags)


def load(order: Order) -> Application:
    """The application of one worker, in its own process."""
    configure(order.log_format)
    found = application(order.live(), order)
    # What was made so far stays: a full collection of it would hold requests up.
    gc.freeze()
    # Threads that read many rows give way sooner to the one that answers single ones.
    sys.setswitchinterval(_SWITCH_S)
    return found


def served(live: Live) -> list[Node]:
    """The definitions that are asked for by name, in a fixed order."""
    given = live.project.definitions if live.given is None else live.given
    return sorted(
        (node for node in live.plan.nodes if node.name in given), key=lambda each: each.name
    )


def application(live: Live, order: Order) -> Application:
    """The application over an opened project."""
    settings = live.project.settings
    nodes = served(live)
    names = [node.name for node in nodes]
    check_scopes(settings.api_keys, live.project.definitions)
    counters = Counters(order.counters, names, order.rows)
    waiting = Waiting(live.fetcher, live.store)
    pool = ThreadPoolExecutor(settings.threads, "reads")
    requests = _request_log(live, nodes, counters)
    spans = Spans(settings.traces, "catenary serve") if settings.traces else None
    shared = Shared(
        fetcher=live.fetcher,
        waiting=waiting,
        pool=pool,
        at_once="://" not in settings.store and live.chain.on_snapshot_late != HOLD,
        batch_limit=settings.batch_limit,
        time_limit_s=settings.time_limit_ms / 1000,
        counters=counters if order.metrics else None,
        requests=requests,
        spans=spans,
    )
    endpoints = {node.name: Endpoint(node, place, shared) for place, node in enumerate(nodes)}
    access = Access(settings.api_keys, os.environ) if settings.api_keys else None
    joins = [endpoints[node.name] for node in nodes if isinstance(node, JoinNode)]
    groups = [endpoints[node.name] for node in nodes if not isinstance(node, JoinNode)]

    def close() -> None:
        if requests is not None:
            requests.close()
        waiting.close()
        pool.shutdown(cancel_futures=True)
        if spans is not None:
            spans.close()
        live.close()

    return Application(
        {
            **{f"/v1/features/join/{each.name}": each for each in joins},
            **{f"/v1/features/groupby/{each.name}": each for each in groups},
        },
        _gets(live, joins, groups, counters if order.metrics else None),
        access,
        frozenset(live.topics()),
        body_limit=parse_bytes(settings.body_limit),
        time_limit_s=settings.time_limit_ms / 1000,
        counters=counters if order.metrics else None,
        close=close,
    )


def described(live: Live) -> dict[str, Any]:
    """The description of what a project's worker answers, without one."""
    settings = live.project.settings
    nodes = served(live)
    return description(
        [about(node) for node in nodes if isinstance(node, JoinNode)],
        [about(node) for node in nodes if not isinstance(node, JoinNode)],
        topics=live.topics(),
        keyed=bool(settings.api_keys),
        batch_limit=settings.batch_limit,
    )


def _request_log(live: Live, nodes: Iterable[Node], counters: Counters) -> RequestLog | None:
    """Where this worker logs sampled requests: a partition of its own; None if nothing is logged."""
    settings = live.project.settings
    if not (settings.request_log and settings.sample_percent):
        return None
    return RequestLog(
        live.log,
        settings.request_log,
        counters.worker,
        settings.sample_percent,
        [about(node).facts() for node in nodes],
        counters.requests,
    )


def _gets(
    live: Live, joins: list[Endpoint], groups: list[Endpoint], counters: Counters | None
) -> dict[str, Get]:
    """What is asked with GET."""
    found = {
        "/healthz": fixed({"status": "ok"}),
        "/readyz": read(
            lambda: lacking(live.store, uploaded(live.plan)), partial(_ready, joins + groups)
        ),
        "/openapi.json": fixed(described(live)),
        "/v1/joins": listed("joinNames", [each.name for each in joins]),
        "/v1/groupbys": listed("groupByNames", [each.name for each in groups]),
    }
    for kind, endpoints in (("join", joins), ("groupby", groups)):
        for each in endpoints:
            found[f"/v1/{kind}/{each.name}/schema"] = scoped(each.name, each.about.facts())
    if counters is not None:
        names = [each.name for each in (*joins, *groups)]
        held = metrics.registry([lambda: fetches(counters, names), lambda: metrics.stages(live)])
        said = [("content-type", metrics.CONTENT_TYPE)]
        found["/metrics"] = read(lambda: metrics.page(held), lambda page: Reply(200, said, page))
    return found


def _ready(endpoints: list[Endpoint], found: list[str]) -> Reply:
    facts = {"ready": not found, "definitions": len(endpoints), "lacking": found}
    return json_reply(facts, 503 if found else 200)
