"""What starts fast stays fast: heavy libraries are loaded by what needs them, not by a mere import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pyarrow", "polars", "pandas", "sqlglot", "duckdb", "typer", "rich", "pyspark")
ARROW = ("numpy", "pyarrow", "polars", "pandas", "duckdb", "typer", "rich", "pyspark")

LIGHT = {
    "catenary": HEAVY,
    "catenary.errors": HEAVY,
    "catenary.schema": HEAVY,
    "catenary.windows": HEAVY,
    "catenary.definitions": HEAVY,
    "catenary.aggregate.feature": HEAVY,
    "catenary.aggregate.registry": HEAVY,
    "catenary.cli": HEAVY,
    "catenary.interop": HEAVY,
    "catenary.plan": ARROW,  # planning parses expressions, and needs no data
    "catenary.expressions": ARROW,
}


def loaded_by(statement: str) -> set[str]:
    """Names in `sys.modules` after a fresh interpreter has run a statement."""
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # a process of its own, so that nothing is loaded already
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_room_loads_no_heavy_library(module: str) -> None:
    assert loaded_by(f"import {module}") & set(LIGHT[module]) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_commands_help_loads_no_heavy_library(arguments: list[str]) -> None:
    ran = f"from catenary.cli import main\nmain({arguments!r})"
    assert loaded_by(ran) & set(HEAVY) == set()
