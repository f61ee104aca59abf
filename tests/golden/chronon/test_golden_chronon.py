"""The golden definitions are what Chronon's compiler writes, where that is there: `make chronon`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYTHON = Path(__file__).parents[3] / "build" / "chronon" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="`make chronon` makes the environment")
def test_chronons_compiler_writes_the_golden_files(tmp_path: Path) -> None:
    made = tmp_path / "production"
    words = [str(PYTHON), str(HERE / "make_golden.py"), str(made)]
    subprocess.run(words, check=True, capture_output=True)
    assert texts(made) == texts(HERE / "production")


def texts(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }
