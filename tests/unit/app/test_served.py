"""A version is answered until the next has its positions and its uploads, and then by all servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.app.test_versions import LONGER, STREAM, UPLOAD, change
from tests.unit.cli.shop import begun, facts, published

from catenary.app.live import Live
from catenary.app.served import DATASET, VERSION, Record, Served
from catenary.app.versions import remove
from catenary.state.records import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The sample, uploaded, streamed and served; then one feature of shops is another."""
    found = begun(tmp_path)
    facts(capsys, found, *UPLOAD)
    published(capsys, found)
    facts(capsys, found, *STREAM)
    with Live.open(found) as live:
        assert [Served(live).before(node) for node in live.plan.nodes] == [None] * 4
    change(found, *LONGER)
    return found


def opened(project: Path) -> AbstractContextManager[Live]:
    return Live.open(project)


def as_it_was(project: Path) -> Iterator[str]:
    """The names that are answered as they were."""
    with opened(project) as live:
        versions = Served(live)
        for node in live.plan.nodes:
            old = versions.before(node)
            if old is not None:
                assert old.node.fingerprint != node.fingerprint
                yield node.name


def test_what_has_not_changed_is_answered_as_it_is(project: Path) -> None:
    assert list(as_it_was(project)) == ["shop_clients", "return_risk"]


def test_a_version_has_caught_up_with_positions_and_uploads_not_with_one_of_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, "upload", "--ds", "2024-01-20", "--frontier", "shop/orders/0:0")
    assert len(list(as_it_was(project))) == 2, "neither"
    facts(capsys, project, *STREAM)
    assert len(list(as_it_was(project))) == 2, "its upload is older"
    facts(capsys, project, *UPLOAD)
    facts(capsys, project, *STREAM)
    assert list(as_it_was(project)) == []
    change(project, *reversed(LONGER))
    assert list(as_it_was(project)) == [], "what it was has as much"


def test_what_is_uploaded_but_not_streamed_has_not_caught_up(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, *UPLOAD)
    assert list(as_it_was(project)) == ["shop_clients", "return_risk"]


def test_a_version_whose_data_were_removed_or_that_cannot_be_read_is_not_answered(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old,) = facts(capsys, project, "status")["old"]
    with opened(project) as live:
        dataset = live.store.dataset(DATASET)
        assert dataset is not None
        dataset.commit({}, [(VERSION + b"return_risk", pack(Record("f00", b"{}")))])
        assert Served(live).before(live.plan.node("return_risk")) is None
        assert Served(live).before(live.plan.node("shop_clients")) is not None
        remove(live, old["dataset"])
        assert Served(live).before(live.plan.node("shop_clients")) is None
