"""What stages say of themselves, as Prometheus reads it: the numbers of `catenary status`.

Nothing is counted here: a page is made from the store when it is asked for, so a stage pays nothing for
being watched, and any process that reads the store can tell of all stages.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from catenary.app.extras import needed
from catenary.app.status import stage_states
from catenary.errors import CatenaryError, SettingsError
from catenary.state.records import ANCIENT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from catenary.app.live import Live
    from catenary.app.status import LaneState, StageState
    from catenary.state.records import Lane

_log: Final = logging.getLogger(__name__)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LANE: Final = ("group_by", "source", "topic", "partition")
_EDGE: Final = (*_LANE, "edge")


def registry(collects: Sequence[Callable[[], Iterator[Metric]]]) -> CollectorRegistry:
    """A registry of all that these tell, when it is asked.

    Raises:
        UnsupportedError: without the extra `observe`.
    """
    try:
        from prometheus_client import CollectorRegistry
    except ImportError as error:
        raise needed("observe", "a page of metrics", error) from error
    found = CollectorRegistry(auto_describe=False)
    for each in collects:
        found.register(_Collected(each))
    return found


def page(held: CollectorRegistry) -> bytes:
    """The page of a registry."""
    from prometheus_client import generate_latest

    return generate_latest(held)


@contextmanager
def offered(live: Live, port: int, host: str) -> Generator[int]:
    """Offer the page of the project's stages while in the context, from a thread of its own.

    Args:
        live: the project's live half.
        port: 0 for any that is free.
        host: an address of this machine.

    Yields:
        The port.

    Raises:
        UnsupportedError: without the extra `observe`.
        SettingsError: if the port cannot be had.
    """
    held = registry([lambda: stages(live)])
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, addr=host, registry=held)
    except OSError as error:
        problem = f"metrics cannot be offered on {host}:{port}: {error.strerror or error}"
        raise SettingsError(problem, hint="name another port; 0 takes any") from error
    address = f"http://{host}:{server.server_port}/metrics"
    _log.info("metrics are offered at %s", address, extra={"facts": {"metrics": address}})
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def stages(live: Live) -> Iterator[Metric]:
    """What the stages of a project say, and whether they could be asked."""
    from prometheus_client.core import GaugeMetricFamily

    try:
        states = stage_states(live)
    except CatenaryError:
        states = None
    about = "Whether log and store could be asked."
    asked = states is not None and not any(lane.away for each in states for lane in each.lanes)
    yield GaugeMetricFamily("catenary_reachable", about, value=float(asked))
    if states is not None:
        yield from _lanes(states)
        yield from _stages(states)
        yield from _copies(states)


def _lanes(states: Sequence[StageState]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    shown: list[tuple[str, str, Callable[[LaneState], float | None]]] = [
        ("position", "Offset that is read next.", lambda each: each.lane.position),
        ("lag_records", "Records that are queued.", lambda each: each.lag),
        (
            "lag_seconds",
            "How long the oldest record that is queued has been in the log.",
            lambda each: each.queued_ms / 1000,
        ),
        (
            "passed_timestamp_seconds",
            "Greatest event time that was committed.",
            lambda each: _seconds(each.lane.passed_ms),
        ),
        (
            "head_floor_timestamp_seconds",
            "Event time from which reads are exact to the millisecond.",
            lambda each: _seconds(each.lane.floor_ms),
        ),
        ("head_bytes", "Keys and values of the head's tiles.", lambda each: each.lane.head_bytes),
        (
            "committed_timestamp_seconds",
            "When was committed last.",
            lambda each: each.lane.committed_ms / 1000 or None,
        ),
    ]
    for name, about, value in shown:
        gauge = GaugeMetricFamily(f"catenary_stage_{name}", about, labels=_LANE)
        for labels, lane in _each_lane(states):
            found = value(lane)
            if found is not None:
                gauge.add_metric(labels, found)
        yield gauge
    counted: list[tuple[str, str, Callable[[LaneState], int]]] = [
        ("rows", "Rows that were folded.", lambda each: each.lane.rows),
        ("commits", "Commits.", lambda each: each.lane.folds),
        ("set_aside", "Rows and records set aside.", lambda each: each.lane.set_aside),
    ]
    for name, about, many in counted:
        counter = CounterMetricFamily(f"catenary_stage_{name}", about, labels=_LANE)
        for labels, lane in _each_lane(states):
            counter.add_metric(labels, many(lane))
        yield counter


def _stages(states: Sequence[StageState]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    letters = GaugeMetricFamily(
        "catenary_dead_letters", "Dead letters that are open.", labels=("group_by",)
    )
    readers = GaugeMetricFamily(
        "catenary_stage_readers", "Children and clients that hold the head.", labels=("group_by",)
    )
    uploads = GaugeMetricFamily(
        "catenary_upload_cutoff_timestamp_seconds",
        "Event time up to which the newest upload that is read reaches.",
        labels=("group_by",),
    )
    for each in states:
        letters.add_metric((each.name,), each.dead_letters)
        readers.add_metric((each.name,), len(each.readers))
        active = [held.cutoff_ms for held in each.uploads if held.state == "active"]
        if active:
            uploads.add_metric((each.name,), max(active) / 1000)
    yield from (letters, readers, uploads)


def _copies(states: Sequence[StageState]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    gauges = {
        "rows_per_second": GaugeMetricFamily(
            "catenary_copy_rows_per_second", "Rows a second since it began.", labels=_LANE
        ),
        "memory_peak_bytes": GaugeMetricFamily(
            "catenary_copy_memory_peak_bytes", "Most memory of its process.", labels=_LANE
        ),
    }
    heard = GaugeMetricFamily(
        "catenary_copy_heard_seconds", "How long ago it last said anything.", labels=_LANE
    )
    waits = CounterMetricFamily(
        "catenary_edge_waits", "Batches for which a parent was waited for or asked.", labels=_EDGE
    )
    waited = CounterMetricFamily(
        "catenary_edge_waited_seconds", "Time that a parent was waited for.", labels=_EDGE
    )
    longest = GaugeMetricFamily(
        "catenary_edge_longest_wait_seconds", "The longest of these waits.", labels=_EDGE
    )
    rows = CounterMetricFamily(
        "catenary_edge_rows",
        "Rows that were enriched by a parent, by what its answer said.",
        labels=(*_EDGE, "status"),
    )
    for state, told in ((each, told) for each in states for told in each.told):
        facts: dict[str, Any] = told.facts
        (lane,) = (each.lane for each in state.lanes if each.lane.id.key == told.lane)
        copy = _labels(state, lane)
        for name, gauge in gauges.items():
            gauge.add_metric(copy, facts[name])
        heard.add_metric(copy, max(0.0, time.time() - told.at_ms / 1000))
        for parent, each in facts["waits"].items():
            waits.add_metric((*copy, parent), each["times"])
            waited.add_metric((*copy, parent), each["ms"] / 1000)
            longest.add_metric((*copy, parent), each["longest_ms"] / 1000)
        for edge, many in facts["edges"].items():
            parent, _, status = edge.rpartition(":")
            rows.add_metric((*copy, parent, status), many)
    yield from (*gauges.values(), heard, waits, waited, longest, rows)


def _each_lane(states: Sequence[StageState]) -> Iterator[tuple[tuple[str, ...], LaneState]]:
    for state in states:
        for each in state.lanes:
            yield _labels(state, each.lane), each


def _labels(state: StageState, lane: Lane) -> tuple[str, ...]:
    return state.name, str(lane.source), lane.topic, str(lane.partition)


def _seconds(ms: int) -> float | None:
    """An instant as Prometheus has it; None for what is before every event."""
    return None if ms <= ANCIENT_MS else ms / 1000


class _Collected:
    """A collector of the client library's kind."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        """What is told now."""
        return self._collect()
