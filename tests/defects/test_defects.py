"""The suite notices mistakes: each planted one makes the tests fail that are to catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.defects.plants import Edit, defects

ROOT = Path(__file__).resolve().parents[2]
PLANTED = defects()
CATCHING = "tests/rules"
CATCHING_STREAMS = "tests/property/test_fixed_worlds.py"
# What makes no value wrong shows beside the model alone: five schedules of each kind.
CATCHING_STAGES = "tests/property/test_stage_against_model.py"
EXAMPLES = "85"

pytestmark = pytest.mark.defects


def copied(folder: Path) -> Path:
    """A copy of the package, compiled modules included."""
    package = folder / "src" / "catenary"
    shutil.copytree(
        ROOT / "src" / "catenary", package, ignore=shutil.ignore_patterns("__pycache__", "*.c")
    )
    return package


def run(package: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """The tests that must notice, over the copy; they stop at the first failure."""
    # The copy goes first on the path, before an installed package and before the clone's own.
    code = (
        "import sys, pytest, catenary; "
        f"assert catenary.__file__.startswith({str(package)!r}), catenary.__file__; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    arguments = ["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", tests]
    paths = os.pathsep.join([str(package.parent), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "PYTHONDONTWRITEBYTECODE": "1",
            "CATENARY_TEST_EXAMPLES": EXAMPLES,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def catching(name: str) -> str:
    by_kind = {"stream": CATCHING_STREAMS, "stage": CATCHING_STAGES}
    return by_kind.get(name.partition("_")[0], CATCHING)


@pytest.mark.parametrize("tests", [CATCHING, CATCHING_STREAMS, CATCHING_STAGES])
def test_the_package_without_a_defect_passes(tests: str, tmp_path: Path) -> None:
    done = run(copied(tmp_path), tests)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_there_are_at_least_ten() -> None:
    streams = [name for name in PLANTED if catching(name) != CATCHING]
    assert len(streams) >= 10
    assert len(PLANTED) - len(streams) >= 10
    assert all(PLANTED.values())


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_caught(name: str, tmp_path: Path) -> None:
    package = copied(tmp_path)
    edits: list[Edit] = PLANTED[name]
    for edit in edits:
        edit.plant(package)
    done = run(package, catching(name))
    # 1 is pytest's word for failed tests; anything else would be a broken plant, not a catch.
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    assert "AssertionError" in done.stdout or "differences" in done.stdout, done.stdout[-3000:]
