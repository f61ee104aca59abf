"""What a changed definition leaves: it answers those who began before, is listed, and goes when asked to."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.shop import LATER, begun, facts, published, refusal

from catenary.app.live import Live
from catenary.cli.main import main
from catenary.state.layouts import dataset_name
from catenary.state.records import readers_of
from catenary.windows import parse_instant

if TYPE_CHECKING:
    from pathlib import Path

UPLOAD = ("upload", "--ds", "2024-01-21", "--frontier", "shop/orders/0:0")
STREAM = ("stream", "--all", "--until-caught-up")
LONGER = ('Operation.MAX, windows="1d"', 'Operation.MAX, windows="2d"')
AT = parse_instant(LATER)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The sample, uploaded and streamed."""
    found = begun(tmp_path)
    facts(capsys, found, *UPLOAD)
    published(capsys, found)
    facts(capsys, found, *STREAM)
    return found


def change(project: Path, before: str, after: str) -> None:
    features = project / "features.py"
    text = features.read_text()
    assert before in text
    features.write_text(text.replace(before, after))
    sys.modules.pop("features", None)  # as another process would find it


def old(capsys: pytest.CaptureFixture[str], project: Path) -> list[str]:
    listed = facts(capsys, project, "status")["old"]
    assert all(each["positions"] == {"shop/orders/0": 1} for each in listed)
    return [each["dataset"] for each in listed]


def test_who_began_before_goes_on_with_the_old_version_while_the_new_one_is_built(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Live.open(project) as before:
        assert (
            before.fetcher.fetch("customer_spend", {"customer": "ann"}, at=AT).amount_sum_1d == 10.5
        )
        change(project, "LAST_K(3)", "LAST_K(4)")
        assert len(old(capsys, project)) == 2, "with what is chained on it"
        facts(capsys, project, *UPLOAD)
        facts(capsys, project, *STREAM)
        row = before.fetcher.fetch("customer_spend", {"customer": "ann"}, at=AT)
        assert (row.amount_last3, row.status) == ([10.5], "ok")
    with Live.open(project) as after:
        row = after.fetcher.fetch("customer_spend", {"customer": "ann"}, at=AT)
        assert (row.amount_last4, row.status) == ([10.5], "ok")


def test_an_old_dataset_is_removed_with_its_hold_on_what_it_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old(capsys, project) == []
    change(project, *LONGER)
    (name,) = old(capsys, project)
    assert name.startswith("shop_clients@")

    def holding() -> set[str]:
        with Live.open(project) as live:
            dataset = live.store.dataset(dataset_name(live.group_by("customer_spend")))
            assert dataset is not None
            with dataset.snapshot() as snapshot:
                return set(readers_of(snapshot)[0].held)

    assert name in holding()
    assert facts(capsys, project, "remove", name)["removed"][name] > 5
    assert name not in holding()
    assert old(capsys, project) == []
    with Live.open(project) as live:
        dataset = live.store.dataset(name)
        assert dataset is not None
        with dataset.snapshot() as snapshot:
            assert list(snapshot.walk()(b"")) == []


def test_status_tells_two_versions_of_a_child_apart(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def holders() -> list[str]:
        capsys.readouterr()
        assert main(["status", "--root", str(project)]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.split()[5].rstrip(",") for line in lines if "the head is held by" in line]

    assert holders() == ["shop_clients"]
    change(project, *LONGER)
    (before,) = old(capsys, project)
    facts(capsys, project, *STREAM)
    assert len(holders()) == len(set(holders())) == 2
    assert before in holders()


def test_a_change_that_is_taken_back_has_lost_nothing_unless_it_was_removed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("fetch", "shop_clients", "--key", "shop=north", "--at", LATER)
    before = facts(capsys, project, *ask)
    assert before["status"] == "ok"
    change(project, *LONGER)
    (name,) = old(capsys, project)
    change(project, *reversed(LONGER))
    assert facts(capsys, project, *ask) == before
    assert "as it is defined now" in refusal(capsys, project, "remove", name)["problem"]
    facts(capsys, project, "remove", "--current", name)
    assert facts(capsys, project, *ask)["status"] == "missing_upload"
    facts(capsys, project, *UPLOAD)
    facts(capsys, project, *STREAM)
    assert facts(capsys, project, *ask) == before


def test_dead_letters_of_a_definition_as_it_was_are_counted_listed_and_said_when_they_go(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Live.open(project) as live:
        live.log.append("shop/orders", [b"{", b"]"])
    facts(capsys, project, *STREAM)
    change(project, *LONGER)
    (listed,) = facts(capsys, project, "status")["old"]
    name = listed["dataset"]
    assert listed["dead_letters"] == 2
    words = ("dead-letters", name)
    assert [each["offset"] for each in facts(capsys, project, *words)[name]] == [1, 2]
    assert "run no more" in refusal(capsys, project, *words, "--replay")["problem"]
    facts(capsys, project, *words, "--dismiss", "shop/orders/0:1")
    assert facts(capsys, project, "remove", name)["dead_letters"] == {name: 1}
    assert "has no dataset" in refusal(capsys, project, *words)["problem"]
    assert name not in refusal(capsys, project, "remove", name)["hint"]


def test_what_is_not_there_is_named_with_the_nearest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project, *LONGER)
    (name,) = old(capsys, project)
    error = refusal(capsys, project, "remove", name[:-1])
    assert error["hint"] == f"did you mean {name!r}?"


def test_a_dataset_is_not_removed_from_under_a_stage_that_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (sys.executable, "-m", "catenary", "stream", "--all", "--root", str(project))
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stream:
        try:
            while not all(
                each["lanes"][0]["owner"].startswith(f"process {stream.pid} ")
                for each in facts(capsys, project, "status")["stages"]
            ):
                assert stream.poll() is None
            change(project, *LONGER)
            (name,) = old(capsys, project)
            assert refusal(capsys, project, "remove", name)["hint"] == "stop it first"
        finally:
            stream.terminate()
    facts(capsys, project, "remove", name)
    assert old(capsys, project) == []
