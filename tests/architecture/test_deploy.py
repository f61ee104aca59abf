"""What is deployed is what the command line has, and what the page on operations lists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from catenary.app.settings import names
from catenary.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text()


@pytest.mark.parametrize("command", re.findall(r"command: (catenary .*)", COMPOSE))
def test_the_composed_commands_and_their_options_exist(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, verb, *words = shlex.split(command)
    assert main([verb, "--help"]) == 0
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {word for word in words if word.startswith("--")} <= options


def test_the_composed_variables_are_settings() -> None:
    variables = re.findall(r"CATENARY_(\w+):", COMPOSE)
    assert variables
    assert {each.lower() for each in variables} <= set(names())
