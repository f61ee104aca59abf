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
from catenary.app.upload import without_upload
from catenary.app.workers import Worker
from catenary.errors import FencedError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.stream.stage import Stage

_LOOK_S = 0.05
_WORTH_TELLING_S: Final = 5.0
_log: Final = logging.getLogger(__name__)


class _Said:
    """Says on the log what became of stages: that they began, what they set aside or doubt, how they ended."""

    def __init__(self, names: Collection[str]) -> None:
        self._aside = dict.fromkeys(names, 0)
        self._waits: dict[str, tuple[str, float]] = dict.fromkeys(names, ("", 0.0))
        self._told = dict.fromkeys(names, "")
        self._remarks: set[tuple[str, str]] = set()

    def began(self) -> None:
        """They all did."""
        for name in self._aside:
            _log.info("%s begins", name, extra={"facts": {"stage": name}})

    def lacks(self, child: str, parent: str) -> None:
        """A stage enriches rows with what has no upload yet."""
        said = {"stage": child, "parent": parent}
        _log.warning(
            "%s is chained on %s, which has no upload: rows that it enriches now say missing_upload for"
            " good. Stop, `catenary upload` first, then stream",
            child,
            parent,
            extra={"facts": said},
        )

    def look(self, facts: Mapping[str, Any]) -> None:
        """What one stage says of itself now."""
        name, many = str(facts.get("stage")), int(facts.get("dead_letters", 0))
        more = many - self._aside.get(name, many)
        if more > 0:
            self._aside[name] = many
            said = {"stage": name, "dead_letters": many}
            _log.warning("%s set %d rows or records aside", name, more, extra={"facts": said})
        for text in facts.get("remarks", ()):
            if (name, text) not in self._remarks:
                self._remarks.add((name, text))
                said = {"stage": name, "remark": text}
                _log.warning("%s: %s", name, text, extra={"facts": said})
        if name in self._waits:
            self._wait(name, str(facts.get("waiting_for", "")))

    def _wait(self, name: str, what: str) -> None:
        """Tell of what a stage waits for once that has been the same for a while, and when it goes on."""
        now_s = time.monotonic()
        before, since_s = self._waits[name]
        if what != before:
            self._waits[name] = what, now_s
        elif what and what != self._told[name] and now_s - since_s > _WORTH_TELLING_S:
            self._told[name] = what
            said = {"stage": name, "waiting_for": what}
            _log.warning("%s waits: %s", name, what, extra={"facts": said})
        if not what and self._told[name]:
            self._told[name] = ""
            _log.info("%s goes on", name, extra={"facts": {"stage": name}})

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
        for child, parent in without_upload(live, nodes):
            self._said.lacks(child, parent)
        self.failed: Exception | None = None
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

    def finish(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Stop each once nothing is queued and its children have stopped; wait for that.

        Raises:
            RunError: if it was told to stop before.
        """
        early = False
        for name in reversed(self._threads):
            self._finishing[name].set()
            while self._threads[name].is_alive():
                if stopped():
                    early = True
                    self._stopped.set()
                self._look()
                self._threads[name].join(_LOOK_S)
        self._ended()
        if early:
            raise _told_early()

    def stop(self) -> None:
        """Stop each after the batch at hand, and wait."""
        self._stopped.set()
        for thread in self._threads.values():
            thread.join()
        self._ended()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Run until told to stop, or until a stage fails."""
        while not stopped() and self.failed is None:
            self._look()
            time.sleep(_LOOK_S)
        self.stop()

    def _look(self) -> None:
        for stage in self.stages.values():
            held = stage.status
            self._said.look(
                {
                    "stage": held.stage,
                    "dead_letters": held.dead_letters,
                    "waiting_for": held.waiting_for,
                    "remarks": tuple(held.remarks.values()),
                }
            )

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
        except Exception as error:  # whatever it is ends them all, and is told by who waits
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
        for child, parent in without_upload(live, nodes):
            self._said.lacks(child, parent)
        self._said.began()

    def finish(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """As `Here.finish`; where one has failed, the others are not waited for."""
        early = False
        for worker in reversed(self.workers.values()):
            worker.finish()
            while worker.running and not (early or any(x.failed for x in self.workers.values())):
                early = stopped()
                self._look()
                time.sleep(_LOOK_S)
        self.stop()
        if early:
            raise _told_early()

    def stop(self) -> None:
        """As `Here.stop`.

        Raises:
            RunError: for those that failed, once all have ended.
        """
        failed: list[str] = []
        for worker in reversed(self.workers.values()):
            code = worker.stop()
            if code:
                problem = worker.complaint.strip() or f"it ended with exit code {code}"
                failed.append(f"the stage of {worker.name} failed: {problem}")
            else:
                self._said.ended(worker.facts)
        if failed:
            raise RunError("\n".join(failed))

    def kill(self) -> None:
        """End them at once; nothing is lost by it."""
        for worker in self.workers.values():
            worker.kill()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """As `Here.wait`."""
        while not stopped() and all(each.running for each in self.workers.values()):
            self._look()
            time.sleep(_LOOK_S)
        self.stop()

    def _look(self) -> None:
        for each in self.workers.values():
            self._said.look(each.facts)


def _told_early() -> RunError:
    return RunError(
        "told to stop before all had caught up",
        hint="nothing is lost: run it again, and it goes on from there",
    )
