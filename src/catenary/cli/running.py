"""What verbs that run stages share: how they are told to stop, and what is said of them in the end."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from catenary.cli.console import emit, say
from catenary.plan.printing import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.app.running import Apart, Here


def told_to_stop() -> threading.Event:
    """What SIGTERM and Ctrl-C set."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def ran(
    group: Here | Apart, stopped: threading.Event, *, until_caught_up: bool
) -> list[dict[str, Any]]:
    """Run stages to the end; what each says of itself then."""
    from catenary.app.running import Apart

    if until_caught_up:
        group.finish(stopped.is_set)
    else:
        group.wait(stopped.is_set)
    if isinstance(group, Apart):
        return [worker.facts for worker in group.workers.values()]
    return [stage.status.facts() for stage in group.stages.values()]


def report(facts: Sequence[dict[str, Any]], *, json: bool) -> None:
    """Say what stages did."""
    if json:
        emit({"stages": list(facts)})
        return
    for each in facts:
        batches = counted(each.get("batches", 0), "batch", "batches")
        say(
            f"  {each.get('stage')}: {counted(each.get('rows', 0), 'row')} in {batches},"
            f" {each.get('dead_letters', 0):,} set aside"
        )
