"""OpenTelemetry spans of batches and fetches, sent over OTLP to where `traces` says.

    batch (GroupBy, partitions) ──┬── read, decode, enrich, fold, transaction
                                  └── wait (edge), one per parent

Spans are made from what is told anyway: a stage's phases and its waits. Without `traces` nobody listens,
and a stage or a fetch pays nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from catenary.app.extras import needed

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from catenary.plan import GroupByNode
    from catenary.stream.stage import Stage
    from catenary.stream.status import Status

_DONE: Final = "after"
_BEGIN: Final = "read"
_WAIT: Final = "wait"


class Spans:
    """Sends spans from a thread of its own.

    Args:
        address: of the collector, such as `http://localhost:4318`.
        service: the name under which they are shown.

    Raises:
        UnsupportedError: without the extra `observe`.
    """

    def __init__(self, address: str, service: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise needed("observe", "traces", error) from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        exporter = OTLPSpanExporter(endpoint=f"{address.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("catenary")

    def stage(self, group_by: str) -> StageSpans:
        """What makes spans of one stage's batches."""
        return StageSpans(self._tracer, group_by)

    def fetched(self, definition: str, began_ns: int, code: int, traceparent: str | None) -> None:
        """A fetch that is over.

        Args:
            definition: that was asked for.
            began_ns: when, since 1970.
            code: the answer's status.
            traceparent: of whoever asked, in W3C's form.
        """
        facts = {"catenary.definition": definition, "http.response.status_code": code}
        _span(self._tracer, "fetch", began_ns, time.time_ns(), facts, _context(traceparent))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class StageSpans:
    """Follows the phases of one stage, and makes spans of each batch that was committed."""

    def __init__(self, tracer: Tracer, group_by: str) -> None:
        self._tracer = tracer
        self._facts: dict[str, Any] = {"catenary.group_by": group_by}
        self._phases: list[tuple[str, int]] = []
        self._status: Status | None = None
        self._before: tuple[int, dict[str, float]] = (0, {})

    def follow(self, stage: Stage) -> None:
        """The stage whose phases are told, and whose own numbers say of rows and waits."""
        self._status = stage.status
        self._facts["catenary.partitions"] = [str(place) for place in stage.places]

    def __call__(self, phase: str) -> None:
        """The stage begins a phase."""
        now = time.time_ns()
        if phase == _BEGIN:
            self._phases.clear()
        self._phases.append((phase, now))
        if phase == _DONE:
            self._batch(now)
            self._phases.clear()

    def _batch(self, ended_ns: int) -> None:
        from opentelemetry import trace

        rows, waits = self._grown()
        began_ns = self._phases[0][1]
        facts = {**self._facts, "catenary.rows": rows}
        batch = self._tracer.start_span("batch", start_time=began_ns, attributes=facts)
        inside = trace.set_span_in_context(batch)
        for (phase, at), (_, until) in zip(self._phases, self._phases[1:], strict=False):
            if phase != _WAIT:
                _span(self._tracer, phase, at, until, self._facts, inside)
                continue
            for edge, seconds in waits.items():
                facts = {**self._facts, "catenary.edge": edge}
                _span(self._tracer, phase, at, at + int(seconds * 1e9), facts, inside)
        batch.end(ended_ns)

    def _grown(self) -> tuple[int, dict[str, float]]:
        """Rows, and seconds by parent, since the batch before."""
        if self._status is None:
            return 0, {}
        rows, seconds = self._before
        waits = {parent: each.seconds for parent, each in self._status.waits.items()}
        self._before = self._status.rows, waits
        grown = {parent: now - seconds.get(parent, 0.0) for parent, now in waits.items()}
        return self._status.rows - rows, grown


def traced_stage(spans: Spans | None, made: Callable[..., Stage], node: GroupByNode) -> Stage:
    """A stage, followed if spans are asked for.

    Args:
        spans: where its batches go; None for nowhere.
        made: makes it, and takes `phase=`.
        node: the GroupBy.
    """
    if spans is None:
        return made()
    following = spans.stage(node.name)
    stage = made(phase=following)
    following.follow(stage)
    return stage


def _span(
    tracer: Tracer,
    name: str,
    began_ns: int,
    ended_ns: int,
    facts: dict[str, Any],
    inside: Context | None,
) -> None:
    span = tracer.start_span(name, context=inside, start_time=began_ns, attributes=facts)
    span.end(ended_ns)


def _context(traceparent: str | None) -> Context | None:
    if traceparent is None:
        return None
    from opentelemetry.propagate import extract

    return extract({"traceparent": traceparent})
