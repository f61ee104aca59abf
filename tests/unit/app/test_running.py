"""Stages run together: told to stop they stop, whatever they wait for; one that fails ends them all."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.app.test_versions import LONGER, change
from tests.unit.cli.shop import begun, published

from catenary.app.live import Live
from catenary.app.lost import Lost
from catenary.app.running import Apart, Here
from catenary.app.versions import remove
from catenary.errors import FencedError, RunError
from catenary.logs.embedded import EmbeddedLog
from catenary.ports import SourcePartition
from catenary.state.layouts import dataset_name
from catenary.state.records import FORMAT, FORMAT_KEY, Format, lanes_of, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


def test_a_process_that_is_killed_is_started_again_and_all_catch_up(live: Live) -> None:
    group = Apart(live, live.stages)
    os.kill(group.workers["customer_spend"].pid, signal.SIGKILL)
    group.finish()
    assert [each.facts["rows"] for each in group.workers.values()] == [1, 1]


def test_processes_that_are_killed_again_and_again_end_all_others(live: Live) -> None:
    group = Apart(live, live.stages)
    killed: set[int] = set()

    def kill() -> bool:
        pid = group.workers["customer_spend"].pid
        if pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return False

    with pytest.raises(
        RunError, match=r"exit code -9\n.*\n?5 processes .* ended within 60 s"
    ) as told:
        group.wait(kill)
    assert len(killed) == 5
    assert "run it again" in str(told.value)
    assert not any(worker.running for worker in group.workers.values())


def test_an_error_in_a_process_ends_all_others_at_once(live: Live) -> None:
    dataset = live.store.dataset(dataset_name(live.group_by("customer_spend")), create=True)
    assert dataset is not None
    dataset.commit({}, [(FORMAT_KEY, pack(Format(FORMAT, "another")))])
    with pytest.raises(RunError, match="the stage of customer_spend failed: UnreadableError"):
        Apart(live, live.stages).wait(lambda: False)


class Divided:
    """Says what a copy owns, as a group would."""

    def __init__(self) -> None:
        self.number, self.owned = 1, frozenset[SourcePartition]()

    def assigned(self) -> tuple[int, frozenset[SourcePartition]]:
        return self.number, self.owned

    def close(self) -> None:
        """Leave no group."""

    def give(self, *owned: SourcePartition) -> None:
        self.owned = frozenset(owned)
        self.number += 1


def test_partitions_that_a_group_gives_and_takes_are_told(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "catenary")
    (place,) = live.log.partitions("shop/orders")
    divided = Divided()
    monkeypatch.setattr(EmbeddedLog, "join", lambda *_: divided)
    group = Here(live, [live.group_by("customer_spend")], group="copies")
    group.start()
    divided.give(place)
    until_s = time.monotonic() + 30

    def both() -> bool:
        if "customer_spend takes shop/orders/0" in caplog.messages and divided.owned:
            divided.give()
        told = "customer_spend lets go of shop/orders/0" in caplog.messages
        return told or time.monotonic() > until_s

    group.wait(both)
    told = [each for each in caplog.messages if "shop/orders/0" in each]
    assert told == [
        "customer_spend takes shop/orders/0",
        "customer_spend lets go of shop/orders/0",
    ]


def test_partitions_of_a_stage_in_a_process_are_told(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "catenary")
    group = Apart(live, [live.group_by("customer_spend")])
    until_s = time.monotonic() + 30
    told = "customer_spend takes shop/orders/0"
    group.wait(lambda: told in caplog.messages or time.monotonic() > until_s)
    assert told in caplog.messages


# Taken over.


def positions(live: Live, name: str) -> list[int]:
    dataset = live.store.dataset(dataset_name(live.group_by(name)))
    if dataset is None:
        return []
    with dataset.snapshot() as snapshot:
        return [lane.position for lane in lanes_of(snapshot).values()]


def until(ready: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_the_old_version_is_streamed_on_while_the_new_one_runs_the_stage_that_they_share(
    live: Live,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catenary.app.lost._SILENCE_S", 4.0)
    folder = live.project.settings.root
    old = Here(live, live.stages)
    old.start()
    until(lambda: positions(live, "shop_clients") == [1])
    change(folder, *LONGER)
    with Live.open(folder) as after:
        assert dataset_name(after.group_by("shop_clients")) != dataset_name(
            live.group_by("shop_clients")
        )
        new = Here(after, after.stages)
        new.start()
        until(lambda: bool(old.gone))
        published(capsys, folder)
        until(lambda: positions(live, "shop_clients") == positions(after, "shop_clients") == [2])
        assert (old.gone, old.failed, new.gone) == (["customer_spend"], None, [])
        said = old.stages["customer_spend"].status.facts()["taken_over"]
        assert "shop/orders/0 was taken over by process" in str(said)
        assert sum("the other stages here go on" in each for each in caplog.messages) == 1
        new.stop()
    # Who took it over is silent: nobody is to be left without a stage.
    published(capsys, folder)
    until(lambda: positions(live, "shop_clients") == [3])
    assert old.gone == []
    assert old.stages["customer_spend"].status.facts()["taken_over"] == ""
    old.stop()


def test_where_all_stages_were_taken_over_the_former_copy_ends(live: Live) -> None:
    former = Here(live, live.stages)
    former.start()
    until(lambda: bool(positions(live, "shop_clients")))
    with Live.open(live.project.settings.root) as other:
        later = Here(other, other.stages)
        later.start()
        with pytest.raises(FencedError, match="was taken over by process"):
            former.wait(lambda: False)
        later.finish()


def test_a_process_whose_stage_was_taken_over_ends_and_the_others_go_on(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    group = Apart(live, live.stages)
    until(lambda: positions(live, "shop_clients") == [1])
    with Live.open(live.project.settings.root) as other:
        (stage,) = Here(other, [other.group_by("customer_spend")]).stages.values()
        stage.take()
        published(capsys, live.project.settings.root)
        stage.run(lambda: False, lambda: True)
    group.wait(lambda: positions(live, "shop_clients") == [2])
    facts = {name: worker.facts for name, worker in group.workers.items()}
    assert "was taken over by process" in facts["customer_spend"]["taken_over"]
    assert facts["shop_clients"]["taken_over"] == ""


def test_a_stage_whose_lanes_were_removed_is_nobodys_to_take(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenary.app.lost._SILENCE_S", 0.0)
    monkeypatch.setattr("catenary.app.lost._LOOKED_EVERY_S", 0.0)
    node = live.group_by("customer_spend")
    Here(live, [node]).stages["customer_spend"].take()
    lost = Lost(live, node, 1)
    assert lost.is_left()
    remove(live, dataset_name(node), current=True)
    assert not lost.is_left()


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
