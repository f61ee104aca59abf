"""What the tests of the live verbs share: the sample project, an order after its last day, what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catenary.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOON = 1_705_917_600_000  # 2024-01-22T10:00:00Z, the day after the sample's last
ORDER = {
    "order_id": 9999,
    "customer": "ann",
    "shop": "north",
    "amount": 10.5,
    "returned": False,
    "placed_at": NOON,
}
LATER = "2024-01-22T10:00:00.001Z"


def begun(tmp_path: Path) -> Path:
    """The sample project, anew."""
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> tuple[int, str]:
    """The exit code, and what was printed for programs."""
    capsys.readouterr()
    code = main([*words, "--root", str(project), "--json"])
    return code, capsys.readouterr().out


def facts(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> dict[str, Any]:
    """The object that a command prints which succeeds."""
    code, out = said(capsys, project, *words)
    assert code == 0, out
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def published(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> str:
    """The token of one more order on the sample's topic."""
    file = project / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    return str(facts(capsys, project, "publish", "shop/orders", str(file), *words)["token"])


def refusal(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> dict[str, Any]:
    """The error that a command prints which fails."""
    code, out = said(capsys, project, *words)
    assert code == 1
    error: dict[str, Any] = json.loads(out.splitlines()[-1])["error"]
    return error
