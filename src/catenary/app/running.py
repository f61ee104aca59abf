"""Stages run together: in threads of this process, or each in a process of its own.

Stages that finish do so children first: a child may still wait for what its parent has to commit.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from catenary.app.workers import Worker
from catenary.errors import CatenaryError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary.app.live import Live
    from catenary.plan import GroupByNode
    from catenary.stream.stage import Stage

_LOOK_S = 0.05


class Here:
    """Stages in threads of this process.

    Args:
        live: the project's live half.
        nodes: what runs, parents first.
        group: of copies, which divides each stage's partitions; None if there is one copy.
    """

    def __init__(
        self, live: Live, nodes: Sequence[GroupByNode], *, group: str | None = None
    ) -> None:
        self.stages: dict[str, Stage] = {node.name: live.stage(node, group=group) for node in nodes}
        self.failed: CatenaryError | None = None
        self._stopped = threading.Event()
        self._finishing = {node.name: threading.Event() for node in nodes}
        self._threads = {
            node.name: threading.Thread(target=self._run, args=(node.name,), name=node.name)
            for node in nodes
        }

    def start(self) -> None:
        """Start them all."""
        for thread in self._threads.values():
            thread.start()

    def finish(self) -> None:
        """Stop each once nothing is queued and its children have stopped; wait for that."""
        for name in reversed(self._threads):
            self._finishing[name].set()
            while self._threads[name].is_alive():
                self._threads[name].join(_LOOK_S)
        self._raise()

    def stop(self) -> None:
        """Stop each after the batch at hand, and wait."""
        self._stopped.set()
        for thread in self._threads.values():
            thread.join()
        self._raise()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Run until told to stop, or until a stage fails."""
        while not stopped() and self.failed is None:
            time.sleep(_LOOK_S)
        self.stop()

    def _raise(self) -> None:
        if self.failed is not None:
            raise self.failed

    def _run(self, name: str) -> None:
        try:
            self.stages[name].run(self._stopped.is_set, self._finishing[name].is_set)
        except CatenaryError as error:
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
            time.sleep(_LOOK_S)
        self.stop()

    def _check(self, worker: Worker, code: int) -> None:
        if code:
            problem = worker.complaint.strip() or f"it ended with exit code {code}"
            raise RunError(f"the stage of {worker.name} failed: {problem}")
