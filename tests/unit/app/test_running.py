"""Stages run together: told to stop they stop, whatever they wait for; one that fails ends them all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.shop import begun, published

from catenary.app.live import Live
from catenary.app.running import Apart, Here
from catenary.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Live]:
    folder = begun(tmp_path)
    published(capsys, folder)
    with Live.open(folder) as found:
        yield found


def child(live: Live) -> list[object]:
    """The chain's last stage alone: it waits for a parent that nobody runs."""
    return [live.group_by("shop_clients")]


@pytest.mark.parametrize("apart", [False, True], ids=["in a thread", "in a process"])
def test_stages_that_are_to_catch_up_and_cannot_are_stopped_and_say_so(
    live: Live, *, apart: bool
) -> None:
    group = (Apart if apart else Here)(live, child(live))  # type: ignore[arg-type]
    if isinstance(group, Here):
        group.start()
    told = threading.Event()
    timer = threading.Timer(1.0, told.set)
    timer.start()
    with pytest.raises(RunError, match="told to stop before all had caught up"):
        group.finish(told.is_set)
    timer.join()


def test_where_one_process_was_killed_those_that_are_chained_on_it_are_not_waited_for(
    live: Live,
) -> None:
    group = Apart(live, live.stages)
    group.workers["customer_spend"].kill()
    with pytest.raises(RunError, match="customer_spend failed: it ended with exit code -9"):
        group.finish()
    assert not any(worker.running for worker in group.workers.values())


def test_a_mistake_in_a_thread_ends_all_stages_and_is_raised(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> bool:
        raise ZeroDivisionError

    group = Here(live, live.stages)
    monkeypatch.setattr(group.stages["customer_spend"], "step", wrong)
    group.start()
    with pytest.raises(ZeroDivisionError):
        group.wait(lambda: False)


def test_what_a_stage_waits_for_is_told_once_it_has_waited_for_a_while(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("catenary.app.running._WORTH_TELLING_S", 0.2)
    group = Here(live, child(live))  # type: ignore[arg-type]
    group.start()
    group.wait(lambda: any("shop_clients waits: " in each for each in caplog.messages))
    told = [each for each in caplog.messages if " waits: " in each]
    assert len(told) == 1
    assert "customer_spend" in told[0]
