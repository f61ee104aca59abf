"""Stages run together: in threads of this process, or each in a process of its own.

Stages that finish do so children first: a child may still wait for what its parent has to commit. One that
another copy took over is left to that, and taken again once that has gone; the others go on meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from catenary.app.ends import ENDS, WITHIN_S, Ends
from catenary.app.lost import Lost
from catenary.app.spans import Spans, traced_stage
from catenary.app.upload import without_upload
from catenary.app.workers import FENCED, Worker
from catenary.errors import FencedError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.stream.stage import Stage

_LOOK_S = 0.05
_WORTH_TELLING_S: Final = 5.0
_GO_ON: Final = "nothing is lost: run it again, and it goes on from there"
_HAD: Final = "who had taken it over has gone"
_log: Final = logging.getLogger(__name__)


class _Said:
    """Says on the log what became of stages: that they began, what they set aside or doubt, how they ended."""

    def __init__(self, names: Collection[str]) -> None:
        self._aside = dict.fromkeys(names, 0)
        self._waits: dict[str, tuple[str, float]] = dict.fromkeys(names, ("", 0.0))
        self._told = dict.fromkeys(names, "")
        self._places: dict[str, set[str]] = {name: set() for name in names}
        self._remarks: set[tuple[str, str]] = set()

    def began(self) -> None:
        """They all did."""
        for name in self._aside:
            _log.info("%s begins", name, extra={"facts": {"stage": name}})

    def lacks(self, live: Live, nodes: Sequence[GroupByNode]) -> None:
        """Which stages enrich rows with what has no upload yet."""
        for child, parent in without_upload(live, nodes):
            said = {"stage": child, "parent": parent}
            _log.warning(
                "%s is chained on %s, which has no upload: rows that it enriches now say missing_upload"
                " for good. Stop, `catenary upload` first, then stream",
                child,
                parent,
                extra={"facts": said},
            )

    def look(self, facts: Mapping[str, Any]) -> None:
        """What one stage says of itself now."""
        name, many = str(facts.get("stage")), int(facts.get("dead_letters", 0))
        more = many - self._aside.get(name, many)
        if more:  # fewer of a process that was started again
            self._aside[name] = many
        if more > 0:
            said = {"stage": name, "dead_letters": many}
            _log.warning("%s set %d rows or records aside", name, more, extra={"facts": said})
        for text in facts.get("remarks", ()):
            if (name, text) not in self._remarks:
                self._remarks.add((name, text))
                said = {"stage": name, "remark": text}
                _log.warning("%s: %s", name, text, extra={"facts": said})
        if name in self._waits:
            self._wait(name, str(facts.get("waiting_for", "")))
            self._hold(name, facts.get("places", ()))

    def _hold(self, name: str, places: Sequence[str]) -> None:
        """Tell which partitions a stage has taken, and let go, since it was last looked at."""
        before, now = self._places[name], set(places)
        self._places[name] = now
        for verb, changed in (("takes", now - before), ("lets go of", before - now)):
            if changed:
                which = sorted(changed)
                said = {"stage": name, "partitions": which}
                _log.info("%s %s %s", name, verb, ", ".join(which), extra={"facts": said})

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

    def lost(self, name: str, problem: str) -> None:
        """One stage was taken over, and the others go on."""
        said = {"stage": name, "taken_over": problem}
        _log.warning("%s; the other stages here go on", problem, extra={"facts": said})

    def again(self, name: str, why: str) -> None:
        """One stage begins once more."""
        _log.warning("%s begins again: %s", name, why, extra={"facts": {"stage": name}})

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
        lent: those that others may take over: the rest goes on, and reads them from there. All of
            them if not given; where none is left, all have failed.

    Attributes:
        gone: those that others have now.
        failed: what ended them all.
    """

    def __init__(
        self,
        live: Live,
        nodes: Sequence[GroupByNode],
        *,
        group: str | None = None,
        lent: Collection[str] | None = None,
    ) -> None:
        self._live = live
        self._nodes = {node.name: node for node in nodes}
        traces = live.project.settings.traces
        self._spans = Spans(traces, "catenary stream") if traces else None
        self.stages: dict[str, Stage] = {
            node.name: traced_stage(self._spans, partial(live.stage, node, group=group), node)
            for node in nodes
        }
        self._said = _Said(self.stages)
        self._said.lacks(live, nodes)
        self.failed: Exception | None = None
        self.gone: list[str] = []
        self._lent = frozenset(self.stages if lent is None else lent)
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
                    "places": [str(place) for place in held.places],
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
        times = 0
        try:
            while True:
                try:
                    self.stages[name].run(self._stopped.is_set, self._finishing[name].is_set)
                    return
                except FencedError as error:
                    times += 1
                    if not self._goes_on_without(name, error):
                        raise
                if not self._left(name, Lost(self._live, self._nodes[name], times)):
                    return
                self.gone.remove(name)
                self._said.again(name, _HAD)
        except Exception as error:  # whatever it is ends them all, and is told by who waits
            self.failed = self.failed or error
            self._stopped.set()

    def _goes_on_without(self, name: str, error: FencedError) -> bool:
        """Whether the others do, of which there are some, without a stage that was taken over."""
        if name not in self._lent:
            return False
        self.gone.append(name)
        if len(self.gone) == len(self.stages):
            return False
        self._said.lost(name, error.problem)
        return True

    def _left(self, name: str, lost: Lost) -> bool:
        """Wait until nobody has a stage that was lost; False if told to stop before, or to finish."""
        while not (self._stopped.is_set() or self._finishing[name].is_set()):
            if lost.is_left():
                return True
            self._stopped.wait(_LOOK_S)
        return False


