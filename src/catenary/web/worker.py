"""A worker's application, made from what a command line says: everything is opened where it is used.

Order ──► Live ──► fetcher, endpoints, counters, request log ──► Application
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from catenary.app import metrics
from catenary.app.api_keys import check_scopes
from catenary.app.live import Live
from catenary.app.log_lines import configure
from catenary.app.served import Served
from catenary.app.settings import parse_bytes
from catenary.app.spans import Spans
from catenary.errors import CatenaryError
from catenary.plan.nodes import JoinNode
from catenary.serve.fetcher import Fetcher
from catenary.serve.groups import HOLD
from catenary.web.access import Access
from catenary.web.application import Application, Page, Reads, fixed, json_reply, listed, scoped
from catenary.web.counters import Counters
from catenary.web.endpoint import Endpoint, Shared, about
from catenary.web.fetch_metrics import fetches
from catenary.web.openapi import description
from catenary.web.readiness import lacking
from catenary.web.refusals import Reply
from catenary.web.sampled import RequestLog
from catenary.web.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary.app.log_lines import Form
    from catenary.app.served import Version
    from catenary.plan.nodes import Node
    from catenary.web.endpoint import About

_SWITCH_S: Final = 0.0005
_LOOK_S: Final = 1.0
_PAGES: Final = 2
"""Threads that read what is asked of the service itself: its readiness, its metrics."""
_log: Final = logging.getLogger(__name__)


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
        spin_us: how long a worker looks for the next request before it sleeps.
        metrics: whether fetches are counted, and the page of metrics is there.
        log_format: of lines on stderr.
    """

    root: Path
    counters: Path = Path()
    rows: int = 1
    names: tuple[str, ...] | None = None
    conf: dict[str, object] = field(default_factory=dict[str, object])
    flags: dict[str, Any] = field(default_factory=dict[str, Any])
    spin_us: int = 0
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
    return sorted(
        (node for node in live.plan.nodes if node.name in live.definitions),
        key=lambda each: each.name,
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
    time_limit_s = settings.time_limit_ms / 1000
    pages = Reads(ThreadPoolExecutor(_PAGES, "pages"), time_limit_s)
    versions = Served(live)
    before = {node.name: old for node in nodes if (old := versions.before(node)) is not None}
    answered = [*nodes, *(old.node for old in before.values())]
    requests = _request_log(live, answered, counters)
    spans = Spans(settings.traces, "catenary serve") if settings.traces else None
    shared = Shared(
        fetcher=live.fetcher,
        waiting=waiting,
        pool=pool,
        at_once="://" not in settings.store and live.chain.on_snapshot_late != HOLD,
        batch_limit=settings.batch_limit,
        time_limit_s=time_limit_s,
        counters=counters if order.metrics else None,
        requests=requests,
        spans=spans,
    )
    endpoints = {
        node.name: _endpoint(live, node, place, shared, before.get(node.name))
        for place, node in enumerate(nodes)
    }
    ended = threading.Event()
    access = Access(settings.api_keys, os.environ) if settings.api_keys else None

    def close() -> None:
        ended.set()
        if requests is not None:
            requests.close()
        waiting.close()
        for each in (pool, pages.pool):
            each.shutdown(cancel_futures=True)
        if spans is not None:
            spans.close()
        live.close()

    found = Application(
        *_routes(live, nodes, endpoints, shared.counters, pages),
        access,
        frozenset(live.topics()),
        body_limit=parse_bytes(settings.body_limit),
        time_limit_s=time_limit_s,
        counters=shared.counters,
        close=close,
    )

    def follow() -> None:
        """Answer definitions as they are once these have caught up with what they were."""
        while before and not ended.wait(_LOOK_S):
            for place, node in enumerate(nodes):
                try:
                    if node.name not in before or versions.before(node) is not None:
                        continue
                except CatenaryError as error:
                    _log.warning("%s is answered as it was: %s", node.name, error.problem)
                    continue
                del before[node.name]
                endpoints[node.name] = Endpoint(node, place, shared)
                found.change(*_routes(live, nodes, endpoints, shared.counters, pages))
                _log.info("%s is answered as it is defined now", node.name)

    for name in before:
        _log.warning("%s is answered as it was until what it is now has caught up", name)
    if before:
        threading.Thread(target=follow, name="versions", daemon=True).start()
    return found


def _endpoint(live: Live, node: Node, place: int, shared: Shared, old: Version | None) -> Endpoint:
    """What answers for a definition: as it is, or as it was."""
    if old is None:
        return Endpoint(node, place, shared)
    fetcher = Fetcher(old.plan, live.store, on_snapshot_late=live.chain.on_snapshot_late)
    waiting = Waiting(fetcher, live.store)
    return Endpoint(old.node, place, replace(shared, fetcher=fetcher, waiting=waiting))


def described(live: Live) -> dict[str, Any]:
    """The description of what answers a project's definitions as they are."""
    return _description(live, [(node, about(node)) for node in served(live)], None)


def _description(
    live: Live, every: list[tuple[Node, About]], scope: frozenset[str] | None
) -> dict[str, Any]:
    """The description for keys of a scope; None for all definitions."""
    found = [(node, each) for node, each in every if scope is None or each.name in scope]
    settings = live.project.settings
    return description(
        [each for node, each in found if isinstance(node, JoinNode)],
        [each for node, each in found if not isinstance(node, JoinNode)],
        topics=live.topics(),
        keyed=bool(settings.api_keys),
        batch_limit=settings.batch_limit,
        whole=scope is None,
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


def _routes(
    live: Live,
    nodes: list[Node],
    endpoints: Mapping[str, Endpoint],
    counters: Counters | None,
    pages: Reads,
) -> tuple[dict[str, Endpoint], dict[str, Page]]:
    """What is asked with POST, and with GET."""
    joins = [endpoints[node.name] for node in nodes if isinstance(node, JoinNode)]
    groups = [endpoints[node.name] for node in nodes if not isinstance(node, JoinNode)]
    posts = {
        **{f"/v1/features/join/{each.name}": each for each in joins},
        **{f"/v1/features/groupby/{each.name}": each for each in groups},
    }
    below = {node.fingerprint: node for each in (*joins, *groups) for node in each.below()}
    every = [(node, endpoints[node.name].about) for node in nodes]
    ready = partial(_ready, len(nodes))
    found = {
        "/healthz": Page(fixed({"status": "ok"})),
        "/readyz": Page(
            pages.page(
                lambda: lacking(live.store, below.values()), ready, lambda problem: ready([problem])
            )
        ),
        "/openapi.json": Page(scoped(lambda scope: _description(live, every, scope))),
        "/v1/joins": Page(listed("joinNames", [each.name for each in joins])),
        "/v1/groupbys": Page(listed("groupByNames", [each.name for each in groups])),
    }
    for kind, each_of in (("join", joins), ("groupby", groups)):
        for each in each_of:
            found[f"/v1/{kind}/{each.name}/schema"] = Page(fixed(each.about.facts()), each.name)
    if counters is not None:
        names = [each.name for each in (*joins, *groups)]
        held = metrics.registry([lambda: fetches(counters, names), lambda: metrics.stages(live)])
        kind_ = ((b"content-type", metrics.CONTENT_TYPE.encode()),)
        get = pages.page(lambda: metrics.page(held), lambda page: Reply(200, kind_, page))
        found["/metrics"] = Page(get, whole=True)
    return posts, found


def _ready(definitions: int, found: list[str]) -> Reply:
    facts = {"ready": not found, "definitions": definitions, "lacking": found}
    return json_reply(facts, 503 if found else 200)
