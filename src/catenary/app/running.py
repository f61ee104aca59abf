"""Stages run together: in threads of this process, or each in a process of its own.

Stages that finish do so children first: a child may still wait for what its parent has to commit.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from catenary.app.spans import Spans, traced_stage
from catenary.app.workers import Worker
from catenary.errors import CatenaryError, FencedError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.stream.stage import Stage

_LOOK_S = 0.05
_log: Final = logging.getLogger(__name__)


class _Said:
    """Says on the log what became of stages: that they began, what they set aside, how they ended."""

    def __init__(self, names: Collection[str]) -> None:
        self._aside = dict.fromkeys(names, 0)

    def began(self) -> None:
        """They all did."""
        for name in self._aside:
            _log.info("%s begins", name, extra={"facts": {"stage": name}})

    def look(self, facts: Mapping[str, Any]) -> None:
        """What one stage says of itself now."""
        name, many = str(facts.get("stage")), int(facts.get("dead_letters", 0))
        more = many - self._aside.get(name, many)
        if more > 0:
            self._aside[name] = many
            said = {"stage": name, "dead_letters": many}
            _log.warning("%s set %d rows or records aside", name, more, extra={"facts": said})

    def ended(self, facts: Mapping[str, Any]) -> None:
        """One stage did."""
        self.look(facts)
        _log.info("%s has ended", facts.get("stage"), extra={"facts": dict(facts)})


class Here:
    """Stages in threads of this process.

    Args:
        live: the project's live half.
        nodes: what runs, parents first.
        group: of copies, which divides each stage's partitions; None if there is one copy.
        lent: those that others may take over: the rest goes on, and reads them from there.

    Attributes:
        gone: those that were taken over.
    """

    def __init__(
        self,
        live: Live,
        nodes: Sequence[GroupByNode],
        *,
        group: str | None = None,
        lent: Collection[str] = (),
    ) -> None:
        traces = live.project.settings.traces
        self._spans = Spans(traces, "catenary stream") if traces else None
        self.stages: dict[str, Stage] = {
            node.name: traced_stage(self._spans, partial(live.stage, node, group=group), node)
            for node in nodes
        }
        self._said = _Said(self.stages)
        self.failed: CatenaryError | None = None
        self.gone: list[str] = []
        self._lent = frozenset(lent)
        self._stopped = threading.Event()
        self._finishing = {node.name: threading.Event() for node in nodes}
        self._threads = {
            node.name: threading.Thread(target=self._run, args=(node.name,), name=node.name)
            for node in nodes
        }

    def start(self) -> None:
        """Start them all."""
        self._said.began()
        for thread in self._threads.values():
            thread.start()

    def finish(self) -> None:
        """Stop each once nothing is queued and its children have stopped; wait for that."""
        for name in reversed(self._threads):
            self._finishing[name].set()
            while self._threads[name].is_alive():
                self._threads[name].join(_LOOK_S)
        self._ended()

    def stop(self) -> None:
        """Stop each after the batch at hand, and wait."""
        self._stopped.set()
        for thread in self._threads.values():
            thread.join()
        self._ended()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Run until told to stop, or until a stage fails."""
        while not stopped() and self.failed is None:
            for stage in self.stages.values():
                self._said.look(
                    {"stage": stage.status.stage, "dead_letters": stage.status.dead_letters}
                )
            time.sleep(_LOOK_S)
        self.stop()

    def _ended(self) -> None:
        for stage in self.stages.values():
            self._said.ended(stage.status.facts())
        if self._spans is not None:
            self._spans.close()
        if self.failed is not None:
            raise self.failed

    def _run(self, name: str) -> None:
        try:
            self.stages[name].run(self._stopped.is_set, self._finishing[name].is_set)
        except CatenaryError as error:
            if name in self._lent and isinstance(error, FencedError):
                self.gone.append(name)
                return
            self.failed = self.failed or error
            self._stopped.set()


class Apart:
    """Stages in processes of their own.

    Args:
        live: the project's live half.
        nodes: what runs, parents first.
        group: as for `Here`.
    """

    def __init__(
        self, live: Live, nodes: Sequence[GroupByNode], *, group: str | None = None
    ) -> None:
        specs = {node.name: live.spec(node) for node in nodes}
        siblings = [live.spec(node) for node in live.stages]
        settings = live.project.settings
        self.workers = {
            name: Worker(spec, siblings, folder=settings.root, group=group, settings=settings)
            for name, spec in specs.items()
        }
        self._said = _Said(self.workers)
        self._said.began()

    def finish(self) -> None:
        """As `Here.finish`."""
        for worker in reversed(self.workers.values()):
            worker.finish()
            self._check(worker, worker.join())

    def stop(self) -> None:
        """As `Here.stop`."""
        for worker in reversed(self.workers.values()):
            self._check(worker, worker.stop())

    def kill(self) -> None:
        """End them at once; nothing is lost by it."""
        for worker in self.workers.values():
            worker.kill()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """As `Here.wait`."""
        while not stopped() and all(each.running for each in self.workers.values()):
            for each in self.workers.values():
                self._said.look(each.facts)
            time.sleep(_LOOK_S)
        self.stop()

    def _check(self, worker: Worker, code: int) -> None:
        if code:
            problem = worker.complaint.strip() or f"it ended with exit code {code}"
            raise RunError(f"the stage of {worker.name} failed: {problem}")
        self._said.ended(worker.facts)