class Apart:
    """Stages in processes of their own: one that is killed is started again.

    Args:
        live: the project's live half.
        nodes: what runs, parents first.
        group: as for `Here`.
    """

    def __init__(
        self, live: Live, nodes: Sequence[GroupByNode], *, group: str | None = None
    ) -> None:
        self._live = live
        self._nodes = {node.name: node for node in nodes}
        siblings = [live.spec(node) for node in live.stages]
        settings = live.project.settings
        make = partial(
            Worker, siblings=siblings, folder=settings.root, group=group, settings=settings
        )
        self._make = {node.name: partial(make, live.spec(node)) for node in nodes}
        self.workers = {name: made() for name, made in self._make.items()}
        self._ends = Ends()
        self._finishing: set[str] = set()
        self._gone: dict[str, Lost] = {}
        self._times = Counter[str]()
        self._useless = False
        self._said = _Said(self.workers)
        self._said.lacks(live, nodes)
        self._said.began()

    def finish(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """As `Here.finish`; where one has failed, the others are not waited for."""
        early = False
        for name in reversed(self.workers):
            self._finishing.add(name)
            self.workers[name].finish()
            while self._is_awaited(name) and not (early or self._failed):
                early = stopped()
                self._look()
                time.sleep(_LOOK_S)
        self.stop()
        if early:
            raise _told_early()

    def stop(self) -> None:
        """As `Here.stop`.

        Raises:
            FencedError: if all were taken over.
            RunError: for those that failed, once all have ended.
        """
        failed: list[str] = []
        fenced: list[str] = []
        for worker in reversed(self.workers.values()):
            code = worker.stop()
            if code == FENCED:
                fenced.append(str(worker.facts["taken_over"]))
            elif code:
                problem = worker.complaint.strip() or f"it ended with exit code {code}"
                failed.append(f"the stage of {worker.name} failed: {problem}")
            else:
                self._said.ended(worker.facts)
        if self._useless:
            failed.append(f"{ENDS} processes of stages ended within {WITHIN_S:g} s")
        if failed:
            raise RunError("\n".join(failed), hint=_GO_ON)
        if len(fenced) == len(self.workers):
            raise FencedError("\n".join(fenced), hint="other copies run all of its stages")

    def kill(self) -> None:
        """End them at once; nothing is lost by it."""
        for worker in self.workers.values():
            worker.kill()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """As `Here.wait`."""
        while not (stopped() or self._failed):
            self._look()
            time.sleep(_LOOK_S)
        self.stop()

    @property
    def _failed(self) -> bool:
        """Whether they are to end: one cannot go on, or none is left."""
        wrong = any((each.code or 0) > 0 and each.code != FENCED for each in self.workers.values())
        return wrong or self._useless or len(self._gone) == len(self.workers)

    def _is_awaited(self, name: str) -> bool:
        """Whether one that is to finish has not: it runs, or is yet to be started again."""
        code = self.workers[name].code
        return code is None or (code < 0 and not self._useless)

    def _look(self) -> None:
        for name, each in self.workers.items():
            self._said.look(each.facts)
            if each.code is not None:
                self._tend(name, each.code)

    def _tend(self, name: str, code: int) -> None:
        """See to one that has ended: it is left to who took it over, or started again."""
        if code == FENCED:
            if name not in self._gone:
                self._times[name] += 1
                self._gone[name] = Lost(self._live, self._nodes[name], self._times[name])
                self.workers[name].join()
                self._said.lost(name, str(self.workers[name].facts["taken_over"]))
            elif name not in self._finishing and self._gone[name].is_left():
                del self._gone[name]
                self._start_again(name, _HAD)
        elif code < 0 or (code == 0 and name not in self._finishing):
            if self._ends.too_many():
                self._useless = True
            else:
                self._start_again(name, f"its process ended with exit code {code}")

    def _start_again(self, name: str, why: str) -> None:
        self.workers[name].join()
        self._said.again(name, why)
        self.workers[name] = self._make[name]()
        if name in self._finishing:
            self.workers[name].finish()


def _told_early() -> RunError:
    return RunError("told to stop before all had caught up", hint=_GO_ON)
