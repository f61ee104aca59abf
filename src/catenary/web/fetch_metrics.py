"""Fetches as Prometheus reads them: latency and statuses by definition, refusals, logged requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.web.counters import BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from catenary.web.counters import Counters


def fetches(counters: Counters, names: Sequence[str]) -> Iterator[Metric]:
    """The sums of all workers.

    Args:
        counters: where they are counted.
        names: the definitions.
    """
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    seconds = HistogramMetricFamily(
        "catenary_fetch_seconds", "How long answers took.", labels=("definition",)
    )
    rows = CounterMetricFamily(
        "catenary_fetch_rows",
        "Rows that were answered, by their worst status.",
        labels=("definition", "status"),
    )
    for name in names:
        found = counters.totals(name)
        seconds.add_metric((name,), _cumulated(found.buckets), found.seconds)
        for status, many in found.rows.items():
            rows.add_metric((name, status), many)
    refused = CounterMetricFamily(
        "catenary_refused_requests", "Requests that were refused.", labels=("code",)
    )
    for code, many in counters.refusals().items():
        refused.add_metric((str(code),), many)
    logged = CounterMetricFamily(
        "catenary_sampled_requests", "Sampled requests, by what became of them.", labels=("became",)
    )
    for kind, many in counters.logged().items():
        logged.add_metric((kind,), many)
    yield from (seconds, rows, refused, logged)


def _cumulated(buckets: Sequence[int]) -> list[tuple[str, float]]:
    total = 0
    found: list[tuple[str, float]] = []
    for bound, many in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
        total += many
        found.append((bound, total))
    return found
