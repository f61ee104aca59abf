"""Stages in processes of their own: what a process needs is a spec's bytes and an opener's dotted name.

    parent ──spawn──► python -m catenary.app.workers OPENER ──stdin──► spec, children, partitions
           ◄─stdout── one line of JSON per second: what the stage says of itself

The opener is a function of the topics' addresses that gives a log and a store; `of_project` opens those of
the project in the current folder. A worker stops when its stdin closes or it is told SIGTERM: after the
batch at hand is committed. The word `finish` makes it stop once nothing is queued.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from catenary.app.live import addresses, open_stage
from catenary.app.logs import open_log
from catenary.app.schemas import ProjectSchemas
from catenary.app.settings import Settings
from catenary.app.spans import Spans, traced_stage
from catenary.app.wiring import open_store
from catenary.errors import CatenaryError, FencedError
from catenary.plan.stage import StageSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from catenary.ports import Log, SourcePartition, Store

FENCED = 3
"""The exit code of one whose stage was taken over."""
OF_PROJECT = "catenary.app.workers:of_project"
_TELL_S = 0.5


def of_project(topics: Collection[str]) -> tuple[Log, Store]:
    """The log and the store of the project in the current folder."""
    settings = Settings.load()
    return open_log(settings, topics), open_store(settings)


def opened(name: str, topics: Collection[str]) -> tuple[Log, Store]:
    """What the opener of that dotted name gives for topics of these addresses."""
    module, _, function = name.partition(":")
    found = getattr(import_module(module), function)
    return cast("Callable[[Collection[str]], tuple[Log, Store]]", found)(topics)


class Worker:
    """A stage in a process of its own.

    Args:
        spec: what it computes.
        siblings: specs of the streamed GroupBys that may be chained on it.
        opener: dotted name of what opens log and store there.
        folder: where it runs; for `of_project`, the project's folder.
        owned: its source partitions; None for all.
        group: of copies, which divides them while they run; None for no group.
        settings: of the project, passed on through the environment.
    """

    def __init__(
        self,
        spec: StageSpec,
        siblings: Sequence[StageSpec],
        *,
        opener: str = OF_PROJECT,
        folder: Path = Path(),
        owned: Sequence[SourcePartition] | None = None,
        group: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.name = spec.target
        self.facts: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "catenary.app.workers", opener],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **_environment(settings)},
        )
        order = {
            "spec": spec.encode().hex(),
            "siblings": [each.encode().hex() for each in siblings],
            "owned": None if owned is None else [list(each) for each in owned],
            "group": group,
        }
        self._tell(json.dumps(order))
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=work, args=(pipe,), daemon=True)
            for work, pipe in (
                (self._listen, self._process.stdout),
                (self._complain, self._process.stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code, below 0 for a signal; None while it runs."""
        return self._process.poll()

    @property
    def complaint(self) -> str:
        """What it said on stderr."""
        return "".join(self._errors)

    def finish(self) -> None:
        """Ask it to stop once nothing is queued."""
        self._tell("finish")

    def _tell(self, words: str) -> None:
        """Say something to it; if it has ended, its exit code and what it complained of say more."""
        stdin = self._process.stdin
        with suppress(BrokenPipeError):
            if stdin is not None and not stdin.closed:
                stdin.write(words.encode() + b"\n")
                stdin.flush()

    def stop(self, timeout_s: float = 30.0) -> int:
        """Ask it to stop after the batch at hand, and wait; end it if that takes too long.

        Returns:
            Its exit code.
        """
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            return self.join(timeout_s)
        except subprocess.TimeoutExpired:
            self._errors.append(
                f"it did not stop within {timeout_s:g} s and was killed; nothing is lost by that"
            )
            self._process.kill()
            return self.join()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.join()

    def join(self, timeout_s: float | None = None) -> int:
        """Wait for its end."""
        code = self._process.wait(timeout_s)
        for thread in self._threads:
            thread.join(1.0)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        return code

    def _listen(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self.facts = json.loads(line)

    def _complain(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._errors.append(line.decode(errors="replace"))


def _environment(settings: Settings | None) -> dict[str, str]:
    """The settings that decide where log and store are, as absolute paths or addresses.

    Modules that register functions lie beside the definitions, which is where they are looked for.
    """
    if settings is None:
        return {}
    held = settings.path("definitions").resolve()
    folders = [str(held if held.is_dir() else held.parent), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(each for each in folders if each),
        "CATENARY_LOG": settings.place("log"),
        "CATENARY_KAFKA_CONFIG": settings.kafka_config and settings.place("kafka_config"),
        "CATENARY_STORE": settings.place("store"),
        "CATENARY_DURABILITY": settings.durability,
        "CATENARY_REGISTRY": settings.registry,
        "CATENARY_TRACES": settings.traces,
    }


def main(argv: Sequence[str]) -> int:
    """Run one stage until told to stop."""
    order = json.loads(sys.stdin.readline())
    spec = StageSpec.decode(bytes.fromhex(order["spec"]))
    siblings = [StageSpec.decode(bytes.fromhex(each)).node() for each in order["siblings"]]
    owned = None if order["owned"] is None else [_place(each) for each in order["owned"]]
    stopped, finishing, code = threading.Event(), threading.Event(), 0
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and tells us
    threading.Thread(target=_obey, args=(stopped, finishing), daemon=True).start()
    try:
        log, store = opened(argv[0], addresses([spec.node(), *siblings]))
        settings = Settings.load()
        spans = Spans(settings.traces, "catenary stream") if settings.traces else None
        made = partial(
            open_stage,
            spec,
            log,
            store,
            siblings,
            owned=owned,
            group=order["group"],
            schemas=ProjectSchemas(settings),
        )
        stage = traced_stage(spans, made, spec.node())
        # What was made so far stays: a full collection of it would hold a batch up for long.
        gc.freeze()
        teller = threading.Thread(target=_tell, args=(stage, stopped), daemon=True)
        teller.start()
        try:
            stage.run(stopped.is_set, finishing.is_set)
        except FencedError:  # what it says of itself has by whom
            code = FENCED
        if spans is not None:
            spans.close()
    except CatenaryError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        stopped.set()
    sys.stdout.write(json.dumps(stage.status.facts()) + "\n")
    sys.stdout.flush()
    return code


def _place(pair: list[Any]) -> SourcePartition:
    from catenary.ports import SourcePartition

    return SourcePartition(str(pair[0]), int(pair[1]))


def _obey(stopped: threading.Event, finishing: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "finish":
            finishing.set()
    stopped.set()


def _tell(stage: Any, stopped: threading.Event) -> None:
    while not stopped.wait(_TELL_S):
        sys.stdout.write(json.dumps(stage.status.facts()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
