"""Logs that are made here begin with incarnation 0, so that what raises it can be told."""

import pytest


@pytest.fixture(autouse=True)
def _first_incarnation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenary.logs.embedded.end.new_incarnation", lambda: 0)
